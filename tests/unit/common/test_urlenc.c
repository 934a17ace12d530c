/* SPDX-License-Identifier: MIT */
/* Tests of the tracker's URL coding, and of hexadecimal. */
#include "common/urlenc.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void encodes(const char *in, const char *out)
{
    struct buf b = BUF_ZERO;
    urlenc_encode(&b, span_of(in));
    ck_assert_str_eq(buf_cstr(&b), out);
    buf_fini(&b);
}

static void decodes(const char *in, const char *out)
{
    struct buf b = BUF_ZERO;
    urlenc_decode(&b, span_of(in));
    ck_assert_str_eq(buf_cstr(&b), out);
    char *copy = strdup(in);
    size_t len = urlenc_decode_inplace(copy, strlen(copy));
    ck_assert(span_is(span_make(copy, len), out));
    free(copy);
    buf_fini(&b);
}

START_TEST(encoding)
{
    encodes("", "");
    encodes("AZaz09_,-./\\:", "AZaz09_,-./\\:");
    encodes("MultipleHosts(3)", "MultipleHosts%283%29");
    encodes("a b/&", "a+b/%26");
    encodes("per%cent", "per%25cent");
    encodes("=+~';@!*", "%3D%2B%7E%27%3B%40%21%2A");
    encodes("\xc3\xa9\r\n\x7f", "%C3%A9%0D%0A%7F");
}
END_TEST

START_TEST(decoding)
{
    decodes("", "");
    decodes("a+b%20c", "a b c");
    decodes("%2B%2b%41", "++A");
    decodes("100%", "100%");
    decodes("%4", "%4");
    decodes("%zz%4g%%41", "%zz%4g%A");
    decodes("%", "%");
    decodes("%C3%a9", "\xc3\xa9");
}
END_TEST

START_TEST(every_byte)
{
    char all[256];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    struct buf encoded = BUF_ZERO, back = BUF_ZERO;
    urlenc_encode(&encoded, span_make(all, sizeof(all)));
    for (size_t i = 0; i < encoded.len; i++)
        ck_assert(encoded.data[i] > ' ' && encoded.data[i] < 0x7f);
    urlenc_decode(&back, buf_as_span(&encoded));
    ck_assert(span_eq(buf_as_span(&back), span_make(all, sizeof(all))));
    buf_fini(&encoded);
    buf_fini(&back);
}
END_TEST

/* What is encoded stands at each place of a text, and has more or fewer plain bytes around it. */
START_TEST(every_place)
{
    for (size_t len = 1; len <= 13; len++) {
        for (size_t at = 0; at < len; at++) {
            char in[16] = "abcdefghijklm", out[32];
            in[len] = '\0';
            (void)snprintf(out, sizeof(out), "%.*s%%26%s", (int)at, in, in + at + 1);
            in[at] = '&';
            encodes(in, out);
            decodes(out, in);
        }
    }
}
END_TEST

START_TEST(each_byte)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_,-./\\:";
    for (unsigned c = 0; c < 256; c++) {
        char in = (char)c, out[4];
        struct buf b = BUF_ZERO;
        if (c != 0 && strchr(plain, (int)c) != NULL)
            (void)snprintf(out, sizeof(out), "%c", (int)c);
        else
            (void)snprintf(out, sizeof(out), c == ' ' ? "+" : "%%%02X", c);
        urlenc_encode(&b, span_make(&in, 1));
        ck_assert_str_eq(buf_cstr(&b), out);
        buf_fini(&b);
    }
}
END_TEST

START_TEST(hexadecimal)
{
    struct buf b = BUF_ZERO;
    uint8_t out[3];
    urlenc_hex(&b, "\x00\xab\xff", 3);
    ck_assert_str_eq(buf_cstr(&b), "00abff");
    buf_fini(&b);
    ck_assert_int_eq(urlenc_unhex(span_of("00aBFf"), out, 3), MOG_OK);
    ck_assert(memcmp(out, "\x00\xab\xff", 3) == 0);
    ck_assert_int_eq(urlenc_unhex(span_of("00aBF"), out, 3), MOG_ESYNTAX);
    ck_assert_int_eq(urlenc_unhex(span_of("00aBFf0"), out, 3), MOG_ESYNTAX);
    ck_assert_int_eq(urlenc_unhex(span_of("00aBFg"), out, 3), MOG_ESYNTAX);
    ck_assert_int_eq(urlenc_unhex(span_of(""), out, 0), MOG_OK);
}
END_TEST

UNIT_MAIN("urlenc", encoding, decoding, every_byte, every_place, each_byte, hexadecimal)
