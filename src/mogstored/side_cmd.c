/* SPDX-License-Identifier: MIT */
/* The commands of the side channel. */
#include "mogstored/side_client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/urlenc.h"
#include "mogstored/beneath.h"
#include "mogstored/devices.h"
#include "mogstored/http.h"

/* How a command's words are matched. */
enum args {
    ARGS_NONE,   /* the line is the name and nothing else */
    ARGS_PATH,   /* one blank, a path */
    ARGS_REASON, /* one blank, a path, and perhaps one blank and a word */
    ARGS_FREE,   /* anything */
};

struct command {
    const char *name;
    enum args args;
    bool any_case;
    void (*run)(struct side_client *c, struct span name, struct span args);
    const char *help;
};

static void unknown_command(struct side_client *c, struct span line)
{
    struct span word = span_trim(line);
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == ' ' || word.ptr[i] == '\t')
            word.len = i;
    }
    side_reply(c, "ERROR: unknown command: %.*s", (int)word.len, word.ptr);
}

static bool has_dots(struct span path)
{
    for (size_t i = 0; i + 1 < path.len; i++) {
        if (path.ptr[i] == '.' && path.ptr[i + 1] == '.')
            return true;
    }
    return false;
}

static struct side_work *work_new(struct side_client *c, struct span path)
{
    struct side_work *w = mem_calloc(1, sizeof *w);
    w->side = c->side;
    w->client = c;
    w->path = span_dup(path);
    c->work = w;
    return w;
}

/* ---- size ---- */

static void size_run(struct job *j)
{
    struct side_work *w = (struct side_work *)((char *)j - offsetof(struct side_work, job));
    struct mog_fail f;
    struct stat st;
    int root = -1;
    if (device_open_root(j->dev, &root, &f) != MOG_OK)
        return;
    int fd = beneath_open(root, w->task.below, O_PATH, 0);
    close(root);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        w->size = st.st_size;
    close(fd);
}

static void size_done(struct job *j, bool has_run)
{
    struct side_work *w = (struct side_work *)((char *)j - offsetof(struct side_work, job));
    (void)has_run;
    side_post(w);
}

/* The device of a path; NULL when it is unknown, or when the path can name no file (`*names_file`). */
static struct device *find_file(struct side_client *c, struct span path, struct dpath *out, bool *names_file)
{
    *names_file = dpath_parse(path, out) == MOG_OK && !out->has_query && !out->trailing_slash &&
                  (out->kind == DPATH_FILE || out->kind == DPATH_USAGE);
    if (!*names_file)
        return NULL;
    return devices_find(c->side->opts.devices, out->devid);
}

static void run_size(struct side_client *c, struct span name, struct span path)
{
    struct dpath parsed;
    bool names_file;
    (void)name;
    if (has_dots(path)) {
        side_reply(c, "ERROR: uri invalid (contains ..)");
        return;
    }
    struct device *d = find_file(c, path, &parsed, &names_file);
    if (!d || device_health(d) == DEVICE_UNHEALTHY) {
        side_reply(c, "%.*s -1", (int)path.len, path.ptr);
        return;
    }
    struct side_work *w = work_new(c, path);
    w->is_size = true;
    w->size = -1;
    memcpy(w->task.below, parsed.below, sizeof parsed.below);
    w->job.run = size_run;
    w->job.done = size_done;
    if (!device_submit(d, &w->job, true))
        side_post(w);
}

/* ---- digests ---- */

static void digest_done(struct digest_task *t)
{
    side_post((struct side_work *)((char *)t - offsetof(struct side_work, task)));
}

/* Split "path reason"; the reason is one word or not there. */
static bool split_reason(struct span args, struct span *path, struct span *reason)
{
    struct span rest = args;
    if (!span_split(&rest, ' ', path) || path->len == 0)
        return false;
    *reason = rest;
    if (!rest.ptr)
        return true;
    for (size_t i = 0; i < rest.len; i++) {
        char ch = rest.ptr[i];
        bool is_word = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
        if (!is_word)
            return false;
    }
    return rest.len > 0;
}

