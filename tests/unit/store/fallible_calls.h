/* SPDX-License-Identifier: MIT */
/* Every fallible function of the store that asks the database, called once on a database with a row of each kind. */
#ifndef MOG_TESTS_FALLIBLE_CALLS_H
#define MOG_TESTS_FALLIBLE_CALLS_H

#include "store/store_admin.h"
#include "store/store_fixture.h"

#define FID_LOCK(fid) "mgfs:fid:" #fid ":replicate"

enum call_flags {
    CALL_READS = 1,      /* changes nothing */
    CALL_LOCKS = 2,      /* takes its lock itself, and keeps it */
    CALL_UNLOCKS = 4,    /* gives back the lock that it is called with */
    CALL_OWN_LOCK = 8,   /* takes a lock and gives it back */
    CALL_IN_PARTS = 16,  /* leaves off in the middle, and the next call goes on from there */
    CALL_IS_HANDLE = 32, /* is about the connection or the transaction itself */
    CALL_ALONE = 128,    /* never in a transaction */
    CALL_MAY_WAIT = 64   /* a deadlock is no error, but nothing is done */
};

struct fallible {
    const char *name;
    enum mog_err (*call)(struct store *st);
    unsigned flags;
    const char *lock; /* the lock it is called with, or takes; NULL: none */
};

/* After an error, what is handed out is empty. */
#define EMPTY_UNLESS_OK(e, out)                                                                                        \
    do {                                                                                                               \
        static const __typeof__(out) zero_;                                                                            \
        ck_assert_msg((e) == MOG_OK || memcmp(&(out), &zero_, sizeof(out)) == 0,                                       \
                      "%s: something was handed out after %s", __func__, err_name(e));                                 \
    } while (0)

/* A call with one result, which is freed. */
#define CALL_OUT(name, type, free_it, ...)                                                                             \
    static enum mog_err call_##name(struct store *st)                                                                  \
    {                                                                                                                  \
        type out;                                                                                                      \
        memset(&out, 0x5a, sizeof(out));                                                                               \
        enum mog_err e = __VA_ARGS__;                                                                                  \
        EMPTY_UNLESS_OK(e, out);                                                                                       \
        free_it(&out);                                                                                                 \
        return e;                                                                                                      \
    }
#define CALL(name, ...)                                                                                                \
    static enum mog_err call_##name(struct store *st)                                                                  \
    {                                                                                                                  \
        return __VA_ARGS__;                                                                                            \
    }

static inline void free_nothing(const void *out)
{
    (void)out;
}

static const uint64_t some_fids[] = {101, 102};
static const uint32_t some_devids[] = {1, 2};
static const struct store_checksum some_checksum = {.hashtype = 1, .len = 16, .bytes = "0123456789abcde"};

/* ---- the handle ---- */

CALL(store_open, store_open(st))
CALL(store_validate, store_validate(st))
CALL(store_ping, store_ping(st))
CALL(store_nowait_connect, store_nowait_connect(st))
CALL_OUT(store_keys_are_bytes, bool, free_nothing, store_keys_are_bytes(st, &out))
CALL_OUT(store_now, int64_t, free_nothing, store_now(st, &out))

static enum mog_err call_store_begin(struct store *st)
{
    enum mog_err e = store_begin(st);
    store_rollback(st);
    return e;
}

/* Two writes of the caller's. */
static enum mog_err call_store_commit(struct store *st)
{
    enum mog_err e = store_begin(st);
    if (e == MOG_OK)
        e = store_setting_set(st, "one", span_of("1"));
    if (e == MOG_OK)
        e = store_setting_set(st, "two", span_of("2"));
    if (e == MOG_OK)
        return store_commit(st);
    store_rollback(st);
    return e;
}

/* ---- locks ---- */

CALL(store_lock, store_lock(st, "mgfs:probe", 0))
CALL(store_lock_fid, store_lock_fid(st, 101, 0))

