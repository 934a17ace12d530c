/* SPDX-License-Identifier: MIT */
/* What SIGHUP does: read the configuration again, apply what can change, name the rest; open the logs anew. */
#include "mogstored/reload.h"

#include <string.h>

#include "common/daemon.h"
#include "common/log.h"
#include "mogstored/access_log.h"
#include "mogstored/devices.h"
#include "mogstored/stored.h"

enum mog_err reload_apply_settings(struct stored *s, const struct stored_options *o, struct mog_fail *f)
{
    struct netlist allow = {0};
    struct mog_fail inner = {0};
    for (size_t i = 0; i < o->allow.n; i++) {
        if (netlist_add_all(&allow, o->allow.items[i], &inner) != MOG_OK) {
            netlist_fini(&allow);
            return fail_set(f, MOG_EINVAL, "allow: %s", inner.text);
        }
    }
    settings_set_allow(&s->settings, &allow);
    atomic_store(&s->settings.is_synced, o->fsync);
    atomic_store(&s->settings.is_readonly, o->readonly);
    atomic_store(&s->settings.strict_mounts, o->strict_mounts);
    atomic_store(&s->settings.put_status, (int)o->put_status);
    return MOG_OK;
}

void reload_logs(struct stored *s)
{
    log_reopen();
    access_log_reopen(s->access_log);
}

/* Names what changed; says of what cannot change that it will not. */
static void report(const struct stored *s, const struct stored_options *now)
{
    for (size_t i = 0; i < stored_options_spec.n_rows; i++) {
        const struct opt_row *row = &stored_options_spec.rows[i];
        if (!row->key || !stored_options_differ(row, &s->opts, now))
            continue;
        if (row->flags & OPT_RELOAD)
            log_info("reload: %s has changed", row->key);
        else
            log_warn("reload: %s has changed, which takes effect at the next start", row->key);
    }
}

/* What reload keeps as it was must compare as it is, so the values in force are taken over one by one. */
static void take_over(struct stored *s, struct stored_options *now)
{
    struct opt_list allow = s->opts.allow;
    s->opts.allow = now->allow;
    now->allow = allow;
    s->opts.fsync = now->fsync;
    s->opts.readonly = now->readonly;
    s->opts.strict_mounts = now->strict_mounts;
    s->opts.put_status = now->put_status;
    s->opts.device_threads = now->device_threads;
    s->opts.graceful_timeout = now->graceful_timeout;
}

void reload(struct stored *s)
{
    struct stored_options now;
    struct mog_fail f = {0};
    daemon_notify("RELOADING=1");
    reload_logs(s);
    enum mog_err e = stored_options_load(&now, s->argc, s->argv, s->folder, &f);
    if (e == MOG_OK)
        e = reload_apply_settings(s, &now, &f);
    if (e == MOG_OK) {
        report(s, &now);
        devices_set_threads(s->devices, (unsigned)now.device_threads);
        devices_kick(s->devices);
        take_over(s, &now);
        log_info("reload: done");
    } else {
        log_err("reload: %s (nothing is changed)", f.text);
    }
    stored_options_fini(&now);
    daemon_notify("READY=1");
}
