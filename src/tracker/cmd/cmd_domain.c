/* SPDX-License-Identifier: MIT */
/* Domains and classes. Names are resolved in the database, not in the snapshot. */
#include "tracker/cmd/cmd_list.h"

#include "common/digest.h"
#include "common/num.h"
#include "store/store_topology.h"
#include "tracker/policy/policy.h"

#include <string.h>

enum { MAX_MINDEVCOUNT = 255 };

void cmd_create_domain(struct cmd_ctx *ctx)
{
    struct span name = cmd_arg(ctx, "domain");
    uint32_t dmid = 0;
    if (!cmd_arg_is_true(ctx, "domain")) {
        cmd_err(ctx, "no_domain");
        return;
    }
    enum mog_err e = store_domain_create(ctx->st, name, &dmid);
    if (e == MOG_EEXISTS)
        cmd_err(ctx, "domain_exists");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else
        kv_put(&ctx->reply, "domain", name);
}

static bool find_domain(struct cmd_ctx *ctx, uint32_t *dmid)
{
    enum mog_err e = store_domain_find(ctx->st, cmd_arg(ctx, "domain"), dmid);
    if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "domain_not_found");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    return e == MOG_OK;
}

void cmd_delete_domain(struct cmd_ctx *ctx)
{
    uint32_t dmid = 0;
    enum store_domain_content content = STORE_DOMAIN_EMPTY;
    if (!cmd_arg_is_true(ctx, "domain")) {
        cmd_err(ctx, "no_domain");
        return;
    }
    if (!find_domain(ctx, &dmid))
        return;
    enum mog_err e = store_domain_delete(ctx->st, dmid, &content);
    if (e == MOG_ENOTEMPTY)
        cmd_err(ctx, content == STORE_DOMAIN_HAS_FILES ? "domain_has_files" : "domain_has_classes");
    else if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "domain_not_found");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    else
        kv_put(&ctx->reply, "domain", cmd_arg(ctx, "domain"));
}

void cmd_get_domains(struct cmd_ctx *ctx)
{
    const struct cluster *c = ctx->cluster;
    kv_put_u64(&ctx->reply, "domains", c->n_domains);
    for (size_t i = 0; i < c->n_domains; i++) {
        const struct cluster_domain *d = &c->domains[i];
        cmd_addf(ctx, d->name, "domain%zu", i + 1);
        cmd_addf_u64(ctx, d->n_classes, "domain%zuclasses", i + 1);
        for (size_t j = 0; j < d->n_classes; j++) {
            const struct cluster_class *k = &d->classes[j];
            const char *policy = k->replpolicy[0] != '\0' ? k->replpolicy : "MultipleHosts()";
            const char *hash = digest_name((enum digest_type)k->hashtype);
            /* Name first and mindevcount last: some clients read them by position. */
            cmd_addf(ctx, k->name, "domain%zuclass%zuname", i + 1, j + 1);
            cmd_addf(ctx, span_of(policy), "domain%zuclass%zureplpolicy", i + 1, j + 1);
            cmd_addf(ctx, span_of(hash != NULL ? hash : "NONE"), "domain%zuclass%zuhashtype", i + 1, j + 1);
            cmd_addf_u64(ctx, k->mindevcount, "domain%zuclass%zumindevcount", i + 1, j + 1);
        }
    }
}

/* ---- classes ---- */

static bool check_policy(struct cmd_ctx *ctx)
{
    struct policy *policy = NULL;
    struct mog_fail f = {0};
    if (!cmd_arg_is_true(ctx, "replpolicy"))
        return true;
    if (policy_parse_strict(cmd_arg(ctx, "replpolicy"), &policy, &f) != MOG_OK) {
        cmd_errf(ctx, "invalid_replpolicy", "%s", f.text);
        return false;
    }
    policy_free(policy);
    return true;
}

static bool check_hashtype(struct cmd_ctx *ctx, struct store_class_edit *edit)
{
    struct span name = cmd_arg(ctx, "hashtype");
    if (!num_perl_true(name))
        return true;
    enum digest_type type = digest_by_name(name);
    if (!span_is(name, "NONE") && type != DIGEST_MD5 && type != DIGEST_SHA1) {
        cmd_err(ctx, "invalid_hashtype");
        return false;
    }
    edit->set_hashtype = true;
    edit->hashtype = type;
    return true;
}

static void write_class(struct cmd_ctx *ctx, bool update)
{
    struct store_class_edit edit = {.replpolicy = span_make(NULL, 0)};
    struct span name = cmd_arg(ctx, "class");
    uint32_t dmid = 0, classid = 0;
    if (!cmd_arg_is_given(ctx, "domain") || name.len == 0) {
        cmd_err(ctx, cmd_arg_is_given(ctx, "domain") ? "no_class" : "no_domain");
        return;
    }
    int64_t mindevcount = cmd_arg_int(ctx, "mindevcount");
    if (mindevcount < 1) {
        cmd_err(ctx, "invalid_mindevcount");
        return;
    }
    if (mindevcount > MAX_MINDEVCOUNT) {
        cmd_errf(ctx, "invalid_mindevcount", "The mindevcount must be at most %d", MAX_MINDEVCOUNT);
        return;
    }
    edit.mindevcount = (uint32_t)mindevcount;
    if (!check_policy(ctx) || !check_hashtype(ctx, &edit) || !find_domain(ctx, &dmid))
        return;
    if (cmd_arg_is_true(ctx, "replpolicy"))
        edit.replpolicy = cmd_arg(ctx, "replpolicy");
    enum mog_err e = update ? store_class_update(ctx->st, dmid, name, &edit, &classid)
                            : store_class_create(ctx->st, dmid, name, &edit, &classid);
    if (e == MOG_EEXISTS)
        cmd_err(ctx, "class_exists");
    else if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "class_not_found");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    if (e != MOG_OK)
        return;
    kv_put(&ctx->reply, "class", name);
    kv_put_u64(&ctx->reply, "mindevcount", edit.mindevcount);
    kv_put(&ctx->reply, "domain", cmd_arg(ctx, "domain"));
}

void cmd_create_class(struct cmd_ctx *ctx)
{
    write_class(ctx, cmd_arg_is_true(ctx, "update"));
}

void cmd_update_class(struct cmd_ctx *ctx)
{
    write_class(ctx, true);
}

void cmd_delete_class(struct cmd_ctx *ctx)
{
    uint32_t dmid = 0, classid = 0;
    struct span name = cmd_arg(ctx, "class");
    if (!cmd_arg_is_given(ctx, "domain")) {
        cmd_err(ctx, "no_domain");
        return;
    }
    if (span_is(name, "default")) {
        cmd_err(ctx, "nodel_default_class");
        return;
    }
    if (!find_domain(ctx, &dmid))
        return;
    enum mog_err e = store_class_find(ctx->st, dmid, name, &classid);
    if (e == MOG_OK)
        e = store_class_delete(ctx->st, dmid, classid);
    if (e == MOG_ENOTFOUND)
        cmd_err(ctx, "class_not_found");
    else if (e == MOG_ENOTEMPTY)
        cmd_err(ctx, "class_has_files");
    else if (e != MOG_OK)
        cmd_err_store(ctx, e);
    if (e != MOG_OK)
        return;
    kv_put(&ctx->reply, "domain", cmd_arg(ctx, "domain"));
    kv_put(&ctx->reply, "class", name);
}
