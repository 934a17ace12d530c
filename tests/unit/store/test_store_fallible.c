/* SPDX-License-Identifier: MIT */
/* Every call of the store with every statement below it failing in turn: all or nothing, nothing held, and again. */
#include "store/fallible_calls.h"
#include "store/fault_driver.h"
#include "store/small_database.h"

#include <glob.h>

enum { POINTS_MAX = 200, REST_S = 30 };

/* How a statement fails. */
struct way {
    const char *name;
    enum mog_err error;
    int times; /* in a row; 0: once */
    bool is_late, is_refusal;
    bool is_closed;  /* the handle has no connection yet */
    bool inside;     /* the call is part of a transaction of its caller */
    bool apart;      /* statements go one by one, also where they could go together */
    bool is_double;  /* as the one before where they cannot */
    bool quick_only; /* needs pauses, which are short on SQLite alone */
    bool is_chosen;  /* also on servers, where connections cost so much more; MOG_TEST_ALL_WAYS=1: all others too */
};

static const struct way ways[] = {
    {"the connection broke", MOG_EDBDOWN},
    {"the connection broke, one by one", MOG_EDBDOWN, .apart = true, .is_double = true},
    {"the server had closed the connection", MOG_EDBDOWN, .is_refusal = true, .apart = true},
    {"the connection broke before the answer", MOG_EDBDOWN, .is_late = true, .is_chosen = true},
    {"the connection broke before the answer, one by one", MOG_EDBDOWN, .is_late = true, .apart = true,
     .is_double = true},
    {"the connection broke, and a new one too", MOG_EDBDOWN, .times = 2, .apart = true},
    {"the database is gone", MOG_EDBDOWN, .times = 1000, .is_closed = true},
    {"it took too long", MOG_ETIMEOUT, .is_late = true, .apart = true},
    {"an error", MOG_EDB, .is_chosen = true},
    {"an error, one by one", MOG_EDB, .apart = true, .is_double = true},
    {"an error, and the next statement fails too", MOG_EDB, .times = 2, .apart = true, .is_chosen = true},
    {"a deadlock", MOG_EDEADLOCK, .is_chosen = true},
    {"a deadlock, one by one", MOG_EDEADLOCK, .apart = true, .is_double = true},
    {"nothing but deadlocks", MOG_EDEADLOCK, .times = 1000, .quick_only = true},
    {"in a transaction the connection broke", MOG_EDBDOWN, .inside = true},
    {"in a transaction an error", MOG_EDB, .inside = true, .is_chosen = true},
    {"in a transaction a deadlock", MOG_EDEADLOCK, .inside = true},
};

/* ---- one call ---- */

struct stage {
    struct store *st, *other; /* `other` is never hindered */
    const struct fallible *f;
    const struct way *way;
    int point;           /* which statement fails; 0: none */
    char *before, *done; /* the database without the call, and after it */
    bool is_fresh;       /* it is as `before` says */
    bool is_done;        /* ... as `done` says */
};

#define EXPECT(s, condition, ...)                                                                                      \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            char why_[4000];                                                                                           \
            snprintf(why_, sizeof why_, __VA_ARGS__);                                                                  \
            ck_abort_msg("%s, %s, at call %d: %s", (s)->f->name, (s)->way->name, (s)->point, why_);                    \
        }                                                                                                              \
    } while (0)

static bool takes_part(const struct fallible *f, const struct way *w)
{
    bool is_server = store_backend(fx.st) != STORE_SQLITE;
    if (is_server && !w->is_chosen && fixture_env("MOG_TEST_ALL_WAYS") == NULL)
        return false;
    if ((w->quick_only && is_server) || (w->is_double && fault_real->run_calls == NULL))
        return false;
    /* Locks are taken before transactions, and given back after them. */
    return !w->inside || (f->lock == NULL && (f->flags & (CALL_IS_HANDLE | CALL_ALONE)) == 0);
}

static enum mog_err call_inside(struct stage *s)
{
    enum mog_err e = store_begin(s->st);
    if (e == MOG_OK)
        e = s->f->call(s->st);
    if (e == MOG_OK)
        return store_commit(s->st);
    struct mog_fail why = *store_failure(s->st);
    store_rollback(s->st);
    EXPECT(s, strcmp(why.text, store_failure(s->st)->text) == 0, "rolling back has changed the reason");
    return e;
}

