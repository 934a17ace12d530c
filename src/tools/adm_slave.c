/* SPDX-License-Identifier: MIT */
/* mogadm slave: read slaves of the database, kept in the settings slave_keys and slave_KEY. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tools/adm.h"
#include "tools/out.h"

static const struct toolopt_def slave_opts[] = {
    {"dsn", 0, TOOLOPT_STRING, "DSN of the slave"},
    {"username", 0, TOOLOPT_STRING, "database user"},
    {"password", 0, TOOLOPT_STRING, "its password"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

/* The value of a setting, for the caller to free; NULL when it cannot be asked for. */
static char *setting(struct adm *a, const char *key, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    kv_add_str(&args, "key", key);
    char *value = NULL;
    if (client_request(a->client, "server_setting", &args, &answer, f) == MOG_OK)
        value = mem_strdup(kv_str(&answer.args, "value", ""));
    client_answer_fini(&answer);
    kv_fini(&args);
    return value;
}

static enum mog_err set_setting(struct adm *a, const char *key, const char *value, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    kv_add_str(&args, "key", key);
    if (value)
        kv_add_str(&args, "value", value);
    enum mog_err e = client_request(a->client, "set_server_setting", &args, &answer, f);
    client_answer_fini(&answer);
    kv_fini(&args);
    return e;
}

/* The name part of a "name" or "name=weight" item. */
static struct span key_of(struct span item)
{
    struct span key = {NULL, 0};
    item = span_trim(item);
    if (!span_split(&item, '=', &key))
        return span_make("", 0);
    return span_trim(key);
}

static bool has_key(const char *keys, const char *key)
{
    struct span rest = span_of(keys), item;
    while (span_split(&rest, ',', &item)) {
        if (span_is(key_of(item), key))
            return true;
    }
    return false;
}

/* `keys` without `drop` and with `add` behind (each may be NULL); the caller frees. A weight of 1 is left out. */
static char *keys_change(const char *keys, const char *drop, const char *add)
{
    struct buf out = BUF_ZERO;
    struct span rest = span_of(keys), item;
    while (span_split(&rest, ',', &item)) {
        struct span key = key_of(item), trimmed = span_trim(item);
        if (key.len == 0 || (drop && span_is(key, drop)))
            continue;
        if (out.len)
            buf_char(&out, ',');
        bool plain = trimmed.len == key.len + 2 && memcmp(trimmed.ptr + key.len, "=1", 2) == 0;
        buf_span(&out, plain ? key : trimmed);
    }
    if (add) {
        if (out.len)
            buf_char(&out, ',');
        buf_str(&out, add);
    }
    char *text = mem_strdup(buf_cstr(&out));
    buf_fini(&out);
    return text;
}

static char *slave_name(const char *key)
{
    return mem_printf("slave_%s", key);
}

