/* SPDX-License-Identifier: MIT */
/* A database driver that does what the real one does, but for the calls that it is told to fail. */
#ifndef MOG_TESTS_FAULT_DRIVER_H
#define MOG_TESTS_FAULT_DRIVER_H

#include "common/mem.h"
#include "store/store_run.h"

static const struct sql_driver *fault_real;

/* What is to fail, and what did. */
static struct {
    int at;                  /* the call that fails: 1 is the next; 0: none */
    int times;               /* how many in a row */
    int failed;              /* how many did */
    enum mog_err error;      /* how; MOG_EDBDOWN and MOG_ETIMEOUT end the connection */
    bool is_refusal;         /* the connection's end is known to have come before the statement */
    bool is_late;            /* the statement is done first, and its answer lost */
    size_t writes;           /* statements that began, and may have changed something */
    bool is_thorough;        /* rollbacks and looks at a connection can fail too, and a deadlock rolls back */
    void (*meanwhile)(void); /* a statement that is to fail does not, and this happens just before it; NULL: nothing */
} fault;

static void fault_clear(void)
{
    fault.at = 0;
}

/* Whether the call that begins now is to fail. */
static bool fault_strikes(void)
{
    if (fault.at == 0 || --fault.at > 0)
        return false;
    fault.at = --fault.times > 0 ? 1 : 0;
    fault.failed++;
    return true;
}

static enum mog_err fault_fail(struct sql_conn *c, struct mog_fail *f)
{
    c->is_dead = fault.error == MOG_EDBDOWN || fault.error == MOG_ETIMEOUT;
    c->was_refused = c->is_dead && fault.is_refusal;
    if (fault.error == MOG_EDEADLOCK && fault.is_thorough) {
        struct sql_result r = {0};
        struct mog_fail ignored;
        if (fault_real->run(c, SQL_ROLLBACK, 0, NULL, 0, &r, &ignored) != MOG_OK)
            sql_result_reset(&r); /* no transaction was open */
        sql_result_free(&r);
    }
    return fail_set(f, fault.error, "induced");
}

static enum mog_err fault_open(const struct sql_target *t, const struct sql_limits *l, struct sql_conn **c,
                               struct mog_fail *f)
{
    if (fault.is_thorough && fault_strikes())
        return fail_set(f, MOG_EDBDOWN, "induced");
    return fault_real->open(t, l, c, f);
}

static bool fault_is_alive(struct sql_conn *c)
{
    if (fault.is_thorough && fault_strikes())
        return false;
    return fault_real->is_alive(c);
}

static enum mog_err fault_run(struct sql_conn *c, enum sql_stmt id, size_t size, const struct sql_value *args,
                              size_t n_args, struct sql_result *r, struct mog_fail *f)
{
    fault.writes += sql_kind[id] != SQL_KIND_READ;
    bool can_fail = id != SQL_ROLLBACK || fault.is_thorough;
    if (!can_fail || !fault_strikes())
        return fault_real->run(c, id, size, args, n_args, r, f);
    if (fault.meanwhile != NULL) {
        fault.meanwhile();
        return fault_real->run(c, id, size, args, n_args, r, f);
    }
    if (fault.is_late && fault_real->run(c, id, size, args, n_args, r, f) != MOG_OK)
        return fault_fail(c, f);
    sql_result_reset(r);
    return fault_fail(c, f);
}

static enum mog_err fault_run_calls(struct sql_conn *c, struct sql_call *calls, size_t n, struct mog_fail *f)
{
    fault.writes++;
    if (!fault_strikes())
        return fault_real->run_calls(c, calls, n, f);
    struct mog_fail ignored;
    if (fault.is_late && fault_real->run_calls(c, calls, n, &ignored) != MOG_OK)
        return fault_fail(c, f);
    for (size_t i = 0; i < n; i++)
        calls[i].done = false;
    return fault_fail(c, f);
}

static enum mog_err fault_run_text(struct sql_conn *c, const char *text, struct sql_result *r, struct mog_fail *f)
{
    fault.writes++;
    if (!fault_strikes())
        return fault_real->run_text(c, text, r, f);
    if (fault.is_late && fault_real->run_text(c, text, r, f) != MOG_OK)
        return fault_fail(c, f);
    sql_result_reset(r);
    return fault_fail(c, f);
}

static enum mog_err fault_inspect(struct sql_conn *c, struct mog_fail *f)
{
    return fault.is_thorough && fault_strikes() ? fault_fail(c, f) : fault_real->inspect(c, f);
}

/* Put the driver before the handle's own; `together`: statements may go in one round trip, and fail as one. */
static void fault_install(struct store *st, bool together)
{
    static struct sql_driver faulty;
    if (st->driver != &faulty) {
        fault_real = st->driver;
        st->driver = &faulty;
    }
    faulty = *fault_real;
    faulty.open = fault_open;
    faulty.is_alive = fault_is_alive;
    faulty.run = fault_run;
    faulty.run_calls = together && fault_real->run_calls != NULL ? fault_run_calls : NULL;
    faulty.run_text = fault_run_text;
    faulty.inspect = fault_inspect;
}

#endif
