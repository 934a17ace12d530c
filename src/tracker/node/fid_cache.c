/* SPDX-License-Identifier: MIT */
/* The shared cache over libmemcached. */
#include "tracker/node/fid_cache.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/num.h"

#include <inttypes.h>
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY_MS = 30 * 1000, TIMEOUT_MS = 250, DEAD_FOR_S = 30, KEY_MAX = 250, DEFAULT_TTL_S = 3600 };

struct fid_cache {
    memcached_st *mc; /* NULL: no servers */
    char *servers;    /* the setting that `mc` was made from */
    time_t ttl_s;
    int64_t looked_mono_ms; /* with `servers`: when the setting was looked at */
    int64_t *dead_until_ms; /* of each server: when it may be asked again. The library would wait anew each time */
};

struct fid_cache *fid_cache_new(void)
{
    return mem_calloc(1, sizeof(struct fid_cache));
}

static void disconnect(struct fid_cache *fc)
{
    if (fc->mc != NULL)
        memcached_free(fc->mc);
    free(fc->servers);
    free(fc->dead_until_ms);
    fc->mc = NULL;
    fc->servers = NULL;
    fc->dead_until_ms = NULL;
}

void fid_cache_free(struct fid_cache *fc)
{
    if (fc == NULL)
        return;
    disconnect(fc);
    free(fc);
}

/* Items that do not end in ":<digits>" are skipped, as in the original. */
static void add_server(memcached_st *mc, struct span item)
{
    const char *colon = memrchr(item.ptr, ':', item.len);
    uint64_t port = 0;
    if (colon == NULL || colon == item.ptr ||
        num_parse_u64(span_make(colon + 1, (size_t)(item.ptr + item.len - colon) - 1), 1, UINT16_MAX, &port) != MOG_OK)
        return;
    char *host = mem_strndup(item.ptr, (size_t)(colon - item.ptr));
    (void)memcached_server_add(mc, host, (in_port_t)port);
    free(host);
}

static void connect_to(struct fid_cache *fc, const char *servers)
{
    disconnect(fc);
    fc->servers = mem_strdup(servers);
    memcached_st *mc = memcached_create(NULL);
    if (mc == NULL)
        return;
    struct span rest = span_of(servers), item;
    while (span_split(&rest, ',', &item)) {
        item = span_trim(item);
        if (item.len != 0)
            add_server(mc, item);
    }
    if (memcached_server_count(mc) == 0) {
        memcached_free(mc);
        return;
    }
    (void)memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, TIMEOUT_MS);
    (void)memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, TIMEOUT_MS);
    (void)memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, DEAD_FOR_S);
    (void)memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_SERVER_FAILURE_LIMIT, 1);
    (void)memcached_behavior_set(mc, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    fc->mc = mc;
    fc->dead_until_ms = mem_calloc(memcached_server_count(mc), sizeof(*fc->dead_until_ms));
}

void fid_cache_configure(struct fid_cache *fc, const struct cluster *c)
{
    const char *servers = cluster_setting(c, "memcache_servers");
    if (fc->servers == NULL && servers == NULL)
        return;
    int64_t now = clock_mono_ms();
    if (fc->servers != NULL && now - fc->looked_mono_ms < LOOK_EVERY_MS)
        return;
    fc->looked_mono_ms = now;
    fc->ttl_s = (time_t)cluster_setting_u64(c, "memcache_ttl", DEFAULT_TTL_S);
    if (servers == NULL)
        disconnect(fc);
    else if (fc->servers == NULL || strcmp(servers, fc->servers) != 0)
        connect_to(fc, servers);
}

bool fid_cache_is_on(const struct fid_cache *fc)
{
    return fc->mc != NULL;
}

/* False: memcached's protocol cannot carry this key. */
static bool make_key(char *out, size_t *len, uint32_t dmid, struct span key)
{
    int n = snprintf(out, KEY_MAX + 1, "mogfid:%" PRIu32 ":", dmid);
    if ((size_t)n + key.len > KEY_MAX)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        if (c <= ' ' || c == 0x7f)
            return false;
    }
    if (key.len != 0)
        memcpy(out + n, key.ptr, key.len);
    *len = (size_t)n + key.len;
    return true;
}

/* When the server of this key may be asked; NULL: it was dead a moment ago. */
static int64_t *server_of(struct fid_cache *fc, const char *key, size_t len)
{
    uint32_t at = memcached_generate_hash(fc->mc, key, len);
    if (at >= memcached_server_count(fc->mc) || clock_mono_ms() < fc->dead_until_ms[at])
        return NULL;
    return &fc->dead_until_ms[at];
}

