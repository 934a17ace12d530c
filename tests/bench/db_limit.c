/* SPDX-License-Identifier: MIT */
/* db_limit: how many of the tracker's database operations a database bears when nothing stands before it. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <mysql.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/opt.h"
#include "db_limit_db.h"
#include "tools/hist.h"

enum {
    RATE_MAX = 10 * 1000 * 1000,
    THREADS_MAX = 1000,
    KEYS_MAX = 10 * 1000 * 1000,
    SECONDS_MAX = 3600,
    PREFIX_MAX = 180,
    DMID_MAX = 65535
};

#define ROW(name, type, field, min, max, help)                                                                         \
    {                                                                                                                  \
        name, 0, NULL, type, OPT_CLI, offsetof(struct db_opts, field), min, max, help                                  \
    }

static const struct opt_row rows[] = {
    ROW("host", OPT_STRING, host, 0, 0, "the server (default 127.0.0.1)"),
    ROW("port", OPT_INT, port, 1, 65535, "its port (default 3306)"),
    ROW("socket", OPT_STRING, socket, 0, 0, "its socket, in place of host and port"),
    ROW("database", OPT_STRING, database, 0, 0, "a database that mogdbsetup made (default mogilefs)"),
    ROW("user", OPT_STRING, user, 0, 0, "account (default mogile)"),
    ROW("password", OPT_STRING, password, 0, 0, "its password"),
    ROW("threads", OPT_INT, threads, 1, THREADS_MAX, "threads, with a connection each (default 10)"),
    ROW("seconds", OPT_INT, seconds, 1, SECONDS_MAX, "how long (default 5)"),
    ROW("rate", OPT_INT, rate, 1, RATE_MAX, "so many operations a second; latencies count from when each was due"),
    ROW("keys", OPT_INT, keys, 1, KEYS_MAX, "files to choose from; missing ones are made (default 10000)"),
    ROW("domain-id", OPT_INT, domain_id, 0, DMID_MAX, "the domain of the files (default 60000)"),
    ROW("prefix", OPT_STRING, prefix, 0, 0, "beginning of their keys (default db_limit/)"),
};

static const struct opt_spec spec = {.program = "db_limit", .rows = rows, .n_rows = sizeof rows / sizeof rows[0]};

/* What all threads take the next operation from. */
struct pace {
    int64_t rate; /* a second; 0: at once */
    int64_t begun_us, until_us;
    _Atomic int64_t n_taken;
};

struct worker {
    pthread_t id;
    struct pace *pace;
    struct db_conn *conn;
    const struct db_mode *mode;
    uint64_t random, errors;
    struct hist *hist;
    struct mog_fail fail; /* the first one */
};

/* When the next operation is due, having waited for it; the end of the time once that has come. */
static int64_t next_due(struct pace *p)
{
    int64_t now = clock_mono_us();
    if (p->rate == 0 || now >= p->until_us)
        return now;
    int64_t due = p->begun_us + (int64_t)((double)p->n_taken++ * 1e6 / (double)p->rate);
    struct timespec at = {due / 1000000, due % 1000000 * 1000};
    while (due > now && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
    return due;
}

static void *worker_thread(void *arg)
{
    struct worker *w = arg;
    (void)prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul); /* of this thread: timers may be 50 us late else */
    for (int64_t begun; (begun = next_due(w->pace)) < w->pace->until_us;) {
        struct mog_fail f = {.code = MOG_OK};
        w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        enum db_done done = w->mode->run(w->conn, w->random >> 20, &f);
        if (done == DB_NO_MORE)
            break;
        if (done == DB_DONE)
            hist_record(w->hist, (uint64_t)(clock_mono_us() - begun));
        else if (w->errors++ == 0)
            w->fail = f;
    }
    return NULL;
}

static void print_line(const char *mode, const struct worker *all, int64_t n, double seconds)
{
    struct hist *h = mem_calloc(1, sizeof *h);
    uint64_t errors = 0;
    for (int64_t i = 0; i < n; i++) {
        hist_merge(h, all[i].hist);
        errors += all[i].errors;
    }
    printf("mode=%s threads=%" PRId64 " seconds=%.3f operations=%" PRIu64 " errors=%" PRIu64
           " per_second=%.1f mean_us=%.0f p50_us=%" PRIu64 " p90_us=%" PRIu64 " p99_us=%" PRIu64 " p999_us=%" PRIu64
           " max_us=%" PRIu64 "\n",
           mode, n, seconds, h->n, errors, (double)h->n / seconds, hist_mean_us(h), hist_quantile(h, 0.5),
           hist_quantile(h, 0.9), hist_quantile(h, 0.99), hist_quantile(h, 0.999), h->max_us);
    free(h);
}