static enum mog_err call_store_lock_renew(struct store *st)
{
    st->lock_renewed_ms = -st->env->lock_renew_ms;
    return store_lock_renew(st);
}

static enum mog_err call_store_unlock(struct store *st)
{
    store_unlock(st);
    return MOG_OK;
}

/* ---- domains, classes, hosts, devices, settings ---- */

CALL_OUT(store_topology_read, struct store_topology, store_topology_free, store_topology_read(st, &out))
CALL_OUT(store_domain_create, uint32_t, free_nothing, store_domain_create(st, span_of("new"), &out))
CALL_OUT(store_domain_find, uint32_t, free_nothing, store_domain_find(st, span_of("d"), &out))
CALL_OUT(store_domain_list, struct store_domains, store_domains_free, store_domain_list(st, &out))
CALL(store_domain_delete, store_domain_delete(st, 2, NULL))

static const struct store_class_edit class_edit = {
    .mindevcount = 3, .replpolicy = {"MultipleHosts(3)", 16}, .set_hashtype = true, .hashtype = 1};
CALL_OUT(store_class_create, uint32_t, free_nothing, store_class_create(st, 1, span_of("new"), &class_edit, &out))
CALL_OUT(store_class_update, uint32_t, free_nothing, store_class_update(st, 1, span_of("one"), &class_edit, &out))
CALL_OUT(store_class_find, uint32_t, free_nothing, store_class_find(st, 1, span_of("one"), &out))
CALL(store_class_rename, store_class_rename(st, 1, 1, span_of("other")))
CALL(store_class_delete, store_class_delete(st, 1, 2))
CALL_OUT(store_class_list, struct store_classes, store_classes_free, store_class_list(st, &out))

static const struct store_host_edit host_edit = {.set = STORE_HOST_IP | STORE_HOST_STATUS | STORE_HOST_PORT,
                                                 .status = "alive",
                                                 .hostip = "127.0.0.3",
                                                 .http_port = 76};
CALL_OUT(store_host_create, uint32_t, free_nothing, store_host_create(st, span_of("h3"), &host_edit, &out))
CALL(store_host_update, store_host_update(st, 1, &host_edit))
CALL(store_host_delete, store_host_delete(st, 2))
CALL_OUT(store_host_find, uint32_t, free_nothing, store_host_find(st, span_of("h1"), &out))
CALL(store_host_check, store_host_check(st, 1))
CALL_OUT(store_host_list, struct store_hosts, store_hosts_free, store_host_list(st, &out))

CALL(store_device_create, store_device_create(st, 9, 1, "alive"))
CALL(store_device_set_status, store_device_set_status(st, 1, "down"))
CALL(store_device_swap_status, store_device_swap_status(st, 1, "alive", "down"))
CALL(store_device_set_weight, store_device_set_weight(st, 1, 50))
CALL_OUT(store_device_get, struct store_device, free_nothing, store_device_get(st, 1, &out))
CALL_OUT(store_device_list, struct store_devices, store_devices_free, store_device_list(st, &out))

static enum mog_err call_store_device_write_usage(struct store *st)
{
    const struct store_usage usage[] = {{1, 100, 50, 60}, {2, 100, 51, 61}};
    return store_device_write_usage(st, usage, 2);
}

CALL_OUT(store_setting_get, struct store_bytes, store_bytes_free, store_setting_get(st, "a", &out))
CALL_OUT(store_setting_get_int, int64_t, free_nothing, store_setting_get_int(st, "a", 0, &out))
CALL(store_setting_set, store_setting_set(st, "a", span_of("2")))
CALL(store_setting_set_int, store_setting_set_int(st, "b", 3))
CALL(store_setting_delete, store_setting_delete(st, "a"))
CALL(store_setting_delete_if, store_setting_delete_if(st, "a", span_of("1")))
CALL(store_setting_delete_prefix, store_setting_delete_prefix(st, "fsck_"))
CALL(store_setting_add, store_setting_add(st, "a", 4))
CALL_OUT(store_setting_list, struct store_settings, store_settings_free, store_setting_list(st, &out))

