/* SPDX-License-Identifier: MIT */
/* Keys to work on: from a file with one a line, or all of a domain that begin with a prefix. */
#include "tools/keysource.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/kvindex.h"

enum { PAGE = 1000, KEY_MAX_BYTES = 65536 };

int keysource_file(const char *path, char sep, keysource_fn fn, void *arg)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(path, "re");
    if (!in) {
        fprintf(stderr, "Could not open %s: %s\n", path, strerror(errno));
        return 1;
    }
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int status = 0;
    while ((len = getdelim(&line, &cap, sep, in)) > 0) {
        if (line[len - 1] == sep)
            len--;
        if (len == 0)
            continue;
        if (len > KEY_MAX_BYTES) {
            fprintf(stderr, "%s has a key of %zd bytes\n", path, len);
            status = 1;
            continue;
        }
        if (!fn(arg, span_make(line, (size_t)len)))
            status = 1;
    }
    if (ferror(in)) {
        fprintf(stderr, "Could not read %s\n", path);
        status = 1;
    }
    free(line);
    if (!is_stdin)
        fclose(in);
    return status;
}

bool keysource_collect(void *list, struct span key)
{
    char *text = span_dup(key);
    opt_list_add(list, text);
    free(text);
    return true;
}

enum mog_err keysource_page(struct client *c, const char *domain, struct span prefix, unsigned limit, struct buf *after,
                            keysource_fn fn, void *arg, size_t *n, struct mog_fail *f)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    *n = 0;
    kv_add_str(&args, "domain", domain);
    if (prefix.len)
        kv_add(&args, "prefix", prefix);
    kv_add(&args, "after", buf_as_span(after));
    kv_add_u64(&args, "limit", limit);
    enum mog_err e = client_request(c, "list_keys", &args, &a, f);
    if (e == MOG_EREFUSED && strcmp(a.code, "none_match") == 0) {
        e = MOG_OK;
    } else if (e == MOG_OK) {
        struct kvindex x;
        const struct span *key, *last = NULL;
        kvindex_init(&x, &a.args);
        while (*n < limit && (key = kvindex_find(&x, "key_%zu", *n + 1)) != NULL) {
            last = key;
            ++*n;
            (void)fn(arg, *key);
        }
        if (last) {
            buf_reset(after);
            buf_span(after, *last);
        }
        kvindex_fini(&x);
    }
    client_answer_fini(&a);
    kv_fini(&args);
    return e;
}

struct counted {
    keysource_fn fn;
    void *arg;
    bool failed;
};

static bool counted_key(void *arg, struct span key)
{
    struct counted *k = arg;
    if (!k->fn(k->arg, key))
        k->failed = true;
    return true;
}

int keysource_prefix(struct tool *t, const char *prefix, const char *error_prefix, keysource_fn fn, void *arg)
{
    struct counted k = {fn, arg, false};
    struct buf after = BUF_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    size_t n;
    enum mog_err e;
    do
        e = keysource_page(t->client, t->domain, span_of(prefix), PAGE, &after, counted_key, &k, &n, &f);
    while (e == MOG_OK && n == PAGE);
    if (e != MOG_OK)
        tool_fail(error_prefix, &f);
    buf_fini(&after);
    return e == MOG_OK && !k.failed ? 0 : 1;
}
