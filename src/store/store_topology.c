/* SPDX-License-Identifier: MIT */
/* All the small tables at once. */
#include "store/store_topology.h"

#include "store/store_run.h"

void store_topology_free(struct store_topology *t)
{
    store_domains_free(&t->domains);
    store_classes_free(&t->classes);
    store_hosts_free(&t->hosts);
    store_devices_free(&t->devices);
    store_settings_free(&t->settings);
}

enum mog_err store_topology_read(struct store *st, struct store_topology *t)
{
    *t = (struct store_topology){0};
    enum mog_err e = store_domain_list(st, &t->domains);
    if (e == MOG_OK)
        e = store_class_list(st, &t->classes);
    if (e == MOG_OK)
        e = store_host_list(st, &t->hosts);
    if (e == MOG_OK)
        e = store_device_list(st, &t->devices);
    if (e == MOG_OK)
        e = store_setting_list(st, &t->settings);
    if (e != MOG_OK)
        store_topology_free(t);
    return e;
}
