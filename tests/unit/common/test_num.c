/* SPDX-License-Identifier: MIT */
/* Tests of numbers from text. */
#include "common/num.h"

#include "unit.h"

#include <inttypes.h>
#include <stdio.h>

static enum mog_err u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    return num_parse_u64(span_of(text), min, max, out);
}

static enum mog_err i64(const char *text, int64_t *out)
{
    return num_parse_i64(span_of(text), INT64_MIN, INT64_MAX, out);
}

START_TEST(unsigned_numbers)
{
    uint64_t n = 7;
    ck_assert_int_eq(u64("0", 0, UINT64_MAX, &n), MOG_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(u64("007", 0, UINT64_MAX, &n), MOG_OK);
    ck_assert_uint_eq(n, 7);
    ck_assert_int_eq(u64("18446744073709551615", 0, UINT64_MAX, &n), MOG_OK);
    ck_assert_uint_eq(n, UINT64_MAX);
    n = 42;
    ck_assert_int_eq(u64("18446744073709551616", 0, UINT64_MAX, &n), MOG_ERANGE);
    ck_assert_int_eq(u64("99999999999999999999999999", 0, UINT64_MAX, &n), MOG_ERANGE);
    ck_assert_int_eq(u64("4", 5, 9, &n), MOG_ERANGE);
    ck_assert_int_eq(u64("10", 5, 9, &n), MOG_ERANGE);
    static const char *const bad[] = {"", " 1", "1 ", "-1", "+1", "1x", "0x10", "1.0", "99999999999999999999x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(u64(bad[i], 0, UINT64_MAX, &n) == MOG_ESYNTAX, "'%s'", bad[i]);
    ck_assert_uint_eq(n, 42);
    ck_assert_int_eq(num_parse_u64(span_make(NULL, 0), 0, 1, &n), MOG_ESYNTAX);
    ck_assert_int_eq(num_parse_u64(span_make("123456", 3), 0, 999, &n), MOG_OK);
    ck_assert_uint_eq(n, 123);
}
END_TEST

START_TEST(signed_numbers)
{
    int64_t n = 0;
    ck_assert_int_eq(i64("-9223372036854775808", &n), MOG_OK);
    ck_assert(n == INT64_MIN);
    ck_assert_int_eq(i64("9223372036854775807", &n), MOG_OK);
    ck_assert(n == INT64_MAX);
    ck_assert_int_eq(i64("-9223372036854775809", &n), MOG_ERANGE);
    ck_assert_int_eq(i64("9223372036854775808", &n), MOG_ERANGE);
    ck_assert_int_eq(i64("-", &n), MOG_ESYNTAX);
    ck_assert_int_eq(i64("--1", &n), MOG_ESYNTAX);
    ck_assert_int_eq(i64("-0", &n), MOG_OK);
    ck_assert(n == 0);
}
END_TEST

START_TEST(fractions)
{
    double d = 0;
    ck_assert_int_eq(num_parse_double(span_of("12.50"), &d), MOG_OK);
    ck_assert(d > 12.49 && d < 12.51);
    ck_assert_int_eq(num_parse_double(span_of("-1e3"), &d), MOG_OK);
    ck_assert(d > -1000.1 && d < -999.9);
    static const char *const bad[] = {"", " 1", "1 ", "nan", "inf", "0x1p3", "-", ".", "1.2.3", "e5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(num_parse_double(span_of(bad[i]), &d) == MOG_ESYNTAX, "'%s'", bad[i]);
    ck_assert_int_eq(num_parse_double(span_of("1e999"), &d), MOG_ERANGE);
    char digits[100];
    for (size_t i = 0; i < sizeof(digits); i++)
        digits[i] = '1';
    ck_assert_int_eq(num_parse_double(span_make(digits, sizeof(digits)), &d), MOG_ETOOLONG);
}
END_TEST

START_TEST(as_perl_reads_them)
{
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"2x", 2},
        {"abc", 0},
        {"", 0},
        {"  12 apples", 12},
        {"-5", -5},
        {"+5", 5},
        {"007", 7},
        {"1.9", 1},
        {"- 5", 0},
        {"\t\n3", 3},
        {"99999999999999999999", INT64_MAX},
        {"-99999999999999999999", INT64_MIN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(num_perl_int(span_of(rows[i].text)) == rows[i].value, "'%s'", rows[i].text);
    ck_assert(!num_perl_true(span_of("")));
    ck_assert(!num_perl_true(span_of("0")));
    ck_assert(num_perl_true(span_of("00")));
    ck_assert(num_perl_true(span_of("0.0")));
    ck_assert(num_perl_true(span_of(" ")));
    ck_assert(num_perl_true(span_make("\0", 1)));
}
END_TEST

START_TEST(sums_and_products)
{
    uint64_t n = 0;
    ck_assert(num_mul_u64(UINT64_MAX / 2, 2, &n) && n == UINT64_MAX - 1);
    ck_assert(!num_mul_u64(UINT64_MAX / 2 + 1, 2, &n));
}
END_TEST

START_TEST(digits)
{
    static const struct {
        uint64_t v;
        const char *text;
    } rows[] = {{0, "0"}, {9, "9"}, {10, "10"}, {1234567890, "1234567890"}, {UINT64_MAX, "18446744073709551615"}};
    char room[NUM_DIGITS_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(span_is(num_digits(rows[i].v, room), rows[i].text), "%s", rows[i].text);
    for (uint64_t i = 0; i < 100 * 1000; i++) {
        char text[NUM_DIGITS_MAX + 1];
        uint64_t v = i < 20 * 1000 ? i : i * i * i * 18446744073ULL; /* of all lengths */
        struct span digits_of_v = num_digits(v, room);
        (void)snprintf(text, sizeof(text), "%" PRIu64, v);
        ck_assert_msg(span_is(digits_of_v, text), "%s", text);
        ck_assert_ptr_eq(digits_of_v.ptr + digits_of_v.len, room + NUM_DIGITS_MAX);
    }
    uint64_t power = 1;
    for (size_t n = 1; n <= NUM_DIGITS_MAX; n++, power *= 10) {
        ck_assert_uint_eq(num_digits(power, room).len, n);
        ck_assert_uint_eq(num_digits(power - 1, room).len, n == 1 ? 1 : n - 1);
    }
}
END_TEST

UNIT_MAIN("num", unsigned_numbers, signed_numbers, fractions, as_perl_reads_them, sums_and_products, digits)
