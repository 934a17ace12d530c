/* SPDX-License-Identifier: MIT */
/* Hosts. */
#include "store/store_topology.h"

#include <string.h>

#include "common/mem.h"
#include "store/store_run.h"

enum { HOSTID_MAX = 16777215, HOSTIP_MAX = 15, ALTMASK_MAX = 18, STATUS_MAX = 8 };

static enum mog_err check_text(struct store *st, const char *what, const char *text, size_t max)
{
    return text == NULL ? MOG_OK : store_check_len(st, what, strlen(text), max);
}

static enum mog_err check_edit(struct store *st, const struct store_host_edit *h)
{
    enum mog_err e = check_text(st, "status", h->status, STATUS_MAX);
    if (e == MOG_OK)
        e = check_text(st, "hostip", h->hostip, HOSTIP_MAX);
    if (e == MOG_OK)
        e = check_text(st, "altip", h->altip, HOSTIP_MAX);
    if (e == MOG_OK)
        e = check_text(st, "altmask", h->altmask, ALTMASK_MAX);
    if (e == MOG_OK && (h->http_port > 65535 || h->http_get_port > 65535))
        e = store_fail(st, MOG_ERANGE, "a port is above 65535");
    return e;
}

static enum mog_err host_edit(struct store *st, uint32_t hostid, const struct store_host_edit *h)
{
#define IS_SET(bit) sql_int((h->set & (bit)) != 0)
    return STORE_RUN(st, SQL_HOST_EDIT, IS_SET(STORE_HOST_STATUS), sql_str(h->status), IS_SET(STORE_HOST_IP),
                     sql_str(h->hostip), IS_SET(STORE_HOST_PORT), sql_int_or_null(h->http_port),
                     IS_SET(STORE_HOST_GET_PORT), sql_int_or_null(h->http_get_port), IS_SET(STORE_HOST_ALTIP),
                     sql_str(h->altip), IS_SET(STORE_HOST_ALTMASK), sql_str(h->altmask), sql_int(hostid));
#undef IS_SET
}

struct host_job {
    uint32_t hostid;
    struct span hostname;
    const struct store_host_edit *edit;
};

static enum mog_err host_create(struct store *st, void *arg)
{
    struct host_job *j = arg;
    enum mog_err e = STORE_RUN0(st, SQL_HOST_NEXT);
    if (e != MOG_OK)
        return e;
    j->hostid = sql_u32(&st->result, 0, 0);
    if (j->hostid > HOSTID_MAX)
        return store_fail(st, MOG_ERANGE, "no host id is left");
    e = STORE_RUN(st, SQL_HOST_INSERT, sql_int(j->hostid), sql_text(j->hostname));
    return e == MOG_OK && j->edit->set != 0 ? host_edit(st, j->hostid, j->edit) : e;
}

/* While the id is free, it was the name or an address that is taken. */
static enum mog_err host_is_there(struct store *st, void *arg)
{
    const struct host_job *j = arg;
    enum mog_err e = store_host_check(st, j->hostid);
    return e == MOG_OK ? MOG_ENOTFOUND : e == MOG_ENOTFOUND ? MOG_OK : e;
}

enum mog_err store_host_create(struct store *st, struct span hostname, const struct store_host_edit *edit,
                               uint32_t *hostid)
{
    struct host_job j = {0, hostname, edit};
    *hostid = 0;
    enum mog_err e = store_check_len(st, "hostname", hostname.len, STORE_HOSTNAME_MAX);
    if (e == MOG_OK && memchr(hostname.len == 0 ? "" : hostname.ptr, '\0', hostname.len) != NULL)
        e = store_fail(st, MOG_EINVAL, "hostname contains a NUL byte");
    if (e == MOG_OK)
        e = check_edit(st, edit);
    if (e == MOG_OK)
        e = store_transact_numbered(st, host_create, host_is_there, &j);
    if (e == MOG_OK)
        *hostid = j.hostid;
    return e;
}

enum mog_err store_host_update(struct store *st, uint32_t hostid, const struct store_host_edit *edit)
{
    if (edit->set == 0)
        return MOG_OK;
    enum mog_err e = check_edit(st, edit);
    if (e == MOG_OK)
        e = host_edit(st, hostid, edit);
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no such host");
    return e;
}

static enum mog_err host_delete(struct store *st, void *arg)
{
    const struct host_job *j = arg;
    enum mog_err e = STORE_RUN(st, SQL_HOST_HAS_DEVICES, sql_int(j->hostid));
    if (e == MOG_OK && st->result.n_rows > 0)
        return store_fail(st, MOG_ENOTEMPTY, "the host has devices");
    if (e == MOG_OK)
        e = STORE_RUN(st, SQL_HOST_DELETE, sql_int(j->hostid));
    if (e == MOG_OK && st->result.affected == 0)
        e = store_fail(st, MOG_ENOTFOUND, "no such host");
    return e;
}

enum mog_err store_host_delete(struct store *st, uint32_t hostid)
{
    struct host_job j = {.hostid = hostid};
    return store_transact(st, host_delete, &j);
}

enum mog_err store_host_find(struct store *st, struct span hostname, uint32_t *hostid)
{
    *hostid = 0;
    enum mog_err e = STORE_RUN(st, SQL_HOST_FIND, sql_text(hostname));
    if (e != MOG_OK && e != MOG_EINVAL)
        return e;
    if (e == MOG_EINVAL || st->result.n_rows == 0) /* the bytes can be no text of that database, so no name either */
        return store_fail(st, MOG_ENOTFOUND, "no such host");
    *hostid = sql_u32(&st->result, 0, 0);
    return MOG_OK;
}

enum mog_err store_host_check(struct store *st, uint32_t hostid)
{
    enum mog_err e = STORE_RUN(st, SQL_HOST_CHECK, sql_int(hostid));
    if (e == MOG_ERANGE || (e == MOG_OK && st->result.n_rows == 0)) /* beyond what the column holds */
        e = store_fail(st, MOG_ENOTFOUND, "no such host");
    return e;
}

enum mog_err store_host_list(struct store *st, struct store_hosts *out)
{
    *out = (struct store_hosts){NULL, 0};
    enum mog_err e = STORE_RUN0(st, SQL_HOST_LIST);
    if (e != MOG_OK)
        return e;
    const struct sql_result *r = &st->result;
    out->rows = mem_calloc(r->n_rows + 1, sizeof out->rows[0]);
    out->n = r->n_rows;
    for (size_t i = 0; i < r->n_rows; i++) {
        struct store_host *h = &out->rows[i];
        h->hostid = sql_u32(r, i, 0);
        store_word_cell(h->status, sizeof h->status, r, i, 1);
        h->hostname = store_str_cell(r, i, 2);
        h->hostip = store_str_cell(r, i, 3);
        h->altip = store_str_cell(r, i, 4);
        h->altmask = store_str_cell(r, i, 5);
        h->http_port = sql_u32(r, i, 6);
        h->http_get_port = sql_u32(r, i, 7);
    }
    return MOG_OK;
}
