/* SPDX-License-Identifier: MIT */
/* Tests of the arguments of requests and answers. */
#include "common/kv.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

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
    again("0=1&00&a=0", "0=1&00=&a=0");
    again("0", "");
    again("&&&", "");
    again("=", "=");
    again("===&a=1", "=&a=1");
    again("a=b=c%41&d=1", "a=b&d=1");
}
END_TEST

/* A code that is cut off by the end of what it is in is none. */
START_TEST(parsing_codes)
{
    again("%41%3d=%3D%26", "A%3D=%3D%26");
    again("a=%4&b=%&c=%41", "a=%254&b=%25&c=A");
    again("%4=%4=1&%=%&%", "%254=%254&%25=%25%00");
    again("a=%", "a=%25");
    again("a=%4", "a=%254");
    again("a=%zz+%4g%20", "a=%25zz+%254g+");
    again("+=+&++", "+=+&++=");
    again("a=%3&=1", "a=%253&=1");
}
END_TEST

START_TEST(parsing_every_byte)
{
    for (unsigned c = 0; c < 256; c++) {
        char args[] = {'n', (char)c, '=', 'v', (char)c, '&', 'z', '=', '1'};
        struct kv k = KV_ZERO;
        kv_parse(&k, span_make(args, sizeof(args)));
        ck_assert_msg(kv_find(&k, "z") != NULL && span_is(*kv_find(&k, "z"), "1"), "byte %u", c);
        if (c != '&' && c != '=') {
            char name[] = {'n', c == '+' ? ' ' : (char)c}, value[] = {'v', name[1]};
            ck_assert_uint_eq(k.n, 2);
            ck_assert_msg(span_eq(k.items[0].name, span_make(name, 2)), "byte %u", c);
            ck_assert_msg(span_eq(k.items[0].value, span_make(value, 2)), "byte %u", c);
        }
        kv_fini(&k);
    }
}
END_TEST

START_TEST(parsed_texts_end)
{
    struct kv k = KV_ZERO;
    kv_parse(&k, span_of("a=1&%62=%63=d&e&f="));
    ck_assert_uint_eq(k.n, 4);
    for (size_t i = 0; i < k.n; i++) {
        ck_assert_uint_eq(strlen(k.items[i].name.ptr), k.items[i].name.len);
        ck_assert_uint_eq(strlen(k.items[i].value.ptr), k.items[i].value.len);
    }
    ck_assert_str_eq(kv_str(&k, "b", ""), "c");
    kv_fini(&k);
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
    kv_add(&k, "none", span_make(NULL, 0));
    kv_add_str(&k, "", "");
    kv_format(&k, &b);
    ck_assert_str_eq(buf_cstr(&b), "bytes=%00%FF&text=a+b&u=18446744073709551615&i=-1&none=&=");
    ck_assert_str_eq(kv_str(&k, "text", ""), "a b");
    kv_reset(&k);
    ck_assert_uint_eq(k.n, 0);
    ck_assert_ptr_null(kv_find(&k, "text"));
    buf_fini(&b);
    kv_fini(&k);
}
END_TEST

START_TEST(writing_at_once)
{
    struct buf b = BUF_ZERO;
    kv_put(&b, "bytes", span_make("\0\xff", 2));
    kv_put_str(&b, "text", "a b");
    kv_put_pair(&b, span_make("\0&", 2), span_of("a=b"));
    kv_put_u64(&b, "u", UINT64_MAX);
    kv_put_i64(&b, "i", INT64_MIN);
    kv_put(&b, "none", span_make(NULL, 0));
    buf_str(&b, "more");
    kv_put_nth(&b, "path", 12, span_of("p="));
    kv_put_nth(&b, "", 0, span_make(NULL, 0));
    kv_put_str(&b, "", "");
    ck_assert_str_eq(buf_cstr(&b),
                     "bytes=%00%FF&text=a+b&%00%26=a%3Db&u=18446744073709551615&i=-9223372036854775808&none=more"
                     "&path12=p%3D&0=&=");
    buf_fini(&b);
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
        for (unsigned i = 0; i < 50; i++) {
            char name[8];
            (void)snprintf(name, sizeof(name), "n%u", i);
            kv_add(&k, name, span_make(long_value.data, len / 50));
        }
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

/* Behind many others a part is the same as alone. */
START_TEST(repeated_names_among_many)
{
    enum { OTHERS = 40, PARTS = 30, ROUNDS = 500 };
    static const char *const parts[] = {"a=1", "a=0", "a", "b=%00", "b=x", "=", "a=0&a=0", "b", "c=1=2", "%61=y", "=z"};
    srand(1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct buf few = BUF_ZERO, behind = BUF_ZERO;
        struct kv k = KV_ZERO, l = KV_ZERO;
        for (unsigned i = 0; i < OTHERS; i++)
            buf_printf(&behind, "o%u=%u&", i, i);
        for (int i = rand() % PARTS; i >= 0; i--)
            buf_printf(&few, "%s&", parts[(size_t)rand() % (sizeof(parts) / sizeof(parts[0]))]);
        buf_span(&behind, buf_as_span(&few));
        kv_parse(&k, buf_as_span(&few));
        kv_parse(&l, buf_as_span(&behind));
        ck_assert_uint_eq(k.n + OTHERS, l.n);
        for (size_t i = 0; i < k.n; i++) {
            const struct kv_item *x = &k.items[i], *y = &l.items[OTHERS + i];
            ck_assert_msg(span_eq(x->name, y->name) && span_eq(x->value, y->value), "%s", buf_cstr(&few));
            ck_assert(y->name.ptr[y->name.len] == '\0' && y->value.ptr[y->value.len] == '\0');
        }
        buf_fini(&few);
        buf_fini(&behind);
        kv_fini(&k);
        kv_fini(&l);
    }
}
END_TEST

/* A megabyte, which a client may send, takes neither minutes nor all of the memory. */
START_TEST(hostile_lines)
{
    enum { LINE = 1024 * 1024 };
    static const struct {
        const char *names, *others; /* a number of its own behind each of these names; the same again and again */
    } shapes[] = {{"n", ""}, {"", "a=1&"}, {"", "a=1&b=2&"}, {"n", "a&b=3&"}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct buf line = BUF_ZERO;
        struct kv k = KV_ZERO;
        size_t n = 0;
        for (; line.len < LINE; n++) {
            if (shapes[i].names[0] != '\0')
                buf_printf(&line, "%s%zx=1&", shapes[i].names, n);
            buf_str(&line, shapes[i].others);
        }
        kv_parse(&k, buf_as_span(&line));
        size_t others = (strchr(shapes[i].others, 'a') != NULL) + (strchr(shapes[i].others, 'b') != NULL);
        ck_assert_uint_eq(k.n, others + (shapes[i].names[0] != '\0' ? n : 0));
        if (others != 0) /* n ones, and a NUL between each two of them */
            ck_assert_uint_eq(kv_find(&k, "b") != NULL ? kv_find(&k, "b")->len : kv_find(&k, "a")->len, 2 * n - 1);
        kv_reset(&k);
        ck_assert_uint_le(k.cap, 256);
        kv_fini(&k);
        buf_fini(&line);
    }
}
END_TEST

UNIT_MAIN("kv", parsing, parsing_codes, parsing_every_byte, parsed_texts_end, repeated_names, looking_up, building,
          writing_at_once, many, memory, repeated_names_among_many, hostile_lines)
