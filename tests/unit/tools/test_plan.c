/* SPDX-License-Identifier: MIT */
/* Tests of cluster files: reading, errors with their lines, and the plans made from them. */
#include "tools/plan.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char txt_hosta[] = "hosta", txt_hostb[] = "hostb", alive[] = "alive", dead[] = "dead", ip1[] = "10.0.0.1",
            ip2[] = "10.0.0.2", none[] = "", photos[] = "photos", dflt[] = "default", thumbs[] = "thumbs",
            policy[] = "MultipleHosts()", hash_none[] = "NONE", ttl[] = "memcache_ttl", sixty[] = "60",
            schema[] = "schema_version", seventeen[] = "17", servers[] = "memcache_servers", addr[] = "10.0.0.9:11211";

static struct cluster_host hosts[] = {
    {.hostid = 1, .name = txt_hosta, .status = alive, .ip = ip1, .altip = none, .altmask = none, .port = 7500},
    {.hostid = 2,
     .name = txt_hostb,
     .status = alive,
     .ip = ip2,
     .altip = none,
     .altmask = none,
     .port = 7500,
     .get_port = 7600},
};
static struct cluster_device devices[] = {
    {.devid = 1, .hostid = 1, .status = alive, .observed = none, .utilization = none, .weight = 100},
    {.devid = 2, .hostid = 2, .status = dead, .observed = none, .utilization = none, .weight = 100},
};
static struct cluster_class classes[] = {
    {.name = dflt, .replpolicy = policy, .hashtype = hash_none, .mindevcount = 2},
    {.name = thumbs, .replpolicy = policy, .hashtype = hash_none, .mindevcount = 3},
};
static struct cluster_domain domains[] = {{.name = photos, .classes = classes, .n_classes = 2}};
static struct cluster_setting settings[] = {{servers, addr}, {ttl, sixty}, {schema, seventeen}};
static const struct cluster have = {hosts, 2, devices, 2, domains, 1, settings, 3};
static const struct cluster nothing = CLUSTER_ZERO;

static enum mog_err error;
static struct mog_fail fail;

/* The plan's commands and arguments, one a line; for the caller to free. */
static char *plan_of(const char *text, const struct cluster *c, bool prune)
{
    struct clusterfile file;
    struct plan plan = {.n = 0};
    struct buf out = BUF_ZERO;
    fail = (struct mog_fail){.code = MOG_OK};
    clusterfile_init(&file, "f");
    error = clusterfile_parse(&file, span_of(text), &fail);
    if (error == MOG_OK)
        error = plan_make(&plan, &file, c, prune, &fail);
    for (size_t i = 0; i < plan.n; i++) {
        buf_printf(&out, "%s ", plan.actions[i].command);
        kv_format(&plan.actions[i].args, &out);
        buf_char(&out, '\n');
    }
    for (size_t i = 0; i < plan.notes.n; i++)
        buf_printf(&out, "note: %s\n", plan.notes.items[i]);
    plan_fini(&plan);
    clusterfile_fini(&file);
    char *s = buf_take(&out);
    return s ? s : calloc(1, 1);
}

static void check_plan(int line, const char *text, const struct cluster *c, bool prune, const char *want)
{
    char *got = plan_of(text, c, prune);
    ck_assert_msg(error == MOG_OK, "line %d: %s", line, fail.text);
    ck_assert_msg(strcmp(got, want) == 0, "line %d:\n%s\ninstead of\n%s", line, got, want);
    free(got);
}
#define PLAN(text, c, prune, want) check_plan(__LINE__, text, c, prune, want)

START_TEST(what_is_there_needs_nothing)
{
    PLAN("", &have, false, "");
    PLAN("# nothing\n", &have, true, "");
    PLAN("hosts:\n  hosta:\n    ip: 10.0.0.1\n    devices:\n      dev1:\n  hostb: {devices: {2: {status: dead}}}\n",
         &have, false, "");
    PLAN("domains:\n  photos:\n", &have, false, "");
}
END_TEST

