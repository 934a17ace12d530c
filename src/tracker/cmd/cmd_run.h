/* SPDX-License-Identifier: MIT */
/* What running one line and reading ahead for several share. */
#ifndef MOG_TRACKER_CMD_CMD_RUN_H
#define MOG_TRACKER_CMD_CMD_RUN_H

#include "common/clock.h"
#include "tracker/cmd/cmd.h"

/* Where an upload goes. */
enum { CMD_DESTS_MAX = 3 };
struct cmd_open_plan {
    uint32_t classid;
    uint32_t devids[CMD_DESTS_MAX];
    size_t n;
    char text[CMD_DESTS_MAX * sizeof("4294967295,")]; /* the same for the database */
};
/* Choose for the upload of ctx->args. False: that has to be done when it is run alone. */
bool cmd_open_plan(struct cmd_ctx *ctx, struct cmd_open_plan *plan);

/* A line on its way from cmd_go_ahead() to cmd_run_ahead(). */
struct cmd_ahead {
    int64_t started_us;
    const struct cmd_row *row;
    struct kv args;
    uint32_t dmid;
    struct span key;          /* in `args` */
    bool is_wanted, is_known; /* to be done; done: what came of it */
    enum mog_err err;
    unsigned flags;           /* a lookup's: what it needs to know, of enum store_read_flags */
    struct store_found found; /* and what store_file_find() says */
    struct cmd_open_plan plan;
    uint64_t fid;       /* an upload's */
    struct deadline by; /* for what is left to do for all of them */
};
void cmd_ahead_free(struct cmd_ahead *all); /* CMD_TOGETHER_MAX of them, or NULL */

/* The command of a line, whose arguments are left in `line`. NULL: unknown. */
const struct cmd_row *cmd_take_command(struct span *line);
/* Forget the last request. */
void cmd_reset(struct cmd_ctx *ctx);
/*
 * Run a command (NULL: unknown) whose arguments are in ctx->args, and append the answer; `started_us`: for its cost.
 * By the snapshot of the cluster that is borrowed, or else by the present one.
 */
void cmd_run_parsed(struct cmd_ctx *ctx, const struct cmd_row *row, int64_t started_us, const struct cmd_client *client,
                    struct buf *out);

#endif
