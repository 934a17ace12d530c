/* SPDX-License-Identifier: MIT */
/* The main function of a test program: one suite of the given tests, run with Check. */
#ifndef MOG_TESTS_UNIT_H
#define MOG_TESTS_UNIT_H

#include <check.h>
#include <stddef.h>

enum { UNIT_TIMEOUT_S = 60 };

#define UNIT_MAIN(name, ...)                                                                                           \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        Suite *suite = suite_create(name);                                                                             \
        TCase *tcase = tcase_create(name);                                                                             \
        tcase_set_timeout(tcase, UNIT_TIMEOUT_S);                                                                      \
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)                                                  \
            tcase_add_test(tcase, tests[i]);                                                                           \
        suite_add_tcase(suite, tcase);                                                                                 \
        SRunner *runner = srunner_create(suite);                                                                       \
        srunner_run_all(runner, CK_ENV);                                                                               \
        int failed = srunner_ntests_failed(runner);                                                                    \
        srunner_free(runner);                                                                                          \
        return failed != 0;                                                                                            \
    }

#endif
