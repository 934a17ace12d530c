/* SPDX-License-Identifier: MIT */
/* mogadm: finding the verb, reading its words and options, and what all verbs share. */
#include "tools/adm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/net.h"
#include "common/num.h"
#include "tools/out.h"

enum { DEFAULT_REPLY_S = 15, LOCAL_CONNECT_MS = 1000 };

static const char local_tracker[] = "127.0.0.1:7001";

const struct adm_topic adm_topics[] = {
    {"check", adm_check_verbs},
    {"stats", adm_stats_verbs},
    {"host", adm_host_verbs},
    {"device", adm_device_verbs},
    {"domain", adm_domain_verbs},
    {"class", adm_class_verbs},
    {"slave", adm_slave_verbs},
    {"fsck", adm_fsck_verbs},
    {"rebalance", adm_rebalance_verbs},
    {"settings", adm_settings_verbs},
    {"tracker", adm_tracker_verbs},
    {"status", adm_status_verbs},
    {"why", adm_why_verbs},
    {"apply", adm_apply_verbs},
    {"export", adm_export_verbs},
    {"completion", adm_completion_verbs},
    {NULL, NULL},
};

const struct toolopt_def adm_json_opts[] = {
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct toolopt_def global_defs[] = {
    {"trackers", 0, TOOLOPT_STRING, "trackers to use: host:port, separated by commas"},
    {"config", 0, TOOLOPT_STRING, "configuration file"},
    {"lib", 0, TOOLOPT_STRING, "ignored"},
    {"timeout", 0, TOOLOPT_INT, "seconds to wait for a tracker's answer (default 15)"},
    {"help", 'h', TOOLOPT_FLAG, "this text"},
    {"version", 0, TOOLOPT_FLAG, "the version"},
    {"verbose", 'v', TOOLOPT_FLAG, "say what has been done"},
    {"json", 0, TOOLOPT_FLAG, "print JSON where something is listed"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

/* ---- for the verbs ---- */

bool adm_json(const struct adm *a)
{
    return toolopt_flag(&a->global, "json") || toolopt_flag(&a->opt, "json");
}

int adm_fail(const char *prefix, const struct mog_fail *f)
{
    fflush(stdout);
    fprintf(stderr, "%s%s\n", prefix, f->text[0] ? f->text : err_text(f->code));
    return 1;
}

int adm_fail_text(const char *text)
{
    fflush(stdout);
    fprintf(stderr, "%s\n\n", text);
    return 1;
}

int adm_command(struct adm *a, const char *command, struct kv *args, const char *prefix, const char *done)
{
    struct client_answer answer = CLIENT_ANSWER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    enum mog_err e = client_request(a->client, command, args, &answer, &f);
    client_answer_fini(&answer);
    if (args)
        kv_reset(args);
    if (e != MOG_OK)
        return adm_fail(prefix, &f);
    if (a->verbose && done)
        printf("%s\n", done);
    return 0;
}

uint64_t adm_devid(const char *text)
{
    struct span s = span_of(text);
    uint64_t devid = 0;
    if (span_starts(s, "dev"))
        s = span_make(s.ptr + 3, s.len - 3);
    return num_parse_u64(s, 1, UINT32_MAX, &devid) == MOG_OK ? devid : 0;
}

void adm_add_option(const struct adm *a, struct kv *args, const char *name)
{
    const char *value = toolopt_str(&a->opt, name);
    if (value)
        kv_add_str(args, name, value);
}

static bool load_failed(const char *text, const struct mog_fail *f)
{
    fprintf(stderr, "%s\n", f->text);
    adm_fail_text(text);
    return false;
}

bool adm_load_hosts(struct adm *a, struct cluster *c)
{
    struct mog_fail f = {.code = MOG_OK};
    return cluster_load_hosts(c, a->client, &f) == MOG_OK ||
           load_failed("Unable to retrieve host information from tracker(s).", &f);
}

bool adm_load_devices(struct adm *a, struct cluster *c)
{
    struct mog_fail f = {.code = MOG_OK};
    return cluster_load_devices(c, a->client, &f) == MOG_OK ||
           load_failed("Unable to retrieve device information from tracker(s).", &f);
}

bool adm_load_domains(struct adm *a, struct cluster *c)
{
    struct mog_fail f = {.code = MOG_OK};
    return cluster_load_domains(c, a->client, &f) == MOG_OK ||
           load_failed("Unable to retrieve domains from tracker(s).", &f);
}

int adm_each_tracker(struct adm *a, int (*fn)(struct adm *a, struct client *one, void *arg), void *arg)
{
    int status = 0;
    for (size_t i = 0; i < client_count(a->client); i++) {
        struct mog_fail f = {.code = MOG_OK};
        struct client *one = client_new(client_name(a->client, i), &a->client_opts, &f);
        if (!one || fn(a, one, arg) != 0)
            status = 1;
        client_free(one);
    }
    return status;
}

const char *adm_state_begin(const struct adm *a, const char *state)
{
    static const struct {
        const char *state;
        enum out_color color;
    } colors[] = {
        {"alive", OUT_GOOD},      {"writeable", OUT_GOOD}, {"OK", OUT_GOOD},
        {"readonly", OUT_WARN},   {"drain", OUT_WARN},     {"readable", OUT_WARN},
        {"unreachable", OUT_BAD}, {"down", OUT_BAD},       {"dead", OUT_DIM},
    };
    for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
        if (strcmp(colors[i].state, state) == 0)
            return out_begin(a->color, colors[i].color);
    }
    return "";
}

const char *adm_state_end(const struct adm *a)
{
    return out_end(a->color);
}

/* ---- the command line ---- */

static const struct adm_topic *topic_find(const char *name)
{
    for (const struct adm_topic *t = adm_topics; t->name; t++) {
        if (strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

static const struct adm_verb *verb_find(const struct adm_topic *t, const char *name)
{
    for (const struct adm_verb *v = t->verbs; v->run; v++) {
        if (!v->verb || (name && strcmp(v->verb, name) == 0))
            return v;
    }
    return NULL;
}

/* The verb's words from the front of `list`. 0, or the exit status after a help page. */
static int read_words(struct adm *a, const struct opt_list *list, size_t *at)
{
    struct span names = span_of(a->verb->words), name;
    size_t n = 0;
    while (span_split(&names, ' ', &name)) {
        if (*at >= list->n)
            return adm_help_error(a, "Missing argument '%.*s'", (int)name.len, name.ptr);
        const char *word = list->items[*at];
        if (word[0] == '-' && word[1] != '\0')
            return adm_help_error(a, "Unexpected option.  Expected argument '%.*s'", (int)name.len, name.ptr);
        a->word[n++] = word;
        ++*at;
    }
    return 0;
}

static int read_verb_line(struct adm *a, const struct opt_list *list, size_t at)
{
    bool topic_only = a->verb->verb == NULL;
    int status = read_words(a, list, &at);
    if (status)
        return status;
    if (at < list->n && list->items[at][0] != '-') {
        if (topic_only && !a->verb->words) {
            fprintf(stderr, "Unknown options/arguments to '%s' command.\n", a->topic->name);
            return 1;
        }
        return adm_help_error(a, a->verb->words || a->verb->opts ? "Unexpected extra argument."
                                                                 : "Unexpected arguments when expecting none.");
    }
    static const struct toolopt_def none[] = {{NULL, 0, TOOLOPT_FLAG, NULL}};
    const struct toolopt_def *const tables[] = {a->verb->opts ? a->verb->opts : none, NULL};
    struct opt_list ignored = {NULL, 0, 0};
    struct mog_fail f = {.code = MOG_OK};
    enum mog_err e = toolopt_parse(&a->opt, tables, (int)(list->n - at), list->items + at, 0, &ignored, &f);
    opt_list_fini(&ignored);
    if (e != MOG_OK) {
        fprintf(stderr, "%s\n", f.text);
        return adm_help_verb(a->topic, a->verb);
    }
    return 0;
}

static int no_trackers(void)
{
    return adm_fail_text("No trackers are known, and none answers at 127.0.0.1:7001.\n\n"
                         "Name them in /etc/mogilefs/mogilefs.conf or ~/.mogilefs.conf:\n\n"
                         "    trackers = 10.0.0.1:7001, 10.0.0.2:7001\n\n"
                         "or on the command line:\n\n"
                         "    mogadm --trackers=10.0.0.1:7001,10.0.0.2:7001 check");
}

static bool local_answers(void)
{
    int fd = -1;
    if (net_connect("127.0.0.1", 7001, deadline_in(LOCAL_CONNECT_MS), &fd, NULL) != MOG_OK)
        return false;
    close(fd);
    return true;
}

static int find_trackers(struct adm *a, const char **trackers)
{
    *trackers = toolopt_text(&a->global, "trackers");
    if (!*trackers) {
        if (!local_answers())
            return no_trackers();
        *trackers = local_tracker;
    }
    return 0;
}

static int connect_trackers(struct adm *a, const char *trackers)
{
    struct mog_fail f = {.code = MOG_OK};
    a->client = client_new(trackers, &a->client_opts, &f);
    return a->client ? 0 : adm_fail("", &f);
}

static int run_line(struct adm *a, const struct opt_list *list)
{
    if (list->n == 0 || toolopt_flag(&a->global, "help"))
        return adm_help_global();
    a->topic = topic_find(list->items[0]);
    if (!a->topic)
        return adm_help_global();

    const char *trackers = NULL;
    const char *second = list->n > 1 ? list->items[1] : NULL;
    a->verb = verb_find(a->topic, second);
    bool needs_tracker = !a->verb || !(a->verb->flags & ADM_NO_TRACKER);
    int status = needs_tracker ? find_trackers(a, &trackers) : 0;
    if (status)
        return status;
    if (!a->verb)
        return adm_help_topic(a->topic);
    status = read_verb_line(a, list, a->verb->verb ? 2 : 1);
    if (status)
        return status;
    a->client_opts.keep_order = (a->verb->flags & ADM_KEEP_ORDER) != 0;
    if (needs_tracker)
        status = connect_trackers(a, trackers);
    return status ? status : a->verb->run(a);
}

static int read_globals(struct adm *a, int argc, char **argv)
{
    const struct toolopt_def *const tables[] = {global_defs, NULL};
    struct mog_fail f = {.code = MOG_OK};
    int64_t timeout_s;
    if (toolopt_parse(&a->global, tables, argc - 1, argv + 1, TOOLOPT_STOP_AT_WORD, &a->rest, &f) != MOG_OK) {
        fprintf(stderr, "%s\n", f.text);
        return adm_help_global();
    }
    if (toolopt_read_config(&a->global, TOOLOPT_ADMIN, &f) != MOG_OK ||
        toolopt_int(&a->global, "timeout", 1, 86400, DEFAULT_REPLY_S, &timeout_s, &f) != MOG_OK)
        return adm_fail("", &f);
    a->client_opts.reply_timeout_ms = timeout_s * 1000;
    a->verbose = toolopt_flag(&a->global, "verbose");
    a->color = out_can_color(stdout);
    return 0;
}

int adm_main(int argc, char **argv)
{
    struct adm a = {.topic = NULL};
    out_start();
    int status = read_globals(&a, argc, argv);
    if (status == 0 && toolopt_given(&a.global, "version"))
        printf("mogadm %s\n", MOG_VERSION);
    else if (status == 0)
        status = run_line(&a, &a.rest);
    client_free(a.client);
    toolopt_fini(&a.global);
    toolopt_fini(&a.opt);
    opt_list_fini(&a.rest);
    return out_finish(status);
}
