/* SPDX-License-Identifier: MIT */
/* Settings slave_keys and slave_<key>, made into a list. */
#include "tracker/tracker_slaves.h"

#include "common/log.h"
#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_SLAVES = 64 };

static bool add_slave(const struct cluster *c, struct span key, struct store_slave *slave, bool log_bad)
{
    char field[64];
    (void)snprintf(field, sizeof(field), "slave_%.*s", (int)(key.len < 50 ? key.len : 50), key.ptr);
    const char *value = cluster_setting(c, field);
    if (value == NULL) {
        if (log_bad)
            log_warn("key for slave DB config: %s not found in configuration", field);
        return false;
    }
    struct span rest = span_of(value), dsn, user, pass;
    if (!span_split(&rest, '|', &dsn) || !span_split(&rest, '|', &user) || !span_split(&rest, '|', &pass)) {
        if (log_bad)
            log_warn("key %s contains a value which doesn't split in | into DSN|user|pass - ignoring", field);
        return false;
    }
    *slave = (struct store_slave){span_dup(dsn), span_dup(user), span_dup(pass)};
    return true;
}

void tracker_slaves_apply(struct store_env *env, const struct cluster *c, bool log_bad)
{
    struct store_slave slaves[MAX_SLAVES];
    size_t n = 0;
    struct span rest = span_of(cluster_setting(c, "slave_keys")), key;
    while (n < MAX_SLAVES && span_split(&rest, ',', &key)) {
        key = span_trim(key);
        if (key.len != 0 && add_slave(c, key, &slaves[n], log_bad))
            n++;
    }
    store_env_set_slaves(env, slaves, n, (unsigned)cluster_setting_u64(c, "slave_connect_timeout", 1),
                         (unsigned)cluster_setting_u64(c, "slave_dead_retry_timeout", 15));
    for (size_t i = 0; i < n; i++) {
        free((char *)(uintptr_t)slaves[i].dsn);
        free((char *)(uintptr_t)slaves[i].user);
        free((char *)(uintptr_t)slaves[i].password);
    }
}