START_TEST(export_is_applied_without_change)
{
    struct buf text = BUF_ZERO;
    clusterfile_format(&have, &text);
    PLAN(buf_cstr(&text), &have, false, "");
    PLAN(buf_cstr(&text), &have, true, "");
    ck_assert_ptr_null(strstr(buf_cstr(&text), "schema_version"));
    buf_fini(&text);
}
END_TEST

START_TEST(export_from_an_old_tracker)
{
    static char empty[] = "";
    static struct cluster_class class = {.name = dflt, .replpolicy = empty, .hashtype = empty, .mindevcount = 2};
    static struct cluster_domain domain = {.name = photos, .classes = &class, .n_classes = 1};
    static const struct cluster old = {.domains = &domain, .n_domains = 1};
    struct buf text = BUF_ZERO;
    clusterfile_format(&old, &text);
    PLAN(buf_cstr(&text), &old, true, "");
    buf_fini(&text);
}
END_TEST

START_TEST(everything_new)
{
    PLAN("hosts:\n  hosta: {ip: 10.0.0.1, status: alive, devices: {1: , dev2: {status: down, weight: 5}}}\n"
         "domains:\n  photos:\n    classes:\n      default: {mindevcount: 3}\n      thumbs: {hashtype: MD5}\n  empty:\n"
         "settings: {memcache_ttl: 5, skip_mkcol: on}\n",
         &nothing, false,
         "create_domain domain=photos\n"
         "update_class domain=photos&class=default&mindevcount=3\n"
         "create_class domain=photos&class=thumbs&mindevcount=2&hashtype=MD5\n"
         "create_domain domain=empty\n"
         "create_host host=hosta&ip=10.0.0.1&port=7500&status=alive\n"
         "create_device hostname=hosta&devid=1&state=alive\n"
         "create_device hostname=hosta&devid=2&state=down\n"
         "set_weight host=hosta&device=2&weight=5\n"
         "set_server_setting key=memcache_ttl&value=5\n"
         "set_server_setting key=skip_mkcol&value=1\n");
}
END_TEST

START_TEST(only_differences)
{
    PLAN("hosts:\n  hostb: {ip: 10.0.0.3, port: 7500, getport: , devices: {2: {status: alive, weight: 50}}}\n"
         "domains:\n  photos:\n    classes:\n      thumbs: {mindevcount: 3, hashtype: MD5}\n      default: "
         "{mindevcount: "
         "1}\n"
         "settings: {memcache_ttl: 60, fsck_checksum: class, memcache_servers: ''}\n",
         &have, false,
         "update_class domain=photos&class=thumbs&hashtype=MD5&mindevcount=3\n"
         "update_class domain=photos&class=default&mindevcount=1\n"
         "update_host host=hostb&ip=10.0.0.3&getport=\n"
         "set_state host=hostb&device=2&state=down\n"
         "set_state host=hostb&device=2&state=alive\n"
         "set_weight host=hostb&device=2&weight=50\n"
         "set_server_setting key=memcache_servers&value=\n"
         "note: device dev1 is not in the file; devices are never deleted\n");
}
END_TEST

START_TEST(pruning)
{
    PLAN("hosts:\n  hosta: {devices: {1: }}\n", &have, true,
         "delete_host host=hostb\nnote: device dev2 is not in the file; devices are never deleted\n");
    PLAN("domains: {photos: }", &have, true, "delete_class domain=photos&class=thumbs\n");
    PLAN("domains: {}", &have, true, "delete_class domain=photos&class=thumbs\ndelete_domain domain=photos\n");
    PLAN("settings: {memcache_ttl: 60}", &have, true, "set_server_setting key=memcache_servers\n");
    PLAN("hosts: {}\ndomains: {}\nsettings: {}\n", &have, false,
         "note: device dev1 is not in the file; devices are never deleted\n"
         "note: device dev2 is not in the file; devices are never deleted\n");
}
END_TEST

