/* SPDX-License-Identifier: MIT */
/* One row per command, and how the row of a line is found. */
#include "tracker/cmd/cmd_list.h"
#include "tracker/cmd/cmd_run.h"

static const struct cmd_row rows[] = {
    {"noop", cmd_noop, CMD_MEMORY | CMD_INSTANT, ""},
    {"test", cmd_test, CMD_ADMIN | CMD_MEMORY, "crash?"},
    {"sleep", cmd_sleep, CMD_ADMIN | CMD_MEMORY, "duration?"},
    {"get_paths", cmd_get_paths, CMD_DOMAIN | CMD_KEY | CMD_LOOKUP | CMD_EARLY,
     "domain key noverify? pathcount? zone?"},
    {"create_open", cmd_create_open, CMD_DOMAIN | CMD_OPEN,
     "domain key? class? fid? multi_dest? size? debug_profile? zone?"},
    {"create_close", cmd_create_close, CMD_DOMAIN, "domain fid devid path key? size? checksum? checksumverify? zone?"},
    {"file_info", cmd_file_info, CMD_DOMAIN | CMD_KEY | CMD_LOOKUP | CMD_EARLY, "domain key devices?"},
    {"file_debug", cmd_file_debug, CMD_EARLY, "fid | domain key"},
    {"delete", cmd_delete, CMD_DOMAIN | CMD_KEY, "domain key"},
    {"rename", cmd_rename, CMD_DOMAIN, "domain from_key to_key"},
    {"updateclass", cmd_updateclass, CMD_DOMAIN | CMD_KEY, "domain key class"},
    {"list_keys", cmd_list_keys, CMD_DOMAIN | CMD_EARLY, "domain prefix? after? limit?"},
    {"list_fids", cmd_list_fids, CMD_EARLY, "from? to?"},
    {"create_domain", cmd_create_domain, CMD_ADMIN | CMD_REFRESH, "domain"},
    {"delete_domain", cmd_delete_domain, CMD_ADMIN | CMD_REFRESH, "domain"},
    {"get_domains", cmd_get_domains, CMD_MEMORY, ""},
    {"create_class", cmd_create_class, CMD_ADMIN | CMD_REFRESH,
     "domain class mindevcount replpolicy? hashtype? update?"},
    {"update_class", cmd_update_class, CMD_ADMIN | CMD_REFRESH, "domain class mindevcount replpolicy? hashtype?"},
    {"delete_class", cmd_delete_class, CMD_ADMIN | CMD_REFRESH, "domain class"},
    {"create_host", cmd_create_host, CMD_ADMIN | CMD_REFRESH, "host ip port status? getport? altip? altmask?"},
    {"update_host", cmd_update_host, CMD_ADMIN | CMD_REFRESH, "host ip? port? status? getport? altip? altmask?"},
    {"delete_host", cmd_delete_host, CMD_ADMIN | CMD_REFRESH, "host"},
    {"get_hosts", cmd_get_hosts, CMD_MEMORY, "hostid?"},
    {"create_device", cmd_create_device, CMD_ADMIN | CMD_REFRESH, "devid hostid|hostname state?"},
    {"set_state", cmd_set_state, CMD_ADMIN | CMD_REFRESH, "host device state"},
    {"set_weight", cmd_set_weight, CMD_ADMIN | CMD_REFRESH, "host device weight"},
    {"get_devices", cmd_get_devices, CMD_MEMORY, "devid?"},
    {"clear_cache", cmd_clear_cache, CMD_MEMORY | CMD_REFRESH, ""},
    {"do_monitor_round", cmd_do_monitor_round, CMD_MEMORY, ""},
    {"replicate_now", cmd_replicate_now, CMD_ADMIN, ""},
    {"httpcopy", cmd_httpcopy, CMD_ADMIN, "sdevid ddevid fid"},
    {"server_setting", cmd_server_setting, CMD_ADMIN, "key"},
    {"server_settings", cmd_server_settings, CMD_ADMIN, ""},
    {"set_server_setting", cmd_set_server_setting, CMD_ADMIN | CMD_NUDGE, "key value?"},
    {"fsck_start", cmd_fsck_start, CMD_ADMIN | CMD_NUDGE, ""},
    {"fsck_stop", cmd_fsck_stop, CMD_ADMIN | CMD_NUDGE, ""},
    {"fsck_reset", cmd_fsck_reset, CMD_ADMIN, "policy_only? startpos? domain? class?"},
    {"fsck_clearlog", cmd_fsck_clearlog, CMD_ADMIN, ""},
    {"fsck_getlog", cmd_fsck_getlog, 0, "after_logid?"},
    {"fsck_status", cmd_fsck_status, 0, "detail?"},
    {"rebalance_set_policy", cmd_rebalance_set_policy, CMD_ADMIN, "policy?"},
    {"rebalance_test", cmd_rebalance_test, CMD_ADMIN, ""},
    {"rebalance_start", cmd_rebalance_start, CMD_ADMIN | CMD_NUDGE, ""},
    {"rebalance_stop", cmd_rebalance_stop, CMD_ADMIN | CMD_NUDGE, ""},
    {"rebalance_reset", cmd_rebalance_reset, CMD_ADMIN, ""},
    {"rebalance_status", cmd_rebalance_status, 0, ""},
    {NULL, NULL, 0, NULL},
};

const struct cmd_row *cmd_table(void)
{
    return rows;
}

/* What a command may consist of, in lower case. */
static const char word_char[256] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7',
    ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f',
    ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n',
    ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v',
    ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',
    ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l',
    ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't',
    ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['_'] = '_'};

/* Whether `word` is `name`, in whatever case. */
static bool is_name(const char *name, struct span word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (name[i] == '\0' || word_char[(unsigned char)word.ptr[i]] != name[i])
            return false;
    }
    return name[word.len] == '\0';
}

static size_t word_len(struct span s)
{
    size_t len = 0;
    while (len < s.len && word_char[(unsigned char)s.ptr[len]] != '\0')
        len++;
    return len;
}

static struct span skip_blanks(struct span s)
{
    while (s.len != 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = span_make(s.ptr + 1, s.len - 1);
    return s;
}

const struct cmd_row *cmd_table_find(struct span name)
{
    char first = name.len != 0 ? word_char[(unsigned char)name.ptr[0]] : '\0';
    for (const struct cmd_row *row = rows; row->name != NULL; row++) {
        if (row->name[0] == first && is_name(row->name, name))
            return row;
    }
    return NULL;
}

const struct cmd_row *cmd_take_command(struct span *line)
{
    struct span rest = skip_blanks(*line), word = span_make(rest.ptr, word_len(rest));
    *line = skip_blanks(span_make(rest.ptr + word.len, rest.len - word.len));
    return cmd_table_find(word);
}
