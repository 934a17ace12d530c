/* SPDX-License-Identifier: MIT */
/* mogtool: files of any size, in the format of the original program of this name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tools/big.h"
#include "tools/keysource.h"

static const struct toolopt_def defs[] = {
    {"class", 0, TOOLOPT_STRING, "class to store in"},
    {"bigfile", 'b', TOOLOPT_FLAG, "store in pieces, or read what is stored so"},
    {"nobigfile", 0, TOOLOPT_FLAG, "store a file above 64 MiB whole"},
    {"gzip", 'z', TOOLOPT_FLAG, "compress what is stored; undo gzip of what is read"},
    {"chunksize", 0, TOOLOPT_STRING, "size of the pieces: a number with B, K, M or G (default 64M)"},
    {"overwrite", 0, TOOLOPT_FLAG, "go on although an upload was begun, or a local file exists"},
    {"verify", 0, TOOLOPT_NEGATABLE, "inject: read all copies back; locate: --noverify does not look at the copies"},
    {"description", 0, TOOLOPT_STRING, "text that is stored with it"},
    {"receipt", 0, TOOLOPT_STRING, "mail a receipt to these addresses"},
    {"reciept", 0, TOOLOPT_STRING, "the same"},
    {"concurrent", 0, TOOLOPT_INT, "pieces that are stored at the same time (default 1)"},
    {"noreplwait", 0, TOOLOPT_FLAG, "do not wait for the second copy"},
    {"asfile", 0, TOOLOPT_FLAG, "do not unpack a folder"},
    {"debug", 0, TOOLOPT_FLAG, "ignored"},
    {"lib", 0, TOOLOPT_FLAG, "ignored"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "[options] COMMAND [arguments]\n\n"
              "    inject|i SOURCE KEY     extract|x KEY DEST     delete|rm KEY     locate|lo KEY\n"
              "    list|ls                 listkey|lsk [PREFIX]\n\n"
              "--trackers and --domain configuration required",
    .family = TOOLOPT_BIG,
    .words_allowed = true,
};

static bool is_big(const struct tool *t)
{
    return toolopt_flag(&t->opt, "bigfile") || toolopt_flag(&t->opt, "big");
}

static int usage(struct tool *t)
{
    tool_usage(t, stdout);
    return 1;
}

static int delete_big(struct tool *t, const char *key)
{
    struct http_client *http = tool_http_new();
    struct bigfile info;
    struct mog_fail f = {.code = MOG_OK}, ignored;
    bigfile_init(&info);
    enum mog_err e = big_read_info(t->client, http, t->domain, key, &info, &f);
    for (size_t i = 0; e == MOG_OK && i < info.n_parts; i++) {
        char *part = big_part_key(key, info.parts[i].number);
        /* A part that is left behind must not keep the rest from going. */
        if (big_delete_key(t->client, t->domain, part, &ignored) != MOG_OK)
            fprintf(stderr, "%s: %s\n", part, ignored.text);
        free(part);
    }
    if (e == MOG_OK) {
        char *name = big_info_key(key);
        e = big_delete_key(t->client, t->domain, name, &f);
        free(name);
    }
    bigfile_fini(&info);
    http_client_free(http);
    if (e == MOG_ENOTFOUND) {
        fprintf(stderr, "%s\n", f.text);
        return BIG_NOT_FOUND;
    }
    if (e != MOG_OK)
        return big_fatal("The file could not be deleted.", &f);
    printf("Deleted.\n");
    return BIG_OK;
}

static int delete_run(struct tool *t, const char *key)
{
    struct mog_fail f = {.code = MOG_OK};
    if (is_big(t))
        return delete_big(t, key);
    if (big_delete_key(t->client, t->domain, key, &f) != MOG_OK)
        return big_fatal("The file could not be deleted.", &f);
    printf("Deleted.\n");
    return BIG_OK;
}

static int locate_run(struct tool *t, const char *key)
{
    char *name = is_big(t) ? big_info_key(key) : mem_strdup(key);
    struct opt_list paths = {NULL, 0, 0};
    struct mog_fail f = {.code = MOG_OK};
    bool unknown = false;
    bool verify = !toolopt_str(&t->opt, "verify") || toolopt_flag(&t->opt, "verify");
    enum mog_err e = big_paths(t->client, t->domain, name, verify, &paths, &unknown, &f);
    for (size_t i = 0; i < paths.n; i++)
        printf("%s\n", paths.items[i]);
    if (e == MOG_OK || unknown)
        printf("#%zu paths found\n", paths.n);
    int status = paths.n ? BIG_OK : BIG_NOT_FOUND;
    if (e != MOG_OK && !unknown)
        status = big_fatal("The file could not be located.", &f);
    opt_list_fini(&paths);
    free(name);
    return status;
}

struct listing {
    size_t skip, n;
};

static bool list_key(void *arg, struct span key)
{
    struct listing *l = arg;
    l->n++;
    if (key.len >= l->skip)
        printf("%.*s\n", (int)(key.len - l->skip), key.ptr + l->skip);
    return true;
}

static int list_run(struct tool *t, const char *prefix, size_t skip)
{
    struct listing l = {.skip = skip};
    if (keysource_prefix(t, prefix, "The keys could not be listed: ", list_key, &l) != 0)
        return BIG_FATAL;
    printf("#%zu files found\n", l.n);
    return l.n ? BIG_OK : BIG_NOT_FOUND;
}

static bool is_command(const char *word, const char *name, const char *alias)
{
    return strcmp(word, name) == 0 || strcmp(word, alias) == 0;
}

static int mogtool_run(struct tool *t)
{
    static const char big_prefix[] = "_big_info:";
    const struct opt_list *w = &t->rest;
    const char *command = w->n ? w->items[0] : "";
    if (is_command(command, "list", "ls") && w->n == 1)
        return list_run(t, big_prefix, sizeof big_prefix - 1);
    if (is_command(command, "listkey", "lsk") && w->n <= 2)
        return list_run(t, w->n == 2 ? w->items[1] : "", 0);
    bool inject = is_command(command, "inject", "i"), extract = is_command(command, "extract", "x");
    size_t want = inject || extract ? 3 : 2;
    if (w->n != want)
        return usage(t);
    const char *key = inject ? w->items[2] : w->items[1];
    if ((inject || is_big(t)) && !bigfile_key_is_valid(key)) {
        fprintf(stderr, "A key may have no white space and no comma: '%s'\n", key);
        return BIG_FATAL;
    }
    if (inject)
        return big_inject(t, w->items[1], key);
    if (extract)
        return big_extract(t, key, w->items[2]);
    if (is_command(command, "delete", "rm"))
        return delete_run(t, key);
    if (is_command(command, "locate", "lo"))
        return locate_run(t, key);
    return usage(t);
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = mogtool_run(&t);
    return tool_end(&t, status);
}
