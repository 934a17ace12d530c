/* SPDX-License-Identifier: MIT */
/* Commands of clients: what a handler gets, how it answers, and how one line is run. */
#ifndef MOG_TRACKER_CMD_CMD_H
#define MOG_TRACKER_CMD_CMD_H

#include "common/buf.h"
#include "common/err.h"
#include "common/kv.h"
#include "common/metric.h"
#include "common/rng.h"
#include "store/store.h"
#include "store/store_file.h"
#include "tracker/cluster/cluster_box.h"
#include "tracker/cluster/fid_notes.h"
#include "tracker/cluster/pace.h"
#include "tracker/node/fid_cache.h"
#include "tracker/node/node.h"

#include <stdbool.h>
#include <stdint.h>

/* What was asked, by row of the table; the last one stands for unknown commands. */
enum { CMD_METRICS = 64 };
struct cmd_metrics {
    struct metric_histogram seconds[CMD_METRICS];
    metric_counter errors[CMD_METRICS];
};

/* What all query threads share. Immutable but for the numbers. */
struct cmd_shared {
    struct store_env *env;
    struct cluster_box *box;
    struct node_shared *nodes;
    struct fid_notes *notes;     /* why files are not yet replicated */
    struct pace *pace;           /* told how long clients wait, and what they make to be done */
    const char *hostname;        /* as fsck_host and rebal_host have it */
    struct cmd_metrics *metrics; /* NULL: nothing is counted */
};

/*
 * The state of one query thread, or of the loop, and the request that it works on. Handlers read `args`, `cluster`,
 * `domain`, use `st` and `node`, and answer through cmd_add_* or one cmd_err_*; they open and free nothing that is
 * here.
 */
struct cmd_ctx {
    const struct cmd_shared *shared;
    struct store *st;
    struct node *node;
    struct fid_cache *cache;
    struct rng rng;
    bool nowait; /* cmd_ctx_new_nowait() */

    /* Of the request: */
    const struct cluster *cluster;
    const struct cluster_domain *domain; /* with CMD_DOMAIN */
    struct span key;                     /* with CMD_KEY */
    struct kv args;
    struct buf reply;  /* pairs, as kv_put() writes them */
    bool names_callid; /* it has the client's callid already */
    uint32_t peer_ip;  /* host byte order */
    bool wants_alt;    /* zone=alt */
    const char *error; /* code; NULL: fine so far */
    struct buf error_text;
    struct cmd_ahead *ahead; /* CMD_TOGETHER_MAX of them */
    struct cmd_ahead *mine;  /* what was done ahead for this request; NULL: nothing */

    /* Told before a handler waits for a storage node, perhaps more than once; NULL: nobody wants to know. */
    void (*on_wait)(void *arg);
    void *on_wait_arg;
};

typedef void cmd_fn(struct cmd_ctx *ctx);

enum cmd_flags {
    CMD_DOMAIN = 1,   /* `domain` must be given and known */
    CMD_KEY = 2,      /* `key` must not be empty; checked after the domain */
    CMD_REFRESH = 4,  /* after an OK the next command sees the change: waits for a round of the monitor */
    CMD_NUDGE = 8,    /* after an OK the monitor reads the settings again soon; nobody waits */
    CMD_ADMIN = 32,   /* only for clients that may administer */
    CMD_MEMORY = 16,  /* needs no database: answered at once while that is away or hangs */
    CMD_LOOKUP = 128, /* begins with reading the file of its key: several may be read together */
    CMD_OPEN = 512,   /* registers an upload: several may be registered together */
    CMD_EARLY = 256,  /* only reads the database: served before the first look at the cluster is done */
    CMD_INSTANT = 64, /* costs nothing either: run by whoever reads the line */
};

struct cmd_row {
    const char *name;
    cmd_fn *run;
    unsigned flags;
    const char *args; /* for people: "domain key noverify? zone?" */
};

/* The row of a command, in whatever case; NULL: no such command. */
const struct cmd_row *cmd_table_find(struct span name);
/* All rows; ends with a NULL name. */
const struct cmd_row *cmd_table(void);

/* Whether a line asks for a command with CMD_INSTANT. Any thread. */
bool cmd_is_instant(struct span line);
bool cmd_is_early(struct span line); /* the same for CMD_EARLY */

/* Append the numbers in Prometheus' format: of each command that was ever run. Any thread. */
void cmd_metrics_write(const struct cmd_metrics *m, struct buf *out);

struct cmd_ctx *cmd_ctx_new(const struct cmd_shared *shared);
/*
 * One for a thread that must not wait, for cmd_go_ahead() with lookups alone: those for which the database would have
 * to be waited for are not taken. Its store is connected by store_nowait_connect(). NULL: not with this database.
 */
struct cmd_ctx *cmd_ctx_new_nowait(const struct cmd_shared *shared);
void cmd_ctx_free(struct cmd_ctx *ctx);

/* Who asks. */
struct cmd_client {
    uint32_t ip; /* host byte order; 0: not IPv4 */
    bool is_admin;
};

/*
 * Run one line (without its end) and append the answer, CR LF included, to `out`. Query threads only.
 * Returns the row that ran; NULL for an unknown command.
 */
