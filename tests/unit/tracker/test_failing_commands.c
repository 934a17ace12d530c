/* SPDX-License-Identifier: MIT */
/* Every command with every statement below it failing in turn: its client is told, and nothing is half done. */
#include "harness.h"
#include "store/fault_driver.h"
#include "store/small_database.h"
#include "tracker/cmd/cmd.h"

#include "common/log.h"

enum { POINTS_MAX = 60, REFRESH_MS = 30000 };

/* One line for each command that needs the database. `in_parts`: it may leave off in the middle, and goes on from there
 * when it is repeated. */
static const struct line {
    const char *text;
    bool in_parts;
} lines[] = {
    {"get_paths domain=d&key=k&noverify=1", false},
    {"create_open domain=d&key=new&class=one", false},
    {"create_close domain=d&key=k&fid=103&devid=1&path=http://127.0.0.1:75/dev1/0/000/000/0000000103.fid", false},
    {"file_info domain=d&key=k&devices=1", false},
    {"file_debug fid=101", false},
    {"delete domain=d&key=k", false},
    {"rename domain=d&from_key=k&to_key=new", false},
    {"updateclass domain=d&key=k&class=unused", false},
    {"list_keys domain=d", false},
    {"list_fids from=0&to=200", false},
    {"create_domain domain=new", false},
    {"delete_domain domain=empty", false},
    {"create_class domain=d&class=new&mindevcount=2", false},
    {"update_class domain=d&class=one&mindevcount=3", false},
    {"delete_class domain=d&class=unused", false},
    {"create_host host=h3&ip=127.0.0.3&port=75", false},
    {"update_host host=h1&ip=127.0.0.4", false},
    {"delete_host host=h2", false},
    {"create_device devid=9&hostname=h1", false},
    {"set_state host=h1&device=1&state=down", false},
    {"set_weight host=h1&device=1&weight=50", false},
    {"replicate_now", false},
    {"httpcopy sdevid=1&ddevid=3&fid=101", false},
    {"server_setting key=a", false},
    {"server_settings", false},
    {"set_server_setting key=fsck_checksum&value=off", false},
    {"fsck_start", true},
    {"fsck_stop", true},
    {"fsck_reset", true},
    {"fsck_clearlog", false},
    {"fsck_getlog", false},
    {"fsck_status", false},
    {"rebalance_set_policy policy=from_hosts%3D1%20to_percent_free%3D50", false},
    {"rebalance_test", false},
    {"rebalance_start", true},
    {"rebalance_stop", true},
    {"rebalance_reset", true},
    {"rebalance_status", false},
};

static const struct way {
    const char *name;
    enum mog_err error;
    int times;
    bool is_late;
} ways[] = {
    {"the connection broke", MOG_EDBDOWN, 1, false},
    {"the connection broke before the answer", MOG_EDBDOWN, 1, true},
    {"the database is gone", MOG_EDBDOWN, 1000, false},
    {"it took too long", MOG_ETIMEOUT, 1, true},
    {"an error", MOG_EDB, 1, false},
    {"a deadlock", MOG_EDEADLOCK, 1, false},
};

static struct harness stage;
static struct store *other;

static void begin_again(void)
{
    small_fill(other);
    fixture_sql(other, "INSERT INTO server_settings (field, value) VALUES ('rebal_policy', 'from_hosts=1')", NULL);
    ck_assert_int_eq(cluster_box_refresh(stage.box, REFRESH_MS), MOG_OK);
}

/* "OK", or the code of an error. */
static void outcome_of(const char *answer, char *out, size_t size)
{
    const char *at = strncmp(answer, "ERR ", 4) == 0 ? answer + 4 : answer;
    snprintf(out, size, "%.*s", (int)strcspn(at, " \r"), at);
}

static void run(const char *line, char *outcome, size_t size)
{
    char *answer = harness_run(&stage, line, strlen(line));
    size_t len = strlen(answer);
    ck_assert_msg(len > 4 && strcmp(answer + len - 2, "\r\n") == 0, "%s: %s", line, answer);
    outcome_of(answer, outcome, size);
    free(answer);
}

