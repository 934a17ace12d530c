/* SPDX-License-Identifier: MIT */
/* What has to be asked of a tracker so that a cluster gets the shape of a file. */
#include "tools/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void plan_fini(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->actions[i].text);
        kv_fini(&p->actions[i].args);
    }
    free(p->actions);
    opt_list_fini(&p->notes);
    *p = (struct plan){.n = 0};
}

/* Builds one action: its arguments, and the text that tells of them. */
struct draft {
    const char *command;
    struct kv args;
    struct buf text;
    bool any; /* something would change */
};

static void draft_begin(struct draft *d, const char *command, const char *verb, const char *kind, const char *name)
{
    *d = (struct draft){.command = command};
    buf_init(&d->text, 0);
    buf_printf(&d->text, "%s %s %s", verb, kind, name);
}

static void draft_say(struct draft *d, const char *label, const char *from, const char *to)
{
    buf_str(&d->text, d->any ? ", " : ": ");
    if (from)
        buf_printf(&d->text, "%s %s -> %s", label, from[0] ? from : "(none)", to[0] ? to : "(none)");
    else
        buf_printf(&d->text, "%s %s", label, to[0] ? to : "(none)");
    d->any = true;
}

/* An argument of something new, when it is given. */
static void draft_new(struct draft *d, const char *arg, const char *value)
{
    if (!value)
        return;
    kv_add_str(&d->args, arg, value);
    draft_say(d, arg, NULL, value);
}

/* An argument of something that exists, when it is given and differs. */
static void draft_change(struct draft *d, const char *arg, const char *have, const char *want)
{
    if (!want || strcmp(have, want) == 0)
        return;
    kv_add_str(&d->args, arg, want);
    draft_say(d, arg, have, want);
}

static void draft_finish(struct draft *d, struct plan *p, bool wanted)
{
    if (wanted) {
        p->actions = mem_grow(p->actions, p->n, &p->cap, sizeof *p->actions);
        p->actions[p->n++] = (struct plan_action){mem_strdup(buf_cstr(&d->text)), d->command, d->args};
        d->args = (struct kv)KV_ZERO;
    }
    kv_fini(&d->args);
    buf_fini(&d->text);
}

/* A number as text in the caller's memory; NULL when it is not given. */
static const char *number(char out[32], int64_t n)
{
    if (n == CLUSTERFILE_UNSET)
        return NULL;
    snprintf(out, 32, "%" PRId64, n);
    return out;
}

/* ---- domains and classes ---- */

static void plan_class(struct plan *p, const char *domain, const struct clusterfile_class *want,
                       const struct cluster_class *have)
{
    struct draft d;
    char label[600], n[32], m[32];
    snprintf(label, sizeof label, "%.250s/%.250s", domain, want->name);
    draft_begin(&d, have ? "update_class" : "create_class", have ? "change" : "create", "class", label);
    kv_add_str(&d.args, "domain", domain);
    kv_add_str(&d.args, "class", want->name);
    if (!have) {
        draft_new(&d, "mindevcount", number(n, want->mindevcount == CLUSTERFILE_UNSET ? 2 : want->mindevcount));
        draft_new(&d, "replpolicy", want->replpolicy);
        draft_new(&d, "hashtype", want->hashtype);
        draft_finish(&d, p, true);
        return;
    }
    number(m, (int64_t)have->mindevcount);
    draft_change(&d, "mindevcount", m, number(n, want->mindevcount));
    bool has_count = d.any;
    draft_change(&d, "replpolicy", have->replpolicy, want->replpolicy);
    draft_change(&d, "hashtype", have->hashtype, want->hashtype);
    if (!has_count)
        kv_add_str(&d.args, "mindevcount", m); /* every change of a class has to name it */
    draft_finish(&d, p, d.any);
}

static void plan_domains(struct plan *p, const struct clusterfile *want, const struct cluster *have)
{
    for (size_t i = 0; i < want->n_domains; i++) {
        const struct clusterfile_domain *w = &want->domains[i];
        const struct cluster_domain *h = cluster_domain_by_name(have, w->name);
        if (!h) {
            struct draft d;
            draft_begin(&d, "create_domain", "create", "domain", w->name);
            kv_add_str(&d.args, "domain", w->name);
            draft_finish(&d, p, true);
        }
        for (size_t j = 0; j < w->n_classes; j++) {
            const struct clusterfile_class *cl = &w->classes[j];
            const struct cluster_class *there = h ? cluster_class_by_name(h, cl->name) : NULL;
            /* A domain has the class "default" from its birth, so that one is never created. */
            bool is_default = strcmp(cl->name, "default") == 0;
            if (!there && is_default && cl->mindevcount == CLUSTERFILE_UNSET && !cl->replpolicy && !cl->hashtype)
                continue;
            plan_class(p, w->name, cl, there);
            if (!there && is_default)
                p->actions[p->n - 1].command = "update_class";
        }
    }
}