static int by_text(const void *a, const void *b)
{
    char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static void print_slave(const char *key, const char *value, json_t *json)
{
    struct span rest = span_of(value), part[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    for (int i = 0; i < 3; i++) {
        if (!span_split(&rest, '|', &part[i]))
            break;
    }
    if (json) {
        static const char *const names[] = {"dsn", "username", "password"};
        json_t *row = json_object();
        report_json_str(row, "key", key);
        for (int i = 0; i < 3; i++)
            report_json_bytes(row, names[i], part[i]);
        json_array_append_new(json, row);
        return;
    }
    printf("%s --dsn=%.*s --username=%.*s --password=%.*s\n", key, (int)part[0].len, part[0].ptr ? part[0].ptr : "",
           (int)part[1].len, part[1].ptr ? part[1].ptr : "", (int)part[2].len, part[2].ptr ? part[2].ptr : "");
}

static int slave_list(struct adm *a)
{
    struct mog_fail f = {.code = MOG_OK};
    struct opt_list names = {NULL, 0, 0};
    char *keys = setting(a, "slave_keys", &f);
    if (!keys)
        return adm_fail("", &f);
    struct span rest = span_of(keys), item;
    while (span_split(&rest, ',', &item)) {
        char *key = span_dup(key_of(item));
        if (key[0])
            opt_list_add(&names, key);
        free(key);
    }
    if (names.n > 1)
        qsort(names.items, names.n, sizeof *names.items, by_text);

    json_t *json = adm_json(a) ? json_array() : NULL;
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++) {
        char *name = slave_name(names.items[i]), *value = setting(a, name, &f);
        if (value)
            print_slave(names.items[i], value, json);
        else
            status = adm_fail("", &f);
        free(value);
        free(name);
    }
    if (json && status == 0)
        out_json(json);
    else
        json_decref(json); /* a part of a list looks like a whole one */
    opt_list_fini(&names);
    free(keys);
    return status;
}

/* Whether the list of slaves can hold this name, and the setting of a slave these values: it has no escapes. */
static bool can_be_stored(struct adm *a, struct mog_fail *f)
{
    const char *const values[] = {toolopt_text(&a->opt, "dsn"), toolopt_text(&a->opt, "username"),
                                  toolopt_text(&a->opt, "password")};
    if (!a->word[0][0] || strpbrk(a->word[0], ",= \t\r\n")) {
        (void)fail_set(f, MOG_EINVAL, "The name of a slave has no comma, no '=' and no white space.");
        return false;
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (values[i] && strchr(values[i], '|')) {
            (void)fail_set(f, MOG_EINVAL, "DSN, username and password of a slave can have no '|'.");
            return false;
        }
    }
    return true;
}

static char *slave_value(struct adm *a)
{
    const char *dsn = toolopt_str(&a->opt, "dsn"), *user = toolopt_str(&a->opt, "username"),
               *password = toolopt_str(&a->opt, "password");
    return mem_printf("%s|%s|%s", dsn ? dsn : "", user ? user : "", password ? password : "");
}

static int fail_errstr(const char *text, const struct mog_fail *f)
{
    fprintf(stderr, "%s\n", text);
    if (f->text[0])
        fprintf(stderr, "%s\n", f->text);
    return 1;
}

static int done(struct adm *a, const char *text)
{
    if (a->verbose)
        printf("%s\n", text);
    return 0;
}

static int slave_add(struct adm *a)
{
    struct mog_fail f = {.code = MOG_OK};
    char *keys = can_be_stored(a, &f) ? setting(a, "slave_keys", &f) : NULL;
    char *name = slave_name(a->word[0]), *value = slave_value(a), *list = NULL;
    bool ok = keys != NULL;
    if (ok && has_key(keys, a->word[0])) {
        (void)fail_set(&f, MOG_EEXISTS, "There is a slave '%s' already.", a->word[0]);
        ok = false;
    }
    if (ok) {
        list = keys_change(keys, NULL, a->word[0]);
        ok = set_setting(a, name, value, &f) == MOG_OK && set_setting(a, "slave_keys", list, &f) == MOG_OK;
    }
    free(keys);
    free(name);
    free(value);
    free(list);
    return ok ? done(a, "Slave added") : fail_errstr("Slave failed to be added", &f);
}

static int slave_modify(struct adm *a)
{
    struct mog_fail f = {.code = MOG_OK};
    char *keys = can_be_stored(a, &f) ? setting(a, "slave_keys", &f) : NULL;
    char *name = slave_name(a->word[0]), *value = slave_value(a), *old = NULL;
    bool ok = keys != NULL;
    if (ok && !has_key(keys, a->word[0])) {
        (void)fail_set(&f, MOG_ENOTFOUND, "There is no slave '%s'.", a->word[0]);
        ok = false;
    }
    if (ok) {
        old = setting(a, name, &f);
        ok = old && set_setting(a, name, value, &f) == MOG_OK;
    }
    free(keys);
    free(name);
    free(value);
    free(old);
    return ok ? done(a, "Slave modify success") : adm_fail("Slave modify failure: ", &f);
}

static int slave_delete(struct adm *a)
{
    struct mog_fail f = {.code = MOG_OK};
    char *keys = setting(a, "slave_keys", &f), *name = slave_name(a->word[0]), *list = NULL;
    bool ok = keys != NULL;
    if (ok && !has_key(keys, a->word[0])) {
        (void)fail_set(&f, MOG_ENOTFOUND, "There is no slave '%s'.", a->word[0]);
        ok = false;
    }
    if (ok) {
        list = keys_change(keys, a->word[0], NULL);
        ok = set_setting(a, name, NULL, &f) == MOG_OK && set_setting(a, "slave_keys", list, &f) == MOG_OK;
    }
    free(keys);
    free(name);
    free(list);
    return ok ? done(a, "Slave deleted") : fail_errstr("Slave delete failed", &f);
}

const struct adm_verb adm_slave_verbs[] = {
    {"list", NULL, adm_json_opts, "List the read slaves of the database.", slave_list, 0},
    {"add", "slave_key", slave_opts, "Add a read slave.", slave_add, 0},
    {"modify", "slave_key", slave_opts, "Change a read slave; what is not given becomes empty.", slave_modify, 0},
    {"delete", "slave_key", NULL, "Delete a read slave.", slave_delete, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
