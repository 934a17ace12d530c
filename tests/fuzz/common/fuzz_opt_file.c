/* SPDX-License-Identifier: MIT */
/* Fuzzing of configuration files: the first byte chooses the grammar, the rest is the file. */
#include "common/opt.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct opts {
    bool flag;
    int64_t number;
    char *text;
    struct opt_list list;
};

static const struct opt_row rows[] = {
    {NULL, 0, "flag", OPT_FLAG, OPT_FILE, offsetof(struct opts, flag), 0, 0, NULL},
    {NULL, 0, "number", OPT_INT, OPT_FILE, offsetof(struct opts, number), 0, 9999, NULL},
    {NULL, 0, "text", OPT_STRING, OPT_FILE, offsetof(struct opts, text), 0, 0, NULL},
    {NULL, 0, "list", OPT_LIST, OPT_FILE, offsetof(struct opts, list), 0, 0, NULL},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const suffixes[] = {".conf", ".conf", ".yaml"};
    if (size == 0)
        return 0;
    size_t kind = data[0] % 3;
    struct opt_spec spec = {.program = "fuzz",
                            .rows = rows,
                            .n_rows = sizeof(rows) / sizeof(rows[0]),
                            .grammar = kind == 1 ? OPT_GRAMMAR_STORED : OPT_GRAMMAR_TRACKER};
    struct opts o = {0};
    struct mog_fail f = {0};
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/shm/mogfuzz-%d%s", (int)getpid(), suffixes[kind]);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
        abort();
    close(fd);
    enum mog_err e = opt_parse_file(&spec, path, &o, NULL, &f);
    if (e != MOG_OK && f.text[0] == '\0')
        abort(); /* every error says what it is */
    opt_fini(&spec, &o);
    unlink(path);
    return 0;
}
