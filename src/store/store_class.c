/* SPDX-License-Identifier: MIT */
/* Classes of a domain. */
#include "store/store_topology.h"

#include "common/mem.h"
#include "store/store_run.h"

enum { CLASSID_MAX = 255, MINDEVCOUNT_MAX = 255, DEFAULT_MINDEVCOUNT = 2 };

static enum mog_err check_edit(struct store *st, struct span name, const struct store_class_edit *edit)
{
    enum mog_err e = store_check_name(st, "class", name, STORE_CLASSNAME_MAX);
    if (e == MOG_OK)
        e = store_check_len(st, "replpolicy", edit->replpolicy.len, STORE_POLICY_MAX);
    if (e == MOG_OK && (edit->mindevcount > MINDEVCOUNT_MAX || edit->hashtype > 255))
        e = store_fail(st, MOG_ERANGE, "mindevcount or hashtype is above 255");
    return e;
}

static struct sql_value policy_value(const struct store_class_edit *edit)
{
    return edit->replpolicy.ptr == NULL ? SQL_ARG_NULL : sql_text(edit->replpolicy);
}

struct class_job {
    uint32_t dmid, classid;
    struct span name;
    const struct store_class_edit *edit;
};

static enum mog_err class_insert(struct store *st, struct class_job *j)
{
    uint32_t mindevcount = j->edit->mindevcount == 0 ? DEFAULT_MINDEVCOUNT : j->edit->mindevcount;
    j->classid = 0;
    if (!span_is(j->name, "default")) {
        enum mog_err e = STORE_RUN(st, SQL_CLASS_NEXT, sql_int(j->dmid));
        if (e != MOG_OK)
            return e;
        j->classid = sql_u32(&st->result, 0, 0);
        if (j->classid > CLASSID_MAX)
            return store_fail(st, MOG_ERANGE, "no class id is left in the domain");
    }
    return STORE_RUN(st, SQL_CLASS_INSERT, sql_int(j->dmid), sql_int(j->classid), sql_name_of(j->name),
                     sql_int(mindevcount), policy_value(j->edit),
                     j->edit->set_hashtype ? sql_int_or_null(j->edit->hashtype) : SQL_ARG_NULL);
}

static enum mog_err class_create(struct store *st, void *arg)
{
    return class_insert(st, arg);
}

static enum mog_err class_is_there(struct store *st, void *arg)
{
    const struct class_job *j = arg;
    uint32_t classid;
    /* Its id is always the same: whatever has it stands in its place. */
    return span_is(j->name, "default") ? MOG_OK : store_class_find(st, j->dmid, j->name, &classid);
}

enum mog_err store_class_create(struct store *st, uint32_t dmid, struct span name, const struct store_class_edit *edit,
                                uint32_t *classid)
{
    struct class_job j = {dmid, 0, name, edit};
    *classid = 0;
    enum mog_err e = check_edit(st, name, edit);
    if (e == MOG_OK)
        e = store_transact_numbered(st, class_create, class_is_there, &j);
    if (e == MOG_OK)
        *classid = j.classid;
    return e;
}

static enum mog_err class_update(struct store *st, void *arg)
{
    struct class_job *j = arg;
    enum mog_err e = store_class_find(st, j->dmid, j->name, &j->classid);
    if (e == MOG_ENOTFOUND && span_is(j->name, "default"))
        return class_insert(st, j);
    if (e != MOG_OK)
        return e;
    return STORE_RUN(st, SQL_CLASS_EDIT, sql_int_or_null(j->edit->mindevcount), policy_value(j->edit),
                     sql_int(j->edit->set_hashtype), sql_int_or_null(j->edit->hashtype), sql_int(j->dmid),
                     sql_int(j->classid));
}

enum mog_err store_class_update(struct store *st, uint32_t dmid, struct span name, const struct store_class_edit *edit,
                                uint32_t *classid)
{
    struct class_job j = {dmid, 0, name, edit};
    *classid = 0;
    enum mog_err e = check_edit(st, name, edit);
    if (e == MOG_OK)
        e = store_transact(st, class_update, &j);
    /* A faster one has made the row of the default class: now there is one to edit. */
    if (e == MOG_EEXISTS && st->tx_depth == 0)
        e = store_transact(st, class_update, &j);
    if (e == MOG_OK)
        *classid = j.classid;
    return e;
}

enum mog_err store_class_find(struct store *st, uint32_t dmid, struct span name, uint32_t *classid)
{
    *classid = 0;
    enum mog_err e = STORE_RUN(st, SQL_CLASS_FIND, sql_int(dmid), sql_name_of(name));
    if (e != MOG_OK)
        return e;
    if (st->result.n_rows == 0)
        return store_fail(st, MOG_ENOTFOUND, "no such class");
    *classid = sql_u32(&st->result, 0, 0);
    return MOG_OK;
}

enum mog_err store_class_rename(struct store *st, uint32_t dmid, uint32_t classid, struct span name)
{
    enum mog_err e = store_check_name(st, "class", name, STORE_CLASSNAME_MAX);
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_CLASS_RENAME, sql_name_of(name), sql_int(dmid), sql_int(classid));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no such class");
    return e;
}

static enum mog_err class_delete(struct store *st, void *arg)
{
    const struct class_job *j = arg;
    enum mog_err e = STORE_RUN(st, SQL_CLASS_HAS_FILES, sql_int(j->dmid), sql_int(j->classid));
    if (e == MOG_OK && st->result.n_rows > 0)
        return store_fail(st, MOG_ENOTEMPTY, "the class has files");
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_CLASS_DELETE, sql_int(j->dmid), sql_int(j->classid));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no such class");
    return e;
}

enum mog_err store_class_delete(struct store *st, uint32_t dmid, uint32_t classid)
{
    struct class_job j = {.dmid = dmid, .classid = classid};
    return store_transact(st, class_delete, &j);
}

enum mog_err store_class_list(struct store *st, struct store_classes *out)
{
    *out = (struct store_classes){NULL, 0};
    /* Started without the schema check, we may meet an older one that lacks the newest columns. */
    enum mog_err e = STORE_RUN0(st, SQL_CLASS_LIST);
    if (e == MOG_ESCHEMA)
        e = STORE_RUN0(st, SQL_CLASS_LIST_V14);
    if (e == MOG_ESCHEMA)
        e = STORE_RUN0(st, SQL_CLASS_LIST_V9);
    if (e != MOG_OK)
        return e;
    const struct sql_result *r = &st->result;
    out->rows = mem_calloc(r->n_rows + 1, sizeof out->rows[0]);
    out->n = r->n_rows;
    for (size_t i = 0; i < r->n_rows; i++) {
        struct store_class *c = &out->rows[i];
        c->dmid = sql_u32(r, i, 0);
        c->classid = sql_u32(r, i, 1);
        c->name = store_bytes_cell(r, i, 2);
        c->mindevcount = sql_u32(r, i, 3);
        c->replpolicy = store_str_cell(r, i, 4);
        c->hashtype = sql_u32(r, i, 5);
    }
    return MOG_OK;
}
