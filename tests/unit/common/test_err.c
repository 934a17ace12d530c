/* SPDX-License-Identifier: MIT */
/* Tests of error codes and their detail. */
#include "common/err.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

START_TEST(texts)
{
    ck_assert_str_eq(err_name(MOG_EINVAL), "MOG_EINVAL");
    ck_assert_str_eq(err_text(MOG_ENOSPC), "no space left");
    ck_assert_ptr_nonnull(err_name((enum mog_err)9999));
    ck_assert_ptr_nonnull(err_text((enum mog_err)9999));
}
END_TEST

START_TEST(details)
{
    struct mog_fail f = {.code = MOG_OK};
    ck_assert_int_eq(fail_set(&f, MOG_EDB, "row %d", 7), MOG_EDB);
    ck_assert_str_eq(f.text, "row 7");
    ck_assert_int_eq(f.code, MOG_EDB);
    ck_assert_int_eq(f.sys_errno, 0);
    ck_assert_int_eq(fail_sys(&f, MOG_EIO, ENOENT, "open: %s", "/x"), MOG_EIO);
    ck_assert_str_eq(f.text, "open: /x: No such file or directory");
    ck_assert_int_eq(f.sys_errno, ENOENT);
    ck_assert_int_eq(fail_set(NULL, MOG_EDB, "nobody asks"), MOG_EDB);
    ck_assert_int_eq(fail_sys(NULL, MOG_EIO, EPERM, "nobody asks"), MOG_EIO);
    char longer[1000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    ck_assert_int_eq(fail_sys(&f, MOG_EIO, EPERM, "%s", longer), MOG_EIO);
    ck_assert_uint_lt(strlen(f.text), sizeof(f.text));
}
END_TEST

UNIT_MAIN("err", texts, details)
