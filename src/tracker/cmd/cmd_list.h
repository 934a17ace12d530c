/* SPDX-License-Identifier: MIT */
/* Every handler: named after its command, in whichever cmd_*.c it stands. */
#ifndef MOG_TRACKER_CMD_CMD_LIST_H
#define MOG_TRACKER_CMD_CMD_LIST_H

#include "tracker/cmd/cmd.h"

cmd_fn cmd_noop, cmd_test, cmd_sleep, cmd_clear_cache, cmd_do_monitor_round, cmd_replicate_now, cmd_httpcopy;
cmd_fn cmd_create_open, cmd_create_close, cmd_get_paths, cmd_delete, cmd_rename, cmd_updateclass, cmd_file_info,
    cmd_file_debug, cmd_list_keys, cmd_list_fids;
cmd_fn cmd_create_domain, cmd_delete_domain, cmd_get_domains, cmd_create_class, cmd_update_class, cmd_delete_class;
cmd_fn cmd_create_host, cmd_update_host, cmd_delete_host, cmd_get_hosts;
cmd_fn cmd_create_device, cmd_set_state, cmd_set_weight, cmd_get_devices;
cmd_fn cmd_server_setting, cmd_server_settings, cmd_set_server_setting;
cmd_fn cmd_fsck_start, cmd_fsck_stop, cmd_fsck_reset, cmd_fsck_clearlog, cmd_fsck_getlog, cmd_fsck_status;
cmd_fn cmd_rebalance_set_policy, cmd_rebalance_test, cmd_rebalance_start, cmd_rebalance_stop, cmd_rebalance_reset,
    cmd_rebalance_status;

#endif