/* ---- files ---- */

CALL_OUT(store_file_find, struct store_found, store_found_free,
         store_file_find(st, 1, span_of("k"), STORE_READ_CHECKSUM, &out))
CALL_OUT(store_file_get, struct store_found, store_found_free, store_file_get(st, 101, STORE_READ_CHECKSUM, &out))
CALL_OUT(store_file_get_locked, struct store_found, store_found_free,
         store_file_get_locked(st, 101, 0, STORE_READ_CHECKSUM, &out))

static enum mog_err call_store_file_find_many(struct store *st)
{
    const struct span keys[] = {{"k", 1}, {"l", 1}};
    struct store_found out[2];
    bool is_sure;
    memset(out, 0x5a, sizeof out);
    enum mog_err e = store_file_find_many(st, 1, keys, 2, STORE_READ_CHECKSUM, out, &is_sure);
    EMPTY_UNLESS_OK(e, out);
    for (size_t i = 0; i < 2; i++)
        store_found_free(&out[i]);
    return e;
}

static const struct store_file_open open_new = {.dmid = 1, .classid = 1, .key = {"new", 3}, .devids = "1,2"};
static const struct store_file_open open_chosen = {
    .fid = 5000, .dmid = 1, .classid = 1, .key = {"new", 3}, .devids = "1,2"};
CALL_OUT(store_file_open, uint64_t, free_nothing, store_file_open(st, &open_new, &out))
CALL_OUT(store_file_open_chosen, uint64_t, free_nothing, store_file_open(st, &open_chosen, &out))

static enum mog_err call_store_file_open_many(struct store *st)
{
    const struct store_file_open all[] = {open_new, open_new};
    uint64_t fids[2];
    memset(fids, 0x5a, sizeof(fids));
    enum mog_err e = store_file_open_many(st, all, 2, fids);
    EMPTY_UNLESS_OK(e, fids);
    return e;
}

CALL_OUT(store_upload_read, struct store_upload, store_upload_free,
         store_upload_read(st, 103, 1, 1, span_of("k"), &out))

static const struct store_file_close close_over = {
    .fid = 103, .devid = 1, .dmid = 1, .classid = 1, .key = {"k", 1}, .length = 20, .checksum = &some_checksum};
static const struct store_file_close close_new = {
    .fid = 103, .devid = 1, .dmid = 1, .classid = 1, .key = {"new", 3}, .length = 20};
CALL_OUT(store_file_close, uint64_t, free_nothing, store_file_close(st, &close_over, &out))
CALL_OUT(store_file_close_new, uint64_t, free_nothing, store_file_close(st, &close_new, &out))
CALL(store_file_discard, store_file_discard(st, 103, 3))
CALL_OUT(store_tempfile_get, struct store_tempfile, store_tempfile_fini, store_tempfile_get(st, 103, &out))
CALL(store_tempfile_delete, store_tempfile_delete(st, 103))
CALL_OUT(store_tempfile_sweep, size_t, free_nothing, store_tempfile_sweep(st, 3600, &out))
CALL_OUT(store_file_delete, uint64_t, free_nothing, store_file_delete(st, 1, span_of("k"), &out))
CALL(store_file_delete_fid, store_file_delete_fid(st, 101))
CALL(store_file_rename, store_file_rename(st, 1, span_of("k"), span_of("new")))
CALL(store_file_set_class, store_file_set_class(st, 101, 2))
CALL(store_file_recount, store_file_recount(st, 101))

static const struct store_list_keys list_keys = {.dmid = 1, .limit = 10};
CALL_OUT(store_file_list_keys, struct store_keys, store_keys_free, store_file_list_keys(st, &list_keys, &out))
CALL_OUT(store_file_list_fids, struct store_files, store_files_free, store_file_list_fids(st, 0, 10, &out))
CALL_OUT(store_file_fids_between, struct store_fids, store_fids_free, store_file_fids_between(st, 0, 200, 10, &out))
CALL_OUT(store_file_get_many, struct store_files, store_files_free, store_file_get_many(st, some_fids, 2, &out))
CALL_OUT(store_file_max_fid, uint64_t, free_nothing, store_file_max_fid(st, &out))
CALL_OUT(store_file_max_known_fid, uint64_t, free_nothing, store_file_max_known_fid(st, &out))
CALL_OUT(store_debug_read, struct store_debug, store_debug_free, store_debug_read(st, 101, &out))

