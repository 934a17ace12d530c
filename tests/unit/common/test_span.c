/* SPDX-License-Identifier: MIT */
/* Tests of borrowed slices. */
#include "common/span.h"

#include "unit.h"

#include <stdlib.h>

START_TEST(comparing)
{
    ck_assert(span_eq(span_of("abc"), span_make("abcd", 3)));
    ck_assert(!span_eq(span_of("abc"), span_of("abd")));
    ck_assert(!span_eq(span_of("abc"), span_of("ab")));
    ck_assert(span_eq(span_of(NULL), span_of("")));
    ck_assert(span_is(span_of("x"), "x") && !span_is(span_of("x"), "X"));
    ck_assert(span_is_nocase(span_of("NoOp"), "nOOP") && !span_is_nocase(span_of("noo"), "noop"));
    ck_assert(!span_is(span_make("a\0b", 3), "a"));
    ck_assert(span_starts(span_of("abc"), "ab") && span_starts(span_of("abc"), "") && !span_starts(span_of("a"), "ab"));
}
END_TEST

START_TEST(trimming)
{
    ck_assert(span_is(span_trim(span_of(" \t\r\n a b \v\f")), "a b"));
    ck_assert_uint_eq(span_trim(span_of("   ")).len, 0);
    ck_assert_uint_eq(span_trim(span_of(NULL)).len, 0);
}
END_TEST

START_TEST(splitting)
{
    static const char *const parts[] = {"a", "", "b", ""};
    struct span rest = span_of("a,,b,"), part;
    for (size_t i = 0; i < 4; i++) {
        ck_assert(span_split(&rest, ',', &part));
        ck_assert(span_is(part, parts[i]));
    }
    ck_assert(!span_split(&rest, ',', &part));
    rest = span_of("");
    ck_assert(span_split(&rest, ',', &part) && part.len == 0);
    ck_assert(!span_split(&rest, ',', &part));
    rest = span_of(NULL);
    ck_assert(!span_split(&rest, ',', &part));
}
END_TEST

START_TEST(copying)
{
    char *copy = span_dup(span_make("abcd", 2));
    ck_assert_str_eq(copy, "ab");
    free(copy);
}
END_TEST

UNIT_MAIN("span", comparing, trimming, splitting, copying)
