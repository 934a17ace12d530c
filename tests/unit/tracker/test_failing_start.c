/* SPDX-License-Identifier: MIT */
/* Starting a tracker, and ending it, with each call of its main thread failing in turn. */
#include "failing_start.h"

#include "tracker/tracker.h"

static char folder[40], config[60], said[60], address[24];

static int run_tracker(void)
{
    char option[] = "--config";
    char *argv[] = {(char *)"mogilefsd", option, config, NULL};
    struct mog_fail f = {0};
    struct tracker *t = tracker_new();
    enum mog_err e = tracker_load(t, 3, argv, &f);
    if (e == MOG_OK)
        e = tracker_check_user(t, &f);
    if (e == MOG_OK)
        e = tracker_check_database(t, &f);
    if (e == MOG_OK)
        e = tracker_listen(t, &f);
    if (e == MOG_OK)
        e = tracker_enter(t, &f);
    if (e == MOG_OK)
        e = tracker_run(t, &f);
    tracker_free(t);
    if (e != MOG_OK)
        fprintf(stderr, "%s\n", f.text);
    return e == MOG_OK ? 0 : 1;
}

START_TEST(it_starts_or_says_why)
{
    char command[80];
    snprintf(folder, sizeof folder, "%s/mogtest-XXXXXX", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(config, sizeof config, "%s/conf", folder);
    snprintf(said, sizeof said, "%s/said", folder);
    snprintf(address, sizeof address, "%s", failing_start_address());
    FILE *out = fopen(config, "w");
    ck_assert_ptr_nonnull(out);
    fprintf(out,
            "state_dir = %s\nlisten = %s:7001\nhttp_listen = %s:7002\npidfile = %s/pid\nquery_jobs = 2\n"
            "delete_jobs = 1\nreplicate_jobs = 1\nfsck_jobs = 1\nreaper_jobs = 1\n%s",
            folder, address, address, folder, getuid() == 0 ? "user = root\n" : "");
    ck_assert_int_eq(fclose(out), 0);
    const struct failing_start s = {
        .run = run_tracker, .address = address, .port = 7001, .request = "noop\r\n", .answer = "OK"};
    failing_start_each(&s, said);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("failing_start");
    TCase *tcase = tcase_create("failing_start");
    tcase_set_timeout(tcase, 250);
    tcase_add_test(tcase, it_starts_or_says_why);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
