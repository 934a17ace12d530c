/* SPDX-License-Identifier: MIT */
/* mogdelete: delete files by their keys. */
#include <stdio.h>
#include <string.h>

#include "tools/keysource.h"
#include "tools/tool.h"

static const struct toolopt_def defs[] = {
    {"key", 0, TOOLOPT_STRING, "key of the file"},
    {"keys-from", 0, TOOLOPT_STRING, "delete all keys in this file, one a line; - is standard input"},
    {"prefix", 0, TOOLOPT_STRING, "delete all keys that begin so (with --yes or --dry-run)"},
    {"null", '0', TOOLOPT_FLAG, "keys in --keys-from end with a NUL byte instead of a line end"},
    {"dry-run", 'n', TOOLOPT_FLAG, "only print what would be deleted"},
    {"yes", 0, TOOLOPT_FLAG, "really delete all keys of --prefix"},
    {"ignore-missing", 0, TOOLOPT_FLAG, "a key that does not exist is no error"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --domain=foo --key=\"/hello.jpg\"",
    .family = TOOLOPT_CLIENT,
};

static bool delete_key(void *arg, struct span key)
{
    struct tool *t = arg;
    if (toolopt_flag(&t->opt, "dry-run")) {
        printf("%.*s\n", (int)key.len, key.ptr);
        return true;
    }
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    tool_add_domain(t, &args);
    kv_add(&args, "key", key);
    enum mog_err e = client_request(t->client, "delete", &args, &a, &f);
    if (e == MOG_EREFUSED && strcmp(a.code, "unknown_key") == 0 && toolopt_flag(&t->opt, "ignore-missing"))
        e = MOG_OK;
    if (e != MOG_OK)
        tool_fail("Error deleting file: ", &f);
    client_answer_fini(&a);
    kv_fini(&args);
    return e == MOG_OK;
}

static int delete_run(struct tool *t)
{
    const char *key = toolopt_text(&t->opt, "key"), *from = toolopt_text(&t->opt, "keys-from"),
               *prefix = toolopt_text(&t->opt, "prefix");
    if (!key + !from + !prefix != 2) {
        fprintf(stderr, "Give one of --key, --keys-from and --prefix\n");
        tool_usage(t, stdout);
        return 1;
    }
    if (prefix && !toolopt_flag(&t->opt, "yes") && !toolopt_flag(&t->opt, "dry-run")) {
        fprintf(stderr, "--prefix deletes all keys that begin so: say --yes, or --dry-run to see them\n");
        return 1;
    }
    if (key)
        return delete_key(t, span_of(key)) ? 0 : 1;
    if (from)
        return keysource_file(from, toolopt_flag(&t->opt, "null") ? '\0' : '\n', delete_key, t);
    return keysource_prefix(t, prefix, "Error listing files: ", delete_key, t);
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = delete_run(&t);
    return tool_end(&t, status);
}