/* What comes before the call: a connection or none, and its lock. */
static void prepare(struct stage *s)
{
    struct store *st = s->st;
    if (!s->is_fresh)
        small_fill(s->other);
    s->is_fresh = true;
    if (store_validate(st) != MOG_OK) /* the loss of a lock is told once */
        OK(st, store_validate(st));
    if (s->f->lock != NULL && (s->f->flags & (CALL_LOCKS | CALL_OWN_LOCK)) == 0)
        OK(st, store_lock(st, s->f->lock, REST_S));
    else if (s->way->is_closed)
        store_close(st);
}

/* Afterwards: no transaction, no lock, here or in the database. */
static void check_rest(struct stage *s, enum mog_err e)
{
    struct store *st = s->st;
    const struct fallible *f = s->f;
    EXPECT(s, !store_is_in_transaction(st), "a transaction is open");
    EXPECT(s, !st->has_writer, "the writers' turn was kept");
    if (s->f->lock == NULL && fault.writes == 0)
        return;
    const char *held = store_lock_held(st);
    bool may_hold = f->lock != NULL && (f->flags & CALL_OWN_LOCK) == 0 && !(e == MOG_OK && f->flags & CALL_UNLOCKS);
    EXPECT(s, held == NULL || may_hold, "it holds the lock %s", held);
    store_unlock(st);
    EXPECT(s, st->env->n_held == 0, "the process holds a lock that no handle knows");
    /* When the second try fails too there is nothing more to be done. */
    if ((store_backend(st) == STORE_SQLITE || st->env->row_locks) && fault.failed <= 1)
        EXPECT(s,
               fixture_number(s->other, store_backend(st) == STORE_MYSQL ? "SELECT COUNT(*) FROM `lock`"
                                                                         : "SELECT COUNT(*) FROM lock") == 0,
               "a lock's row was left");
    const char *lock = f->lock != NULL ? f->lock : "mgfs:probe";
    enum mog_err taken = store_lock(s->other, lock, REST_S);
    EXPECT(s, taken == MOG_OK, "others cannot take the lock %s: %s", lock, store_failure(s->other)->text);
    store_unlock(s->other);
    EXPECT(s, store_lock_held(s->other) == NULL, "the lock %s cannot be given back", lock);
}

static void check_data(struct stage *s, enum mog_err e)
{
    if (fault.writes == 0)
        return;
    char *now = small_dump(s->other);
    bool is_done = strcmp(now, s->done) == 0, is_undone = strcmp(now, s->before) == 0;
    s->is_fresh = is_undone;
    s->is_done = is_done;
    bool may_be_late = s->f->flags & CALL_MAY_WAIT && fault.failed > 0 && s->way->error == MOG_EDEADLOCK;
    EXPECT(s, e != MOG_OK || is_done || may_be_late, "it returned MOG_OK, and left\n%s\ninstead of\n%s", now, s->done);
    EXPECT(s, is_done || is_undone || s->f->flags & CALL_IN_PARTS, "it is half done (%s: %s):\n%s\nit was\n%s",
           err_name(e), store_failure(s->st)->text, now, s->before);
    free(now);
}

static enum mog_err run_call(struct stage *s)
{
    struct mog_fail *why = &s->st->fail;
    *why = (struct mog_fail){0};
    fault.at = s->point;
    fault.times = s->way->times == 0 ? 1 : s->way->times;
    fault.error = s->way->error;
    fault.failed = 0;
    fault.writes = 0;
    fault.is_refusal = s->way->is_refusal;
    fault.is_late = s->way->is_late;
    enum mog_err e = s->way->inside ? call_inside(s) : s->f->call(s->st);
    fault_clear();
    EXPECT(s, e == MOG_OK || (why->code == e && why->text[0] != '\0'), "it returned %s, and told %s: '%s'", err_name(e),
           err_name(why->code), why->text);
    EXPECT(s, e == MOG_OK || e == MOG_EUNSUPPORTED || fault.failed > 0, "it failed by itself: %s: %s", err_name(e),
           why->text);
    return e;
}

