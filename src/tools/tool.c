/* SPDX-License-Identifier: MIT */
/* What the single-purpose tools share: options, usage, configuration, the connection to the trackers. */
#include "tools/tool.h"

#include <stdio.h>
#include <string.h>

#include "tools/out.h"

static const struct toolopt_def common_defs[] = {
    {"trackers", 0, TOOLOPT_STRING, "trackers to use: host:port, separated by commas"},
    {"domain", 0, TOOLOPT_STRING, "domain to use"},
    {"conf", 0, TOOLOPT_STRING, "configuration file"},
    {"timeout", 0, TOOLOPT_INT, "seconds to wait for a tracker's answer (default 3)"},
    {"help", 'h', TOOLOPT_FLAG, "this text"},
    {"version", 0, TOOLOPT_FLAG, "the version"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct toolopt_def config_defs[] = {
    {"trackers", 0, TOOLOPT_STRING, "trackers to use: host:port, separated by commas"},
    {"domain", 0, TOOLOPT_STRING, "domain to use"},
    {"config", 0, TOOLOPT_STRING, "configuration file"},
    {"timeout", 0, TOOLOPT_INT, "seconds to wait for a tracker's answer (default 3)"},
    {"help", 'h', TOOLOPT_FLAG, "this text"},
    {"version", 0, TOOLOPT_FLAG, "the version"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static const struct toolopt_def *shared_defs(const struct tool_spec *spec)
{
    return spec->family == TOOLOPT_CLIENT ? common_defs : config_defs;
}

static void print_defs(FILE *to, const struct toolopt_def *defs)
{
    static const char *const kinds[] = {"", "", "=TEXT", "=N"};
    for (; defs->name; defs++) {
        char name[64];
        snprintf(name, sizeof name, "--%s%s", defs->name, kinds[defs->type]);
        fprintf(to, "  %-22s %s\n", name, defs->help);
    }
}

void tool_usage(const struct tool *t, FILE *to)
{
    fprintf(to, "Usage: %s %s\n", t->program, t->spec->sample);
}

static void print_help(const struct tool *t)
{
    tool_usage(t, stdout);
    putchar('\n');
    print_defs(stdout, t->spec->defs);
    print_defs(stdout, shared_defs(t->spec));
}

int tool_fail(const char *prefix, const struct mog_fail *f)
{
    fflush(stdout);
    fprintf(stderr, "%s%s\n", prefix, f->text[0] ? f->text : err_text(f->code));
    return 1;
}

static bool usage_error(const struct tool *t, const char *text)
{
    if (text)
        fprintf(stderr, "%s\n", text);
    tool_usage(t, stdout);
    return false;
}

static bool connect_trackers(struct tool *t, struct mog_fail *f)
{
    const char *trackers = toolopt_text(&t->opt, "trackers");
    int64_t timeout_s;
    if (toolopt_int(&t->opt, "timeout", 1, 86400, 3, &timeout_s, f) != MOG_OK)
        return usage_error(t, f->text);
    if (!trackers)
        return usage_error(t, "No trackers: give --trackers=host:port, or trackers = host:port in ~/.mogilefs.conf");
    t->client_opts.reply_timeout_ms = timeout_s * 1000;
    t->client = client_new(trackers, &t->client_opts, f);
    return t->client ? true : usage_error(t, f->text);
}

static bool check_needs(const struct tool *t)
{
    for (const char *const *need = t->spec->need; need && *need; need++) {
        const char *value = toolopt_str(&t->opt, *need);
        if (value && value[0])
            continue;
        char text[128];
        snprintf(text, sizeof text, "Missing option: --%s", *need);
        return usage_error(t, text);
    }
    if (!t->spec->no_domain && t->domain[0] == '\0')
        return usage_error(t, "No domain: give --domain=NAME, or domain = NAME in ~/.mogilefs.conf");
    return true;
}

bool tool_begin(struct tool *t, const struct tool_spec *spec, int argc, char **argv, int *status)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    *t = (struct tool){.spec = spec, .domain = ""};
    t->program = slash ? slash + 1 : (argc > 0 ? argv[0] : "?");
    *status = 1;
    out_start();
    struct mog_fail f = {.code = MOG_OK};
    const struct toolopt_def *const tables[] = {spec->defs, shared_defs(spec), NULL};
    if (argc < 2)
        return usage_error(t, NULL);
    if (toolopt_parse(&t->opt, tables, argc - 1, argv + 1, 0, &t->rest, &f) != MOG_OK)
        return usage_error(t, f.text);
    if (toolopt_flag(&t->opt, "version")) {
        printf("%s %s\n", t->program, MOG_VERSION);
        *status = 0;
        return false;
    }
    if (toolopt_flag(&t->opt, "help")) {
        print_help(t);
        *status = 0;
        return false;
    }
    if (t->rest.n > 0 && !spec->words_allowed)
        fprintf(stderr, "Warning: '%s' is ignored\n", t->rest.items[0]);
    if (toolopt_read_config(&t->opt, spec->family, &f) != MOG_OK) {
        tool_fail("", &f);
        return false;
    }
    if (toolopt_text(&t->opt, "domain"))
        t->domain = toolopt_text(&t->opt, "domain");
    return check_needs(t) && (spec->no_trackers || connect_trackers(t, &f));
}

int tool_end(struct tool *t, int status)
{
    client_free(t->client);
    toolopt_fini(&t->opt);
    opt_list_fini(&t->rest);
    return out_finish(status);
}

void tool_add_domain(const struct tool *t, struct kv *args)
{
    kv_add_str(args, "domain", t->domain);
}

struct http_client *tool_http_new(void)
{
    return http_client_new("mogilefs-tools/" MOG_VERSION);
}
