/* SPDX-License-Identifier: MIT */
/* The settings that may change while the daemon runs, readable from any thread. */
#include "mogstored/settings.h"

void settings_init(struct settings *s)
{
    *s = (struct settings){.is_synced = true, .put_status = 201};
    pthread_rwlock_init(&s->lock, NULL);
}

void settings_fini(struct settings *s)
{
    netlist_fini(&s->allow);
    pthread_rwlock_destroy(&s->lock);
}

void settings_set_allow(struct settings *s, struct netlist *list)
{
    pthread_rwlock_wrlock(&s->lock);
    struct netlist old = s->allow;
    s->allow = *list;
    *list = (struct netlist){0};
    pthread_rwlock_unlock(&s->lock);
    netlist_fini(&old);
}

bool settings_is_allowed(struct settings *s, const struct sockaddr *sa)
{
    pthread_rwlock_rdlock(&s->lock);
    bool allowed = s->allow.n == 0 || netlist_has(&s->allow, sa);
    pthread_rwlock_unlock(&s->lock);
    return allowed;
}
