/* SPDX-License-Identifier: MIT */
/*
 * The statements for PostgreSQL. Types are given where the server cannot tell them from a column, and where a client
 * may ask for a number that the column cannot hold: there is none such, which is no error.
 */
#include "store/sql.h"

#define NOW "EXTRACT(EPOCH FROM NOW())::int4"
/* The lease of a claim: STORE_QUEUE_LEASE_S. */
#define LEASE       NOW " + 1000"
#define NEVER       "2147483647"
#define FILE_COLS   "f.fid, f.dmid, f.dkey, f.length, f.classid, f.devcount"
#define HOST_COLS   "hostid, status, hostname, hostip, altip, altmask, http_port, http_get_port"
#define DEVICE_COLS "devid, hostid, status, weight, mb_total, mb_used, mb_asof"

/* Length, due, parked, the earliest time of those that have one, the first and the last fid of those that have none. */
#define QUEUE_SAMPLE                                                                                                   \
    "COUNT(*), COUNT(CASE WHEN nexttry <= " NOW " THEN 1 END), COUNT(CASE WHEN nexttry >= " NEVER " THEN 1 END), "     \
    "MIN(CASE WHEN nexttry > 0 THEN nexttry END), MIN(CASE WHEN nexttry = 0 THEN fid END), "                           \
    "MAX(CASE WHEN nexttry = 0 THEN fid END), " NOW