/* False: so many statements it does not have. */
static bool fail_at(const struct line *l, const struct way *w, int at, const char *wanted, const char *before,
                    const char *done)
{
    char got[60];
    begin_again();
    fault.at = at;
    fault.times = w->times;
    fault.error = w->error;
    fault.is_late = w->is_late;
    fault.failed = 0;
    run(l->text, got, sizeof got);
    fault_clear();
    bool did_fail = fault.failed > 0;
    struct store *st = stage.ctx->st;
    ck_assert_msg(!store_is_in_transaction(st) && store_lock_held(st) == NULL && stage.env->n_held == 0,
                  "%s, %s at %d: something is held", l->text, w->name, at);
    char *now = small_dump(other);
    bool is_done = strcmp(now, done) == 0, is_undone = strcmp(now, before) == 0;
    ck_assert_msg(strcmp(got, wanted) != 0 || is_done, "%s, %s at %d: it answers %s, and left\n%s\ninstead of\n%s",
                  l->text, w->name, at, got, now, done);
    ck_assert_msg(is_done || is_undone || l->in_parts, "%s, %s at %d: half done, and answers %s:\n%s\nit was\n%s",
                  l->text, w->name, at, got, now, before);
    free(now);
    if (!did_fail) {
        ck_assert_msg(strcmp(got, wanted) == 0, "%s answers %s, and now %s", l->text, wanted, got);
        return false;
    }
    if (strcmp(got, wanted) == 0 || (is_done && !is_undone))
        return true;
    run(l->text, got, sizeof got);
    ck_assert_msg(strcmp(got, wanted) == 0, "%s, after %s at %d: it answers %s instead of %s", l->text, w->name, at,
                  got, wanted);
    now = small_dump(other);
    ck_assert_msg(strcmp(now, done) == 0, "%s, after %s at %d: it leaves\n%s\ninstead of\n%s", l->text, w->name, at,
                  now, done);
    free(now);
    return true;
}

static size_t fail_everywhere(const struct line *l, const struct way *w)
{
    char wanted[60];
    begin_again();
    char *before = small_dump(other);
    run(l->text, wanted, sizeof wanted);
    char *done = small_dump(other);
    int at = 1;
    while (fail_at(l, w, at, wanted, before, done))
        ck_assert_msg(++at < POINTS_MAX, "%s never ends", l->text);
    free(before);
    free(done);
    return (size_t)at - 1;
}

START_TEST(every_statement_fails_in_turn)
{
    size_t failures = 0;
    log_set_level(LOG_LEVEL_ERR);
    harness_start(&stage);
    other = store_new(stage.env, STORE_BACKGROUND);
    fault_install(stage.ctx->st, false);
    fault.is_thorough = true;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        failures += fail_everywhere(&lines[i], &ways[_i]);
    printf("%s: %zu failures\n", ways[_i].name, failures);
    store_free(other);
    harness_stop(&stage);
}
END_TEST

/* What the gateway asks: an error of the database is never a file that is not there. */
START_TEST(copies_that_cannot_be_looked_up)
{
    size_t failures = 0;
    log_set_level(LOG_LEVEL_ERR);
    harness_start(&stage);
    other = store_new(stage.env, STORE_BACKGROUND);
    fault_install(stage.ctx->st, false);
    fault.is_thorough = true;
    begin_again();
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        bool did_fail = true;
        for (int at = 1; did_fail; at++) {
            struct cmd_copies copies = {0};
            ck_assert_int_lt(at, POINTS_MAX);
            ck_assert(cmd_begin(stage.ctx, 0));
            fault.at = at;
            fault.times = ways[i].times;
            fault.error = ways[i].error;
            fault.is_late = ways[i].is_late;
            fault.failed = 0;
            enum mog_err e = cmd_copies_find(stage.ctx, span_of("d"), span_of("k"), 10, &copies);
            fault_clear();
            did_fail = fault.failed > 0;
            failures += did_fail;
            cmd_end(stage.ctx);
            ck_assert_msg(e == MOG_OK || (did_fail && e != MOG_ENOTFOUND), "%s, at %d: %s", ways[i].name, at,
                          err_name(e));
            ck_assert(e == MOG_OK ? copies.fid == 101 && copies.n >= 1 : copies.fid == 0 && copies.n == 0);
            cmd_copies_fini(&copies);
        }
    }
    ck_assert_uint_ge(failures, sizeof ways / sizeof ways[0]);
    store_free(other);
    harness_stop(&stage);
}
END_TEST

START_TEST(every_command_has_its_line)
{
    for (const struct cmd_row *row = cmd_table(); row->name != NULL; row++) {
        size_t len = strlen(row->name);
        bool has = (row->flags & CMD_MEMORY) != 0;
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
            has = has || (strncmp(lines[i].text, row->name, len) == 0 && strchr(" ", lines[i].text[len]) != NULL);
        ck_assert_msg(has, "%s has no line: nobody knows what it does when the database fails", row->name);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failing_commands");
    TCase *tcase = tcase_create("failing_commands");
    tcase_set_timeout(tcase, 250);
    tcase_add_loop_test(tcase, every_statement_fails_in_turn, 0, sizeof ways / sizeof ways[0]);
    tcase_add_test(tcase, copies_that_cannot_be_looked_up);
    tcase_add_test(tcase, every_command_has_its_line);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