/* ---- hosts and devices ---- */

static enum mog_err plan_host(struct plan *p, const char *path, const struct clusterfile_host *w,
                              const struct cluster_host *h, struct mog_fail *f)
{
    struct draft d;
    char port[32], getport[32], have_port[32], have_getport[32];
    const char *getport_text = w->getport == 0 ? "" : number(getport, w->getport);
    if (!h && !w->ip)
        return fail_set(f, MOG_EINVAL, "%s:%u: host '%s' is new, so it needs an 'ip'", path, w->line, w->name);
    draft_begin(&d, h ? "update_host" : "create_host", h ? "change" : "create", "host", w->name);
    kv_add_str(&d.args, "host", w->name);
    if (!h) {
        draft_new(&d, "ip", w->ip);
        draft_new(&d, "port", number(port, w->port == CLUSTERFILE_UNSET ? 7500 : w->port));
        draft_new(&d, "getport", getport_text && getport_text[0] ? getport_text : NULL);
        draft_new(&d, "altip", w->altip && w->altip[0] ? w->altip : NULL);
        draft_new(&d, "altmask", w->altmask && w->altmask[0] ? w->altmask : NULL);
        draft_new(&d, "status", w->status ? w->status : "down");
        draft_finish(&d, p, true);
        return MOG_OK;
    }
    number(have_port, (int64_t)h->port);
    number(have_getport, (int64_t)h->get_port);
    draft_change(&d, "ip", h->ip, w->ip);
    draft_change(&d, "port", have_port, number(port, w->port));
    draft_change(&d, "getport", h->get_port ? have_getport : "", getport_text);
    draft_change(&d, "altip", h->altip, w->altip);
    draft_change(&d, "altmask", h->altmask, w->altmask);
    draft_change(&d, "status", h->status, w->status);
    draft_finish(&d, p, d.any);
    return MOG_OK;
}

static void plan_state(struct plan *p, const char *host, const char *device, const char *from, const char *to)
{
    struct draft d;
    draft_begin(&d, "set_state", "change", "device", device);
    kv_add_str(&d.args, "host", host);
    kv_add_str(&d.args, "device", device + strlen("dev"));
    kv_add_str(&d.args, "state", to);
    draft_say(&d, "status", from, to);
    draft_finish(&d, p, true);
}

static enum mog_err plan_device(struct plan *p, const struct clusterfile *want, const struct clusterfile_host *host,
                                const struct clusterfile_device *w, const struct cluster *have, struct mog_fail *f)
{
    const struct cluster_device *h = cluster_device_find(have, w->devid);
    const struct cluster_host *at = h ? cluster_host_find(have, h->hostid) : NULL;
    char device[32], weight[32], have_weight[32] = "100";
    struct draft d;
    snprintf(device, sizeof device, "dev%" PRIu64, w->devid);
    if (h && (!at || strcmp(at->name, host->name) != 0))
        return fail_set(f, MOG_EINVAL, "%s:%u: device %" PRIu64 " belongs to host '%s', not '%s'", want->path, w->line,
                        w->devid, at ? at->name : "?", host->name);
    if (!h) {
        draft_begin(&d, "create_device", "create", "device", device);
        kv_add_str(&d.args, "hostname", host->name);
        kv_add_u64(&d.args, "devid", w->devid);
        draft_say(&d, "host", NULL, host->name);
        draft_new(&d, "state", w->status ? w->status : "alive");
        draft_finish(&d, p, true);
    } else {
        number(have_weight, h->weight);
        if (w->status && strcmp(w->status, h->status) != 0) {
            /* The tracker refuses to wake the dead at once. */
            bool wake = strcmp(h->status, "dead") == 0 && strcmp(w->status, "alive") == 0;
            if (wake)
                plan_state(p, host->name, device, h->status, "down");
            plan_state(p, host->name, device, wake ? "down" : h->status, w->status);
        }
    }
    draft_begin(&d, "set_weight", "change", "device", device);
    kv_add_str(&d.args, "host", host->name);
    kv_add_u64(&d.args, "device", w->devid);
    draft_change(&d, "weight", have_weight, number(weight, w->weight));
    draft_finish(&d, p, d.any);
    return MOG_OK;
}

static enum mog_err plan_hosts(struct plan *p, const struct clusterfile *want, const struct cluster *have,
                               struct mog_fail *f)
{
    enum mog_err e = MOG_OK;
    for (size_t i = 0; e == MOG_OK && i < want->n_hosts; i++) {
        const struct clusterfile_host *w = &want->hosts[i];
        e = plan_host(p, want->path, w, cluster_host_by_name(have, w->name), f);
        for (size_t j = 0; e == MOG_OK && j < w->n_devices; j++)
            e = plan_device(p, want, w, &w->devices[j], have, f);
    }
    return e;
}