const char *const sql_text_pgsql[SQL_STMTS] = {
    [SQL_BEGIN] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    /* A connection says nothing while a file is copied, and the file's lock ends with it. Servers before 14 have no
     * such limit. */
    [SQL_SETUP] = "SELECT set_config('lock_timeout', '20s', false), set_config('statement_timeout', ?, false), "
                  "CASE WHEN current_setting('idle_session_timeout', true) IS NOT NULL "
                  "THEN set_config('idle_session_timeout', '0', false) END",
    [SQL_PING] = "SELECT 1",
    [SQL_NOW] = "SELECT " NOW,
    [SQL_INSPECT] =
        "SELECT data_type FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false)) "
        "AND table_name = 'file' AND column_name = 'dkey'",

    [SQL_DOMAIN_NEXT] = "SELECT COALESCE(MAX(dmid), 0) + 1 FROM domain",
    [SQL_DOMAIN_INSERT] = "INSERT INTO domain (dmid, namespace) VALUES (?, ?)",
    [SQL_DOMAIN_FIND] = "SELECT dmid FROM domain WHERE namespace = ?",
    [SQL_DOMAIN_LIST] = "SELECT dmid, namespace FROM domain ORDER BY dmid",
    [SQL_DOMAIN_HAS_FILES] = "SELECT fid FROM file WHERE dmid = ? LIMIT 1",
    [SQL_DOMAIN_HAS_CLASSES] = "SELECT classid FROM class WHERE dmid = ? AND classid <> 0 LIMIT 1",
    [SQL_DOMAIN_DELETE] = "DELETE FROM domain WHERE dmid = ?",
    [SQL_DOMAIN_DELETE_CLASS] = "DELETE FROM class WHERE dmid = ? AND classid = 0",

    [SQL_CLASS_NEXT] = "SELECT COALESCE(MAX(classid), 0) + 1 FROM class WHERE dmid = ?",
    [SQL_CLASS_INSERT] = "INSERT INTO class (dmid, classid, classname, mindevcount, replpolicy, hashtype) "
                         "VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_CLASS_FIND] = "SELECT classid FROM class WHERE dmid = ? AND classname = ?",
    [SQL_CLASS_EDIT] = "UPDATE class SET mindevcount = COALESCE(?, mindevcount), replpolicy = COALESCE(?, replpolicy), "
                       "hashtype = CASE WHEN ? = 1 THEN ? ELSE hashtype END WHERE dmid = ? AND classid = ?",
    [SQL_CLASS_RENAME] = "UPDATE class SET classname = ? WHERE dmid = ? AND classid = ?",
    [SQL_CLASS_HAS_FILES] = "SELECT fid FROM file WHERE dmid = ? AND classid = ? LIMIT 1",
    [SQL_CLASS_DELETE] = "DELETE FROM class WHERE dmid = ? AND classid = ?",
    [SQL_CLASS_LIST] = "SELECT dmid, classid, classname, mindevcount, replpolicy, hashtype FROM class "
                       "ORDER BY dmid, classid",
    [SQL_CLASS_LIST_V14] = "SELECT dmid, classid, classname, mindevcount, replpolicy FROM class ORDER BY dmid, classid",
    [SQL_CLASS_LIST_V9] = "SELECT dmid, classid, classname, mindevcount FROM class ORDER BY dmid, classid",

    [SQL_HOST_NEXT] = "SELECT COALESCE(MAX(hostid), 0) + 1 FROM host",
    [SQL_HOST_INSERT] = "INSERT INTO host (hostid, hostname, status) VALUES (?, ?, 'down')",
    [SQL_HOST_EDIT] = "UPDATE host SET status = CASE WHEN ? = 1 THEN ? ELSE status END, "
                      "hostip = CASE WHEN ? = 1 THEN ? ELSE hostip END, "
                      "http_port = CASE WHEN ? = 1 THEN ? ELSE http_port END, "
                      "http_get_port = CASE WHEN ? = 1 THEN ? ELSE http_get_port END, "
                      "altip = CASE WHEN ? = 1 THEN ? ELSE altip END, "
                      "altmask = CASE WHEN ? = 1 THEN ? ELSE altmask END WHERE hostid = ?",
    [SQL_HOST_FIND] = "SELECT hostid FROM host WHERE hostname = ?",
    [SQL_HOST_CHECK] = "SELECT hostid FROM host WHERE hostid = ?",
    [SQL_HOST_HAS_DEVICES] = "SELECT devid FROM device WHERE hostid = ? LIMIT 1",
    [SQL_HOST_DELETE] = "DELETE FROM host WHERE hostid = ?",
    [SQL_HOST_LIST] = "SELECT " HOST_COLS " FROM host ORDER BY hostid",

    [SQL_DEVICE_INSERT] = "INSERT INTO device (devid, hostid, status) VALUES (?, ?, ?)",
    [SQL_DEVICE_SET_STATUS] = "UPDATE device SET status = ? WHERE devid = ?",
    [SQL_DEVICE_SWAP_STATUS] = "UPDATE device SET status = ? WHERE devid = ? AND status = ?",
    [SQL_DEVICE_SET_WEIGHT] = "UPDATE device SET weight = ? WHERE devid = ?",
    [SQL_DEVICE_USAGE] = "UPDATE device SET mb_total = ?, mb_used = ?, mb_asof = ? WHERE devid = ?",
    [SQL_DEVICE_GET] = "SELECT " DEVICE_COLS " FROM device WHERE devid = ?",
    [SQL_DEVICE_LIST] = "SELECT " DEVICE_COLS " FROM device ORDER BY devid",

    [SQL_SETTING_GET] = "SELECT value FROM server_settings WHERE field = ?",
    [SQL_SETTING_SET] = "INSERT INTO server_settings (field, value) VALUES (?, ?) "
                        "ON CONFLICT (field) DO UPDATE SET value = excluded.value",
    [SQL_SETTING_ADD] =
        "INSERT INTO server_settings (field, value) VALUES (?, ?) ON CONFLICT (field) DO UPDATE SET value = "
        "CASE WHEN server_settings.value ~ '^(-|)[0-9]+$' "
        "THEN (server_settings.value::int8 + excluded.value::int8)::text ELSE excluded.value END",
    [SQL_SETTING_DELETE] = "DELETE FROM server_settings WHERE field = ?",
    [SQL_SETTING_DELETE_IF] = "DELETE FROM server_settings WHERE field = ? AND value = ?",
    [SQL_SETTING_DELETE_PREFIX] = "DELETE FROM server_settings WHERE SUBSTR(field, 1, ?) = ?",
    [SQL_SETTING_LIST] = "SELECT field, value FROM server_settings ORDER BY field",

    [SQL_FILE_BY_KEY] = "SELECT " FILE_COLS " FROM file f WHERE f.dmid = ? AND f.dkey = ?",
    [SQL_FILE_BY_KEY_DEVIDS] = "SELECT " FILE_COLS ", o.devid FROM file f LEFT JOIN file_on o ON o.fid = f.fid "
                               "WHERE f.dmid = ? AND f.dkey = ?",
    [SQL_FILE_BY_KEY_ALL] = "SELECT " FILE_COLS ", o.devid, c.hashtype, c.checksum FROM file f "
                            "LEFT JOIN file_on o ON o.fid = f.fid LEFT JOIN checksum c ON c.fid = f.fid "
                            "WHERE f.dmid = ? AND f.dkey = ?",
    [SQL_FILE_OF_KEYS] = "SELECT " FILE_COLS " FROM file f WHERE f.dmid = ? AND f.dkey IN ({?})",
    [SQL_FILE_OF_KEYS_DEVIDS] = "SELECT f.fid, f.dkey, o.devid FROM file f LEFT JOIN file_on o ON o.fid = f.fid "
                                "WHERE f.dmid = ? AND f.dkey IN ({?})",
    [SQL_FILE_OF_KEYS_ALL] = "SELECT " FILE_COLS ", o.devid, c.hashtype, c.checksum FROM file f "
                             "LEFT JOIN file_on o ON o.fid = f.fid LEFT JOIN checksum c ON c.fid = f.fid "
                             "WHERE f.dmid = ? AND f.dkey IN ({?})",
    [SQL_FILE_BY_FID] = "SELECT " FILE_COLS " FROM file f WHERE f.fid = ?::int8",
    [SQL_FILE_BY_FID_DEVIDS] = "SELECT " FILE_COLS ", o.devid FROM file f LEFT JOIN file_on o ON o.fid = f.fid "
                               "WHERE f.fid = ?::int8",
    [SQL_FILE_BY_FID_ALL] = "SELECT " FILE_COLS ", o.devid, c.hashtype, c.checksum FROM file f "
                            "LEFT JOIN file_on o ON o.fid = f.fid LEFT JOIN checksum c ON c.fid = f.fid "
                            "WHERE f.fid = ?::int8",
    [SQL_FILE_FIDS] = "SELECT " FILE_COLS " FROM file f WHERE f.fid IN ({?}) ORDER BY f.fid",
    [SQL_FILE_LIST] = "SELECT " FILE_COLS " FROM file f WHERE f.fid > ? ORDER BY f.fid LIMIT ?",
    [SQL_FILE_FIDS_BETWEEN] = "SELECT fid FROM file WHERE fid > ? AND fid <= ? ORDER BY fid LIMIT ?",
    [SQL_FILE_MAX_FID] = "SELECT COALESCE(MAX(fid), 0) FROM file",
    [SQL_FILE_MAX_KNOWN_FID] = "SELECT GREATEST(COALESCE((SELECT MAX(fid) FROM file), 0), "
                               "COALESCE((SELECT MAX(fid) FROM file_on), 0), "
                               "COALESCE((SELECT MAX(fid) FROM file_to_delete2), 0))",
    [SQL_FILE_KEYS_RANGE] = "SELECT dkey FROM file WHERE dmid = ? AND dkey >= ? AND dkey > ? AND dkey < ? "
                            "ORDER BY dkey LIMIT ?",
    [SQL_FILE_KEYS_FROM] = "SELECT dkey FROM file WHERE dmid = ? AND dkey >= ? AND dkey > ? ORDER BY dkey LIMIT ?",
    [SQL_FILE_KEYS_LIKE] = "SELECT dkey FROM file WHERE dmid = ? AND dkey LIKE ? ESCAPE '!' AND dkey > ? "
                           "ORDER BY dkey LIMIT ?",
    [SQL_FILE_INSERT] = "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (?, ?, ?, ?, ?, 1) "
                        "ON CONFLICT DO NOTHING",
    [SQL_FILE_LOCK_KEY] = "SELECT fid FROM file WHERE dmid = ? AND dkey = ? FOR UPDATE",
    [SQL_FILE_LOCK_FID] = "SELECT fid FROM file WHERE fid = ? FOR UPDATE",
    [SQL_FILE_FID_OF_KEY] = "SELECT fid FROM file WHERE dmid = ? AND dkey = ?",
    [SQL_FILE_DELETE] = "DELETE FROM file WHERE fid = ?",
    [SQL_FILE_DELETE_KEYED] = "DELETE FROM file WHERE fid = ? AND dmid = ? AND dkey = ?",
    [SQL_FILE_RENAME] = "UPDATE file SET dkey = ? WHERE dmid = ? AND dkey = ?",
    [SQL_FILE_SET_CLASS] = "UPDATE file SET classid = ? WHERE fid = ?",
    [SQL_FILE_RECOUNT] = "UPDATE file SET devcount = LEAST(255, (SELECT COUNT(*) FROM file_on WHERE fid = ?)) "
                         "WHERE fid = ?",

    [SQL_TEMPFILE_INSERT] = "INSERT INTO tempfile (dmid, dkey, classid, devids, createtime) "
                            "VALUES {(?, ?, ?, ?, " NOW ")} "
                            "RETURNING fid, EXISTS (SELECT 1 FROM file WHERE file.fid = tempfile.fid)",
    [SQL_TEMPFILE_INSERT_PLAIN] = "INSERT INTO tempfile (dmid, dkey, classid, devids, createtime) "
                                  "VALUES (?, ?, ?, ?, " NOW ")",
    [SQL_TEMPFILE_INSERT_FID] = "INSERT INTO tempfile (dmid, dkey, classid, devids, fid, createtime) "
                                "VALUES (?, ?, ?, ?, ?, " NOW ")",
    [SQL_TEMPFILE_SEED] = "SELECT setval(pg_get_serial_sequence('tempfile', 'fid'), v.fid) "
                          "FROM (SELECT CAST(? AS int8) AS fid) v, tempfile_fid_seq s "
                          "WHERE s.last_value < v.fid OR (s.last_value = v.fid AND NOT s.is_called)",
    [SQL_TEMPFILE_FID_USED] = "SELECT 1 FROM file WHERE fid = ? "
                              "UNION ALL SELECT 1 FROM file_on WHERE fid = ? "
                              "UNION ALL SELECT 1 FROM file_to_delete2 WHERE fid = ?",
    [SQL_TEMPFILE_GET] = "SELECT fid, dmid, classid, createtime, dkey, devids FROM tempfile WHERE fid = ?::int8",
    [SQL_TEMPFILE_DELETE] = "DELETE FROM tempfile WHERE fid = ?",
    [SQL_TEMPFILE_DELETE_MANY] = "DELETE FROM tempfile WHERE fid IN ({?})",
    [SQL_TEMPFILE_OLD] = "SELECT t.fid, t.devids, f.fid FROM tempfile t LEFT JOIN file f ON f.fid = t.fid "
                         "WHERE t.createtime < " NOW " - ? LIMIT 50",
    [SQL_UPLOAD_READ] = "SELECT t.fid, t.dmid, t.classid, t.createtime, t.dkey, t.devids, " FILE_COLS
                        ", o.devid, c.hashtype, c.checksum FROM (SELECT 1 AS one) x "
                        "LEFT JOIN tempfile t ON t.fid = ?::int8 LEFT JOIN file f ON f.dmid = ? AND f.dkey = ? "
                        "LEFT JOIN file_on o ON o.fid = f.fid AND o.devid = ? LEFT JOIN checksum c ON c.fid = f.fid",

    [SQL_DEVFID_ADD] = "INSERT INTO file_on (fid, devid) VALUES (?, ?) ON CONFLICT DO NOTHING",
    [SQL_DEVFID_ADD_MANY] = "INSERT INTO file_on (fid, devid) VALUES {(?, ?)} ON CONFLICT DO NOTHING",
    [SQL_DEVFID_ADD_ALIVE] =
        "INSERT INTO file_on (fid, devid) SELECT CAST(? AS int8), CAST(? AS int4) WHERE NOT EXISTS "
        "(SELECT 1 FROM device WHERE devid = ? AND status = 'dead') ON CONFLICT DO NOTHING",
    [SQL_DEVFID_DEVICE_STATUS] = "SELECT status FROM device WHERE devid = ?",
    [SQL_DEVFID_REMOVE] = "DELETE FROM file_on WHERE fid = ? AND devid = ?",
    [SQL_DEVFID_REMOVE_MANY] = "DELETE FROM file_on WHERE fid = ? AND devid IN ({?})",
    [SQL_DEVFID_REAP] = "DELETE FROM file_on WHERE devid = ? AND fid IN ({?})",
    [SQL_DEVFID_LIST] = "SELECT devid FROM file_on WHERE fid = ?::int8 ORDER BY devid",
    [SQL_DEVFID_LIST_MANY] = "SELECT fid, devid FROM file_on WHERE fid IN ({?}) ORDER BY fid, devid",
    [SQL_DEVFID_ON_DEVICE] = "SELECT fid FROM file_on WHERE devid = ? LIMIT ?",
    [SQL_DEVFID_OLDEST] = "SELECT fid FROM file_on WHERE devid = ? AND fid > ? ORDER BY fid LIMIT ?",
    [SQL_DEVFID_NEWEST] = "SELECT fid FROM file_on WHERE devid = ? ORDER BY fid DESC LIMIT ?",
    [SQL_DEVFID_NEWEST_FROM] = "SELECT fid FROM file_on WHERE devid = ? AND fid < ? ORDER BY fid DESC LIMIT ?",

    [SQL_CHECKSUM_GET] = "SELECT hashtype, checksum FROM checksum WHERE fid = ?::int8",
    [SQL_CHECKSUM_SET] = "INSERT INTO checksum (fid, hashtype, checksum) VALUES (?, ?, ?) "
                         "ON CONFLICT (fid) DO UPDATE SET hashtype = excluded.hashtype, checksum = excluded.checksum",
    [SQL_CHECKSUM_DELETE] = "DELETE FROM checksum WHERE fid = ?",

    [SQL_REPLICATE_ADD] = "INSERT INTO file_to_replicate (fid, fromdevid, nexttry) "
                          "VALUES (?, ?, CASE WHEN ? = 0 THEN 0 ELSE " NOW " + ? END) "
                          "ON CONFLICT (fid) DO UPDATE SET nexttry = excluded.nexttry "
                          "WHERE file_to_replicate.nexttry = " NEVER,
    [SQL_REPLICATE_ADD_MANY] = "INSERT INTO file_to_replicate (fid, nexttry) "
                               "SELECT DISTINCT ON (v.fid) v.fid, " NOW " + v.delay "
                               "FROM (VALUES {(?::int8, ?::int4)}) AS v (fid, delay) "
                               "ON CONFLICT (fid) DO UPDATE SET nexttry = excluded.nexttry "
                               "WHERE file_to_replicate.nexttry = " NEVER,
    [SQL_REPLICATE_CLAIM] = "SELECT fid, nexttry, failcount, flags, fromdevid FROM file_to_replicate "
                            "WHERE nexttry <= " NOW " ORDER BY nexttry LIMIT ? FOR UPDATE SKIP LOCKED",
    [SQL_REPLICATE_LEASE] = "UPDATE file_to_replicate SET nexttry = " LEASE " WHERE fid IN ({?})",
    [SQL_REPLICATE_DONE] = "DELETE FROM file_to_replicate WHERE fid = ?",
    [SQL_REPLICATE_DONE_IF] = "DELETE FROM file_to_replicate WHERE fid = ? AND EXISTS "
                              "(SELECT 1 FROM file WHERE fid = ? AND classid = ?) AND "
                              "(SELECT COUNT(*) FROM file_on WHERE fid = ?) = ?",
    [SQL_REPLICATE_DEFER] = "UPDATE file_to_replicate SET nexttry = " NOW " + ?, "
                            "failcount = LEAST(failcount + ?, 255) WHERE fid = ?",
    [SQL_REPLICATE_PARK] = "UPDATE file_to_replicate SET nexttry = " NEVER ", failcount = LEAST(failcount + 1, 255) "
                           "WHERE fid = ?",
    [SQL_REPLICATE_RELEASE] = "UPDATE file_to_replicate SET nexttry = " NOW " WHERE fid IN ({?})",
    [SQL_REPLICATE_LENGTH] = "SELECT COUNT(*) FROM file_to_replicate",
    [SQL_REPLICATE_SAMPLE] = "SELECT " QUEUE_SAMPLE " FROM file_to_replicate",
    [SQL_REPLICATE_FIND] =
        "SELECT fid, nexttry, failcount, flags, fromdevid FROM file_to_replicate WHERE fid = ?::int8",
    [SQL_REPLICATE_DEFERRED] = "SELECT COUNT(*) FROM file_to_replicate WHERE nexttry <> 0 AND nexttry < " NEVER,
    [SQL_REPLICATE_NOW] = "UPDATE file_to_replicate SET nexttry = " NOW " WHERE nexttry > " NOW,

    [SQL_DELETE_ADD] = "INSERT INTO file_to_delete2 (fid, nexttry) VALUES {(?, " NOW " + ?)} ON CONFLICT DO NOTHING",
    [SQL_DELETE_CLAIM] = "SELECT fid, nexttry, failcount FROM file_to_delete2 "
                         "WHERE nexttry <= " NOW " ORDER BY nexttry LIMIT ? FOR UPDATE SKIP LOCKED",
    [SQL_DELETE_LEASE] = "UPDATE file_to_delete2 SET nexttry = " LEASE " WHERE fid IN ({?})",
    [SQL_DELETE_DONE] = "DELETE FROM file_to_delete2 WHERE fid = ?",
    [SQL_DELETE_DONE_EMPTY] = "DELETE FROM file_to_delete2 WHERE fid = ? AND NOT EXISTS "
                              "(SELECT 1 FROM file_on WHERE fid = ?)",
    [SQL_DELETE_DEFER] = "UPDATE file_to_delete2 SET nexttry = " NOW " + ?, failcount = LEAST(failcount + ?, 255) "
                         "WHERE fid = ?",
    [SQL_DELETE_PARK] = "UPDATE file_to_delete2 SET nexttry = " NEVER ", failcount = LEAST(failcount + 1, 255) "
                        "WHERE fid = ?",
    [SQL_DELETE_RELEASE] = "UPDATE file_to_delete2 SET nexttry = " NOW " WHERE fid IN ({?})",
    [SQL_DELETE_LENGTH] = "SELECT COUNT(*) FROM file_to_delete2",
    [SQL_DELETE_SAMPLE] = "SELECT " QUEUE_SAMPLE " FROM file_to_delete2",
    [SQL_DELETE_FIND] = "SELECT fid, nexttry, failcount FROM file_to_delete2 WHERE fid = ?::int8",

    [SQL_TODO_ADD] = "INSERT INTO file_to_queue (fid, devid, arg, type, nexttry) VALUES {(?, ?, ?, ?, " NOW ")} "
                     "ON CONFLICT DO NOTHING",
    [SQL_QUEUES_DUE] =
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM file_to_replicate WHERE nexttry <= " NOW ") THEN 1 ELSE 0 END, "
        "CASE WHEN EXISTS (SELECT 1 FROM file_to_delete2 WHERE nexttry <= " NOW ") THEN 1 ELSE 0 END, "
        "CASE WHEN EXISTS (SELECT 1 FROM file_to_queue WHERE type = 1 AND nexttry <= " NOW ") THEN 1 ELSE 0 END, "
        "CASE WHEN EXISTS (SELECT 1 FROM file_to_queue WHERE type = 2 AND nexttry <= " NOW ") THEN 1 ELSE 0 END",
    [SQL_TODO_CLAIM] = "SELECT fid, nexttry, failcount, flags, type, devid, arg FROM file_to_queue "
                       "WHERE type = ? AND nexttry <= " NOW " ORDER BY nexttry LIMIT ? FOR UPDATE SKIP LOCKED",
    [SQL_TODO_LEASE] = "UPDATE file_to_queue SET nexttry = " LEASE " WHERE type = ? AND fid IN ({?})",
    [SQL_TODO_DONE] = "DELETE FROM file_to_queue WHERE type = ? AND fid = ?",
    [SQL_TODO_DEFER] = "UPDATE file_to_queue SET nexttry = " NOW " + ?, failcount = LEAST(failcount + ?, 255) "
                       "WHERE type = ? AND fid = ?",
    [SQL_TODO_PARK] = "UPDATE file_to_queue SET nexttry = " NEVER ", failcount = LEAST(failcount + 1, 255) "
                      "WHERE type = ? AND fid = ?",
    [SQL_TODO_RELEASE] = "UPDATE file_to_queue SET nexttry = " NOW " WHERE type = ? AND fid IN ({?})",
    [SQL_TODO_LENGTH] = "SELECT COUNT(*) FROM file_to_queue WHERE type = ?",
    [SQL_TODO_SAMPLE] = "SELECT " QUEUE_SAMPLE " FROM file_to_queue WHERE type = ?",
    [SQL_TODO_FIND] = "SELECT fid, nexttry, failcount, flags, type, devid, arg FROM file_to_queue "
                      "WHERE type = ? AND fid = ?::int8",

    [SQL_LEGACY_DUE] = "SELECT fid FROM file_to_delete_later WHERE delafter < " NOW " LIMIT 500",
    [SQL_LEGACY_ADD] = "INSERT INTO file_to_delete (fid) VALUES {(?)} ON CONFLICT DO NOTHING",
    [SQL_LEGACY_LATER_DELETE] = "DELETE FROM file_to_delete_later WHERE fid IN ({?})",
    [SQL_LEGACY_LIST] = "SELECT d.fid, o.devid FROM file_to_delete d LEFT JOIN file_on o ON o.fid = d.fid LIMIT ?",
    [SQL_LEGACY_DONE] = "DELETE FROM file_to_delete WHERE fid = ?",
    [SQL_LEGACY_LATER_ADD] = "INSERT INTO file_to_delete_later (fid, delafter) VALUES (?, " NOW " + ?) "
                             "ON CONFLICT DO NOTHING",

    [SQL_FSCK_LOG] = "INSERT INTO fsck_log (utime, fid, evcode, devid) VALUES (" NOW ", ?, ?, ?)",
    [SQL_FSCK_EVENTS] = "SELECT logid, utime, fid, evcode, devid FROM fsck_log WHERE logid > ? ORDER BY logid LIMIT ?",
    [SQL_FSCK_MAX_LOGID] = "SELECT COALESCE(MAX(logid), 0) FROM fsck_log",
    [SQL_FSCK_CLEAR] = "DELETE FROM fsck_log",
    [SQL_FSCK_COUNTS] = "SELECT evcode, COUNT(*) FROM fsck_log WHERE logid > ? AND logid <= ? GROUP BY evcode",

    [SQL_LOCK_TAKE] = "SELECT pg_try_advisory_lock(?::int4, ?::int4)",
    [SQL_LOCK_RELEASE] = "SELECT pg_advisory_unlock(?::int4, ?::int4)",

    [SQL_STAT_DEVICES] = "SELECT devid, COUNT(*) FROM file_on GROUP BY devid ORDER BY devid",
    [SQL_STAT_FILES] = "SELECT dmid, classid, COUNT(*), SUM(length)::int8, SUM(length * devcount)::int8 FROM file "
                       "GROUP BY dmid, classid ORDER BY dmid, classid",
    [SQL_STAT_DOMAINS] = "SELECT dmid, classid, COUNT(*) FROM file GROUP BY dmid, classid ORDER BY dmid, classid",
    [SQL_STAT_REPLICATION] = "SELECT dmid, classid, devcount, COUNT(*) FROM file GROUP BY dmid, classid, devcount "
                             "ORDER BY dmid, classid, devcount",
    [SQL_STAT_REPLICATE_QUEUE] = "SELECT nexttry, COUNT(*) FROM file_to_replicate GROUP BY nexttry ORDER BY nexttry",
    [SQL_STAT_DELETE_QUEUE] = "SELECT nexttry, COUNT(*) FROM file_to_delete2 GROUP BY nexttry ORDER BY nexttry",
    [SQL_STAT_GENERAL_QUEUES] = "SELECT type, nexttry, COUNT(*) FROM file_to_queue GROUP BY type, nexttry "
                                "ORDER BY type, nexttry",

    [SQL_SCHEMA_TABLE] = "SELECT 1 FROM information_schema.tables WHERE table_schema = ANY (current_schemas(false)) "
                         "AND table_name = ?",
    [SQL_SCHEMA_COLUMN] =
        "SELECT format_type(a.atttypid, a.atttypmod) || ' ' || COALESCE((SELECT string_agg("
        "pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k WHERE k.conrelid = a.attrelid "
        "AND k.contype = 'c' AND a.attnum = ANY (k.conkey)), '') FROM pg_attribute a "
        "JOIN pg_class r ON r.oid = a.attrelid WHERE r.relname = ? AND r.relkind = 'r' "
        "AND r.relnamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname = ANY (current_schemas(false))) "
        "AND a.attname = ? AND NOT a.attisdropped",
    [SQL_SCHEMA_INDEX] = "SELECT 1 FROM pg_indexes WHERE schemaname = ANY (current_schemas(false)) "
                         "AND tablename = ? AND indexname = ?",
};
