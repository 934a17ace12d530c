/* SPDX-License-Identifier: MIT */
/* Looking for mistakes in network_zones and zone_*. */
#include "tracker/policy/zones.h"

#include "common/mem.h"
#include "tracker/cluster/netmask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct masks {
    struct netmask *items;
    size_t n, cap;
};

/* Add the masks of a zone, and tell of those that are there already. False: the zone has none. */
static bool add_masks(struct masks *all, const char *text, struct buf *out)
{
    bool any = false;
    for (size_t at = 0, len = strlen(text); at < len;) {
        size_t part = strcspn(text + at, ", \t");
        struct netmask m;
        if (part != 0 && netmask_parse(span_make(text + at, part), &m) == MOG_OK) {
            bool again = false;
            for (size_t i = 0; i < all->n && !again; i++)
                again = !m.never && all->items[i].base == m.base && all->items[i].mask == m.mask;
            if (again)
                buf_printf(out, "duplicate netmask <%.*s> in network zones. check your server settings\n", (int)part,
                           text + at);
            all->items = mem_grow(all->items, all->n, &all->cap, sizeof(*all->items));
            all->items[all->n++] = m;
            any = true;
        }
        at += part + 1;
    }
    return any;
}

void zones_problems(const struct cluster *c, struct buf *out)
{
    const char *zones = cluster_setting(c, "network_zones");
    struct span rest = span_of(zones), name;
    struct masks all = {0};
    while (zones != NULL && span_split(&rest, ',', &name)) {
        char setting[64];
        name = span_trim(name);
        int len = snprintf(setting, sizeof(setting), "zone_%.*s", (int)name.len, name.ptr);
        if (name.len == 0)
            continue;
        const char *masks = len < (int)sizeof(setting) ? cluster_setting(c, setting) : NULL;
        if (masks == NULL || !add_masks(&all, masks, out))
            buf_printf(out, "couldn't find network_zone <<zone_%.*s>> check your server settings\n", (int)name.len,
                       name.ptr);
    }
    free(all.items);
}
