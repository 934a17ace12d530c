/* SPDX-License-Identifier: MIT */
/* The tables of states and rights. */
#include "tracker/cluster/devstate.h"

static const char *const host_words[] = {
    [HOST_ALIVE] = "alive", [HOST_READONLY] = "readonly", [HOST_DOWN] = "down", [HOST_DEAD] = "dead"};
static const char *const device_words[] = {[DEVICE_ALIVE] = "alive",
                                           [DEVICE_READONLY] = "readonly",
                                           [DEVICE_DRAIN] = "drain",
                                           [DEVICE_DOWN] = "down",
                                           [DEVICE_DEAD] = "dead"};
static const struct device_rights rights[] = {
    [DEVICE_ALIVE] = {.read = true, .write = true, .new_files = true, .monitored = true},
    [DEVICE_READONLY] = {.read = true, .monitored = true},
    [DEVICE_DRAIN] = {.read = true, .write = true, .drain = true, .monitored = true},
    [DEVICE_DOWN] = {0},
    [DEVICE_DEAD] = {.dead = true},
};

const struct device_rights *devstate_rights(enum device_status s)
{
    return &rights[s];
}

static bool find_word(const char *const *words, size_t n, struct span word, size_t *at)
{
    for (size_t i = 0; i < n; i++) {
        if (span_is(word, words[i])) {
            *at = i;
            return true;
        }
    }
    return false;
}

bool devstate_parse_host(struct span word, enum host_status *out)
{
    size_t at = 0;
    if (!find_word(host_words, sizeof(host_words) / sizeof(host_words[0]), word, &at))
        return false;
    *out = (enum host_status)at;
    return true;
}

bool devstate_parse_device(struct span word, enum device_status *out)
{
    size_t at = 0;
    if (!find_word(device_words, sizeof(device_words) / sizeof(device_words[0]), word, &at))
        return false;
    *out = (enum device_status)at;
    return true;
}

const char *devstate_host_word(enum host_status s)
{
    return host_words[s];
}

const char *devstate_device_word(enum device_status s)
{
    return device_words[s];
}

const char *devstate_host_seen_word(enum host_seen s)
{
    static const char *const words[] = {
        [HOST_NOT_SEEN] = "", [HOST_REACHABLE] = "reachable", [HOST_UNREACHABLE] = "unreachable"};
    return words[s];
}

const char *devstate_device_seen_word(enum device_seen s)
{
    static const char *const words[] = {[DEVICE_NOT_SEEN] = "",
                                        [DEVICE_WRITEABLE] = "writeable",
                                        [DEVICE_READABLE] = "readable",
                                        [DEVICE_UNREACHABLE] = "unreachable"};
    return words[s];
}
