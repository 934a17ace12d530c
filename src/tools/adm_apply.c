/* SPDX-License-Identifier: MIT */
/* mogadm apply and mogadm export: a cluster's shape from and to a file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/adm.h"
#include "tools/clusterfile.h"
#include "tools/out.h"
#include "tools/plan.h"

enum { FILE_MAX = 16 * 1024 * 1024, CHANGES_FOUND = 2 };

static const struct toolopt_def apply_opts[] = {
    {"dry-run", 'n', TOOLOPT_FLAG, "only say what would be done; exit with 2 when that is something"},
    {"prune", 0, TOOLOPT_FLAG, "delete domains, classes, hosts and settings that the file does not name"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static enum mog_err read_file(const char *path, struct buf *out, struct mog_fail *f)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(path, "re");
    if (!in)
        return fail_sys(f, MOG_EIO, errno, "cannot open %s", path);
    char part[65536];
    size_t got;
    buf_init(out, FILE_MAX);
    while ((got = fread(part, 1, sizeof part, in)) > 0 && !out->overflowed)
        buf_append(out, part, got);
    enum mog_err e = MOG_OK;
    if (ferror(in))
        e = fail_sys(f, MOG_EIO, errno, "cannot read %s", path);
    else if (out->overflowed)
        e = fail_set(f, MOG_ETOOLONG, "%s is longer than %d bytes", path, FILE_MAX);
    if (!is_stdin)
        fclose(in);
    return e;
}

static enum mog_err load_all(struct adm *a, struct cluster *c, struct mog_fail *f)
{
    enum mog_err e = cluster_load_hosts(c, a->client, f);
    if (e == MOG_OK)
        e = cluster_load_devices(c, a->client, f);
    if (e == MOG_OK)
        e = cluster_load_domains(c, a->client, f);
    if (e == MOG_OK)
        e = cluster_load_settings(c, a->client, f);
    return e;
}

static void add_row(json_t *list, const char *text, const char *error)
{
    json_t *row = json_object();
    report_json_str(row, "action", text);
    if (error)
        report_json_str(row, "error", error);
    json_array_append_new(list, row);
}

/* Do what was planned, up to the first failure. */
static int carry_out(struct adm *a, struct plan *p, bool dry_run, json_t *json)
{
    for (size_t i = 0; i < p->n; i++) {
        struct client_answer answer = CLIENT_ANSWER_ZERO;
        struct mog_fail f = {.code = MOG_OK};
        enum mog_err e = MOG_OK;
        if (!json)
            printf("%s%s", dry_run ? "would " : "", p->actions[i].text);
        if (!dry_run) {
            fflush(stdout);
            e = client_request(a->client, p->actions[i].command, &p->actions[i].args, &answer, &f);
            client_answer_fini(&answer);
        }
        if (json)
            add_row(json, p->actions[i].text, e != MOG_OK ? f.text : NULL);
        else
            putchar('\n');
        if (e != MOG_OK) {
            fflush(stdout);
            fprintf(stderr, "cannot %s: %s\n", p->actions[i].text, f.text);
            return 1;
        }
    }
    if (p->n == 0 && !json)
        printf("nothing to do\n");
    return dry_run && p->n ? CHANGES_FOUND : 0;
}

static int apply_run(struct adm *a)
{
    struct clusterfile want;
    struct cluster have = CLUSTER_ZERO;
    struct plan plan = {.n = 0};
    struct buf text = BUF_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    bool prune = toolopt_flag(&a->opt, "prune");
    int status = 1;

    clusterfile_init(&want, strcmp(a->word[0], "-") == 0 ? "standard input" : a->word[0]);
    if (read_file(a->word[0], &text, &f) != MOG_OK || clusterfile_parse(&want, buf_as_span(&text), &f) != MOG_OK ||
        load_all(a, &have, &f) != MOG_OK || plan_make(&plan, &want, &have, prune, &f) != MOG_OK) {
        adm_fail("", &f);
    } else {
        json_t *json = adm_json(a) ? json_array() : NULL;
        status = carry_out(a, &plan, toolopt_flag(&a->opt, "dry-run"), json);
        if (json)
            out_json(json);
        fflush(stdout);
        for (size_t i = 0; i < plan.notes.n; i++)
            fprintf(stderr, "note: %s\n", plan.notes.items[i]);
    }
    plan_fini(&plan);
    cluster_fini(&have);
    clusterfile_fini(&want);
    buf_fini(&text);
    return status;
}

static int export_run(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    struct buf text = BUF_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    enum mog_err e = load_all(a, &c, &f);
    if (e == MOG_OK) {
        clusterfile_format(&c, &text);
        fwrite(buf_cstr(&text), 1, text.len, stdout);
    }
    buf_fini(&text);
    cluster_fini(&c);
    return e == MOG_OK ? 0 : adm_fail("", &f);
}

const struct adm_verb adm_apply_verbs[] = {
    {NULL, "file", apply_opts, "Give the cluster the shape that a YAML file describes.", apply_run, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};

const struct adm_verb adm_export_verbs[] = {
    {NULL, NULL, NULL, "Print the cluster's shape as such a file.", export_run, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
