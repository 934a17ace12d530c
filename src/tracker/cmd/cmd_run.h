/* SPDX-License-Identifier: MIT */
/* What running one line and reading ahead for several share. */
#ifndef MOG_TRACKER_CMD_CMD_RUN_H
#define MOG_TRACKER_CMD_CMD_RUN_H

#include "tracker/cmd/cmd.h"

/* A line on its way from cmd_read_ahead() to cmd_run_ahead(). */
struct cmd_ahead {
    int64_t started_us;
    const struct cmd_row *row;
    struct kv args;
    uint32_t dmid;
    struct span key;          /* in `args` */
    bool is_wanted, is_known; /* to be read; read: `err` and `found` are what store_file_find() says */
    enum mog_err err;
    struct store_found found;
};
void cmd_ahead_free(struct cmd_ahead *all); /* CMD_TOGETHER_MAX of them, or NULL */

/* The command of a line, whose arguments are left in `line`. NULL: unknown. */
const struct cmd_row *cmd_take_command(struct span *line);
/* Forget the last request. */
void cmd_reset(struct cmd_ctx *ctx);
/* Run a command (NULL: unknown) whose arguments are in ctx->args, and append the answer; `started_us`: for its cost. */
void cmd_run_parsed(struct cmd_ctx *ctx, const struct cmd_row *row, int64_t started_us, const struct cmd_client *client,
                    struct buf *out);

#endif