static void run_digest(struct side_client *c, struct span name, struct span args)
{
    struct span path, reason;
    struct dpath parsed;
    bool names_file;
    if (!split_reason(args, &path, &reason))
        return;
    if (has_dots(path)) {
        side_reply(c, "ERROR: uri invalid (contains ..)");
        return;
    }
    struct device *d = find_file(c, path, &parsed, &names_file);
    /* "Missing" must be certain: a tracker forgets the copy then. */
    if (names_file && (!d || device_health(d) == DEVICE_UNHEALTHY)) {
        side_reply(c, "ERR read %.*s at 0 failed", (int)path.len, path.ptr);
        return;
    }
    if (!names_file) {
        side_reply(c, "%.*s %.*s=-1", (int)path.len, path.ptr, (int)name.len, name.ptr);
        return;
    }
    struct side_work *w = work_new(c, path);
    w->task.type = digest_by_name(name);
    w->task.dev = d;
    memcpy(w->task.below, parsed.below, sizeof parsed.below);
    w->task.is_background = span_is(reason, "fsck");
    w->task.done = digest_done;
    digester_submit(c->side->digester, &w->task);
}

void side_finish_work(struct side_work *w)
{
    struct side_client *c = w->client;
    if (w->is_size) {
        side_reply(c, "%s %" PRId64, w->path, w->size);
        return;
    }
    const char *name = digest_name(w->task.type);
    switch (w->task.outcome) {
    case DIGEST_OUTCOME_OK: {
        struct buf hex = BUF_ZERO;
        urlenc_hex(&hex, w->task.value, digest_size(w->task.type));
        side_reply(c, "%s %s=%s", w->path, name, buf_cstr(&hex));
        buf_fini(&hex);
        break;
    }
    case DIGEST_OUTCOME_MISSING:
        side_reply(c, "%s %s=-1", w->path, name);
        break;
    case DIGEST_OUTCOME_FAILED:
        side_reply(c, "ERR read %s at %" PRIu64 " failed", w->path, w->task.offset);
        break;
    }
}

/* ---- the rest ---- */

static void run_watch(struct side_client *c, struct span name, struct span args)
{
    (void)name;
    (void)args;
    c->is_watcher = true;
    devices_kick(c->side->opts.devices); /* who begins to watch wants fresh numbers */
}

static void run_shutdown(struct side_client *c, struct span name, struct span args)
{
    struct span rest = span_trim(args), word;
    uint64_t limit_s = 0;
    (void)name;
    if (rest.len == 0) {
        c->side->opts.stop(c->side->opts.stop_arg, false, 0);
        c->is_closing = true;
        return;
    }
    bool is_graceful = span_split(&rest, ' ', &word) && span_is_nocase(word, "graceful");
    if (!is_graceful || (rest.ptr && num_parse_u64(span_trim(rest), 0, 86400, &limit_s) != MOG_OK)) {
        side_reply(c, "ERROR: Invalid syntax to 'shutdown' command");
        return;
    }
    side_reply(c, "%s", "");
    c->side->opts.stop(c->side->opts.stop_arg, true, limit_s);
}

/* "aio_threads = 20", blanks as one likes. */
static void run_server(struct side_client *c, struct span name, struct span args)
{
    struct span value = span_trim(args), key;
    (void)name;
    if (!span_split(&value, '=', &key) || !value.ptr) {
        side_reply(c, "ERROR: Invalid syntax to 'server' command");
        return;
    }
    key = span_trim(key);
    value = span_trim(value);
    if (span_is_nocase(key, "aio_threads")) {
        uint64_t n;
        if (num_parse_u64(value, 1, UINT32_MAX, &n) == MOG_OK)
            devices_set_threads(c->side->opts.devices, n > DEVICE_THREADS_MAX ? DEVICE_THREADS_MAX : (unsigned)n);
        side_reply(c, "%s", "");
    } else if (span_is_nocase(key, "aio_mode")) {
        if (span_is(value, "linux"))
            side_reply(c, "ERROR: Linux::AIO no longer supported");
        else
            side_reply(c, "%s", "");
    } else {
        side_reply(c, "ERROR: unknown server option '%.*s'", (int)value.len, value.ptr);
    }
}

static void run_version(struct side_client *c, struct span name, struct span args)
{
    int64_t now = clock_wall_s(), start = c->side->started_unix_s;
    (void)name;
    (void)args;
    side_reply(c, "starttime %" PRId64, start);
    side_reply(c, "uptime %" PRId64, now > start ? now - start : 0);
    side_reply(c, "version " MOG_VERSION);
    side_reply(c, ".");
}

static uint64_t count_requests(struct stats *s)
{
    uint64_t n = 0;
    for (size_t m = 0; m < STATS_METHOD_COUNT; m++) {
        for (size_t i = 0; i < STATS_STATUS_COUNT; i++)
            n += atomic_load(&s->requests[m][i]);
    }
    return n;
}

