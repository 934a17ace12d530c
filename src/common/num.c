/* SPDX-License-Identifier: MIT */
/* Numbers from text. */
#include "common/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum mog_err num_parse_u64(struct span s, uint64_t min, uint64_t max, uint64_t *out)
{
    if (s.len == 0)
        return MOG_ESYNTAX;
    uint64_t v = 0;
    bool overflow = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return MOG_ESYNTAX;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            overflow = true;
    }
    if (overflow || v < min || v > max)
        return MOG_ERANGE;
    *out = v;
    return MOG_OK;
}

enum mog_err num_parse_i64(struct span s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = s.len != 0 && s.ptr[0] == '-';
    uint64_t v = 0;
    enum mog_err e = num_parse_u64(negative ? span_make(s.ptr + 1, s.len - 1) : s, 0, UINT64_MAX, &v);
    if (e != MOG_OK)
        return e;
    uint64_t bound = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (v > bound)
        return MOG_ERANGE;
    int64_t n = negative ? (int64_t)(0 - v) : (int64_t)v;
    if (n < min || n > max)
        return MOG_ERANGE;
    *out = n;
    return MOG_OK;
}

enum mog_err num_parse_double(struct span s, double *out)
{
    char text[64];
    if (s.len == 0)
        return MOG_ESYNTAX;
    if (s.len >= sizeof(text))
        return MOG_ETOOLONG;
    /* Only plain decimal notation: strtod alone would take "inf", "nan", hex and white space. */
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    if (strspn(text, "0123456789.+-eE") != s.len)
        return MOG_ESYNTAX;
    char *end = NULL;
    errno = 0;
    double v = strtod(text, &end);
    if (end != text + s.len)
        return MOG_ESYNTAX;
    if (errno == ERANGE)
        return MOG_ERANGE;
    *out = v;
    return MOG_OK;
}

int64_t num_perl_int(struct span s)
{
    size_t i = 0;
    while (i < s.len && (s.ptr[i] == ' ' || (s.ptr[i] >= '\t' && s.ptr[i] <= '\r')))
        i++;
    bool negative = i < s.len && s.ptr[i] == '-';
    if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+'))
        i++;
    int64_t v = 0;
    for (; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++) {
        if (__builtin_mul_overflow(v, (int64_t)10, &v) || __builtin_add_overflow(v, (int64_t)(s.ptr[i] - '0'), &v))
            return negative ? INT64_MIN : INT64_MAX;
    }
    return negative ? -v : v;
}

bool num_perl_true(struct span s)
{
    return s.len != 0 && !(s.len == 1 && s.ptr[0] == '0');
}

struct span num_digits(uint64_t v, char room[NUM_DIGITS_MAX])
{
    /* Two at a time: half the divisions. */
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    size_t at = NUM_DIGITS_MAX;
    for (; v >= 100; v /= 100)
        memcpy(room + (at -= 2), pairs + v % 100 * 2, 2);
    if (v >= 10)
        memcpy(room + (at -= 2), pairs + v * 2, 2);
    else
        room[--at] = (char)('0' + v);
    return span_make(room + at, NUM_DIGITS_MAX - at);
}
