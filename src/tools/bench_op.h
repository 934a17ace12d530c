/* SPDX-License-Identifier: MIT */
/* What mogbench can do: each operation as the exchanges it consists of. */
#ifndef MOG_TOOLS_BENCH_OP_H
#define MOG_TOOLS_BENCH_OP_H

#include "tools/bench_loop.h"
#include "tools/client.h"

struct bench_op;

/* A file that lies at its node, and that create_close has not been called for. */
struct bench_open {
    uint64_t fid, devid;
    char *path; /* owned */
};

/* What the operations work on. One thread. */
struct bench_files {
    const char *domain, *prefix, *class_name; /* NULL: no class is sent; borrowed */
    struct span body;                         /* of each file; borrowed */
    uint64_t most;                            /* files to choose from: the first so many */
    char **names;                             /* keys that were there before, encoded; owned */
    size_t n_names, cap_names;                /* 0: keys are the prefix and a number */
    uint64_t n_stored;                        /* keys 0 to n_stored - 1 were given out */
    uint64_t n_deleted;                       /* keys 0 to n_deleted - 1 were deleted */
    struct bench_open *open;                  /* the last one is closed first */
    size_t n_open, cap_open;
    uint64_t random, bytes; /* bytes: of files sent and read; the caller sets it to 0 */
    struct client_answer answer;
};

void bench_files_fini(struct bench_files *b);

/* The operation of this name, or NULL. `open_put`, which create_close needs, is not among the names. */
const struct bench_op *bench_op_find(const char *name);
/* All names, separated by blanks. */
const char *bench_op_names(void);

/* Whether it leaves all files as they are. */
bool bench_op_only_reads(const struct bench_op *op);

/* What must be there before. */
enum bench_need { BENCH_NEEDS_NOTHING, BENCH_NEEDS_KEYS, BENCH_NEEDS_OPEN };
enum bench_need bench_op_need(const struct bench_op *op);

/* A request in work; its memory is the slot's task. */
size_t bench_op_task_size(void);

struct bench_run; /* an operation, ready to run on its files */

/* Borrows both. */
struct bench_run *bench_run_new(struct bench_files *b, const struct bench_op *op);
void bench_run_free(struct bench_run *r);
/* For struct loop_job; `arg` is the struct bench_run. */
enum loop_step bench_run_begin(void *arg, struct slot *s);
enum loop_step bench_run_reply(void *arg, struct slot *s, const struct loop_reply *r);

#endif
