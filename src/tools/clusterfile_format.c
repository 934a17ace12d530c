/* SPDX-License-Identifier: MIT */
/* Writing a cluster's shape as YAML. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/clusterfile.h"

bool clusterfile_setting_is_configuration(const char *key)
{
    static const char *const names[] = {"skip_devcount",    "skip_mkcol",   "case_sensitive_list_keys",
                                        "memcache_servers", "memcache_ttl", "internal_queue_limit",
                                        "network_zones",    "fsck_checksum"};
    static const char *const prefixes[] = {"slave_", "queue_", "zone_"};
    if (strcmp(key, "slave_version") == 0) /* counts changes; the tracker keeps it */
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], key) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (span_starts(span_of(key), prefixes[i]))
            return true;
    }
    return false;
}

/* Plain where nobody could read anything else in it, else in double quotes. */
static void append_text(struct buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./()-";
    bool is_word = strcmp(text, "null") == 0 || text[0] == '-' || text[0] == '\0';
    if (!is_word && strspn(text, plain) == strlen(text)) {
        buf_str(out, text);
        return;
    }
    buf_char(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_char(out, (char)c);
    }
    buf_char(out, '"');
}

static void append_pair(struct buf *out, const char *indent, const char *key, const char *value)
{
    buf_printf(out, "%s%s: ", indent, key);
    append_text(out, value);
    buf_char(out, '\n');
}

static void append_devices(struct buf *out, const struct cluster *c, uint64_t hostid)
{
    bool any = false;
    for (size_t i = 0; i < c->n_devices; i++) {
        const struct cluster_device *d = &c->devices[i];
        if (d->hostid != hostid)
            continue;
        if (!any)
            buf_str(out, "    devices:\n");
        any = true;
        buf_printf(out, "      %" PRIu64 ": {status: %s, weight: %" PRId64 "}\n", d->devid, d->status, d->weight);
    }
}

static void append_hosts(struct buf *out, const struct cluster *c)
{
    buf_str(out, c->n_hosts ? "hosts:\n" : "hosts: {}\n");
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct cluster_host *h = &c->hosts[i];
        buf_str(out, "  ");
        append_text(out, h->name);
        buf_str(out, ":\n");
        append_pair(out, "    ", "ip", h->ip);
        buf_printf(out, "    port: %" PRIu64 "\n", h->port);
        if (h->get_port)
            buf_printf(out, "    getport: %" PRIu64 "\n", h->get_port);
        if (h->altip[0])
            append_pair(out, "    ", "altip", h->altip);
        if (h->altmask[0])
            append_pair(out, "    ", "altmask", h->altmask);
        append_pair(out, "    ", "status", h->status);
        append_devices(out, c, h->hostid);
    }
}

static void append_domains(struct buf *out, const struct cluster *c)
{
    buf_str(out, c->n_domains ? "domains:\n" : "domains: {}\n");
    for (size_t i = 0; i < c->n_domains; i++) {
        const struct cluster_domain *d = &c->domains[i];
        buf_str(out, "  ");
        append_text(out, d->name);
        buf_str(out, ":\n    classes:\n");
        for (size_t j = 0; j < d->n_classes; j++) {
            const struct cluster_class *cl = &d->classes[j];
            buf_str(out, "      ");
            append_text(out, cl->name);
            buf_printf(out, ":\n        mindevcount: %" PRIu64 "\n", cl->mindevcount);
            /* Old trackers do not tell these. */
            if (cl->replpolicy[0])
                append_pair(out, "        ", "replpolicy", cl->replpolicy);
            if (cl->hashtype[0])
                append_pair(out, "        ", "hashtype", cl->hashtype);
        }
    }
}

static void append_settings(struct buf *out, const struct cluster *c)
{
    bool any = false;
    for (size_t i = 0; i < c->n_settings; i++) {
        if (!clusterfile_setting_is_configuration(c->settings[i].key))
            continue;
        if (!any)
            buf_str(out, "settings:\n");
        any = true;
        append_pair(out, "  ", c->settings[i].key, c->settings[i].value);
    }
    if (!any)
        buf_str(out, "settings: {}\n");
}

void clusterfile_format(const struct cluster *c, struct buf *out)
{
    append_hosts(out, c);
    append_domains(out, c);
    append_settings(out, c);
}