/* ---- settings ---- */

static void plan_settings(struct plan *p, const struct clusterfile *want, const struct cluster *have)
{
    for (size_t i = 0; i < want->n_settings; i++) {
        const struct clusterfile_setting *w = &want->settings[i];
        const char *there = cluster_setting(have, w->key);
        bool is_fsck = strcmp(w->key, "fsck_checksum") == 0;
        if (!there)
            there = is_fsck ? "class" : ""; /* what holds without a row */
        struct draft d;
        draft_begin(&d, "set_server_setting", "change", "setting", w->key);
        kv_add_str(&d.args, "key", w->key);
        draft_change(&d, "value", there, w->value);
        draft_finish(&d, p, d.any);
    }
}

/* ---- what the file does not name ---- */

static const struct clusterfile_domain *wanted_domain(const struct clusterfile *want, const char *name)
{
    for (size_t i = 0; i < want->n_domains; i++) {
        if (strcmp(want->domains[i].name, name) == 0)
            return &want->domains[i];
    }
    return NULL;
}

static bool wants_class(const struct clusterfile_domain *d, const char *name)
{
    for (size_t i = 0; d && i < d->n_classes; i++) {
        if (strcmp(d->classes[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool wants_host(const struct clusterfile *want, const char *name)
{
    for (size_t i = 0; i < want->n_hosts; i++) {
        if (strcmp(want->hosts[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool wants_device(const struct clusterfile *want, uint64_t devid)
{
    for (size_t i = 0; i < want->n_hosts; i++) {
        for (size_t j = 0; j < want->hosts[i].n_devices; j++) {
            if (want->hosts[i].devices[j].devid == devid)
                return true;
        }
    }
    return false;
}

static bool wants_setting(const struct clusterfile *want, const char *key)
{
    for (size_t i = 0; i < want->n_settings; i++) {
        if (strcmp(want->settings[i].key, key) == 0)
            return true;
    }
    return false;
}

static void delete_one(struct plan *p, const char *command, const char *kind, const char *arg, const char *name)
{
    struct draft d;
    draft_begin(&d, command, "delete", kind, name);
    kv_add_str(&d.args, arg, name);
    draft_finish(&d, p, true);
}

static void prune_domains(struct plan *p, const struct clusterfile *want, const struct cluster *have)
{
    for (size_t i = 0; i < have->n_domains; i++) {
        const struct cluster_domain *h = &have->domains[i];
        const struct clusterfile_domain *w = wanted_domain(want, h->name);
        for (size_t j = 0; j < h->n_classes; j++) {
            const char *name = h->classes[j].name;
            if (strcmp(name, "default") == 0 || wants_class(w, name))
                continue;
            struct draft d;
            char label[600];
            snprintf(label, sizeof label, "%.250s/%.250s", h->name, name);
            draft_begin(&d, "delete_class", "delete", "class", label);
            kv_add_str(&d.args, "domain", h->name);
            kv_add_str(&d.args, "class", name);
            draft_finish(&d, p, true);
        }
        if (!w)
            delete_one(p, "delete_domain", "domain", "domain", h->name);
    }
}

static void note_devices(struct plan *p, const struct clusterfile *want, const struct cluster *have)
{
    for (size_t i = 0; i < have->n_devices; i++) {
        if (wants_device(want, have->devices[i].devid))
            continue;
        char text[120];
        snprintf(text, sizeof text, "device dev%" PRIu64 " is not in the file; devices are never deleted",
                 have->devices[i].devid);
        opt_list_add(&p->notes, text);
    }
}

static void prune_all(struct plan *p, const struct clusterfile *want, const struct cluster *have)
{
    if (want->has_domains)
        prune_domains(p, want, have);
    for (size_t i = 0; want->has_hosts && i < have->n_hosts; i++) {
        if (!wants_host(want, have->hosts[i].name))
            delete_one(p, "delete_host", "host", "host", have->hosts[i].name);
    }
    for (size_t i = 0; want->has_settings && i < have->n_settings; i++) {
        const char *key = have->settings[i].key;
        if (!clusterfile_setting_is_configuration(key) || wants_setting(want, key))
            continue;
        delete_one(p, "set_server_setting", "setting", "key", key);
        if (strcmp(key, "fsck_checksum") == 0)
            kv_add_str(&p->actions[p->n - 1].args, "value", "class");
    }
}

enum mog_err plan_make(struct plan *p, const struct clusterfile *want, const struct cluster *have, bool prune,
                       struct mog_fail *f)
{
    *p = (struct plan){.n = 0};
    plan_domains(p, want, have);
    enum mog_err e = plan_hosts(p, want, have, f);
    if (e != MOG_OK)
        return e;
    plan_settings(p, want, have);
    if (want->has_hosts)
        note_devices(p, want, have);
    if (prune)
        prune_all(p, want, have);
    return MOG_OK;
}
