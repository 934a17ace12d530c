/* SPDX-License-Identifier: MIT */
/* Tests of where a fid lies on a device. */
#include "common/devpath.h"

#include "unit.h"

#include <string.h>

START_TEST(paths)
{
    static const struct {
        uint32_t devid;
        uint64_t fid;
        const char *path;
    } rows[] = {
        {3, 42, "/dev3/0/000/000/0000000042.fid"},
        {1, 0, "/dev1/0/000/000/0000000000.fid"},
        {3, 1234567890, "/dev3/1/234/567/1234567890.fid"},
        {0, 1, "/dev0/0/000/000/0000000001.fid"},
        {10, 999999999, "/dev10/0/999/999/0999999999.fid"},
        {100, 1000000000, "/dev100/1/000/000/1000000000.fid"},
        {1, 10000000000, "/dev1/1/000/000/10000000000.fid"},
        {1, 9999999999, "/dev1/9/999/999/9999999999.fid"},
        {1, 12345678901, "/dev1/1/234/567/12345678901.fid"},
        {UINT32_MAX, UINT64_MAX, "/dev4294967295/1/844/674/18446744073709551615.fid"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[DEVPATH_MAX];
        ck_assert_uint_eq(devpath_format(path, rows[i].devid, rows[i].fid), strlen(rows[i].path));
        ck_assert_str_eq(path, rows[i].path);
        const char *tail = strchr(rows[i].path + 1, '/');
        ck_assert_uint_eq(devpath_tail(path, rows[i].fid), strlen(tail));
        ck_assert_str_eq(path, tail);
        ck_assert_uint_lt(strlen(tail), DEVPATH_TAIL_MAX);
    }
}
END_TEST

UNIT_MAIN("devpath", paths)
