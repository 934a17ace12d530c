/* SPDX-License-Identifier: MIT */
/* mogadm settings: what is set for the whole cluster. */
#include <stdio.h>
#include <string.h>

#include "tools/adm.h"
#include "tools/out.h"

static const struct toolopt_def list_opts[] = {
    {"all", 0, TOOLOPT_FLAG, "settings that hold their default too, with what they mean"},
    {"json", 0, TOOLOPT_FLAG, "print JSON"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

/* What can be set, and what holds when it is not. */
static const struct {
    const char *key, *preset, *help;
} known[] = {
    {"case_sensitive_list_keys", "0", "1: list_keys tells upper from lower case also where the database would not"},
    {"fsck_checksum", "class", "checksums that fsck verifies: class, off, MD5, SHA-1"},
    {"internal_queue_limit", "500", "items that one kind of worker has in hand at most"},
    {"memcache_servers", "", "host:port, separated by commas: memcached servers for get_paths"},
    {"memcache_ttl", "3600", "seconds that paths are kept in memcached"},
    {"network_zones", "", "names of zones, separated by commas; zone_NAME has its networks"},
    {"queue_rate_for_fsck", "1000", "files that fsck queues in one go"},
    {"queue_rate_for_reaper", "1000", "files of a dead device that are queued in one go"},
    {"queue_rate_for_rebal", "500", "files that rebalance queues in one go"},
    {"queue_size_for_fsck", "20000", "files that wait for fsck at most"},
    {"queue_size_for_reaper", "", "files that wait for replication at most while a dead device is emptied"},
    {"queue_size_for_rebal", "10000", "files that wait for rebalance at most"},
    {"skip_devcount", "0", "1: the number of copies is not kept up to date in the file table"},
    {"skip_mkcol", "0", "1: storage nodes make folders by themselves"},
    {"slave_connect_timeout", "1", "seconds that connecting to a read slave may take"},
    {"slave_dead_retry_timeout", "15", "seconds until a read slave that failed is tried again"},
    {"slave_keys", "", "names of read slaves of the database (mogadm slave)"},
};

static bool is_hidden(const char *key)
{
    return strncmp(key, "rebal", 5) == 0;
}

static void list_json(const struct cluster *c, bool all)
{
    json_t *list = json_object();
    for (size_t i = 0; i < c->n_settings; i++) {
        if (all || !is_hidden(c->settings[i].key))
            report_json_str(list, c->settings[i].key, c->settings[i].value);
    }
    for (size_t i = 0; all && i < sizeof known / sizeof known[0]; i++) {
        if (!cluster_setting(c, known[i].key))
            json_object_set_new(list, known[i].key, json_string(known[i].preset));
    }
    out_json(list);
}

static void list_known(const struct cluster *c)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const char *value = cluster_setting(c, known[i].key);
        printf("%25s = %-15s %s%s\n", known[i].key, value ? value : known[i].preset, known[i].help,
               value ? "" : " (default)");
    }
}

static bool is_known(const char *key)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].key, key) == 0)
            return true;
    }
    return false;
}

static int settings_list(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    struct mog_fail f = {.code = MOG_OK};
    bool all = toolopt_flag(&a->opt, "all");
    if (cluster_load_settings(&c, a->client, &f) != MOG_OK) {
        fprintf(stderr, "%s\n", f.text);
        return adm_fail_text("can't get settings");
    }
    if (adm_json(a)) {
        list_json(&c, all);
    } else {
        if (all)
            list_known(&c);
        for (size_t i = 0; i < c.n_settings; i++) {
            const char *key = c.settings[i].key;
            if (!is_hidden(key) && !(all && is_known(key)))
                printf("%25s = %s\n", key, c.settings[i].value);
        }
    }
    cluster_fini(&c);
    return 0;
}

static int change(struct adm *a, const char *value)
{
    struct kv args = KV_ZERO;
    kv_add_str(&args, "key", a->word[0]);
    if (value)
        kv_add_str(&args, "value", value);
    int result = adm_command(a, "set_server_setting", &args, "", NULL);
    kv_fini(&args);
    return result;
}

static int settings_set(struct adm *a)
{
    return change(a, a->word[1]);
}

static int settings_unset(struct adm *a)
{
    /* Of this one trackers want to be told what it is to be, and forget it when that is its default. */
    return change(a, strcmp(a->word[0], "fsck_checksum") == 0 ? "class" : NULL);
}

const struct adm_verb adm_settings_verbs[] = {
    {"list", NULL, list_opts, "List all settings.", settings_list, 0},
    {"set", "key value", NULL, "Change a setting.", settings_set, 0},
    {"unset", "key", NULL, "Remove a setting: its default holds.", settings_unset, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
