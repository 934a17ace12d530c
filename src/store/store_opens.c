/* SPDX-License-Identifier: MIT */
/* New uploads that are registered at the same time. */
#include "store/store_opens.h"

#include <string.h>

#include "store/store_run.h"

/*
 * A server that syncs the commits of several connections together does best with some of them; a file that one writes
 * at a time with two, the one that writes and the one that gathers meanwhile.
 */
enum { RUNNING_MAX = 8, RUNNING_MAX_ONE_WRITER = 2, SHARE_MAX = 20, WIDTH = 4 };

struct store_opens_wait {
    struct store_opens_wait *next;
    const struct store_file_open *open;
    pthread_cond_t wake;
    bool is_done, is_alone; /* is_alone: it was tried with others, and has to be tried by itself */
    enum mog_err err;
    struct mog_fail fail;
    uint64_t fid;
    bool is_used;
};

void store_opens_init(struct store_opens *s)
{
    *s = (struct store_opens){.last = &s->first};
    pthread_mutex_init(&s->lock, NULL);
}

void store_opens_fini(struct store_opens *s)
{
    pthread_mutex_destroy(&s->lock);
}

/* Under the lock: take the first of the list, as many as a statement has places for. */
static size_t take(struct store_opens *s, struct store_opens_wait **out, size_t *size)
{
    size_t waiting = 0, n;
    for (const struct store_opens_wait *w = s->first; w != NULL && waiting < SHARE_MAX; w = w->next)
        waiting++;
    *size = 0;
    while (*size + 1 < SQL_SIZES && sql_size[*size + 1] <= waiting)
        ++*size;
    for (n = 0; n < sql_size[*size]; n++) {
        out[n] = s->first;
        s->first = s->first->next;
    }
    if (s->first == NULL)
        s->last = &s->first;
    return n;
}

/* Run the statement for all of them. */
static enum mog_err insert(struct store *st, struct store_opens_wait *const *all, size_t n, size_t size)
{
    struct sql_value args[SHARE_MAX * WIDTH];
    for (size_t i = 0; i < n; i++) {
        const struct store_file_open *o = all[i]->open;
        const struct sql_value row[WIDTH] = {sql_int(o->dmid), sql_name_of(o->key), sql_int(o->classid),
                                             sql_str(o->devids)};
        memcpy(&args[i * WIDTH], row, sizeof(row));
    }
    enum mog_err e = store_run_sized(st, SQL_TEMPFILE_INSERT, size, args, n * WIDTH);
    if (e == MOG_OK && st->result.n_rows != n)
        e = store_fail(st, MOG_EDB, "%zu uploads were registered, and %zu numbers came back", n, st->result.n_rows);
    /* Rows come back in the order in which they were numbered, which is the one in which they were given. */
    for (size_t i = 0; e == MOG_OK && i < n; i++) {
        all[i]->fid = sql_u64(&st->result, i, 0);
        all[i]->is_used = sql_i64(&st->result, i, 1) != 0;
        if (i > 0 && all[i]->fid <= all[i - 1]->fid)
            e = store_fail(st, MOG_EDB, "new numbers came back in disorder");
    }
    return e;
}

/* The database is away for all of them; anything else may be the fault of one. */
static bool is_of_all(enum mog_err e)
{
    return e == MOG_OK || e == MOG_EDBDOWN || e == MOG_ETIMEOUT;
}

/* Under the lock, which is given back meanwhile: run one statement. */
static void lead(struct store *st, struct store_opens *s)
{
    struct store_opens_wait *all[SHARE_MAX];
    size_t size, n = take(s, all, &size);
    s->running++;
    /* Those that found no place in the statement need not wait for its end. */
    if (s->first != NULL)
        pthread_cond_signal(&s->first->wake);
    pthread_mutex_unlock(&s->lock);
    enum mog_err e = insert(st, all, n, size);
    pthread_mutex_lock(&s->lock);
    s->running--;
    for (size_t i = 0; i < n; i++) {
        all[i]->err = e;
        all[i]->fail = st->fail;
        all[i]->is_alone = n > 1 && !is_of_all(e);
        all[i]->is_done = true;
        pthread_cond_signal(&all[i]->wake);
    }
    if (s->first != NULL)
        pthread_cond_signal(&s->first->wake);
}

enum mog_err store_opens_insert(struct store *st, const struct store_file_open *o, uint64_t *fid, bool *is_used)
{
    struct store_opens *s = &st->env->opens;
    struct store_opens_wait mine = {.open = o}, *self = &mine;
    unsigned most = st->driver->one_writer ? RUNNING_MAX_ONE_WRITER : RUNNING_MAX;
    pthread_cond_init(&mine.wake, NULL);
    pthread_mutex_lock(&s->lock);
    *s->last = self;
    s->last = &mine.next;
    while (!mine.is_done) {
        if (s->first == self && s->running < most)
            lead(st, s);
        else
            pthread_cond_wait(&mine.wake, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    pthread_cond_destroy(&mine.wake);
    if (mine.is_alone)
        mine.err = insert(st, &self, 1, 0);
    else
        st->fail = mine.fail;
    *fid = mine.fid;
    *is_used = mine.is_used;
    return mine.err;
}