/* ---- locations and checksums ---- */

CALL_OUT(store_devfid_add, bool, free_nothing, store_devfid_add(st, 101, 3, true, &out))
CALL_OUT(store_devfid_remove, bool, free_nothing, store_devfid_remove(st, 101, 2, true, &out))
static const struct store_replica some_replica = {.fid = 101, .devid = 3, .recount = true, .checksum = &some_checksum};
static const struct store_judged judged_as_it_is = {.classid = 1, .n_on = 3}, judged_after = {.classid = 1, .n_on = 4};
static const struct store_replica last_replica = {.fid = 101, .devid = 3, .recount = true, .last = &judged_after};
CALL(store_devfid_add_replica, store_devfid_add_replica(st, &some_replica))
CALL(store_devfid_add_replica_last, store_devfid_add_replica(st, &last_replica))
CALL(store_replicate_done, store_replicate_done(st, 101, &judged_as_it_is))
CALL(store_devfid_remove_many, store_devfid_remove_many(st, 101, some_devids, 2))
CALL_OUT(store_devfid_list, struct store_devids, store_devids_free, store_devfid_list(st, 101, &out))
CALL_OUT(store_devfid_list_many, struct store_devfids, store_devfids_free,
         store_devfid_list_many(st, some_fids, 2, &out))
CALL_OUT(store_devfid_on_device, struct store_fids, store_fids_free, store_devfid_on_device(st, 1, 10, &out))
CALL_OUT(store_devfid_chunk, struct store_fids, store_fids_free, store_devfid_chunk(st, 1, true, 0, 10, &out))
CALL(store_devfid_reap, store_devfid_reap(st, 4, some_fids, 2, 10))
CALL_OUT(store_checksum_get, struct store_checksum, free_nothing, store_checksum_get(st, 101, &out))
CALL(store_checksum_set, store_checksum_set(st, 102, &some_checksum))
CALL(store_checksum_delete, store_checksum_delete(st, 101))

/* ---- queues ---- */

CALL_OUT(store_queue_claim, struct store_queue_rows, store_queue_rows_free,
         store_queue_claim(st, STORE_QUEUE_REPLICATE, 10, &out))
CALL_OUT(store_queue_claim_todo, struct store_queue_rows, store_queue_rows_free,
         store_queue_claim(st, STORE_QUEUE_REBALANCE, 10, &out))
CALL(store_queue_done, store_queue_done(st, STORE_QUEUE_REPLICATE, 101))
CALL(store_queue_defer, store_queue_defer(st, STORE_QUEUE_FSCK, 101, 100, true))
CALL(store_queue_park, store_queue_park(st, STORE_QUEUE_REPLICATE, 101))
CALL(store_queue_release, store_queue_release(st, STORE_QUEUE_FSCK, some_fids, 2))
typedef bool due_t[STORE_QUEUES];
CALL_OUT(store_queues_due, due_t, free_nothing, store_queues_due(st, out))
CALL_OUT(store_queue_length, uint64_t, free_nothing, store_queue_length(st, STORE_QUEUE_REPLICATE, &out))
CALL_OUT(store_queue_sample, struct store_queue_sample, free_nothing,
         store_queue_sample(st, STORE_QUEUE_REPLICATE, &out))
CALL_OUT(store_queue_find, struct store_queue_row, store_queue_row_fini,
         store_queue_find(st, STORE_QUEUE_REBALANCE, 101, &out))
