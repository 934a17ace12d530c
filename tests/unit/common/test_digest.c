/* SPDX-License-Identifier: MIT */
/* Tests of digests and their names. */
#include "common/digest.h"

#include "common/urlenc.h"
#include "unit.h"

START_TEST(names)
{
    ck_assert_str_eq(digest_name(DIGEST_MD5), "MD5");
    ck_assert_str_eq(digest_name(DIGEST_SHA1), "SHA-1");
    ck_assert_ptr_null(digest_name(DIGEST_NONE));
    ck_assert_ptr_null(digest_name((enum digest_type)77));
    ck_assert_uint_eq(digest_size(DIGEST_MD5), 16);
    ck_assert_uint_eq(digest_size(DIGEST_SHA1), 20);
    ck_assert_uint_eq(digest_size((enum digest_type)77), 0);
    for (int t = DIGEST_MD5; t <= DIGEST_SHA512; t++)
        ck_assert_int_eq(digest_by_name(span_of(digest_name((enum digest_type)t))), t);
    static const char *const none[] = {"", "md5", "MD5 ", "SHA1", "NONE", "SHA-", "MD"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        ck_assert_int_eq(digest_by_name(span_of(none[i])), DIGEST_NONE);
}
END_TEST

static void check_digest(enum digest_type t, const char *data, size_t len, const char *hex)
{
    struct digest *d = digest_new(t);
    uint8_t out[DIGEST_MAX_BYTES];
    for (int round = 0; round < 2; round++) { /* it can be used again */
        for (size_t i = 0; i < len; i++)
            digest_update(d, data + i, 1);
        digest_final(d, out);
        struct buf b = BUF_ZERO;
        urlenc_hex(&b, out, digest_size(t));
        ck_assert_str_eq(buf_cstr(&b), hex);
        buf_fini(&b);
    }
    digest_free(d);
}

START_TEST(values)
{
    check_digest(DIGEST_MD5, "", 0, "d41d8cd98f00b204e9800998ecf8427e");
    check_digest(DIGEST_MD5, "abc", 3, "900150983cd24fb0d6963f7d28e17f72");
    check_digest(DIGEST_SHA1, "abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    check_digest(DIGEST_SHA256, "abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_ptr_null(digest_new(DIGEST_NONE));
    digest_free(NULL);
}
END_TEST

UNIT_MAIN("digest", names, values)