START_TEST(errors_name_line_and_key)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"host: {}", "f:1: unknown key 'host'; known are: hosts, domains, settings"},
        {"hosts:\n  a:\n    prot: 5\n", "f:3: unknown key 'prot' of a host; known are: ip, port, getport, altip, "
                                        "altmask, status, devices"},
        {"hosts:\n  a:\n    port: 99999\n", "f:3: 'port' must be a number from 1 to 65535, not '99999'"},
        {"hosts:\n  a:\n    status: up\n", "f:3: 'status' cannot be 'up'; one of: alive down readonly dead"},
        {"hosts:\n  a: {ip: [1]}\n", "f:2: 'ip' must be a single value"},
        {"hosts:\n  a: {ip: 1}\n  a: {ip: 2}\n", "f:3: host 'a' stands in line 2 already"},
        {"hosts:\n  a: {ip: 1, devices: {1: }}\n  b: {ip: 2, devices: {1: }}\n",
         "f:3: device 1 stands in line 2 already"},
        {"hosts:\n  a: {ip: 1, devices: {x: }}\n", "f:2: device 'x' must be a number from 1 to 16777215"},
        {"hosts:\n  a: {ip: 1, devices: {1: {wieght: 1}}}\n",
         "f:2: unknown key 'wieght' of a device; known are: status, weight"},
        {"hosts: [a]\n", "f:1: 'hosts' must be a mapping (name: value)"},
        {"hosts:\n  hostc:\n    port: 1\n", "f:2: host 'hostc' is new, so it needs an 'ip'"},
        {"hosts:\n  hosta:\n    devices:\n      2:\n", "f:4: device 2 belongs to host 'hostb', not 'hosta'"},
        {"domains:\n  d:\n    classes:\n      c: {mindevcount: 0}\n",
         "f:4: 'mindevcount' must be a number from 1 to 255, not '0'"},
        {"domains:\n  d:\n    classes:\n      c: {hashtype: md5}\n",
         "f:4: 'hashtype' cannot be 'md5'; one of: NONE MD5 SHA-1"},
        {"domains:\n  d: {classes: {c: {hashtype: }}}\n", "f:2: 'hashtype' cannot be ''; one of: NONE MD5 SHA-1"},
        {"domains:\n  d: {classes: {c: {replpolicy: }}}\n", "f:2: 'replpolicy' must not be empty"},
        {"domains:\n  d: {class: {}}\n", "f:2: unknown key 'class' of a domain; known is: classes"},
        {"domains:\n  d: {}\n  d: {}\n", "f:3: domain 'd' stands in line 2 already"},
        {"settings:\n  schema_version: 5\n", "f:2: setting 'schema_version' is not for configuration"},
        {"settings:\n  skip_mkcol: perhaps\n", "f:2: 'skip_mkcol' must be on or off"},
        {"settings:\n  fsck_checksum: md5\n", "f:2: 'fsck_checksum' cannot be 'md5'; one of: class off MD5 SHA-1"},
        {"hosts: {}\nhosts: {}\n", "f:2: 'hosts' stands there twice"},
        {"just text", "f:1: 'file' must be a mapping (name: value)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        free(plan_of(rows[i].text, &have, false));
        ck_assert_msg(error != MOG_OK, "row %zu", i);
        ck_assert_str_eq(fail.text, rows[i].error);
    }
    free(plan_of("hosts: {a\n  b: [", &have, false));
    ck_assert_int_eq(error, MOG_ESYNTAX);
    ck_assert_msg(strncmp(fail.text, "f:2: ", 5) == 0, "%s", fail.text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *tc = tcase_create("plan");
    tcase_add_test(tc, what_is_there_needs_nothing);
    tcase_add_test(tc, export_is_applied_without_change);
    tcase_add_test(tc, export_from_an_old_tracker);
    tcase_add_test(tc, everything_new);
    tcase_add_test(tc, only_differences);
    tcase_add_test(tc, pruning);
    tcase_add_test(tc, errors_name_line_and_key);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
