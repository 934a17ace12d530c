/* SPDX-License-Identifier: MIT */
/* Tests of growable bytes. */
#include "common/buf.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>

START_TEST(appending)
{
    struct buf b = BUF_ZERO;
    ck_assert_str_eq(buf_cstr(&b), "");
    buf_str(&b, "a");
    buf_char(&b, 'b');
    buf_span(&b, span_make("cde", 2));
    buf_u64(&b, UINT64_MAX);
    buf_printf(&b, " %d%%", 5);
    buf_append(&b, "", 0);
    ck_assert_str_eq(buf_cstr(&b), "abcd18446744073709551615 5%");
    ck_assert_uint_eq(b.len, strlen(b.data));
    buf_consume(&b, 4);
    buf_truncate(&b, 3);
    ck_assert_str_eq(buf_cstr(&b), "184");
    ck_assert(span_is(buf_as_span(&b), "184"));
    char *taken = buf_take(&b);
    ck_assert_str_eq(taken, "184");
    free(taken);
    ck_assert_uint_eq(b.len, 0);
    taken = buf_take(&b);
    ck_assert_str_eq(taken, "");
    free(taken);
    buf_fini(&b);
}
END_TEST

START_TEST(growing)
{
    struct buf b = BUF_ZERO;
    for (size_t i = 0; i < 100000; i++)
        buf_char(&b, (char)('a' + i % 26));
    ck_assert_uint_eq(b.len, 100000);
    for (size_t i = 0; i < 100000; i++)
        ck_assert_int_eq(b.data[i], (char)('a' + i % 26));
    ck_assert_int_eq(b.data[100000], '\0');
    size_t cap = b.cap;
    buf_reset(&b);
    ck_assert(b.len == 0 && b.cap == cap);
    ck_assert_str_eq(buf_cstr(&b), "");
    char *room = buf_reserve(&b, 10);
    memcpy(room, "0123456789", 10);
    buf_commit(&b, 5);
    ck_assert_str_eq(buf_cstr(&b), "01234");
    buf_fini(&b);
    ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(a_limit)
{
    struct buf b;
    buf_init(&b, 5);
    buf_str(&b, "abc");
    buf_str(&b, "de");
    ck_assert(!b.overflowed);
    buf_char(&b, 'f');
    ck_assert(b.overflowed);
    buf_append(&b, "", 0);
    ck_assert_str_eq(buf_cstr(&b), "abcde");
    buf_reset(&b);
    ck_assert(!b.overflowed);
    buf_str(&b, "far too long");
    buf_char(&b, 'x');
    ck_assert(b.overflowed);
    ck_assert_msg(b.len == 0, "what does not fit is left out whole, and so is what comes after it");
    buf_fini(&b);
}
END_TEST

UNIT_MAIN("buf", appending, growing, a_limit)
