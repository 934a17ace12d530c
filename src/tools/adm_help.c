/* SPDX-License-Identifier: MIT */
/* mogadm's help pages, made from the table of topics. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/span.h"
#include "tools/adm.h"

enum { VERBS_MAX = 32 };

static int by_name(const void *a, const void *b)
{
    const struct adm_verb *x = a, *y = b;
    return strcmp(x->verb ? x->verb : "", y->verb ? y->verb : "");
}

/* The topic's verbs in the order of their names; returns how many. */
static size_t sorted_verbs(const struct adm_topic *t, struct adm_verb *out)
{
    size_t n = 0;
    for (const struct adm_verb *v = t->verbs; v->run && n < VERBS_MAX; v++)
        out[n++] = *v;
    qsort(out, n, sizeof *out, by_name);
    return n;
}

static void append_call(struct buf *b, const struct adm_topic *t, const struct adm_verb *v, bool short_form)
{
    buf_str(b, t->name);
    if (v->verb)
        buf_printf(b, " %s", v->verb);
    if (short_form) {
        buf_str(b, v->words || v->opts ? " ..." : " ");
        return;
    }
    struct span names = span_of(v->words), name;
    while (span_split(&names, ' ', &name))
        buf_printf(b, " <%.*s>", (int)name.len, name.ptr);
    if (v->opts)
        buf_str(b, " [opts]");
}

int adm_help_global(void)
{
    printf("Usage:  mogadm [--trackers=HOST:PORT,...] [--config=FILE] [--verbose] [--json] TOPIC VERB ...\n\n");
    for (const struct adm_topic *t = adm_topics; t->name; t++) {
        struct adm_verb verbs[VERBS_MAX];
        size_t n = sorted_verbs(t, verbs);
        if (!t->verbs[0].verb) {
            printf("  mogadm %-25s %-s\n", t->name, t->verbs[0].help);
            continue;
        }
        printf("  mogadm %s ...\n", t->name);
        for (size_t i = 0; i < n; i++) {
            struct buf call = BUF_ZERO;
            append_call(&call, t, &verbs[i], true);
            printf("         %-25s %-s\n", buf_cstr(&call), verbs[i].help);
            buf_fini(&call);
        }
    }
    putchar('\n');
    return 1;
}

static void print_verb(const struct adm_topic *t, const struct adm_verb *v)
{
    struct buf call = BUF_ZERO;
    buf_str(&call, "mogadm ");
    append_call(&call, t, v, false);
    printf("  %-50s %-s\n", buf_cstr(&call), v->help);
    buf_fini(&call);
}

int adm_help_topic(const struct adm_topic *t)
{
    struct adm_verb verbs[VERBS_MAX];
    size_t n = sorted_verbs(t, verbs);
    printf("Help for '%s' command:\n (a verb without its arguments shows more about it)\n\n", t->name);
    for (size_t i = 0; i < n; i++)
        print_verb(t, &verbs[i]);
    putchar('\n');
    return 1;
}

static int by_option(const void *a, const void *b)
{
    const struct toolopt_def *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void print_options(const struct toolopt_def *defs)
{
    static const char *const kinds[] = {"", "", "=s", "=i"};
    struct toolopt_def sorted[VERBS_MAX];
    size_t n = 0;
    for (; defs->name && n < VERBS_MAX; defs++)
        sorted[n++] = *defs;
    qsort(sorted, n, sizeof *sorted, by_option);
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s%s", sorted[i].name, kinds[sorted[i].type]);
        printf("      %-20s %s\n", name, sorted[i].help);
    }
}

/* What the arguments of all verbs mean. */
static const char *word_help(struct span name)
{
    static const struct {
        const char *name, *help;
    } words[] = {
        {"hostname", "name of the host"},
        {"devid", "number of the device, as 5 or dev5"},
        {"status", "alive, down, readonly, dead; devices: drain too"},
        {"domain", "name of the domain"},
        {"class", "name of the class"},
        {"slave_key", "name of the read slave"},
        {"key", "name of the setting or the file"},
        {"value", "its new value; may be empty"},
        {"count", "number of workers"},
        {"job", "delete, fsck, job_master, monitor, queryworker, reaper, replicate"},
        {"text", "message, like :wake_up or :shutdown"},
        {"file", "file to read; - is standard input"},
        {"shell", "bash or zsh"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (span_is(name, words[i].name))
            return words[i].help;
    }
    return "";
}

int adm_help_verb(const struct adm_topic *t, const struct adm_verb *v)
{
    printf("Help for '%s%s%s' command:\n\n", t->name, v->verb ? "-" : "", v->verb ? v->verb : "");
    print_verb(t, v);
    putchar('\n');
    struct span names = span_of(v->words), name;
    while (span_split(&names, ' ', &name)) {
        char shown[64];
        snprintf(shown, sizeof shown, "<%.*s>", (int)name.len, name.ptr);
        printf("      %-20s %s\n", shown, word_help(name));
    }
    if (v->opts)
        print_options(v->opts);
    putchar('\n');
    return 1;
}

int adm_help_error(const struct adm *a, const char *fmt, ...)
{
    va_list ap;
    printf("\nERROR: ");
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n\n");
    return adm_help_verb(a->topic, a->verb);
}