/* All threads at once; MOG_OK when there was no error. */
static enum mog_err measure(struct db *db, const struct db_mode *mode, struct worker *all, struct mog_fail *f)
{
    int64_t n = db->opts->threads, started = 0, begun = clock_mono_us();
    struct pace pace = {db->opts->rate, begun, begun + db->opts->seconds * 1000000, 0};
    for (int64_t i = 0; i < n; i++) {
        all[i].mode = mode;
        all[i].random = (uint64_t)i;
        all[i].pace = &pace;
    }
    while (started < n && pthread_create(&all[started].id, NULL, worker_thread, &all[started]) == 0)
        started++;
    for (int64_t i = 0; i < started; i++)
        pthread_join(all[i].id, NULL);
    double seconds = (double)(clock_mono_us() - begun) / 1e6;
    if (started < n)
        return fail_set(f, MOG_EIO, "only %" PRId64 " threads could be started", started);
    print_line(mode->name, all, n, seconds);
    for (int64_t i = 0; i < n; i++) {
        if (all[i].errors)
            return fail_set(f, MOG_EDB, "%.300s", all[i].fail.text);
    }
    return MOG_OK;
}

static enum mog_err run(struct db *db, const struct db_mode *mode, struct mog_fail *f)
{
    struct db_conn *first = NULL;
    struct worker *all = mem_calloc((size_t)db->opts->threads, sizeof *all);
    enum mog_err e = db_connect(db, &first, f);
    if (e == MOG_OK)
        e = db_prepare(db, first, mode, f);
    for (int64_t i = 0; i < db->opts->threads; i++) {
        all[i].hist = mem_calloc(1, sizeof *all[i].hist);
        if (e == MOG_OK)
            e = db_connect(db, &all[i].conn, f);
    }
    if (e == MOG_OK)
        e = measure(db, mode, all, f);
    struct mog_fail cleaning = {.code = MOG_OK};
    if (first != NULL && db_clean(db, first, &cleaning) != MOG_OK && e == MOG_OK) {
        *f = cleaning;
        e = f->code;
    }
    for (int64_t i = 0; i < db->opts->threads; i++) {
        db_close(all[i].conn);
        free(all[i].hist);
    }
    free(all);
    db_close(first);
    return e;
}

static enum mog_err check(const struct db_opts *o, const struct opt_list *words, struct mog_fail *f)
{
    if (words->n != 1)
        return fail_set(f, MOG_EUSAGE,
                        "usage: db_limit MODE [--host=... --port=... | --socket=...] [--database=...] "
                        "[--user=...] [--password=...] [options]; MODE is %s",
                        db_mode_names());
    if (db_mode_find(words->items[0]) == NULL)
        return fail_set(f, MOG_EUSAGE, "unknown mode '%.80s': it is %s", words->items[0], db_mode_names());
    size_t len = o->prefix ? strlen(o->prefix) : 1;
    if (len == 0 || len > PREFIX_MAX || (o->prefix && (unsigned char)o->prefix[len - 1] == 0xff))
        return fail_set(f, MOG_EUSAGE, "the prefix must have 1 to %d bytes, the last one below 255", PREFIX_MAX);
    if (o->socket && o->host)
        return fail_set(f, MOG_EUSAGE, "a socket and a host exclude each other");
    return MOG_OK;
}

int main(int argc, char **argv)
{
    struct db_opts o = {.port = 3306, .threads = 10, .seconds = 5, .keys = 10000, .domain_id = 60000};
    struct opt_list words = {NULL, 0, 0};
    struct mog_fail f = {.code = MOG_OK};
    o.database = mem_strdup("mogilefs");
    o.user = mem_strdup("mogile");
    enum mog_err e = opt_parse_argv(&spec, argc, argv, &o, NULL, &words, &f);
    if (e == MOG_OK)
        e = check(&o, &words, &f);
    if (e == MOG_OK) {
        struct db db = {.opts = &o};
        mysql_library_init(0, NULL, NULL);
        e = run(&db, db_mode_find(words.items[0]), &f);
        db_fini(&db);
        mysql_library_end();
    }
    if (e != MOG_OK)
        fprintf(stderr, "db_limit: %s\n", f.text);
    opt_list_fini(&words);
    opt_fini(&spec, &o);
    return e == MOG_OK ? 0 : e == MOG_EUSAGE ? 2 : 1;
}
