/* SPDX-License-Identifier: MIT */
/* Domains. */
#include "store/store_topology.h"

#include "common/mem.h"
#include "store/store_run.h"

enum { DMID_MAX = 65535 };

struct domain_job {
    uint32_t dmid;
    struct span name;
};

static enum mog_err domain_create(struct store *st, void *arg)
{
    struct domain_job *j = arg;
    enum mog_err e = STORE_RUN0(st, SQL_DOMAIN_NEXT);
    if (e != MOG_OK)
        return e;
    j->dmid = sql_u32(&st->result, 0, 0);
    if (j->dmid > DMID_MAX)
        return store_fail(st, MOG_ERANGE, "no domain id is left");
    return STORE_RUN(st, SQL_DOMAIN_INSERT, sql_int(j->dmid), sql_name_of(j->name));
}

static enum mog_err domain_is_there(struct store *st, void *arg)
{
    const struct domain_job *j = arg;
    uint32_t dmid;
    return store_domain_find(st, j->name, &dmid);
}

enum mog_err store_domain_create(struct store *st, struct span name, uint32_t *dmid)
{
    struct domain_job j = {0, name};
    *dmid = 0;
    enum mog_err e = store_check_name(st, "domain", name, STORE_NAME_MAX);
    if (e == MOG_OK)
        e = store_transact_numbered(st, domain_create, domain_is_there, &j);
    if (e == MOG_OK)
        *dmid = j.dmid;
    return e;
}

enum mog_err store_domain_find(struct store *st, struct span name, uint32_t *dmid)
{
    *dmid = 0;
    enum mog_err e = STORE_RUN(st, SQL_DOMAIN_FIND, sql_name_of(name));
    if (e != MOG_OK)
        return e;
    if (st->result.n_rows == 0)
        return store_fail(st, MOG_ENOTFOUND, "no such domain");
    *dmid = sql_u32(&st->result, 0, 0);
    return MOG_OK;
}

enum mog_err store_domain_list(struct store *st, struct store_domains *out)
{
    *out = (struct store_domains){NULL, 0};
    enum mog_err e = STORE_RUN0(st, SQL_DOMAIN_LIST);
    if (e != MOG_OK)
        return e;
    const struct sql_result *r = &st->result;
    out->rows = mem_calloc(r->n_rows + 1, sizeof out->rows[0]);
    out->n = r->n_rows;
    for (size_t i = 0; i < r->n_rows; i++) {
        out->rows[i].dmid = sql_u32(r, i, 0);
        out->rows[i].name = store_bytes_cell(r, i, 1);
    }
    return MOG_OK;
}

struct domain_delete {
    uint32_t dmid;
    enum store_domain_content content;
};

static enum mog_err domain_delete(struct store *st, void *arg)
{
    struct domain_delete *d = arg;
    struct sql_value dmid = sql_int(d->dmid);
    enum mog_err e = STORE_RUN(st, SQL_DOMAIN_HAS_FILES, dmid);
    if (e == MOG_OK && st->result.n_rows > 0) {
        d->content = STORE_DOMAIN_HAS_FILES;
        return store_fail(st, MOG_ENOTEMPTY, "the domain has files");
    }
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_DOMAIN_HAS_CLASSES, dmid);
    if (e == MOG_OK && st->result.n_rows > 0) {
        d->content = STORE_DOMAIN_HAS_CLASSES;
        return store_fail(st, MOG_ENOTEMPTY, "the domain has classes");
    }
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_DOMAIN_DELETE, dmid);
    if (e == MOG_OK && st->result.affected == 0)
        return store_fail(st, MOG_ENOTFOUND, "no such domain");
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_DOMAIN_DELETE_CLASS, dmid);
    return e;
}

enum mog_err store_domain_delete(struct store *st, uint32_t dmid, enum store_domain_content *content)
{
    struct domain_delete d = {dmid, STORE_DOMAIN_EMPTY};
    enum mog_err e = store_transact(st, domain_delete, &d);
    if (content != NULL)
        *content = d.content;
    return e;
}
