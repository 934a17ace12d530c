/* SPDX-License-Identifier: MIT */
/* Starting a storage node, and ending it, with each call of its main thread failing in turn. */
#include "failing_start.h"

#include "mogstored/stored.h"

static char folder[40], config[60], said[60], address[24];

static int run_stored(void)
{
    char option[] = "--config";
    char *argv[] = {(char *)"mogstored", option, config, NULL};
    static struct stored s;
    struct mog_fail f = {0};
    bool is_done = false;
    enum mog_err e = stored_load(&s, 3, argv, &is_done, &f);
    if (e == MOG_OK)
        e = stored_listen(&s, &f);
    if (e == MOG_OK)
        e = stored_enter(&s, &f);
    if (e == MOG_OK)
        e = stored_start(&s, &f);
    if (e == MOG_OK)
        stored_run(&s);
    if (e != MOG_OK)
        fprintf(stderr, "mogstored: %s\n", f.text);
    stored_stop(&s);
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
    snprintf(command, sizeof command, "%s/dev1", folder);
    ck_assert_int_eq(mkdir(command, 0755), 0);
    FILE *out = fopen(config, "w");
    ck_assert_ptr_nonnull(out);
    fprintf(out,
            "docroot = %s\nhttplisten = %s:7500\nmgmtlisten = %s:7501\nhttpgetlisten = %s:7502\n"
            "http_metrics_listen = %s:7503\npidfile = %s/pid\naccess_log = %s/access\n",
            folder, address, address, address, address, folder, folder);
    ck_assert_int_eq(fclose(out), 0);
    const struct failing_start s = {.run = run_stored,
                                    .address = address,
                                    .port = 7503, /* it is the last to serve */
                                    .request = "GET /metrics HTTP/1.0\r\n\r\n",
                                    .answer = "HTTP/1."};
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