static void run_aio(struct side_client *c, struct span name, struct span args)
{
    size_t n;
    struct device **list = devices_list(c->side->opts.devices, &n);
    (void)name;
    (void)args;
    for (size_t i = 0; i < n; i++) {
        struct device *d = list[i];
        side_reply(c, "%s cur_running %u", d->name, atomic_load(&d->running));
        side_reply(c, "%s cur_queued %u", d->name, atomic_load(&d->queued));
        side_reply(c, "%s ctr_queued %" PRIu64, d->name, atomic_load(&d->waited));
        side_reply(c, "%s ctr_total %" PRIu64, d->name, atomic_load(&d->submitted));
    }
    side_reply(c, ".");
    free(list);
}

static void run_stats(struct side_client *c, struct span name, struct span args)
{
    size_t n;
    struct device **list = devices_list(c->side->opts.devices, &n);
    (void)name;
    (void)args;
    if (c->side->opts.http) {
        side_reply(c, "connections %zu", http_connections(c->side->opts.http));
        side_reply(c, "requests %" PRIu64, count_requests(http_stats(c->side->opts.http)));
    }
    for (size_t i = 0; i < n; i++) {
        struct device *d = list[i];
        char fault[160];
        device_describe_fault(d, fault, sizeof fault);
        side_reply(c, "%s health %s%s%s", d->name, device_health_text(device_health(d)), fault[0] ? ": " : "", fault);
        side_reply(c, "%s requests %" PRIu64, d->name, count_requests(&d->stats));
        side_reply(c, "%s refused %" PRIu64, d->name, atomic_load(&d->stats.refused));
        side_reply(c, "%s errors %" PRIu64, d->name, atomic_load(&d->stats.errors));
        side_reply(c, "%s running %u", d->name, atomic_load(&d->running));
        side_reply(c, "%s queued %u", d->name, atomic_load(&d->queued));
    }
    side_reply(c, ".");
    free(list);
}

static void run_quit(struct side_client *c, struct span name, struct span args)
{
    (void)name;
    (void)args;
    c->is_closing = true;
}

static void run_help(struct side_client *c, struct span name, struct span args);

static const struct command commands[] = {
    {"size", ARGS_PATH, false, run_size, "size <path>"},
    {"MD5", ARGS_REASON, false, run_digest, "MD5 <path> [<reason>]"},
    {"SHA-1", ARGS_REASON, false, run_digest, "SHA-1 <path> [<reason>]"},
    {"SHA-256", ARGS_REASON, false, run_digest, "SHA-256 <path> [<reason>]"},
    {"SHA-512", ARGS_REASON, false, run_digest, "SHA-512 <path> [<reason>]"},
    {"watch", ARGS_NONE, true, run_watch, "watch"},
    {"shutdown", ARGS_FREE, false, run_shutdown, "shutdown [graceful [<seconds>]]"},
    {"server", ARGS_FREE, true, run_server, "server aio_threads = <number>"},
    {"version", ARGS_NONE, false, run_version, "version"},
    {"uptime", ARGS_NONE, false, run_version, "uptime"},
    {"aio", ARGS_NONE, false, run_aio, "aio"},
    {"stats", ARGS_NONE, false, run_stats, "stats"},
    {"help", ARGS_NONE, false, run_help, "help"},
    {"quit", ARGS_NONE, false, run_quit, "quit"},
};

static void run_help(struct side_client *c, struct span name, struct span args)
{
    (void)name;
    (void)args;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        side_reply(c, "%s", commands[i].help);
    side_reply(c, ".");
}

static bool args_fit(enum args kind, bool has_args, struct span args)
{
    struct span path, reason;
    switch (kind) {
    case ARGS_NONE:
        return !has_args;
    case ARGS_PATH:
        return has_args && args.len > 0 && !memchr(args.ptr, ' ', args.len);
    case ARGS_REASON:
        return has_args && split_reason(args, &path, &reason);
    case ARGS_FREE:
        return true;
    }
    return false;
}

void side_run_command(struct side_client *c, struct span line)
{
    struct span args = line, name;
    if (span_trim(line).len == 0) {
        side_reply(c, "%s", "");
        return;
    }
    if (memchr(line.ptr, '\0', line.len)) {
        side_reply(c, "ERROR: unknown command: ");
        return;
    }
    (void)span_split(&args, ' ', &name);
    bool has_args = args.ptr != NULL;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *command = &commands[i];
        bool is_it = command->any_case ? span_is_nocase(name, command->name) : span_is(name, command->name);
        if (is_it && args_fit(command->args, has_args, args)) {
            command->run(c, name, args);
            return;
        }
    }
    unknown_command(c, line);
}
