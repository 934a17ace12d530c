/* SPDX-License-Identifier: MIT */
/* Server settings: which can be written, and what values they take. */
#include "tracker/cmd/cmd_list.h"

#include "common/num.h"
#include "store/store_topology.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* What is to be done with a value that was accepted. */
enum setting_action { SETTING_STORE, SETTING_DELETE, SETTING_REFUSE };

typedef enum setting_action setting_fn(struct cmd_ctx *ctx, const struct span *value, struct span *store);

static enum setting_action refuse(struct cmd_ctx *ctx, const char *why)
{
    cmd_errf(ctx, "invalid_format", "%s", why);
    return SETTING_REFUSE;
}

static bool begins(struct span value, const char *word)
{
    size_t len = strlen(word);
    return value.len >= len && strncasecmp(value.ptr, word, len) == 0;
}

static enum setting_action clean_boolean(struct cmd_ctx *ctx, const struct span *value, struct span *store)
{
    static const char *const no[] = {"0", "f", "off", "n"}, *const yes[] = {"1", "t", "on", "y"};
    *store = span_of("0");
    if (value == NULL || !num_perl_true(*value))
        return SETTING_STORE;
    for (size_t i = 0; i < 4; i++) {
        if (begins(*value, no[i]))
            return SETTING_STORE;
    }
    *store = span_of("1");
    for (size_t i = 0; i < 4; i++) {
        if (begins(*value, yes[i]))
            return SETTING_STORE;
    }
    return refuse(ctx, "Unknown format");
}

static enum setting_action clean_any(struct cmd_ctx *ctx, const struct span *value, struct span *store)
{
    (void)ctx;
    if (value == NULL)
        return SETTING_DELETE;
    *store = *value;
    return SETTING_STORE;
}

static enum setting_action clean_number(struct cmd_ctx *ctx, const struct span *value, struct span *store)
{
    uint64_t number = 0;
    *store = span_of("0");
    if (value == NULL || !num_perl_true(*value))
        return SETTING_STORE;
    if (num_parse_u64(*value, 0, UINT64_MAX, &number) != MOG_OK)
        return refuse(ctx, "Must be numeric");
    *store = *value;
    return SETTING_STORE;
}

static enum setting_action clean_slave(struct cmd_ctx *ctx, const struct span *value, struct span *store)
{
    (void)ctx;
    if (value == NULL || !num_perl_true(*value))
        return SETTING_DELETE;
    *store = *value;
    return SETTING_STORE;
}

static enum setting_action clean_zone(struct cmd_ctx *ctx, const struct span *value, struct span *store)
{
    if (value == NULL)
        return SETTING_DELETE;
    size_t at = 0;
    while (at < value->len) {
        size_t len = 0;
        while (at + len < value->len && value->ptr[at + len] != ',' && !isspace((unsigned char)value->ptr[at + len]))
            len++;
        struct netmask mask;
        if (len != 0 && netmask_parse(span_make(value->ptr + at, len), &mask) != MOG_OK)
            return refuse(ctx, "Doesn't match an acceptable netmask");
        at += len + 1;
    }
    *store = *value;
    return SETTING_STORE;
}

static enum setting_action clean_fsck_checksum(struct cmd_ctx *ctx, const struct span *value, struct span *store)
{
    if (value != NULL && span_is(*value, "class"))
        return SETTING_DELETE;
    if (value == NULL || (!span_is(*value, "off") && !span_is(*value, "MD5") && !span_is(*value, "SHA-1")))
        return refuse(ctx, "Not a valid checksum algorithm");
    *store = *value;
    return SETTING_STORE;
}

static const struct setting_rule {
    const char *name; /* ends with '*': a prefix */
    setting_fn *clean;
} rules[] = {
    {"slave_*", clean_slave},
    {"skip_devcount", clean_boolean},
    {"skip_mkcol", clean_boolean},
    {"case_sensitive_list_keys", clean_boolean},
    {"memcache_servers", clean_any},
    {"memcache_ttl", clean_number},
    {"internal_queue_limit", clean_number},
    {"network_zones", clean_any},
    {"queue_*", clean_any},
    {"zone_*", clean_zone},
    {"fsck_checksum", clean_fsck_checksum},
};

static const struct setting_rule *find_rule(struct span key)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        size_t len = strlen(rules[i].name);
        bool is_prefix = rules[i].name[len - 1] == '*';
        if (is_prefix ? key.len >= len - 1 && memcmp(key.ptr, rules[i].name, len - 1) == 0
                      : span_is(key, rules[i].name))
            return &rules[i];
    }
    return NULL;
}

void cmd_server_setting(struct cmd_ctx *ctx)
{
    struct store_bytes value = {0};
    struct span key = cmd_arg(ctx, "key");
    if (!num_perl_true(key)) {
        cmd_err(ctx, "bad_params");
        return;
    }
    /* No setting has a zero byte in its name: what stands before it is another one's. */
    bool is_name = strlen(key.ptr) == key.len;
    enum mog_err e = is_name ? store_setting_get(ctx->st, key.ptr, &value) : MOG_ENOTFOUND;
    if (e != MOG_OK && e != MOG_ENOTFOUND) {
        cmd_err_store(ctx, e);
        return;
    }
    kv_put(&ctx->reply, "key", key);
    kv_put(&ctx->reply, "value", store_bytes_span(&value));
    store_bytes_free(&value);
}

static bool is_shown(struct span field)
{
    return !span_starts(field, "fsck_") || span_is(field, "fsck_checksum");
}

void cmd_server_settings(struct cmd_ctx *ctx)
{
    struct store_settings all = {0};
    enum mog_err e = store_setting_list(ctx->st, &all);
    if (e != MOG_OK) {
        cmd_err_store(ctx, e);
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < all.n; i++) {
        struct span field = store_bytes_span(&all.rows[i].field);
        if (!is_shown(field))
            continue;
        n++;
        cmd_addf(ctx, field, "key_%zu", n);
        cmd_addf(ctx, store_bytes_span(&all.rows[i].value), "value_%zu", n);
    }
    kv_put_u64(&ctx->reply, "key_count", n);
    store_settings_free(&all);
}

void cmd_set_server_setting(struct cmd_ctx *ctx)
{
    struct span key = cmd_arg(ctx, "key"), store = span_make("", 0);
    if (!num_perl_true(key)) {
        cmd_err(ctx, "bad_params");
        return;
    }
    const struct setting_rule *rule = find_rule(key);
    if (rule == NULL || strlen(key.ptr) != key.len) {
        cmd_err(ctx, "not_writable");
        return;
    }
    enum setting_action action = rule->clean(ctx, kv_find(&ctx->args, "value"), &store);
    if (action == SETTING_REFUSE)
        return;
    enum mog_err e =
        action == SETTING_DELETE ? store_setting_delete(ctx->st, key.ptr) : store_setting_set(ctx->st, key.ptr, store);
    /* All trackers drop their connections to slaves when this number grows. */
    if (e == MOG_OK && rule->clean == clean_slave)
        e = store_setting_add(ctx->st, "slave_version", 1);
    if (e != MOG_OK)
        cmd_err_store(ctx, e);
}
