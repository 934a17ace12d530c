/* SPDX-License-Identifier: MIT */
/* moglistkeys: the keys of a domain. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/keysource.h"
#include "tools/out.h"
#include "tools/tool.h"

enum { PAGE = 1000 };

static const struct toolopt_def defs[] = {
    {"key_prefix", 0, TOOLOPT_STRING, "only keys that begin so"},
    {"after", 0, TOOLOPT_STRING, "only keys behind this one"},
    {"limit", 0, TOOLOPT_INT, "at most so many keys"},
    {"null", '0', TOOLOPT_FLAG, "end each key with a NUL byte instead of a line end"},
    {"escape", 0, TOOLOPT_FLAG, "write control bytes and % as %XX"},
    {"allow-empty", 0, TOOLOPT_FLAG, "no key at all is a success"},
    {"json", 0, TOOLOPT_FLAG, "print a JSON array"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --domain=foo --key_prefix=\"bar/\"",
    .family = TOOLOPT_CLIENT,
};

struct listing {
    char end;
    bool escape;
    json_t *json;
};

static bool list_key(void *arg, struct span key)
{
    struct listing *l = arg;
    if (l->json) {
        json_t *row = json_object();
        report_json_bytes(row, "key", key);
        json_array_append_new(l->json, row);
        return true;
    }
    for (size_t i = 0; l->escape && i < key.len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '%')
            printf("%%%02X", c);
        else
            putchar(c);
    }
    if (!l->escape)
        fwrite(key.ptr, 1, key.len, stdout);
    putchar(l->end);
    return true;
}

static int list_run(struct tool *t)
{
    struct mog_fail f = {.code = MOG_OK};
    int64_t limit;
    if (toolopt_int(&t->opt, "limit", 1, INT64_MAX, INT64_MAX, &limit, &f) != MOG_OK)
        return tool_fail("", &f);
    struct listing l = {.end = toolopt_flag(&t->opt, "null") ? '\0' : '\n', .escape = toolopt_flag(&t->opt, "escape")};
    if (toolopt_flag(&t->opt, "json"))
        l.json = json_array();

    struct buf after = BUF_ZERO;
    const char *start = toolopt_text(&t->opt, "after"), *prefix = toolopt_text(&t->opt, "key_prefix");
    if (start)
        buf_str(&after, start);
    uint64_t listed = 0;
    size_t n = 0, want;
    enum mog_err e;
    do {
        uint64_t left = (uint64_t)limit - listed;
        want = left < PAGE ? (size_t)left : PAGE;
        e = keysource_page(t->client, t->domain, span_of(prefix), (unsigned)want, &after, list_key, &l, &n, &f);
        listed += n;
    } while (e == MOG_OK && n == PAGE && listed < (uint64_t)limit && !ferror(stdout));
    buf_fini(&after);

    int status = 0;
    if (e != MOG_OK)
        status = tool_fail("Error listing files: ", &f);
    else if (listed == 0 && !toolopt_flag(&t->opt, "allow-empty")) {
        fprintf(stderr, "Error listing files: none_match No keys match that pattern and after-value (if any).\n");
        status = 1;
    }
    if (l.json && e == MOG_OK)
        out_json(l.json);
    else
        json_decref(l.json); /* a part of a list looks like a whole one */
    return status;
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = list_run(&t);
    return tool_end(&t, status);
}
