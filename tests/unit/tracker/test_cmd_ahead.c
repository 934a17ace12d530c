/* SPDX-License-Identifier: MIT */
/* Tests of what is done ahead for several requests, and of a cluster that changes before they are answered. */
#include "unit.h"

#include "harness.h"
#include "store/plain_sql.h"

#include <sqlite3.h>

static const struct cmd_client client = {.ip = 0x7f000001, .is_admin = true};

static void setup(struct harness *h)
{
    memset(h, 0, sizeof(*h));
    harness_start(h);
    harness_must(h, "set_server_setting key=skip_mkcol&value=1"); /* else no upload is opened ahead */
    harness_must(h, "create_domain domain=other");
}

static enum mog_err ahead(struct cmd_ctx *ctx, enum cmd_kind kind, const char *const *texts, struct cmd_line *lines,
                          size_t n)
{
    for (size_t i = 0; i < n; i++)
        lines[i] = (struct cmd_line){.text = span_of(texts[i]), .client = &client};
    return cmd_go_ahead(ctx, kind, lines, n);
}

/* Run the i-th; the fid in its answer. */
static uint64_t opened(struct cmd_ctx *ctx, size_t i)
{
    struct buf out = BUF_ZERO;
    (void)cmd_run_ahead(ctx, i, &client, &out);
    const char *fid = strstr(buf_cstr(&out), "fid=");
    ck_assert_msg(strncmp(buf_cstr(&out), "OK ", 3) == 0 && fid != NULL, "%s", buf_cstr(&out));
    uint64_t number = strtoull(fid + strlen("fid="), NULL, 10);
    buf_fini(&out);
    return number;
}

