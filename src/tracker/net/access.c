/* SPDX-License-Identifier: MIT */
/* Who may connect and who may administer; and how much the clients together may take. */
#include "tracker/net/server_priv.h"

#include "common/clock.h"
#include "common/log.h"

#include <sys/resource.h>
#include <utlist.h>

enum {
    LOG_EVERY_MS = 10 * 1000,
    MIN_CONNS = 16,
    FRESH_MS = 1000,          /* so long a client has for its first request before it may have to go */
    IDLE_MS = 10 * 1000,      /* and so long between two requests */
    HELD_MAX = 128 << 20,     /* bytes of unfinished requests and unread answers of all clients: then the greedy go */
    ROOM_AT_ONCE = 64,        /* a look at all connections is dear when there are many */
    KEPT_FOR_OTHERS_PART = 4, /* of the descriptors, for the database, storage nodes, logs */
    KEPT_AT_LEAST = 128,      /* up to 64 checks of devices with a connection or two each, jobs */
    KEPT_FOR_A_WORKER = 6     /* a database's files, two nodes */
};

void server_access_fini(struct server_access *a)
{
    netlist_fini(&a->allow);
    netlist_fini(&a->admin_allow);
}

bool access_allows(const struct server *s, const struct sockaddr_storage *sa)
{
    const struct server_access *a = &s->access;
    return a->allow.n == 0 || netlist_has(&a->allow, (const struct sockaddr *)sa) ||
           netlist_has(&a->admin_allow, (const struct sockaddr *)sa);
}

bool access_is_admin(const struct server *s, const struct sockaddr_storage *sa)
{
    return s->access.admin_allow.n == 0 || netlist_has(&s->access.admin_allow, (const struct sockaddr *)sa);
}

void access_refused(struct server *s, const char *peer, const char *what)
{
    int64_t now = clock_mono_ms();
    s->n_refused++;
    if (s->refused_logged_ms != 0 && now - s->refused_logged_ms < LOG_EVERY_MS)
        return;
    log_warn("client %s: %s (%zu refusals since the last such line)", peer, what, s->n_refused);
    s->refused_logged_ms = now;
    s->n_refused = 0;
}

void server_set_access(struct server *s, struct server_access *access)
{
    struct conn *c, *tmp;
    server_access_fini(&s->access);
    s->access = *access;
    *access = (struct server_access){0};
    DL_FOREACH_SAFE(s->conns, c, tmp)
    {
        c->is_admin = access_is_admin(s, &c->addr);
        if (!access_allows(s, &c->addr))
            conn_free(c);
        else if (!c->is_admin)
            conn_unwatch(c);
    }
}

/* ---- room ---- */

void access_measure(struct server *s)
{
    struct rlimit limit;
    size_t n = 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        n = (size_t)limit.rlim_cur;
    /* Databases, storage nodes, checks: a quarter, or what our threads may need where that is more. */
    size_t kept = n / KEPT_FOR_OTHERS_PART, needed = KEPT_AT_LEAST + KEPT_FOR_A_WORKER * s->queries_wanted;
    kept = kept > needed ? kept : needed;
    n -= kept < n - n / KEPT_FOR_OTHERS_PART ? kept : n - n / KEPT_FOR_OTHERS_PART;
    s->max_conns = n > MIN_CONNS ? n : MIN_CONNS;
}

/* Those that never said a whole line, the oldest first: the list is in the order of their coming. */
static size_t drop_silent(struct server *s, int64_t now)
{
    struct conn *c, *tmp;
    size_t n = 0;
    DL_FOREACH_SAFE(s->conns, c, tmp)
    {
        if (n == ROOM_AT_ONCE)
            break;
        if (c->state == CONN_READING && !c->was_used && now - c->active_mono_ms >= FRESH_MS) {
            conn_free(c);
            n++;
        }
    }
    return n;
}

static bool drop_idlest(struct server *s, int64_t now)
{
    struct conn *c, *idlest = NULL;
    DL_FOREACH(s->conns, c)
    {
        if (c->state == CONN_READING && !c->watching && now - c->active_mono_ms >= IDLE_MS &&
            (idlest == NULL || c->active_mono_ms < idlest->active_mono_ms))
            idlest = c;
    }
    if (idlest != NULL)
        conn_free(idlest);
    return idlest != NULL;
}

bool access_make_room(struct server *s)
{
    int64_t now = clock_mono_ms();
    size_t dropped = drop_silent(s, now);
    if (dropped == 0 && drop_idlest(s, now))
        dropped = 1;
    if (dropped != 0)
        access_refused(s, "(any)", "too many connections, those that are idle are closed");
    return dropped != 0;
}

bool access_is_too_much(const struct server *s, const struct conn *c)
{
    return s->held > HELD_MAX && c->held > HELD_MAX / s->n_conns;
}
