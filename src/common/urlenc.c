/* SPDX-License-Identifier: MIT */
/* The tracker's URL coding. */
#include "common/urlenc.h"

#include <stdbool.h>

static const char upper_digits[] = "0123456789ABCDEF";
static const char lower_digits[] = "0123456789abcdef";

/* What stands for itself: letters, digits and _,-./\: */
static const bool is_safe[256] = {
    ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true,  ['4'] = true, ['5'] = true, ['6'] = true, ['7'] = true,
    ['8'] = true, ['9'] = true, ['A'] = true, ['B'] = true,  ['C'] = true, ['D'] = true, ['E'] = true, ['F'] = true,
    ['G'] = true, ['H'] = true, ['I'] = true, ['J'] = true,  ['K'] = true, ['L'] = true, ['M'] = true, ['N'] = true,
    ['O'] = true, ['P'] = true, ['Q'] = true, ['R'] = true,  ['S'] = true, ['T'] = true, ['U'] = true, ['V'] = true,
    ['W'] = true, ['X'] = true, ['Y'] = true, ['Z'] = true,  ['a'] = true, ['b'] = true, ['c'] = true, ['d'] = true,
    ['e'] = true, ['f'] = true, ['g'] = true, ['h'] = true,  ['i'] = true, ['j'] = true, ['k'] = true, ['l'] = true,
    ['m'] = true, ['n'] = true, ['o'] = true, ['p'] = true,  ['q'] = true, ['r'] = true, ['s'] = true, ['t'] = true,
    ['u'] = true, ['v'] = true, ['w'] = true, ['x'] = true,  ['y'] = true, ['z'] = true, ['_'] = true, [','] = true,
    ['-'] = true, ['.'] = true, ['/'] = true, ['\\'] = true, [':'] = true};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Where the bytes from `at` on that stand for themselves end. Four at a time: most texts are nothing else. */
static const char *plain_end(const char *at, const char *end)
{
    const unsigned char *c = (const unsigned char *)at, *last = (const unsigned char *)end;
    while (last - c >= 4 && (is_safe[c[0]] & is_safe[c[1]] & is_safe[c[2]] & is_safe[c[3]]))
        c += 4;
    while (c < last && is_safe[*c])
        c++;
    return (const char *)c;
}

void urlenc_encode(struct buf *out, struct span s)
{
    if (s.len == 0)
        return; /* perhaps NULL */
    const char *at = s.ptr, *end = s.ptr + s.len;
    while (at < end) {
        const char *plain = plain_end(at, end);
        if (plain > at)
            buf_append(out, at, (size_t)(plain - at));
        if (plain == end)
            return;
        unsigned char c = (unsigned char)*plain;
        at = plain + 1;
        if (c == ' ') {
            buf_char(out, '+');
        } else {
            char code[3] = {'%', upper_digits[c >> 4], upper_digits[c & 15]};
            buf_append(out, code, sizeof(code));
        }
    }
}

size_t urlenc_decode_inplace(char *data, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%' && i + 2 < len) {
            int high = hex_value(data[i + 1]), low = hex_value(data[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high * 16 + low);
                i += 2;
            }
        }
        data[to++] = c;
    }
    return to;
}

void urlenc_decode(struct buf *out, struct span s)
{
    size_t at = out->len;
    buf_append(out, s.ptr, s.len);
    if (out->overflowed)
        return;
    buf_truncate(out, at + urlenc_decode_inplace(out->data + at, s.len));
}

void urlenc_hex(struct buf *out, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++) {
        char pair[2] = {lower_digits[bytes[i] >> 4], lower_digits[bytes[i] & 15]};
        buf_append(out, pair, sizeof(pair));
    }
}

enum mog_err urlenc_unhex(struct span s, uint8_t *out, size_t len)
{
    if (s.len != 2 * len)
        return MOG_ESYNTAX;
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(s.ptr[2 * i]), low = hex_value(s.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return MOG_ESYNTAX;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return MOG_OK;
}
