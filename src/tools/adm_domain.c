/* SPDX-License-Identifier: MIT */
/* mogadm domain and mogadm class: name spaces, and how many copies their files get. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/adm.h"
#include "tools/out.h"

static const struct toolopt_def class_opts[] = {
    {"mindevcount", 0, TOOLOPT_INT, "number of copies (default of a new class: 2)"},
    {"replpolicy", 0, TOOLOPT_STRING, "replication policy, like MultipleHosts(3)"},
    {"hashtype", 0, TOOLOPT_STRING, "checksum to keep: NONE, MD5, SHA-1"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static json_t *domains_json(const struct cluster *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->n_domains; i++) {
        const struct cluster_domain *d = &c->domains[i];
        json_t *row = json_object(), *classes = json_array();
        report_json_str(row, "domain", d->name);
        for (size_t j = 0; j < d->n_classes; j++) {
            const struct cluster_class *cl = &d->classes[j];
            json_t *one = json_object();
            report_json_str(one, "class", cl->name);
            json_object_set_new(one, "mindevcount", json_integer((json_int_t)cl->mindevcount));
            report_json_str(one, "replpolicy", cl->replpolicy);
            report_json_str(one, "hashtype", cl->hashtype);
            json_array_append_new(classes, one);
        }
        json_object_set_new(row, "classes", classes);
        json_array_append_new(list, row);
    }
    return list;
}

static void domains_text(const struct cluster *c)
{
    printf(" %-20s %-20s %-12s  %-12s %-7s\n", "domain", "class", "mindevcount", "replpolicy", "hashtype");
    printf("%-20s %-20s %-12s %-12s %-7s\n", "--------------------", "--------------------", "-------------",
           "------------", "-------");
    for (size_t i = 0; i < c->n_domains; i++) {
        const struct cluster_domain *d = &c->domains[i];
        for (size_t j = 0; j < d->n_classes; j++) {
            const struct cluster_class *cl = &d->classes[j];
            printf(" %-20s %-20s      %-8" PRIu64 " %-13s %-7s\n", d->name, cl->name, cl->mindevcount, cl->replpolicy,
                   cl->hashtype);
        }
        putchar('\n');
    }
}

static int domain_list(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    bool ok = adm_load_domains(a, &c);
    if (ok && adm_json(a))
        out_json(domains_json(&c));
    else if (ok)
        domains_text(&c);
    cluster_fini(&c);
    return ok ? 0 : 1;
}

static int domain_add(struct adm *a)
{
    struct kv args = KV_ZERO;
    kv_add_str(&args, "domain", a->word[0]);
    int result = adm_command(a, "create_domain", &args, "Error creating domain: ", "Domain created.");
    kv_fini(&args);
    return result;
}

static int domain_delete(struct adm *a)
{
    struct kv args = KV_ZERO;
    kv_add_str(&args, "domain", a->word[0]);
    int result = adm_command(a, "delete_domain", &args, "Error deleting domain: ", "Domain deleted.");
    kv_fini(&args);
    return result;
}

static int class_add(struct adm *a)
{
    struct kv args = KV_ZERO;
    const char *mindevcount = toolopt_text(&a->opt, "mindevcount"), *policy = toolopt_str(&a->opt, "replpolicy");
    kv_add_str(&args, "domain", a->word[0]);
    kv_add_str(&args, "class", a->word[1]);
    kv_add_str(&args, "mindevcount", mindevcount ? mindevcount : "2");
    kv_add_str(&args, "replpolicy", policy ? policy : "");
    adm_add_option(a, &args, "hashtype");
    int result = adm_command(a, "create_class", &args, "Error creating class: ", "Class created.");
    kv_fini(&args);
    return result;
}

/* The tracker wants the number of copies with every change; what was not given must stay as it is. */
static bool present_mindevcount(struct adm *a, uint64_t *out)
{
    struct cluster c = CLUSTER_ZERO;
    const struct cluster_domain *d = NULL;
    const struct cluster_class *cl = NULL;
    bool ok = adm_load_domains(a, &c);
    if (ok && !(d = cluster_domain_by_name(&c, a->word[0])))
        fprintf(stderr, "Error updating class: domain_not_found Domain not found\n");
    else if (ok && !(cl = cluster_class_by_name(d, a->word[1])))
        fprintf(stderr, "Error updating class: class_not_found Class not found\n");
    else if (ok)
        *out = cl->mindevcount;
    cluster_fini(&c);
    return cl != NULL;
}

static int class_modify(struct adm *a)
{
    struct kv args = KV_ZERO;
    const char *mindevcount = toolopt_text(&a->opt, "mindevcount");
    uint64_t present = 0;
    if (!mindevcount && !present_mindevcount(a, &present))
        return 1;
    kv_add_str(&args, "domain", a->word[0]);
    kv_add_str(&args, "class", a->word[1]);
    if (mindevcount)
        kv_add_str(&args, "mindevcount", mindevcount);
    else
        kv_add_u64(&args, "mindevcount", present);
    adm_add_option(a, &args, "replpolicy");
    adm_add_option(a, &args, "hashtype");
    int result = adm_command(a, "update_class", &args, "Error updating class: ", "Class updated.");
    kv_fini(&args);
    return result;
}

static int class_delete(struct adm *a)
{
    struct kv args = KV_ZERO;
    kv_add_str(&args, "domain", a->word[0]);
    kv_add_str(&args, "class", a->word[1]);
    int result = adm_command(a, "delete_class", &args, "Error deleting class: ", "Class deleted.");
    kv_fini(&args);
    return result;
}

const struct adm_verb adm_domain_verbs[] = {
    {"list", NULL, adm_json_opts, "List all domains and their classes.", domain_list, 0},
    {"add", "domain", NULL, "Add a domain.", domain_add, 0},
    {"delete", "domain", NULL, "Delete a domain that has no files.", domain_delete, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};

const struct adm_verb adm_class_verbs[] = {
    {"list", NULL, adm_json_opts, "List all classes, for each domain.", domain_list, 0},
    {"add", "domain class", class_opts, "Add a class to a domain.", class_add, 0},
    {"modify", "domain class", class_opts, "Change what is given of a class.", class_modify, 0},
    {"delete", "domain class", NULL, "Delete a class that has no files.", class_delete, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
