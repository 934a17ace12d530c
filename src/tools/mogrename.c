/* SPDX-License-Identifier: MIT */
/* mogrename: give a file another key. */
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

static const struct toolopt_def defs[] = {
    {"old_key", 0, TOOLOPT_STRING, "present key of the file"},
    {"new_key", 0, TOOLOPT_STRING, "new key; must not exist"},
    {"class", 0, TOOLOPT_STRING, "ignored: renaming does not change the class"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const char *const need[] = {"old_key", "new_key", NULL};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --domain=foo --old_key=\"/hello.jpg\" --new_key=\"/bye.jpg\"",
    .family = TOOLOPT_CLIENT,
    .need = need,
};

static int rename_run(struct tool *t)
{
    struct kv args = KV_ZERO;
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    if (toolopt_given(&t->opt, "class"))
        fprintf(stderr, "Warning: --class is ignored; renaming does not change the class\n");
    tool_add_domain(t, &args);
    kv_add_str(&args, "from_key", toolopt_str(&t->opt, "old_key"));
    kv_add_str(&args, "to_key", toolopt_str(&t->opt, "new_key"));
    enum mog_err e = client_request(t->client, "rename", &args, &a, &f);
    if (e != MOG_OK)
        tool_fail("Error renaming file: ", &f);
    client_answer_fini(&a);
    kv_fini(&args);
    return e == MOG_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = rename_run(&t);
    return tool_end(&t, status);
}