CALL(store_replicate_add, store_replicate_add(st, 104, 1, 0))
CALL_OUT(store_replicate_deferred, uint64_t, free_nothing, store_replicate_deferred(st, &out))
CALL_OUT(store_replicate_now, uint64_t, free_nothing, store_replicate_now(st, &out))
CALL(store_delete_add, store_delete_add(st, some_fids, 2, 0))
CALL_OUT(store_delete_begin, struct store_devids, store_devids_free, store_delete_begin(st, 104, 0, &out))
static const struct store_delete_end delete_end = {.gone = some_devids, .n_gone = 2, .is_done = true};
static const struct store_delete_end delete_later = {.gone = some_devids, .n_gone = 1, .delay_s = 60, .failed = true};
CALL(store_delete_end, store_delete_end(st, 104, &delete_end))
CALL(store_delete_end_later, store_delete_end(st, 104, &delete_later))

static enum mog_err call_store_todo_add(struct store *st)
{
    const struct store_todo todo[] = {{102, 4, {"1,2", 3}}, {104, 1, {NULL, 0}}};
    return store_todo_add(st, STORE_QUEUE_REBALANCE, todo, 2);
}

CALL_OUT(store_legacy_requeue, size_t, free_nothing, store_legacy_requeue(st, &out))
CALL_OUT(store_legacy_list, struct store_devfids, store_devfids_free, store_legacy_list(st, 10, &out))
CALL(store_legacy_done, store_legacy_done(st, 105))
CALL(store_legacy_later, store_legacy_later(st, 105, 60))

/* ---- the check, statistics, the schema, accounts ---- */

CALL(store_fsck_log, store_fsck_log(st, "GONE", 101, 1))
CALL_OUT(store_fsck_events, struct store_fsck_events, store_fsck_events_free, store_fsck_events(st, 0, 10, &out))
CALL_OUT(store_fsck_max_logid, uint64_t, free_nothing, store_fsck_max_logid(st, &out))
CALL(store_fsck_clear, store_fsck_clear(st))
CALL(store_fsck_summarize, store_fsck_summarize(st))
CALL(store_fsck_reset, store_fsck_reset(st))
CALL_OUT(store_stats_read, struct store_stats, store_stats_free, store_stats_read(st, STORE_STAT_FILES, &out))
CALL_OUT(store_schema_version, uint32_t, free_nothing, store_schema_version(st, &out))
CALL(store_schema_check, store_schema_check(st))
CALL(store_schema_check_row_locks, store_schema_check_row_locks(st))

static void note_nothing(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}
static const struct store_schema_job some_job = {.with_row_locks = true};
CALL(store_schema_upgrade, store_schema_upgrade(st, &some_job))
CALL(store_schema_report, store_schema_report(st, note_nothing, NULL))

/* In the tests' own database, whose name every server's user may use; SQLite has neither. */
CALL(store_admin_create_database, store_admin_create_database(st, "mog_fallible"))
CALL(store_admin_create_user, store_admin_create_user(st, "mog_fallible", "secret"))

static enum mog_err call_store_admin_grant(struct store *st)
{
    enum mog_err e = store_admin_create_database(st, "mog_fallible");
    if (e == MOG_OK)
        e = store_admin_create_user(st, "mog_fallible", "secret");
    return e == MOG_OK ? store_admin_grant(st, "mog_fallible", "mog_fallible") : e;
}

#define ROW(name, flags, lock)                                                                                         \
    {                                                                                                                  \
#name, call_##name, flags, lock                                                                                \
    }
