/* SPDX-License-Identifier: MIT */
/* Tests of the description of big files, of sizes, and of compression. */
#include "tools/bigfile.h"

#include <check.h>
#include <string.h>

#include "tools/flate.h"

START_TEST(description_goes_both_ways)
{
    struct bigfile a, b;
    struct buf text = BUF_ZERO, again = BUF_ZERO;
    struct mog_fail f;
    bigfile_init(&a);
    bigfile_init(&b);
    a.compressed = true;
    a.chunks = 2;
    a.size = 15;
    struct bigfile_part *p = bigfile_add(&a, 1, 10, "0123456789abcdef0123456789abcdef");
    opt_list_add(&p->paths, "http://a/1");
    opt_list_add(&p->paths, "http://b/1");
    p = bigfile_add(&a, 2, 5, "fedcba9876543210fedcba9876543210");
    opt_list_add(&p->paths, "http://a/2");
    bigfile_format(&a, &text);
    ck_assert_str_eq(buf_cstr(&text),
                     "des no description\ntype file\ncompressed 1\nfilename \nchunks 2\nsize 15\n\n"
                     "part 1 bytes=10 md5=0123456789abcdef0123456789abcdef paths: http://a/1, http://b/1\n"
                     "part 2 bytes=5 md5=fedcba9876543210fedcba9876543210 paths: http://a/2\n");
    ck_assert_msg(bigfile_parse(&b, buf_as_span(&text), &f) == MOG_OK, "%s", f.text);
    bigfile_format(&b, &again);
    ck_assert_str_eq(buf_cstr(&text), buf_cstr(&again));
    ck_assert_str_eq(b.parts[0].paths.items[1], "http://b/1");
    buf_fini(&text);
    buf_fini(&again);
    bigfile_fini(&a);
    bigfile_fini(&b);
}
END_TEST

START_TEST(bad_descriptions_are_refused)
{
    static const char *const texts[] = {
        "",
        "some file\nof text\n",
        "chunks 1\nsize 5\n",
        "chunks 1\nsize 5\npart 2 bytes=5 md5=x paths: http://a\n",
        "chunks 1\nsize 6\npart 1 bytes=5 md5=x paths: http://a\n",
        "chunks 2\nsize 10\npart 1 bytes=5 md5=x paths: http://a\npart 1 bytes=5 md5=x paths: http://a\n",
        "chunks 1\nsize 5\npart 1 bytes=5 md5=x\n",
        "chunks 1\nsize 5\npart 1 bytes=-5 md5=x paths: http://a\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bigfile b;
        struct mog_fail f;
        bigfile_init(&b);
        ck_assert_msg(bigfile_parse(&b, span_of(texts[i]), &f) == MOG_ESYNTAX, "text %zu", i);
        bigfile_fini(&b);
    }
}
END_TEST

START_TEST(chunk_sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes; /* 0: refused */
    } rows[] = {
        {"64", 64 << 20},
        {"64M", 64 << 20},
        {"5g", 0},
        {"4G", UINT64_C(4) << 30},
        {"100k", 100 << 10},
        {"7B", 7},
        {"0", 0},
        {"", 0},
        {"M", 0},
        {"-1", 0},
        {"5x", 0},
        {"1.5M", 0},
        {"1G", 1 << 30},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t bytes = 0;
        ck_assert_msg((bigfile_chunksize(rows[i].text, &bytes) == MOG_OK) == (rows[i].bytes != 0), "%s", rows[i].text);
        ck_assert_uint_eq(bytes, rows[i].bytes);
    }
}
END_TEST

START_TEST(keys)
{
    ck_assert(bigfile_key_is_valid("a/b"));
    ck_assert(!bigfile_key_is_valid(""));
    ck_assert(!bigfile_key_is_valid("a b"));
    ck_assert(!bigfile_key_is_valid("a,b"));
    ck_assert(!bigfile_key_is_valid("a\tb"));
}
END_TEST

static enum mog_err pass(struct flate *z, const struct buf *in, size_t step, struct buf *out)
{
    struct mog_fail f;
    enum mog_err e = MOG_OK;
    for (size_t at = 0; at < in->len && e == MOG_OK; at += step)
        e = flate_add(z, in->data + at, in->len - at < step ? in->len - at : step, false, out, &f);
    if (e == MOG_OK)
        e = flate_add(z, "", 0, true, out, &f);
    flate_free(z);
    return e;
}

START_TEST(compression_goes_both_ways)
{
    static const size_t steps[] = {1, 777, 1 << 20};
    struct buf plain = BUF_ZERO, packed = BUF_ZERO, back = BUF_ZERO;
    for (int i = 0; i < 20000; i++)
        buf_printf(&plain, "line %d\n", i * i);
    for (size_t i = 0; i < 3; i++) {
        buf_reset(&packed);
        ck_assert_int_eq(pass(flate_new_deflate(), &plain, steps[2 - i] < 777 ? 777 : steps[2 - i], &packed), MOG_OK);
        ck_assert(flate_is_gzip(packed.data, packed.len) && packed.len < plain.len / 2);
        /* two members, one behind the other, are one file */
        size_t one = packed.len;
        char *copy = buf_reserve(&packed, one);
        memcpy(copy, packed.data, one);
        buf_commit(&packed, one);
        buf_reset(&back);
        ck_assert_int_eq(pass(flate_new_inflate(), &packed, steps[i], &back), MOG_OK);
        ck_assert_uint_eq(back.len, 2 * plain.len);
        ck_assert(memcmp(back.data, plain.data, plain.len) == 0);
    }
    buf_truncate(&packed, packed.len - 5);
    ck_assert_int_eq(pass(flate_new_inflate(), &packed, 1000, &back), MOG_ESYNTAX);
    packed.data[100] ^= 0x55;
    ck_assert_int_eq(pass(flate_new_inflate(), &packed, 1000, &back), MOG_ESYNTAX);
    ck_assert(flate_is_zlib("\x78\x9c", 2) && !flate_is_zlib("\x1f\x8b", 2) && !flate_is_zlib("x", 1));
    buf_fini(&plain);
    buf_fini(&packed);
    buf_fini(&back);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bigfile");
    TCase *tc = tcase_create("bigfile");
    tcase_add_test(tc, description_goes_both_ways);
    tcase_add_test(tc, bad_descriptions_are_refused);
    tcase_add_test(tc, chunk_sizes);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, compression_goes_both_ways);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
