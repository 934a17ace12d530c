/* SPDX-License-Identifier: MIT */
/* A body in chunks, taken apart as it comes. */
#include "mogstored/http_chunked.h"

#include <string.h>

#include "common/span.h"

static int hex_value(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* The line with the size has ended. */
static enum chunked_event begin_chunk(struct chunked *c)
{
    c->is_last = c->left == 0;
    c->state = c->is_last ? CHUNKED_IN_TRAILER : CHUNKED_IN_DATA;
    c->has_digit = c->has_cr = false;
    c->ignored = 0;
    return CHUNKED_MORE;
}

static enum chunked_event take_size(struct chunked *c, char ch)
{
    int digit = c->has_cr ? -1 : hex_value(ch);
    if (digit >= 0) {
        c->has_digit = true;
        if (++c->ignored > CHUNKED_EXTENSION_MAX) /* zeros before the number */
            return CHUNKED_BAD;
        if (c->left > (INT64_MAX >> 4))
            return CHUNKED_TOO_LARGE;
        c->left = c->left << 4 | (uint64_t)digit;
        return CHUNKED_MORE;
    }
    if (!c->has_digit)
        return CHUNKED_BAD;
    if (ch == '\n')
        return begin_chunk(c);
    if (c->has_cr)
        return CHUNKED_BAD;
    if (ch == '\r')
        c->has_cr = true;
    else if (ch == ';' || ch == ' ' || ch == '\t')
        c->state = CHUNKED_IN_EXTENSION;
    else
        return CHUNKED_BAD;
    return CHUNKED_MORE;
}

static enum chunked_event take_extension(struct chunked *c, char ch)
{
    if (ch == '\n')
        return begin_chunk(c);
    /* A CR that ends nothing: others may take it for an end. */
    if (c->has_cr)
        return CHUNKED_BAD;
    if (ch == '\r')
        c->has_cr = true;
    return ++c->ignored > CHUNKED_EXTENSION_MAX ? CHUNKED_BAD : CHUNKED_MORE;
}

static enum chunked_event take_end_of_data(struct chunked *c, char ch)
{
    if (ch == '\r' && !c->has_cr) {
        c->has_cr = true;
        return CHUNKED_MORE;
    }
    c->has_cr = false;
    c->state = CHUNKED_IN_SIZE;
    c->ignored = 0;
    return ch == '\n' ? CHUNKED_MORE : CHUNKED_BAD;
}

static void look_at_trailer(struct chunked *c)
{
    struct span value = span_make(c->line, c->line_len), name;
    if (!span_split(&value, ':', &name) || !span_is_nocase(name, "Content-MD5") || c->has_md5)
        return;
    value = value.ptr ? span_trim(value) : span_make("", 0);
    c->has_md5 = true;
    memcpy(c->md5, value.ptr, value.len); /* shorter than the line */
    c->md5[value.len] = '\0';
}

static enum chunked_event take_trailer(struct chunked *c, char ch)
{
    if (++c->ignored > CHUNKED_TRAILER_MAX || ch == '\0')
        return CHUNKED_BAD;
    if (ch != '\n') {
        /* Longer ones are none that we know: they are cut, and do not look like one. */
        if (c->line_len < sizeof c->line)
            c->line[c->line_len++] = ch;
        return CHUNKED_MORE;
    }
    if (c->line_len > 0 && c->line[c->line_len - 1] == '\r')
        c->line_len--;
    if (c->line_len == 0)
        return CHUNKED_END;
    look_at_trailer(c);
    c->line_len = 0;
    return CHUNKED_MORE;
}

static enum chunked_event take(struct chunked *c, char ch)
{
    switch (c->state) {
    case CHUNKED_IN_SIZE:
        return take_size(c, ch);
    case CHUNKED_IN_EXTENSION:
        return take_extension(c, ch);
    case CHUNKED_AFTER_DATA:
        return take_end_of_data(c, ch);
    case CHUNKED_IN_TRAILER:
        return take_trailer(c, ch);
    case CHUNKED_IN_DATA:
        break;
    }
    return CHUNKED_BAD;
}

enum chunked_event chunked_next(struct chunked *c, const char *in, size_t len, size_t *used, size_t *n)
{
    enum chunked_event event = CHUNKED_MORE;
    *n = 0;
    for (*used = 0; *used < len && event == CHUNKED_MORE; (*used)++) {
        if (c->state == CHUNKED_IN_DATA) {
            *n = c->left < len - *used ? (size_t)c->left : len - *used;
            return CHUNKED_DATA;
        }
        event = take(c, in[*used]);
    }
    return event;
}

void chunked_took(struct chunked *c, size_t n)
{
    c->left -= n;
    if (c->left == 0)
        c->state = CHUNKED_AFTER_DATA;
}
