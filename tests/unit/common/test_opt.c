/* SPDX-License-Identifier: MIT */
/* Tests of options: the command line, the two classic files, YAML, and which of them wins. */
#include "common/opt.h"

#include "common/mem.h"
#include "common/span.h"
#include "unit.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct opts {
    bool daemonize, job_master, get_port;
    int debug;
    int64_t port;
    char *pass;
    char *name;
    struct opt_list listen, even;
    char *word;
};

#define BOTH (OPT_CLI | OPT_FILE)

/* Values of an even length. */
static enum mog_err check_even(const char *value, struct mog_fail *fail)
{
    return strlen(value) % 2 == 0 ? MOG_OK : fail_set(fail, MOG_EINVAL, "'%s' is odd", value);
}

static const struct opt_row rows[] = {
    {"daemonize", 'D', "daemonize", OPT_FLAG, BOTH, offsetof(struct opts, daemonize), 0, 0, "detach"},
    {"job_master", 0, "job_master", OPT_FLAG, BOTH | OPT_NEGATABLE, offsetof(struct opts, job_master), 0, 0, NULL},
    {"debug", 'd', "debug", OPT_COUNT, BOTH, offsetof(struct opts, debug), 0, 9, NULL},
    {"confport", 'p', "conf_port", OPT_INT, BOTH, offsetof(struct opts, port), 1, 65535, NULL},
    {"dbpass", 0, "db_pass", OPT_STRING, BOTH | OPT_MAY_BE_EMPTY, offsetof(struct opts, pass), 0, 0, NULL},
    {"name", 'n', "name", OPT_STRING, BOTH, offsetof(struct opts, name), 0, 0, NULL},
    {"namespace", 0, NULL, OPT_IGNORE, OPT_CLI, 0, 0, 0, NULL},
    {"listen", 'l', "listen", OPT_LIST, BOTH, offsetof(struct opts, listen), 0, 0, NULL},
    {"no_http", 0, NULL, OPT_IGNORE_FLAG, OPT_CLI, 0, 0, 0, NULL},
    {"get_port", 0, "get_port", OPT_FLAG, BOTH | OPT_VALUE_TOO, offsetof(struct opts, get_port), 0, 0, NULL},
    {"even", 0, "even", OPT_LIST, BOTH, offsetof(struct opts, even), 0, 0, NULL, check_even},
    {"word", 0, "word", OPT_STRING, BOTH, offsetof(struct opts, word), 0, 0, NULL, check_even},
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct opt_spec spec = {.program = "prog", .rows = rows, .n_rows = N_ROWS, .grammar = OPT_GRAMMAR_TRACKER};
static struct opts o;
static struct mog_fail f;
static bool seen[N_ROWS];

static void reset(void)
{
    opt_fini(&spec, &o);
    o = (struct opts){.port = 7001, .job_master = true};
    f = (struct mog_fail){.code = MOG_OK};
    memset(seen, 0, sizeof(seen));
}

/* Words separated by '|'. */
static enum mog_err argv_of(const char *line)
{
    static char text[400];
    char *argv[20] = {(char *)"prog"};
    int argc = 1;
    reset();
    (void)snprintf(text, sizeof(text), "%s", line);
    struct span rest = span_of(text), word;
    while (line[0] != '\0' && span_split(&rest, '|', &word)) {
        argv[argc] = text + (word.ptr - text);
        argv[argc++][word.len] = '\0';
    }
    argv[argc] = NULL;
    return opt_parse_argv(&spec, argc, argv, &o, seen, NULL, &f);
}

static enum mog_err file_of(const char *suffix, const char *content, const bool *skip)
{
    char path[] = "/tmp/mogtest-XXXXXX.conf.yaml";
    (void)snprintf(path, sizeof(path), "/tmp/mogtest-XXXXXX%s", suffix);
    int fd = mkstemps(path, (int)strlen(suffix));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    enum mog_err e = opt_parse_file(&spec, path, &o, skip, &f);
    unlink(path);
    return e;
}

START_TEST(spellings)
{
    static const char *const lines[] = {"--confport=80", "--confport|80", "-p|80", "-p80",       "--CONFPORT=80",
                                        "--conf=80",     "--c|80",        "-Dp80", "--|ignored", "-Ddp|80"};
    for (size_t i = 0; i < 8; i++) {
        ck_assert_msg(argv_of(lines[i]) == MOG_OK, "%s: %s", lines[i], f.text);
        ck_assert_msg(o.port == 80 && seen[3], "%s", lines[i]);
    }
    ck_assert_int_eq(argv_of("-dd|--debug"), MOG_OK);
    ck_assert_int_eq(o.debug, 3);
    ck_assert_int_eq(argv_of("--no_http|--namespace=x"), MOG_OK);
    ck_assert_int_eq(argv_of("--nojob_master"), MOG_OK);
    ck_assert(!o.job_master);
    ck_assert_int_eq(argv_of("--no-job_master|--job_master"), MOG_OK);
    ck_assert(o.job_master);
    ck_assert_int_eq(argv_of("--name=x|--name=y"), MOG_OK);
    ck_assert_str_eq(o.name, "y");
    reset();
}
END_TEST

START_TEST(empty_values)
{
    ck_assert_int_eq(argv_of("--dbpass="), MOG_OK);
    ck_assert_str_eq(o.pass, "");
    ck_assert_int_eq(argv_of("--dbpass"), MOG_OK);
    ck_assert_str_eq(o.pass, "");
    ck_assert_int_eq(argv_of("--dbpass|--daemonize"), MOG_OK);
    ck_assert(o.daemonize);
    ck_assert_int_eq(argv_of("--dbpass|secret"), MOG_OK);
    ck_assert_str_eq(o.pass, "secret");
    ck_assert_int_eq(argv_of("--name="), MOG_EUSAGE);
    reset();
}
END_TEST

/* The original's option has a value: "--get_port 0" is off. */
START_TEST(flags_with_a_value)
{
    static const struct {
        const char *line;
        bool value;
    } good[] = {{"--get_port|1", true},  {"--get_port|0", false},          {"--get_port=1", true},
                {"--get_port=0", false}, {"--get_port|--daemonize", true}, {"--get_port", true}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(argv_of(good[i].line) == MOG_OK, "%s: %s", good[i].line, f.text);
        ck_assert_msg(o.get_port == good[i].value, "%s", good[i].line);
    }
    ck_assert_msg(argv_of("--daemonize|1") == MOG_EUSAGE, "others take none");
    reset();
}
END_TEST

START_TEST(values_that_mean_nothing)
{
    static const struct {
        const char *text, *word;
    } bad[] = {{"\neven = ab, abc\n", ".conf line 2: even: 'abc' is odd"},
               {"\n\nword = abc\n", ".conf line 3: word: 'abc' is odd"},
               {"even = , ,\n", ".conf line 1: even: ', ,' is an empty list"},
               {"listen = ,\n", ".conf line 1: listen: ',' is an empty list"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reset();
        ck_assert_msg(file_of(".conf", bad[i].text, NULL) == MOG_EINVAL, "%s", bad[i].text);
        ck_assert_msg(strstr(f.text, bad[i].word) != NULL, "%s: %s", bad[i].text, f.text);
    }
    reset();
    ck_assert_int_eq(file_of(".yaml", "word: ab\neven: [ab, a]\n", NULL), MOG_EINVAL);
    ck_assert_msg(strstr(f.text, ".yaml line 2: even: 'a' is odd") != NULL, "%s", f.text);
    ck_assert_int_eq(argv_of("--even=ab|--even=a"), MOG_EUSAGE);
    ck_assert_str_eq(f.text, "option --even: 'a' is odd");
    ck_assert_int_eq(argv_of("--word=a"), MOG_EUSAGE);
    ck_assert_str_eq(f.text, "option --word: 'a' is odd");
    ck_assert_int_eq(argv_of("--word=ab|--even=ab|--even=abcd"), MOG_OK);
    ck_assert_msg(file_of(".conf", "word = a\neven =\n", seen) == MOG_OK, "what does not hold is not looked at");
    reset();
}
END_TEST

START_TEST(lists)
{
    ck_assert_int_eq(argv_of("-l|a:1|--listen=b,c"), MOG_OK);
    ck_assert_uint_eq(o.listen.n, 2);
    ck_assert_str_eq(o.listen.items[0], "a:1");
    ck_assert_msg(strcmp(o.listen.items[1], "b,c") == 0, "one address an option, not split");
    reset();
    ck_assert_int_eq(file_of(".conf", "listen = a , b:2,,c\n", NULL), MOG_OK);
    ck_assert_uint_eq(o.listen.n, 3);
    ck_assert_str_eq(o.listen.items[1], "b:2");
    reset();
}
END_TEST

START_TEST(what_the_command_line_refuses)
{
    static const struct {
        const char *line, *word;
    } bad[] = {
        {"--nosuch", "nosuch"},
        {"-Z", "-Z"},
        {"--nam=x", "ambiguous"},
        {"--confport=x", "confport"},
        {"--confport=0", "1 to"},
        {"--confport=65536", "65535"},
        {"--confport", "needs a value"},
        {"-p", "needs a value"},
        {"--no_http=1", "value"},
        {"--debug=3", "value"},
        {"stray", "stray"},
        {"--", NULL},
        {"--|stray", "stray"},
        {"--nodaemonize", "nodaemonize"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (bad[i].word == NULL)
            continue;
        ck_assert_msg(argv_of(bad[i].line) == MOG_EUSAGE, "%s", bad[i].line);
        ck_assert_msg(strstr(f.text, bad[i].word) != NULL, "%s: %s", bad[i].line, f.text);
    }
    reset();
}
END_TEST

START_TEST(words_that_are_no_options)
{
    struct opt_list rest = {0};
    char *argv[] = {(char *)"prog", (char *)"a", (char *)"-d", (char *)"--", (char *)"-d", NULL};
    reset();
    ck_assert_int_eq(opt_parse_argv(&spec, 5, argv, &o, NULL, &rest, &f), MOG_OK);
    ck_assert_uint_eq(rest.n, 2);
    ck_assert_str_eq(rest.items[1], "-d");
    ck_assert_int_eq(o.debug, 1);
    opt_list_fini(&rest);
    reset();
}
END_TEST

START_TEST(the_trackers_file)
{
    reset();
    ck_assert_int_eq(file_of(".conf",
                             "# comment\n\n  \t\n   # comment\nconf_port = 81\r\nname =a = b # c \n"
                             "\tdb_pass secret\ndaemonize = 1\ndebug = 2\njob_master = 0\nconf_port = 82",
                             NULL),
                     MOG_OK);
    ck_assert_int_eq(o.port, 82);
    ck_assert_str_eq(o.name, "a = b # c");
    ck_assert_str_eq(o.pass, "secret");
    ck_assert(o.daemonize && !o.job_master);
    ck_assert_int_eq(o.debug, 2);
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"\nname=x\n", "(line 2)"},
        {"name= x\n", "(line 1)"},
        {"name\n", "(line 1)"},
        {"= x\n", "(line 1)"},
        {"conf_port = x\n", "conf_port"},
        {"conf_port = 99999\n", "65535"},
        {"daemonize = maybe\n", "daemonize"},
        {"na-me = x\n", "(line 1)"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reset();
        ck_assert_msg(file_of(".conf", bad[i].text, NULL) != MOG_OK, "%s", bad[i].text);
        ck_assert_msg(strstr(f.text, bad[i].word) != NULL, "%s: %s", bad[i].text, f.text);
    }
    reset();
}
END_TEST

START_TEST(the_storage_nodes_file)
{
    spec.grammar = OPT_GRAMMAR_STORED;
    reset();
    ck_assert_int_eq(file_of(".conf", "conf_port=81 # comment\n name  =  a b \n#x\n", NULL), MOG_OK);
    ck_assert_int_eq(o.port, 81);
    ck_assert_str_eq(o.name, "a b");
    static const char *const bad[] = {"name\n", "name x\n", "name =\n", "= x\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reset();
        ck_assert_msg(file_of(".conf", bad[i], NULL) == MOG_ESYNTAX, "%s", bad[i]);
    }
    spec.grammar = OPT_GRAMMAR_TRACKER;
    reset();
}
END_TEST

START_TEST(unknown_keys)
{
    reset();
    ck_assert_int_eq(file_of(".conf", "conf_prot = 1\n", NULL), MOG_EINVAL);
    ck_assert_msg(strstr(f.text, "conf_port") != NULL, "it suggests the right one: %s", f.text);
    spec.unknown_keys_ok = true;
    ck_assert_int_eq(file_of(".conf", "unknown.key = 1\nconf_port = 83\n", NULL), MOG_OK);
    ck_assert_int_eq(o.port, 83);
    spec.unknown_keys_ok = false;
    reset();
}
END_TEST

START_TEST(the_command_line_wins)
{
    ck_assert_int_eq(argv_of("-p80|--listen=a"), MOG_OK);
    ck_assert_int_eq(file_of(".conf", "conf_port = 81\nname = x\nlisten = b, c\n", seen), MOG_OK);
    ck_assert_int_eq(o.port, 80);
    ck_assert_str_eq(o.name, "x");
    ck_assert_uint_eq(o.listen.n, 1);
    reset();
}
END_TEST

START_TEST(yaml)
{
    reset();
    ck_assert_int_eq(
        file_of(".yaml", "# c\nconf_port: 81\nname: 'a # b'\nlisten:\n  - a\n  - b:2\ndaemonize: on\n", NULL), MOG_OK);
    ck_assert_int_eq(o.port, 81);
    ck_assert_str_eq(o.name, "a # b");
    ck_assert(o.daemonize);
    ck_assert_uint_eq(o.listen.n, 2);
    reset();
    ck_assert_int_eq(file_of(".yml", "listen: [a, b]\n", NULL), MOG_OK);
    ck_assert_uint_eq(o.listen.n, 2);
    reset();
    ck_assert_int_eq(file_of(".yml", "", NULL), MOG_OK);
    static const char *const bad[] = {"- a\n",           "a: b: c\n", "name: {a: b}\n", "conf_port: x\n",
                                      "listen: [[a]]\n", "\x01\n",    "'unclosed\n",    "[a]: b\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reset();
        ck_assert_msg(file_of(".yaml", bad[i], NULL) != MOG_OK, "%s", bad[i]);
        ck_assert_msg(strstr(f.text, "line ") != NULL, "%s", f.text);
    }
    reset();
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
    reset();
    ck_assert_int_eq(opt_parse_file(&spec, "/nonexistent/x.conf", &o, NULL, &f), MOG_EIO);
    ck_assert_str_eq(f.text, "open: /nonexistent/x.conf: No such file or directory");
    /* What breaks off is not taken for a short file. */
    ck_assert_int_eq(opt_parse_file(&spec, "/proc/self/mem", &o, NULL, &f), MOG_EIO);
    ck_assert_str_eq(f.text, "read: /proc/self/mem: Input/output error");
    char folder[] = "/tmp/mogtest-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(opt_parse_file(&spec, folder, &o, NULL, &f), MOG_EIO);
    char *yaml_folder = mem_printf("%s.yaml", folder);
    ck_assert_int_eq(rename(folder, yaml_folder), 0);
    ck_assert_int_ne(opt_parse_file(&spec, yaml_folder, &o, NULL, &f), MOG_OK);
    ck_assert_str_ne(f.text, "");
    ck_assert_int_eq(rmdir(yaml_folder), 0);
    free(yaml_folder);
}
END_TEST

UNIT_MAIN("opt", spellings, empty_values, flags_with_a_value, values_that_mean_nothing, lists,
          what_the_command_line_refuses, words_that_are_no_options, the_trackers_file, the_storage_nodes_file,
          unknown_keys, the_command_line_wins, yaml, files_that_cannot_be_read)
