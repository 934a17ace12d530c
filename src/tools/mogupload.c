/* SPDX-License-Identifier: MIT */
/* mogupload: store a file, standard input, or a whole folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bulk.h"
#include "tools/bulk_upload.h"
#include "tools/tool.h"
#include "tools/upload.h"

static const struct toolopt_def defs[] = {
    {"class", 0, TOOLOPT_STRING, "class of the file; the domain's default class without it"},
    {"key", 0, TOOLOPT_STRING, "key to store it under"},
    {"file", 0, TOOLOPT_STRING, "file to read; - is standard input"},
    {"checksum", 0, TOOLOPT_STRING, "send a checksum of this kind (MD5, SHA-1 ...) with the file"},
    {"verify", 0, TOOLOPT_FLAG, "have the tracker read the file back and compare the checksum (MD5 by default)"},
    {"recursive", 'r', TOOLOPT_FLAG, "--file is a folder: store all files below it; --key is put before their names"},
    {"files-from", 0, TOOLOPT_STRING, "with --recursive: only the files named in this list"},
    {"skip-existing", 0, TOOLOPT_FLAG, "with --recursive: leave out keys that have a file of this length"},
    BULK_OPTION_DEFS,
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct tool_spec spec = {
    .defs = defs,
    .sample = "--trackers=host --domain=foo --key=\"/hello.jpg\" --file=\"./hello.jpg\"\n"
              "       mogupload --trackers=host --domain=foo --recursive --key=\"photos/\" --file=./photos --jobs=8 "
              "--failed=again.txt",
    .family = TOOLOPT_CLIENT,
};

static bool choose_checksum(const struct tool *t, struct upload_opts *o)
{
    const char *name = toolopt_text(&t->opt, "checksum");
    o->verify = toolopt_flag(&t->opt, "verify");
    if (!name && o->verify)
        name = "MD5";
    if (!name)
        return true;
    o->checksum = digest_by_name(span_of(name));
    if (o->checksum == DIGEST_NONE)
        fprintf(stderr, "Unknown checksum '%s'; known are MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512\n", name);
    return o->checksum != DIGEST_NONE;
}

static int report(const struct upload_result *r, const struct mog_fail *f)
{
    if (r->stage == UPLOAD_OPEN)
        return tool_fail("Error opening MogileFS file: ", f);
    if (r->code[0])
        fprintf(stderr, "Error writing file: %s: %s\n", r->code, f->text);
    else
        tool_fail("Error writing file: ", f);
    return 1;
}

static int upload_one(struct tool *t, struct upload_opts *o)
{
    const char *file = toolopt_text(&t->opt, "file");
    bool is_stdin = strcmp(file, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "Could not %s %s: %s\n", errno == ENOENT ? "stat" : "open", file, strerror(errno));
        return 1;
    }
    struct upload_source source;
    struct upload_result r;
    struct mog_fail f = {.code = MOG_OK};
    int status = 0;
    if (upload_source_init(&source, fd, &f) != MOG_OK) {
        status = tool_fail("Error reading file: ", &f);
    } else {
        struct http_client *http = tool_http_new();
        if (upload_run(t->client, http, &source, o, &r, &f) != MOG_OK)
            status = report(&r, &f);
        http_client_free(http);
    }
    upload_source_fini(&source);
    if (!is_stdin)
        close(fd);
    return status;
}

static int upload_main(struct tool *t)
{
    const char *class_name = toolopt_str(&t->opt, "class"), *key = toolopt_text(&t->opt, "key");
    struct upload_opts o = {.domain = t->domain, .class_name = class_name, .key = span_of(key)};
    if (class_name && strcmp(class_name, "default") == 0)
        o.class_name = "";
    if (!toolopt_text(&t->opt, "file")) {
        fprintf(stderr, "Must specify a file to upload with --file\n");
        return 1;
    }
    if (!key && !toolopt_flag(&t->opt, "recursive")) {
        fprintf(stderr, "Must specify a key to store the file under with --key\n");
        return 1;
    }
    if (!choose_checksum(t, &o))
        return 1;
    if (toolopt_flag(&t->opt, "recursive"))
        return bulk_upload(t, toolopt_text(&t->opt, "file"), key ? key : "", &o);
    return upload_one(t, &o);
}

int main(int argc, char **argv)
{
    struct tool t;
    int status;
    if (tool_begin(&t, &spec, argc, argv, &status))
        status = upload_main(&t);
    return tool_end(&t, status);
}