/* What is in a column of an upload that is not closed. */
static char *row_of(const struct harness *h, const char *column, uint64_t fid)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    char sql[200];
    (void)snprintf(sql, sizeof(sql), "SELECT CAST(%s AS TEXT) FROM tempfile WHERE fid = %llu", column,
                   (unsigned long long)fid);
    ck_assert_int_eq(sqlite3_open(h->path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    char *text = mem_strndup((const char *)sqlite3_column_text(s, 0), (size_t)sqlite3_column_bytes(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return text;
}

static void assert_row(const struct harness *h, const char *column, uint64_t fid, const char *wanted)
{
    char *text = row_of(h, column, fid);
    ck_assert_str_eq(text, wanted);
    free(text);
}

START_TEST(uploads_are_registered_as_alone)
{
    static const char *const texts[] = {"create_open domain=d&key=a", "create_open domain=d&key=b&key=c",
                                        "create_open domain=d",
                                        "create_open domain=other&key=", "create_open domain=d&key=e&fid=0"};
    static const char *const rows[][2] = {
        {"1", "a"}, {"1", "b" /* and c, behind a NUL */}, {"1", ""}, {"2", ""}, {"1", "e"}};
    enum { N = sizeof(texts) / sizeof(texts[0]) };
    struct harness h;
    struct cmd_line lines[N];
    setup(&h);
    ahead(h.ctx, CMD_OPENS, texts, lines, N);
    for (size_t i = N; i-- > 0;) {
        ck_assert_msg(lines[i].is_taken, "%s", texts[i]);
        uint64_t fid = opened(h.ctx, i);
        assert_row(&h, "dmid", fid, rows[i][0]);
        assert_row(&h, "coalesce(dkey, '')", fid, rows[i][1]);
    }
    harness_stop(&h);
}
END_TEST

START_TEST(what_is_not_plain_is_left)
{
    static const char *const texts[] = {
        "create_open domain=d&key=a&fid=7",        "create_open domain=d&key=a&class=none",
        "create_open domain=none&key=a",           "create_open key=a",
        "create_open domain=d&domain=other&key=a", "create_open domain=d&key=a&debug_profile=1"};
    enum { N = sizeof(texts) / sizeof(texts[0]) };
    struct harness h;
    struct cmd_line lines[N];
    setup(&h);
    ahead(h.ctx, CMD_OPENS, texts, lines, N);
    for (size_t i = 0; i < N; i++)
        ck_assert_msg(!lines[i].is_taken, "%s", texts[i]);
    harness_stop(&h);
}
END_TEST

/* A domain that was deleted and made again has another number; what was registered for the old one is not its. */
START_TEST(a_domain_that_is_made_anew_meanwhile)
{
    static const char *const texts[] = {"create_open domain=d&key=a", "create_open domain=other&key=b"};
    struct harness h;
    struct cmd_line lines[2];
    setup(&h);
    struct cmd_ctx *ctx = cmd_ctx_new(&h.shared);
    ahead(ctx, CMD_OPENS, texts, lines, 2);
    ck_assert(lines[0].is_taken && lines[1].is_taken);
    harness_must(&h, "delete_class domain=d&class=c");
    harness_must(&h, "delete_domain domain=d");
    harness_must(&h, "create_domain domain=d");
    uint64_t first = opened(ctx, 0), second = opened(ctx, 1);
    assert_row(&h, "dmid", first, "3");
    assert_row(&h, "dkey", first, "a");
    assert_row(&h, "dmid", second, "2");
    assert_row(&h, "dkey", second, "b");
    cmd_ctx_free(ctx);
    harness_stop(&h);
}
END_TEST

/* Whoever must not wait leaves what it cannot have: without a connection all, and with a shared cache, which is asked.
 */
START_TEST(without_waiting)
{
    static const char *const texts[] = {"file_info domain=d&key=a", "get_paths domain=d&key=a",
                                        "get_paths domain=d&key=none&noverify=1", "file_info domain=none&key=a"};
    struct harness h;
    struct cmd_line lines[4];
    setup(&h);
    fixture_sql(h.ctx->st, "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (7, 1, 'a', 3, 1, 1)",
                NULL);
    struct cmd_ctx *ctx = cmd_ctx_new_nowait(&h.shared);
    ck_assert_ptr_nonnull(ctx);
    ck_assert_int_eq(ahead(ctx, CMD_LOOKUPS, texts, lines, 4), MOG_EAGAIN);
    for (size_t i = 0; i < 4; i++)
        ck_assert(!lines[i].is_taken);
    ck_assert_int_eq(store_nowait_connect(ctx->st), MOG_OK);
    enum mog_err e = ahead(ctx, CMD_LOOKUPS, texts, lines, 4);
    if (e == MOG_OK) { /* else the file system here cannot tell */
        static const char *const answers[] = {"OK ", NULL, "ERR unknown_key", "ERR unreg_domain"};
        for (size_t i = 0; i < 4; i++) {
            struct buf out = BUF_ZERO;
            ck_assert_int_eq(lines[i].is_taken, answers[i] != NULL);
            if (lines[i].is_taken)
                (void)cmd_run_ahead(ctx, i, &client, &out);
            ck_assert_msg(!lines[i].is_taken || strncmp(buf_cstr(&out), answers[i], strlen(answers[i])) == 0, "%s",
                          buf_cstr(&out));
            buf_fini(&out);
        }
        /* A key that none can have, with no other to ask for. */
        char lonely[2100] = "file_info domain=d&key=";
        struct buf out = BUF_ZERO;
        size_t begin = strlen(lonely);
        memset(lonely + begin, 'k', sizeof(lonely) - 1 - begin);
        lonely[sizeof(lonely) - 1] = '\0';
        ck_assert_int_eq(ahead(ctx, CMD_LOOKUPS, (const char *const[]){lonely}, lines, 1), MOG_OK);
        ck_assert(lines[0].is_taken);
        (void)cmd_run_ahead(ctx, 0, &client, &out);
        ck_assert_msg(strncmp(buf_cstr(&out), "ERR unknown_key", 15) == 0, "%s", buf_cstr(&out));
        buf_fini(&out);
        harness_must(&h, "set_server_setting key=memcache_servers&value=127.0.0.1:1");
        ck_assert_int_eq(cluster_box_refresh(h.box, 10000), MOG_OK);
        ck_assert_int_eq(ahead(ctx, CMD_LOOKUPS, texts, lines, 4), MOG_EAGAIN);
        for (size_t i = 0; i < 4; i++)
            ck_assert(!lines[i].is_taken);
    }
    cmd_ctx_free(ctx);
    harness_stop(&h);
}
END_TEST

/* Its class has had no checksums when the file was read: what was not asked for is not missed when it is answered. */
START_TEST(a_class_that_gets_checksums_meanwhile)
{
    static const char *const texts[] = {"file_info domain=d&key=a", "file_info domain=d&key=none"};
    struct harness h;
    struct cmd_line lines[2];
    setup(&h);
    struct cmd_ctx *ctx = cmd_ctx_new(&h.shared);
    fixture_sql(ctx->st, "INSERT INTO file (fid, dmid, dkey, length, classid, devcount) VALUES (7, 1, 'a', 3, 1, 1)",
                NULL);
    fixture_sql(ctx->st, "INSERT INTO checksum (fid, hashtype, checksum) VALUES (7, 1, x'00ff')", NULL);
    ahead(ctx, CMD_LOOKUPS, texts, lines, 2);
    ck_assert(lines[0].is_taken && lines[1].is_taken);
    harness_must(&h, "update_class domain=d&class=c&mindevcount=2&hashtype=MD5");
    struct buf out = BUF_ZERO;
    (void)cmd_run_ahead(ctx, 0, &client, &out);
    ck_assert_str_eq(buf_cstr(&out), "OK fid=7&domain=d&class=c&key=a&length=3&devcount=1\r\n");
    buf_reset(&out);
    (void)cmd_run_ahead(ctx, 1, &client, &out);
    ck_assert_str_eq(buf_cstr(&out), "ERR unknown_key unknown_key\r\n");
    buf_reset(&out);
    cmd_end(ctx);
    (void)cmd_run(ctx, span_of(texts[0]), &client, &out);
    ck_assert_str_eq(buf_cstr(&out), "OK fid=7&domain=d&class=c&key=a&length=3&devcount=1&checksum=MD5:00ff\r\n");
    buf_fini(&out);
    cmd_ctx_free(ctx);
    harness_stop(&h);
}
END_TEST

UNIT_MAIN("cmd_ahead", uploads_are_registered_as_alone, what_is_not_plain_is_left, a_domain_that_is_made_anew_meanwhile,
          without_waiting, a_class_that_gets_checksums_meanwhile)