/* One statement fails; then nothing does, and the call works. */
static bool fail_at(struct stage *s, int point)
{
    s->point = point;
    prepare(s);
    enum mog_err e = run_call(s);
    bool did_fail = fault.failed > 0;
    check_rest(s, e);
    check_data(s, e);
    if (!did_fail || e == MOG_OK || (s->is_done && !s->is_fresh))
        return did_fail;
    /* Half done, it goes on from there. */
    bool fresh = s->is_fresh;
    s->is_fresh = s->is_fresh || (s->f->flags & CALL_IN_PARTS) != 0;
    prepare(s);
    s->is_fresh = fresh;
    s->point = 0;
    e = run_call(s);
    EXPECT(s, e == MOG_OK, "after call %d had failed, it does not work any more: %s", point,
           store_failure(s->st)->text);
    check_rest(s, e);
    check_data(s, e);
    return true;
}

START_TEST(every_call_fails_in_turn)
{
    const struct way *way = &ways[_i];
    struct stage s = {.st = fx.st, .other = store_new(fx.env, STORE_BACKGROUND), .way = way};
    size_t points = 0;
    fault_install(fx.st, !way->apart);
    fault.is_thorough = true;
    if (store_backend(fx.st) == STORE_MYSQL)
        OK(s.other, store_schema_upgrade(s.other, &some_job));
    /* Numbers that the database chooses are above those of our rows. */
    uint64_t fid;
    OK(s.other, store_file_open(s.other, &(struct store_file_open){.fid = 1000, .dmid = 1, .key = span_of("k")}, &fid));
    small_fill(s.other);
    s.before = small_dump(s.other);
    for (size_t i = 0; i < sizeof fallible_calls / sizeof fallible_calls[0]; i++) {
        s.f = &fallible_calls[i];
        if (!takes_part(s.f, way))
            continue;
        s.is_fresh = false;
        s.point = 0;
        prepare(&s);
        enum mog_err e = run_call(&s);
        if (e == MOG_EUNSUPPORTED) /* not on every database */
            continue;
        EXPECT(&s, e == MOG_OK, "it fails by itself: %s", store_failure(s.st)->text);
        free(s.done);
        s.done = small_dump(s.other);
        s.is_fresh = strcmp(s.done, s.before) == 0;
        EXPECT(&s, s.is_fresh || (s.f->flags & CALL_READS) == 0, "it reads, and has changed\n%s", s.done);
        check_rest(&s, e);
        int point = 1;
        while (fail_at(&s, point)) {
            points++;
            EXPECT(&s, ++point < POINTS_MAX, "it never ends");
        }
        EXPECT(&s, point > 1 || s.f->flags & (CALL_READS | CALL_IS_HANDLE), "nothing of it can fail");
    }
    printf("%s: %zu failures\n", way->name, points);
    free(s.before);
    free(s.done);
    store_free(s.other);
}
END_TEST

/* ---- what the headers declare ---- */

static bool is_in_table(struct span name)
{
    for (size_t i = 0; i < sizeof fallible_calls / sizeof fallible_calls[0]; i++)
        if (span_is(name, fallible_calls[i].name))
            return true;
    for (size_t i = 0; i < sizeof fallible_elsewhere / sizeof fallible_elsewhere[0]; i++)
        if (span_is(name, fallible_elsewhere[i]))
            return true;
    return false;
}

/* Every fallible function of a header has its row. Returns how many there are. */
static size_t check_header(const char *path)
{
    static const char mark[] = "MOG_MUSTCHECK enum mog_err ";
    size_t n = 0;
    char line[400];
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, mark, strlen(mark)) != 0)
            continue;
        const char *name = line + strlen(mark);
        size_t len = strcspn(name, "( \n");
        ck_assert_msg(is_in_table(span_make(name, len)),
                      "%s: %.*s has no row in fallible_calls.h: nobody knows what it does when it fails", path,
                      (int)len, name);
        n++;
    }
    fclose(file);
    return n;
}

START_TEST(every_function_has_its_row)
{
    glob_t found;
    size_t n = 0;
    ck_assert_int_eq(glob(MOG_SOURCE_DIR "/src/store/store*.h", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (strstr(found.gl_pathv[i], "/store_run.h") == NULL) /* the inside of the store */
            n += check_header(found.gl_pathv[i]);
    ck_assert_uint_gt(n, 100);
    globfree(&found);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_fallible");
    TCase *tcase = tcase_create("store_fallible");
    tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, every_call_fails_in_turn, 0, sizeof ways / sizeof ways[0]);
    tcase_add_test(tcase, every_function_has_its_row);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
