/* SPDX-License-Identifier: MIT */
/* The options of mogstored, and the files in the tree that must name each of its keys. */
#include "mogstored/stored_options.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"

static enum mog_err load(struct stored_options *o, const char *const *args, struct mog_fail *f)
{
    char *argv[16] = {(char *)"mogstored", (char *)"-s"};
    int argc = 2;
    for (; args && *args; args++)
        argv[argc++] = (char *)*args;
    return stored_options_load(o, argc, argv, "/start", f);
}

START_TEST(test_defaults)
{
    struct stored_options o;
    struct mog_fail f;
    unsetenv("MOGSTORED_SERVER_TYPE");
    ck_assert_int_eq(load(&o, NULL, &f), MOG_OK);
    ck_assert_str_eq(o.httplisten, "0.0.0.0:7500");
    ck_assert_str_eq(o.mgmtlisten, "0.0.0.0:7501");
    ck_assert_str_eq(o.docroot, "/var/mogdata");
    ck_assert_str_eq(o.server, "perlbal");
    ck_assert_int_eq(o.maxconns, 10000);
    ck_assert_int_eq(o.put_status, 201);
    ck_assert_int_eq(o.device_threads, 10);
    ck_assert(o.fsync && o.iostat && !o.readonly && !o.strict_mounts && !o.daemonize);
    ck_assert_ptr_null(o.http_metrics_listen);
    stored_options_fini(&o);
    setenv("MOGSTORED_SERVER_TYPE", "none", 1);
    ck_assert_int_eq(load(&o, NULL, &f), MOG_OK);
    ck_assert_str_eq(o.server, "none");
    stored_options_fini(&o);
    setenv("MOGSTORED_SERVER_TYPE", "apache", 1);
    ck_assert_int_eq(load(&o, NULL, &f), MOG_EINVAL);
    stored_options_fini(&o);
    unsetenv("MOGSTORED_SERVER_TYPE");
}
END_TEST

START_TEST(test_differences)
{
    struct stored_options a, b;
    struct mog_fail f;
    ck_assert_int_eq(load(&a, NULL, &f), MOG_OK);
    ck_assert_int_eq(load(&b,
                          (const char *const[]){"--nofsync", "--maxconns=5", "-docroot", "x", "--allow=10.0.0.0/8",
                                                "--allow=::/0", "-d", NULL},
                          &f),
                     MOG_OK);
    ck_assert_uint_eq(b.allow.n, 2);
    ck_assert_str_eq(b.docroot, "/start/x");
    for (size_t i = 0; i < stored_options_spec.n_rows; i++) {
        const struct opt_row *row = &stored_options_spec.rows[i];
        static const char *const changed[] = {"fsync", "maxconns", "docroot", "allow", "daemonize"};
        bool expected = false;
        for (size_t k = 0; row->key && k < sizeof changed / sizeof changed[0]; k++)
            expected = expected || strcmp(row->key, changed[k]) == 0;
        ck_assert_msg(stored_options_differ(row, &a, &b) == expected, "%s", row->key ? row->key : row->cli);
        ck_assert(!stored_options_differ(row, &a, &a));
    }
    stored_options_fini(&a);
    stored_options_fini(&b);
}
END_TEST

static void read_source(const char *name, struct buf *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", MOG_SOURCE_DIR, name);
    int fd = open(path, O_RDONLY);
    ck_assert_msg(fd >= 0, "%s", path);
    ssize_t n;
    while ((n = read(fd, buf_reserve(out, 65536), 65536)) > 0)
        buf_commit(out, (size_t)n);
    close(fd);
}

/* `pattern` with `word` in the place of its "%s". */
static void format_word(char *out, size_t size, const char *pattern, const char *word)
{
    const char *at = strstr(pattern, "%s");
    snprintf(out, size, "%.*s%s%s", (int)(at - pattern), pattern, word, at + 2);
}

static const struct {
    const char *file, *pattern;
    bool is_for_options;
} documents[] = {
    {"conf/mogstored.conf", "\n#%s = ", false},
    {"man/mogstored.8", "Fl -%s", true},
    {"man/mogstored.conf.5", "\n.It Ic %s", false},
};

START_TEST(test_documentation)
{
    struct buf text = BUF_ZERO;
    read_source(documents[_i].file, &text);
    for (size_t i = 0; i < stored_options_spec.n_rows; i++) {
        const struct opt_row *row = &stored_options_spec.rows[i];
        const char *word = documents[_i].is_for_options ? row->cli : row->key;
        char wanted[64];
        if (!word || (documents[_i].is_for_options && !row->help))
            continue;
        if (documents[_i].is_for_options && (row->flags & OPT_NEGATABLE))
            snprintf(wanted, sizeof wanted, "Fl -no%s", word);
        else
            format_word(wanted, sizeof wanted, documents[_i].pattern, word);
        ck_assert_msg(strstr(buf_cstr(&text), wanted) != NULL, "%s does not name %s", documents[_i].file, word);
    }
    buf_fini(&text);
}
END_TEST

static void write_config(const char *path, const struct buf *text, bool with_examples)
{
    FILE *out = fopen(path, "w");
    struct span rest = buf_as_span(text), line;
    ck_assert_ptr_nonnull(out);
    while (span_split(&rest, '\n', &line)) {
        bool is_setting = line.len > 1 && line.ptr[0] == '#' && line.ptr[1] >= 'a' && line.ptr[1] <= 'z';
        fprintf(out, "%.*s\n", (int)line.len - (is_setting && with_examples), line.ptr + (is_setting && with_examples));
    }
    fclose(out);
}

/* The sample as it is changes nothing; with all its settings in force it is still a good file, and shows the defaults.
 */
START_TEST(test_sample)
{
    static const char *const examples[] = {"pidfile",    "user",      "group",         "allow",
                                           "access_log", "serverbin", "httpgetlisten", "http_metrics_listen"};
    struct buf text = BUF_ZERO;
    char path[] = "/tmp/mogtest-XXXXXX", option[64];
    read_source("conf/mogstored.conf", &text);
    close(mkstemp(path));
    snprintf(option, sizeof option, "--config=%s", path);
    for (int with_examples = 0; with_examples < 2; with_examples++) {
        struct stored_options sample, defaults;
        struct mog_fail f = {0};
        char *argv[] = {(char *)"mogstored", option};
        write_config(path, &text, with_examples);
        ck_assert_msg(stored_options_load(&sample, 2, argv, "/", &f) == MOG_OK, "%s", f.text);
        ck_assert_int_eq(load(&defaults, NULL, &f), MOG_OK);
        for (size_t i = 0; i < stored_options_spec.n_rows; i++) {
            const struct opt_row *row = &stored_options_spec.rows[i];
            bool is_example = false;
            for (size_t k = 0; row->key && k < sizeof examples / sizeof examples[0]; k++)
                is_example = is_example || (with_examples && strcmp(row->key, examples[k]) == 0);
            if (row->key)
                ck_assert_msg(stored_options_differ(row, &sample, &defaults) == is_example, "%s", row->key);
        }
        stored_options_fini(&sample);
        stored_options_fini(&defaults);
    }
    unlink(path);
    buf_fini(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, test_defaults);
    tcase_add_test(tests, test_differences);
    tcase_add_loop_test(tests, test_documentation, 0, sizeof documents / sizeof documents[0]);
    tcase_add_test(tests, test_sample);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