static const struct fallible fallible_calls[] = {
    ROW(store_open, CALL_READS | CALL_IS_HANDLE, NULL),
    ROW(store_validate, CALL_READS | CALL_IS_HANDLE, NULL),
    ROW(store_nowait_connect, CALL_READS | CALL_IS_HANDLE, NULL),
    ROW(store_ping, CALL_READS, NULL),
    ROW(store_keys_are_bytes, CALL_READS, NULL),
    ROW(store_now, CALL_READS, NULL),
    ROW(store_begin, CALL_READS | CALL_IS_HANDLE, NULL),
    ROW(store_commit, CALL_IS_HANDLE, NULL),
    ROW(store_lock, CALL_READS | CALL_LOCKS, "mgfs:probe"),
    ROW(store_lock_fid, CALL_READS | CALL_LOCKS, FID_LOCK(101)),
    ROW(store_lock_renew, CALL_READS, "mgfs:probe"),
    ROW(store_unlock, CALL_READS | CALL_UNLOCKS, "mgfs:probe"),
    ROW(store_topology_read, CALL_READS, NULL),
    ROW(store_domain_create, 0, NULL),
    ROW(store_domain_find, CALL_READS, NULL),
    ROW(store_domain_list, CALL_READS, NULL),
    ROW(store_domain_delete, 0, NULL),
    ROW(store_class_create, 0, NULL),
    ROW(store_class_update, 0, NULL),
    ROW(store_class_find, CALL_READS, NULL),
    ROW(store_class_rename, 0, NULL),
    ROW(store_class_delete, 0, NULL),
    ROW(store_class_list, CALL_READS, NULL),
    ROW(store_host_create, 0, NULL),
    ROW(store_host_update, 0, NULL),
    ROW(store_host_delete, 0, NULL),
    ROW(store_host_find, CALL_READS, NULL),
    ROW(store_host_check, CALL_READS, NULL),
    ROW(store_host_list, CALL_READS, NULL),
    ROW(store_device_create, 0, NULL),
    ROW(store_device_set_status, 0, NULL),
    ROW(store_device_swap_status, 0, NULL),
    ROW(store_device_set_weight, 0, NULL),
    ROW(store_device_get, CALL_READS, NULL),
    ROW(store_device_list, CALL_READS, NULL),
    ROW(store_device_write_usage, 0, NULL),
    ROW(store_setting_get, CALL_READS, NULL),
    ROW(store_setting_get_int, CALL_READS, NULL),
    ROW(store_setting_set, 0, NULL),
    ROW(store_setting_set_int, 0, NULL),
    ROW(store_setting_delete, 0, NULL),
    ROW(store_setting_delete_if, 0, NULL),
    ROW(store_setting_delete_prefix, 0, NULL),
    ROW(store_setting_add, 0, NULL),
    ROW(store_setting_list, CALL_READS, NULL),
    ROW(store_file_find, CALL_READS, NULL),
    ROW(store_file_find_many, CALL_READS, NULL),
    ROW(store_file_get, CALL_READS, NULL),
    ROW(store_file_get_locked, CALL_READS | CALL_LOCKS, FID_LOCK(101)),
    ROW(store_file_open, 0, NULL),
    ROW(store_file_open_chosen, 0, NULL),
    ROW(store_file_open_many, 0, NULL),
    ROW(store_upload_read, CALL_READS, NULL),
    ROW(store_file_close, 0, NULL),
    ROW(store_file_close_new, 0, NULL),
    ROW(store_file_discard, 0, NULL),
    ROW(store_tempfile_get, CALL_READS, NULL),
    ROW(store_tempfile_delete, 0, NULL),
    ROW(store_tempfile_sweep, CALL_OWN_LOCK, "mgfs:tempfiles"),
    ROW(store_file_delete, 0, NULL),
    ROW(store_file_delete_fid, 0, NULL),
    ROW(store_file_rename, 0, NULL),
    ROW(store_file_set_class, 0, NULL),
    ROW(store_file_recount, 0, NULL),
    ROW(store_file_list_keys, CALL_READS, NULL),
    ROW(store_file_list_fids, CALL_READS, NULL),
    ROW(store_file_fids_between, CALL_READS, NULL),
    ROW(store_file_get_many, CALL_READS, NULL),
    ROW(store_file_max_fid, CALL_READS, NULL),
    ROW(store_file_max_known_fid, CALL_READS, NULL),
    ROW(store_debug_read, CALL_READS, NULL),
    ROW(store_devfid_add, 0, NULL),
    ROW(store_devfid_add_replica, 0, NULL),
    ROW(store_devfid_add_replica_last, CALL_UNLOCKS, FID_LOCK(101)),
    ROW(store_replicate_done, CALL_UNLOCKS, FID_LOCK(101)),
    ROW(store_devfid_remove, 0, NULL),
    ROW(store_devfid_remove_many, 0, NULL),
    ROW(store_devfid_list, CALL_READS, NULL),
    ROW(store_devfid_list_many, CALL_READS, NULL),
    ROW(store_devfid_on_device, CALL_READS, NULL),
    ROW(store_devfid_chunk, CALL_READS, NULL),
    ROW(store_devfid_reap, 0, NULL),
    ROW(store_checksum_get, CALL_READS, NULL),
    ROW(store_checksum_set, 0, NULL),
    ROW(store_checksum_delete, 0, NULL),
    ROW(store_queue_claim, CALL_OWN_LOCK | CALL_MAY_WAIT, "mfsd:file_to_replicate"),
    ROW(store_queue_claim_todo, CALL_OWN_LOCK | CALL_MAY_WAIT, "mfsd:file_to_queue"),
    ROW(store_queue_done, 0, NULL),
    ROW(store_queue_defer, 0, NULL),
    ROW(store_queue_park, 0, NULL),
    ROW(store_queue_release, 0, NULL),
    ROW(store_queues_due, CALL_READS, NULL),
    ROW(store_queue_length, CALL_READS, NULL),
    ROW(store_queue_sample, CALL_READS, NULL),
    ROW(store_queue_find, CALL_READS, NULL),
    ROW(store_replicate_add, 0, NULL),
    ROW(store_replicate_deferred, CALL_READS, NULL),
    ROW(store_replicate_now, 0, NULL),
    ROW(store_delete_add, 0, NULL),
    ROW(store_delete_begin, CALL_READS | CALL_LOCKS, FID_LOCK(104)),
    ROW(store_delete_end, CALL_UNLOCKS | CALL_IN_PARTS, FID_LOCK(104)),
    ROW(store_delete_end_later, CALL_UNLOCKS | CALL_IN_PARTS, FID_LOCK(104)),
    ROW(store_todo_add, 0, NULL),
    ROW(store_legacy_requeue, 0, NULL),
    ROW(store_legacy_list, CALL_READS, NULL),
    ROW(store_legacy_done, 0, NULL),
    ROW(store_legacy_later, 0, NULL),
    ROW(store_fsck_log, 0, NULL),
    ROW(store_fsck_events, CALL_READS, NULL),
    ROW(store_fsck_max_logid, CALL_READS, NULL),
    ROW(store_fsck_clear, CALL_ALONE, NULL),
    ROW(store_fsck_summarize, CALL_OWN_LOCK, "mgfs:fscksum"),
    ROW(store_fsck_reset, 0, NULL),
    ROW(store_stats_read, CALL_READS, NULL),
    ROW(store_schema_version, CALL_READS, NULL),
    ROW(store_schema_check, CALL_READS, NULL),
    ROW(store_schema_check_row_locks, CALL_READS, NULL),
    ROW(store_schema_upgrade, CALL_READS | CALL_IS_HANDLE, NULL),
    ROW(store_schema_report, CALL_READS, NULL),
    ROW(store_admin_create_database, CALL_READS | CALL_IS_HANDLE, NULL),
    ROW(store_admin_create_user, CALL_READS | CALL_IS_HANDLE, NULL),
    ROW(store_admin_grant, CALL_READS | CALL_IS_HANDLE, NULL),
};
#undef ROW

/* What asks no database, or brings its own; what each of them does when it fails is tested where it says. */
static const char *const fallible_elsewhere[] = {
    "store_env_new", /* fails for its arguments alone: test_store_faults.c */
    /* test_store_files.c */
    "store_embedded_create",
    "store_embedded_lock",
    "store_backup_sqlite",
    "store_sync_folder",
    "store_flush_wait",
};

#endif