static void note_result(int64_t *server, memcached_return_t rc)
{
    switch (rc) {
    case MEMCACHED_SUCCESS:
    case MEMCACHED_STORED:
    case MEMCACHED_DELETED:
    case MEMCACHED_NOTFOUND:
    case MEMCACHED_NOTSTORED:
    case MEMCACHED_DATA_EXISTS:
    case MEMCACHED_BUFFERED:
    case MEMCACHED_END:
    case MEMCACHED_E2BIG:
    case MEMCACHED_BAD_KEY_PROVIDED:
        break;
    default:
        *server = clock_mono_ms() + DEAD_FOR_S * 1000;
    }
}

static void set(struct fid_cache *fc, const char *key, size_t len, const char *value, size_t value_len)
{
    int64_t *server = server_of(fc, key, len);
    if (server != NULL)
        note_result(server, memcached_set(fc->mc, key, len, value, value_len, fc->ttl_s, 0));
}

static void forget(struct fid_cache *fc, const char *key, size_t len)
{
    int64_t *server = server_of(fc, key, len);
    if (server != NULL)
        note_result(server, memcached_delete(fc->mc, key, len, 0));
}

static char *get(struct fid_cache *fc, const char *key, size_t len, size_t *value_len)
{
    uint32_t flags = 0;
    memcached_return_t rc;
    int64_t *server = server_of(fc, key, len);
    if (server == NULL)
        return NULL;
    char *value = memcached_get(fc->mc, key, len, value_len, &flags, &rc);
    note_result(server, rc);
    if (rc == MEMCACHED_SUCCESS)
        return value;
    free(value);
    return NULL;
}

bool fid_cache_get_fid(struct fid_cache *fc, uint32_t dmid, struct span key, uint64_t *fid)
{
    char name[KEY_MAX + 1];
    size_t len = 0, value_len = 0;
    if (fc->mc == NULL || !make_key(name, &len, dmid, key))
        return false;
    char *value = get(fc, name, len, &value_len);
    bool ok = value != NULL && num_parse_u64(span_make(value, value_len), 1, UINT64_MAX, fid) == MOG_OK;
    free(value);
    return ok;
}

bool fid_cache_get_devids(struct fid_cache *fc, uint64_t fid, uint32_t **devids, size_t *n)
{
    char name[40];
    size_t value_len = 0, cap = 0;
    *devids = NULL;
    *n = 0;
    if (fc->mc == NULL)
        return false;
    int len = snprintf(name, sizeof(name), "mogdevs:%" PRIu64, fid);
    char *value = get(fc, name, (size_t)len, &value_len);
    struct span rest = span_make(value, value_len), part;
    bool ok = value != NULL && value_len != 0;
    while (ok && span_split(&rest, ',', &part)) {
        uint64_t devid = 0;
        ok = num_parse_u64(part, 1, UINT32_MAX, &devid) == MOG_OK;
        *devids = mem_grow(*devids, *n, &cap, sizeof(**devids));
        (*devids)[(*n)++] = (uint32_t)devid;
    }
    free(value);
    if (ok)
        return true;
    free(*devids);
    *devids = NULL;
    *n = 0;
    return false;
}

void fid_cache_set(struct fid_cache *fc, uint32_t dmid, struct span key, uint64_t fid, const uint32_t *devids, size_t n)
{
    char name[KEY_MAX + 1], text[40];
    size_t len = 0;
    if (fc->mc == NULL)
        return;
    if (make_key(name, &len, dmid, key)) {
        int text_len = snprintf(text, sizeof(text), "%" PRIu64, fid);
        set(fc, name, len, text, (size_t)text_len);
    }
    struct buf list = BUF_ZERO;
    for (size_t i = 0; i < n; i++)
        buf_printf(&list, "%s%" PRIu32, i != 0 ? "," : "", devids[i]);
    int name_len = snprintf(name, sizeof(name), "mogdevs:%" PRIu64, fid);
    if (n != 0)
        set(fc, name, (size_t)name_len, list.data, list.len);
    buf_fini(&list);
}

void fid_cache_forget_key(struct fid_cache *fc, uint32_t dmid, struct span key)
{
    char name[KEY_MAX + 1];
    size_t len = 0;
    if (fc->mc != NULL && make_key(name, &len, dmid, key))
        forget(fc, name, len);
}

void fid_cache_forget_devids(struct fid_cache *fc, uint64_t fid)
{
    static const char *const prefixes[] = {"mogdevs", "mogdevids"};
    for (size_t i = 0; fc->mc != NULL && i < 2; i++) {
        char name[40];
        int len = snprintf(name, sizeof(name), "%s:%" PRIu64, prefixes[i], fid);
        forget(fc, name, (size_t)len);
    }
}
