# SPDX-License-Identifier: MIT
"""Every function that can fail has a test in which it does: nobody else knows what its callers do then.

The functions of the store have a stricter one: tests/unit/store/fallible_calls.h.
"""
import glob
import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
DECLARATION = re.compile(r"MOG_MUSTCHECK (?:enum mog_err|bool|int) (\w+)\(")

# They fail for their arguments alone: their unit tests have bad ones.
ARGUMENTS = """
    bigfile_chunksize bigfile_parse client_answer_parse clusterfile_parse dpath_parse flate_add hooks_new httpdate_parse
    md5field_parse net_split netlist_add netlist_add_all netlist_check netmask_parse netmask_parse_ip num_parse_double num_parse_i64
    num_parse_u64 opt_parse_argv opt_parse_file plan_make policy_parse policy_parse_strict range_parse_content
    rebalance_policy_parse rebalance_state_parse toolopt_int toolopt_parse urlenc_unhex web_origin_parse web_target_parse
    web_target_query
""".split()

# Tested through others: the file, and a word of it that shows where.
ELSEWHERE = {
    "adm_load_devices": ("wire/tools/test_failing_output.py", "server_settings"),
    "adm_load_domains": ("wire/tools/test_failing_output.py", "get_domains"),
    "adm_load_hosts": ("wire/tools/test_failing_output.py", "get_hosts"),
    "bench_adopt": ("wire/tools/test_mogbench.py", "test_errors"),
    "bench_prepare": ("wire/tools/test_mogbench.py", "test_errors"),
    "bulk_read_options": ("wire/tools/test_bulk.py", "test_bad_arguments"),
    "client_request_slow": ("unit/tools/test_failing_tools.c", "client_request, repeatable"),
    "cluster_box_wait_ready": ("unit/tracker/test_cluster_box.c", "cluster_box_wait_ready"),
    "cluster_box_wait_round": ("unit/tracker/test_cluster_box.c", "cluster_box_wait_round"),
    "cmd_find_file": ("unit/tracker/test_failing_commands.c", "get_paths"),
    "dbsetup_ask": ("system/dbsetup/test_mogdbsetup.py", "test_no_is_the_default"),
    "dbsetup_connect_provide": ("system/dbsetup/test_mogdbsetup.py", "test_an_administrator_who_may_not"),
    "dbsetup_connect_user": ("system/dbsetup/test_mogdbsetup.py", "test_no_administrator"),
    "dbsetup_options_parse": ("system/dbsetup/test_mogdbsetup.py", "test_usage"),
    "dirsync_barrier": ("unit/mogstored/test_device.c", "test_upload_into_a_directory_that_is_not_synced"),
    "http_serve": ("unit/mogstored/test_failing_start.c", "httplisten"),
    "loop_listen": ("unit/mogstored/test_failing_start.c", "httplisten"),
    "loop_start": ("unit/mogstored/test_failing_start.c", "httplisten"),
    "node_request": ("unit/tracker/test_failing_jobs.c", "node_size"),
    "opt_set": ("unit/common/test_opt.c", "what_the_command_line_refuses"),
    "pool_submit_many": ("unit/common/test_failing_calls.c", "pool_submit"),
    "reload_apply_settings": ("wire/mogstored/test_operation.py", "test_reload"),
    "server_listen": ("unit/tracker/test_failing_start.c", "listen ="),
    "toolopt_read_file": ("unit/tools/test_failing_tools.c", "toolopt_read_config"),
    "tool_begin": ("wire/tools/test_transfer.py", "test_errors"),
    "tool_end": ("wire/tools/test_failing_output.py", "test_full_disk"),
    "tracker_options_hooks": ("wire/tracker/test_startup.py", "test_plugins"),
    "tracker_options_load": ("unit/tracker/test_failing_start.c", "tracker_load"),
    "tracker_options_networks": ("wire/tracker/test_startup.py", "test_bad_values"),
    "stored_options_address": ("wire/mogstored/test_start.py", "test_addresses"),
    "web_gateway_parse": ("wire/tracker/test_startup.py", "test_bad_values"),
}


def read(path):
    with open(os.path.join(ROOT, path)) as f:
        return f.read()


def words(pattern):
    out = set()
    for path in glob.glob(os.path.join(ROOT, "tests", pattern)):
        out.update(re.findall(r"\w+", read(path)))
    return out


class Fallible(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.declared = {}
        for path in glob.glob(os.path.join(ROOT, "src/**/*.h"), recursive=True):
            if "/src/store/" not in path:
                cls.declared.update({name: os.path.relpath(path, ROOT) for name in DECLARATION.findall(read(path))})

    def test_each_has_a_test(self):
        failing, all_words = words("unit/*/test_failing_*.c"), words("unit/*/*.c")
        self.assertGreater(len(self.declared), 100)
        for name, path in sorted(self.declared.items()):
            with self.subTest(function=name, header=path):
                if name in ARGUMENTS:
                    self.assertTrue(name in all_words, "it stands in no unit test")
                elif name in ELSEWHERE:
                    test, word = ELSEWHERE[name]
                    self.assertTrue(word in read(os.path.join("tests", test)), f"{test} has no {word}")
                else:
                    self.assertTrue(name in failing, "it never fails in a unit/*/test_failing_*.c")

    def test_nothing_is_excused_that_is_gone(self):
        self.assertEqual(sorted(name for name in [*ARGUMENTS, *ELSEWHERE] if name not in self.declared), [])


if __name__ == "__main__":
    unittest.main()