const struct cmd_row *cmd_run(struct cmd_ctx *ctx, struct span line, const struct cmd_client *client, struct buf *out);
/*
 * Requests of one kind that came together share a round trip, and a commit: cmd_go_ahead() reads or registers what up
 * to CMD_TOGETHER_MAX lines ask for; then those with `is_taken` are each run by cmd_run_ahead() (once, in any order),
 * the others by cmd_run(). cmd_end() follows. Lookups are answered by the snapshot of the cluster that they were read
 * by. Query threads, and whoever has a context that does not wait.
 */
enum cmd_kind { CMD_ALONE, CMD_LOOKUPS, CMD_OPENS, CMD_KINDS };
enum { CMD_TOGETHER_MAX = 20 };
struct cmd_line {
    struct span text;
    const struct cmd_client *client;
    bool is_taken;
};
enum cmd_kind cmd_kind_of(struct span line); /* any thread */
/* Whether that can be done and saves anything now: a shared cache may answer lookups without the database. */
bool cmd_wants_ahead(const struct cmd_ctx *ctx, enum cmd_kind kind);
/* Returns what came of asking the database; none are taken when it has not been asked, or could not answer. */
enum mog_err cmd_go_ahead(struct cmd_ctx *ctx, enum cmd_kind kind, struct cmd_line *lines, size_t n);
const struct cmd_row *cmd_run_ahead(struct cmd_ctx *ctx, size_t i, const struct cmd_client *client, struct buf *out);

/* Whether the last line was refused because its client may not administer. */
bool cmd_was_refused(const struct cmd_ctx *ctx);

/* ---- for those that are no command but need what commands have ---- */

/* Empty `ctx` and borrow what a command finds in it; false: there is no snapshot yet. cmd_end() follows either way. */
bool cmd_begin(struct cmd_ctx *ctx, uint32_t peer_ip);
void cmd_end(struct cmd_ctx *ctx);

/* Where a file is: the URLs of its copies, best first, those on devices that are not readable now left out. */
struct cmd_copies {
    uint64_t fid, length;
    char (*urls)[CLUSTER_URL_MAX]; /* owned */
    size_t n;
};
void cmd_copies_fini(struct cmd_copies *c);
/*
 * Zero `out` before. MOG_ENOTFOUND: no such domain or key. At most `max` copies; 0 copies is MOG_OK; when none can be
 * read, one that usually could. 1 RT. Query threads, between cmd_begin() and cmd_end().
 */
MOG_MUSTCHECK enum mog_err cmd_copies_find(struct cmd_ctx *ctx, struct span domain, struct span key, size_t max,
                                           struct cmd_copies *out);

/* ---- for handlers ---- */

/* What a command with CMD_LOOKUP needs to know of its file, of enum store_read_flags. */
unsigned cmd_lookup_flags(cmd_fn *run, const struct kv *args, const struct cluster_domain *d);
/* store_file_find() of the request's key, or what was read ahead for it. */
MOG_MUSTCHECK enum mog_err cmd_find_file(struct cmd_ctx *ctx, unsigned flags, struct store_found *out);

/* A storage node is going to be waited for. */
void cmd_will_wait(struct cmd_ctx *ctx);

/* The text of a code; the code itself when there is none. */
const char *cmd_error_text(const char *code);

/* End with an error. The first one counts. */
void cmd_err(struct cmd_ctx *ctx, const char *code);
void cmd_errf(struct cmd_ctx *ctx, const char *code, const char *fmt, ...) MOG_PRINTF(3, 4);
/* A store call failed: MOG_EEXISTS is "dup", the rest "failure", logged with its reason. */
void cmd_err_store(struct cmd_ctx *ctx, enum mog_err e);
static inline bool cmd_failed(const struct cmd_ctx *ctx)
{
    return ctx->error != NULL;
}

/* Arguments. Missing and empty are told apart by kv_find. */
static inline struct span cmd_arg(const struct cmd_ctx *ctx, const char *name) /* empty when absent */
{
    const struct span *value = kv_find(&ctx->args, name);
    return value != NULL ? *value : span_make("", 0);
}
bool cmd_arg_is_true(const struct cmd_ctx *ctx, const char *name);               /* not absent, "", "0" */
bool cmd_arg_is_given(const struct cmd_ctx *ctx, const char *name);              /* present and not empty */
double cmd_arg_num(const struct cmd_ctx *ctx, const char *name);                 /* leading number, finite; else 0 */
int64_t cmd_arg_int(const struct cmd_ctx *ctx, const char *name);                /* its integer part */
bool cmd_arg_digits(const struct cmd_ctx *ctx, const char *name, uint64_t *out); /* all digits, fits */

/* "name_3_suffix" style keys for lists: printf a name, add a value. */
void cmd_addf(struct cmd_ctx *ctx, struct span value, const char *name_fmt, ...) MOG_PRINTF(3, 4);
void cmd_addf_u64(struct cmd_ctx *ctx, uint64_t value, const char *name_fmt, ...) MOG_PRINTF(3, 4);

/* Whether URLs of `host` use its alternate address in this request. */
bool cmd_uses_alt(const struct cmd_ctx *ctx, const struct cluster_host *host);
/* The URL of a copy for the client: its length; 0: the device has no address. */
size_t cmd_url(const struct cmd_ctx *ctx, const struct cluster_device *d, uint64_t fid, enum cluster_port port,
               char *out);

#endif
