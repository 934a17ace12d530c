/* SPDX-License-Identifier: MIT */
/* mogfileinfo: what the tracker knows of a file, and where its copies are. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tools/fetch.h"
#include "tools/out.h"
#include "tools/tool.h"

static const struct toolopt_def defs[] = {
    {"key", 0, TOOLOPT_STRING, "key of the file"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const char *const need[] = {"key", NULL};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --domain=foo --key=\"/hello.jpg\"",
    .family = TOOLOPT_CLIENT,
    .need = need,
};

static int by_name(const void *a, const void *b)
{
    const struct kv_item *x = a, *y = b;
    return strcmp(x->name.ptr, y->name.ptr);
}

static void sort_pairs(struct kv *k)
{
    if (k->n > 1)
        qsort(k->items, k->n, sizeof *k->items, by_name);
}

static void print_text(const char *key, const struct kv *info, const struct opt_list *paths)
{
    printf("- file: %s\n", key);
    for (size_t i = 0; i < info->n; i++)
        printf("  %8s: %20s\n", info->items[i].name.ptr, info->items[i].value.ptr);
    for (size_t i = 0; i < paths->n; i++)
        printf(" - %s\n", paths->items[i]);
}

static void print_json(const char *key, const struct kv *info, const struct opt_list *paths)
{
    json_t *o = json_object(), *list = json_array();
    report_json_bytes(o, "key", span_of(key));
    for (size_t i = 0; i < info->n; i++) {
        const struct kv_item *p = &info->items[i];
        bool number = span_is(p->name, "fid") || span_is(p->name, "length") || span_is(p->name, "devcount");
        if (number)
            json_object_set_new(o, p->name.ptr, json_integer((json_int_t)kv_u64(info, p->name.ptr, 0)));
        else
            report_json_bytes(o, p->name.ptr, p->value);
    }
    for (size_t i = 0; i < paths->n; i++)
        json_array_append_new(list, json_string(paths->items[i]));
    json_object_set_new(o, "paths", list);
    out_json(o);
}

static int info_run(struct tool *t)
{
    const char *key = toolopt_str(&t->opt, "key");
    struct kv args = KV_ZERO;
    struct client_answer info = CLIENT_ANSWER_ZERO, where = CLIENT_ANSWER_ZERO;
    struct opt_list paths = {NULL, 0, 0};
    struct mog_fail f = {.code = MOG_OK};
    int status = 0;

    tool_add_domain(t, &args);
    kv_add_str(&args, "key", key);
    if (client_request(t->client, "file_info", &args, &info, &f) != MOG_OK) {
        status = tool_fail("Error fetching file info: ", &f);
        goto out;
    }
    sort_pairs(&info.args);
    kv_add_str(&args, "noverify", "1");
    kv_add_str(&args, "pathcount", "99");
    enum mog_err e = client_request(t->client, "get_paths", &args, &where, &f);
    if (e == MOG_OK)
        fetch_paths_of(&where.args, &paths);
    if (toolopt_flag(&t->opt, "json"))
        print_json(key, &info.args, &paths);
    else
        print_text(key, &info.args, &paths);
    if (e != MOG_OK) {
        status = tool_fail("Error fetching paths: ", &f);
    } else if (paths.n == 0) {
        fflush(stdout);
        fprintf(stderr, "No paths found or key does not exist\n");
        status = 1;
    }
out:
    opt_list_fini(&paths);
    client_answer_fini(&info);
    client_answer_fini(&where);
    kv_fini(&args);
    return status;
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = info_run(&t);
    return tool_end(&t, status);
}
