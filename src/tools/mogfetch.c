/* SPDX-License-Identifier: MIT */
/* mogfetch: read a file, or all files of a prefix. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bulk.h"
#include "tools/bulk_fetch.h"
#include "tools/fetch.h"
#include "tools/savefile.h"
#include "tools/tool.h"

static const struct toolopt_def defs[] = {
    {"key", 0, TOOLOPT_STRING, "key of the file"},
    {"file", 0, TOOLOPT_STRING, "file to write; - is standard output"},
    {"prefix", 0, TOOLOPT_STRING, "all keys that begin so; --file is the folder for what follows"},
    {"keys-from", 0, TOOLOPT_STRING, "with --prefix: only the keys named in this list"},
    {"skip-existing", 0, TOOLOPT_FLAG, "with --prefix: leave out files that are there already"},
    BULK_OPTION_DEFS,
    {"no-check", 0, TOOLOPT_FLAG, "do not compare with the stored length and checksum"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --domain=foo --key=\"/hello.jpg\" --file=\"output.jpg\"\n"
              "       mogfetch --trackers=host --domain=foo --prefix=\"photos/\" --file=./photos --jobs=8 "
              "--failed=again.txt",
    .family = TOOLOPT_CLIENT,
};

static void report(const struct fetch_result *r, const struct mog_fail *f)
{
    switch (r->stage) {
    case FETCH_PATHS:
        tool_fail("Error fetching paths: ", f);
        break;
    case FETCH_NO_PATHS:
        tool_fail("", f);
        break;
    case FETCH_BODY:
        fprintf(stderr, "Got errors while trying to fetch:\n");
        for (size_t i = 0; i < r->errors.n; i++)
            fprintf(stderr, "%s\n", r->errors.items[i]);
        if (f->code == MOG_EIO)
            fprintf(stderr, "%s\n", f->text);
        break;
    case FETCH_DONE:
        break;
    }
}

static int fetch_to(struct tool *t, const struct fetch_opts *o, const struct fetch_sink *sink)
{
    struct fetch_result r;
    struct mog_fail f = {.code = MOG_OK};
    struct http_client *http = tool_http_new();
    enum mog_err e = fetch_run(t->client, http, o, sink, &r, &f);
    if (e != MOG_OK)
        report(&r, &f);
    fetch_result_fini(&r);
    http_client_free(http);
    return e == MOG_OK ? 0 : 1;
}

static int fetch_file(struct tool *t, const struct fetch_opts *o, const char *file)
{
    struct savefile out;
    struct mog_fail f = {.code = MOG_OK};
    if (strcmp(file, "-") == 0) {
        out = (struct savefile){.fd = STDOUT_FILENO, .direct = true};
        struct fetch_sink sink = {.write = savefile_write, .arg = &out};
        int status = fetch_to(t, o, &sink);
        if (out.sys_errno)
            fprintf(stderr, "cannot write to standard output: %s\n", strerror(out.sys_errno));
        return status;
    }
    int status = 1;
    if (savefile_init(&out, file, &f) != MOG_OK) {
        tool_fail("", &f);
    } else {
        struct fetch_sink sink = {.write = savefile_write, .restart = savefile_restart, .arg = &out};
        status = fetch_to(t, o, &sink);
        if (out.sys_errno)
            fprintf(stderr, "cannot write to %s: %s\n", file, strerror(out.sys_errno));
        if (status == 0 && savefile_commit(&out, &f) != MOG_OK)
            status = tool_fail("", &f);
    }
    savefile_fini(&out);
    return status;
}

static int fetch_main(struct tool *t)
{
    const char *key = toolopt_text(&t->opt, "key"), *file = toolopt_text(&t->opt, "file");
    if (file && !key && toolopt_str(&t->opt, "prefix"))
        return bulk_fetch(t, toolopt_str(&t->opt, "prefix"), file);
    if (!key || !file) {
        fprintf(stderr, "Must specify --key and --file\n");
        tool_usage(t, stdout);
        return 1;
    }
    struct fetch_opts o = {.domain = t->domain, .key = span_of(key), .no_check = toolopt_flag(&t->opt, "no-check")};
    return fetch_file(t, &o, file);
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = fetch_main(&t);
    return tool_end(&t, status);
}
