/* SPDX-License-Identifier: MIT */
/* Tests of the arguments of requests and answers. */
#include "common/kv.h"

#include "unit.h"

#include <stdio.h>

/* What `in` looks like when parsed and formatted again. */
static void again(const char *in, const char *out)
{
    struct kv k = KV_ZERO;
    struct buf b = BUF_ZERO;
    kv_parse(&k, span_of(in));
    kv_format(&k, &b);
    ck_assert_str_eq(buf_cstr(&b), out);
    buf_fini(&b);
    kv_fini(&k);
}

START_TEST(parsing)
{
    again("", "");
    again("a=1&b=2", "a=1&b=2");
    again("&a=1&&b=2&", "a=1&b=2");
    again("0&a=1&0", "a=1");
    again("a", "a=");
    again("a=", "a=");
    again("=b", "=b");
    again("a=b=c", "a=b");
    again("a==b", "a=");
    again("a+b=c+d&%3D=%26", "a+b=c+d&%3D=%26");
    again(" a=1 & b=2", "+a=1+&+b=2");
    again("A=1&a=2", "A=1&a=2");
}
END_TEST

START_TEST(repeated_names)
{
    again("a=1&a=2", "a=1%002");
    again("a=1&b=x&a=2&a=3", "a=1%002%003&b=x");
    again("a=0&a=5", "a=05");
    again("a=&a=5", "a=5");
    again("a&a", "a=");
}
END_TEST

START_TEST(looking_up)
{
    struct kv k = KV_ZERO;
    kv_parse(&k, span_of("n=12&bad=1x&empty=&nul=a%00b"));
    ck_assert_uint_eq(kv_u64(&k, "n", 7), 12);
    ck_assert_uint_eq(kv_u64(&k, "bad", 7), 7);
    ck_assert_uint_eq(kv_u64(&k, "absent", 7), 7);
    ck_assert_str_eq(kv_str(&k, "n", "x"), "12");
    ck_assert_str_eq(kv_str(&k, "empty", "x"), "");
    ck_assert_str_eq(kv_str(&k, "absent", "x"), "x");
    ck_assert_ptr_null(kv_find(&k, "N"));
    ck_assert(span_eq(*kv_find(&k, "nul"), span_make("a\0b", 3)));
    kv_fini(&k);
}
END_TEST

START_TEST(building)
{
    struct kv k = KV_ZERO;
    struct buf b = BUF_ZERO;
    kv_add(&k, "bytes", span_make("\0\xff", 2));
    kv_add_str(&k, "text", "a b");
    kv_add_u64(&k, "u", UINT64_MAX);
    kv_add_i64(&k, "i", -1);
    kv_addf(&k, "f", "%s/%d", "x", 3);
    kv_add(&k, "none", span_make(NULL, 0));
    kv_add_nth(&k, "path", 12, span_of("p"));
    kv_add_nth(&k, "", 0, span_make(NULL, 0));
    kv_format(&k, &b);
    ck_assert_str_eq(buf_cstr(&b), "bytes=%00%FF&text=a+b&u=18446744073709551615&i=-1&f=x/3&none=&path12=p&0=");
    ck_assert_str_eq(kv_str(&k, "path12", ""), "p");
    kv_reset(&k);
    ck_assert_uint_eq(k.n, 0);
    ck_assert_ptr_null(kv_find(&k, "text"));
    buf_fini(&b);
    kv_fini(&k);
}
END_TEST

START_TEST(many)
{
    struct kv k = KV_ZERO;
    char name[32];
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof(name), "key_%u", i);
        kv_add_u64(&k, name, i);
    }
    ck_assert_uint_eq(k.n, 5000);
    ck_assert_uint_eq(kv_u64(&k, "key_4999", 0), 4999);
    kv_fini(&k);
}
END_TEST

/* Spans stay where they are while more comes, and the memory that a reset keeps has nothing of before. */
START_TEST(memory)
{
    struct kv k = KV_ZERO;
    struct buf long_value = BUF_ZERO;
    for (size_t i = 0; i < 100 * 1000; i++)
        buf_char(&long_value, (char)('a' + i % 26));
    for (size_t len = 0; len <= long_value.len; len = len * 3 + 1) {
        kv_add(&k, "short", span_of("first"));
        const struct span *first = kv_find(&k, "short");
        const char *at = first->ptr;
        for (unsigned i = 0; i < 50; i++)
            kv_add_nth(&k, "n", i, span_make(long_value.data, len / 50));
        kv_add(&k, "long", span_make(long_value.data, len));
        ck_assert_ptr_eq(kv_find(&k, "short")->ptr, at);
        ck_assert_str_eq(at, "first");
        ck_assert(span_eq(*kv_find(&k, "long"), span_make(long_value.data, len)));
        ck_assert(span_eq(*kv_find(&k, "n49"), span_make(long_value.data, len / 50)));
        kv_reset(&k);
        ck_assert_ptr_null(kv_find(&k, "long"));
    }
    buf_fini(&long_value);
    kv_fini(&k);
}
END_TEST

UNIT_MAIN("kv", parsing, repeated_names, looking_up, building, many, memory)
