/* SPDX-License-Identifier: MIT */
/* The head of an HTTP request: its first line and its headers. */
#include "mogstored/http_head.h"

#include <string.h>
#include <strings.h>

#include "common/num.h"
#include "common/span.h"

enum { METHOD_MAX = 32 };

/* Letters, digits and the marks that words of HTTP are made of. */
static const bool is_token[256] = {
    ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true, ['*'] = true, ['+'] = true,
    ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true, ['`'] = true, ['|'] = true,  ['~'] = true, ['0'] = true,
    ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true, ['5'] = true, ['6'] = true,  ['7'] = true, ['8'] = true,
    ['9'] = true, ['A'] = true, ['B'] = true, ['C'] = true, ['D'] = true, ['E'] = true,  ['F'] = true, ['G'] = true,
    ['H'] = true, ['I'] = true, ['J'] = true, ['K'] = true, ['L'] = true, ['M'] = true,  ['N'] = true, ['O'] = true,
    ['P'] = true, ['Q'] = true, ['R'] = true, ['S'] = true, ['T'] = true, ['U'] = true,  ['V'] = true, ['W'] = true,
    ['X'] = true, ['Y'] = true, ['Z'] = true, ['a'] = true, ['b'] = true, ['c'] = true,  ['d'] = true, ['e'] = true,
    ['f'] = true, ['g'] = true, ['h'] = true, ['i'] = true, ['j'] = true, ['k'] = true,  ['l'] = true, ['m'] = true,
    ['n'] = true, ['o'] = true, ['p'] = true, ['q'] = true, ['r'] = true, ['s'] = true,  ['t'] = true, ['u'] = true,
    ['v'] = true, ['w'] = true, ['x'] = true, ['y'] = true, ['z'] = true,
};

static size_t token_length(const char *in, size_t len)
{
    size_t n = 0;
    while (n < len && is_token[(unsigned char)in[n]])
        n++;
    return n;
}

size_t http_head_find(const char *in, size_t len, size_t *line)
{
    const char *lf;
    while ((lf = memchr(in + *line, '\n', len - *line))) {
        size_t at = *line, n = (size_t)(lf - in) - at;
        *line = at + n + 1;
        if (n == 0 || (n == 1 && in[at] == '\r'))
            return *line;
    }
    return 0;
}

bool http_head_is_hopeless(const char *in, size_t len)
{
    size_t n = token_length(in, len);
    return n > METHOD_MAX || (n < len && (n == 0 || in[n] != ' '));
}

/* Cut the next line off, without its end, and terminate it. */
static struct span next_line(char *in, size_t len, size_t *at)
{
    char *begin = in + *at, *lf = memchr(begin, '\n', len - *at);
    size_t n = lf ? (size_t)(lf - begin) : len - *at;
    *at += n + (lf != NULL);
    if (n > 0 && begin[n - 1] == '\r')
        n--;
    if (lf)
        begin[n] = '\0';
    return span_make(begin, n);
}

static int refuse(int status, const char *why, const char **refusal)
{
    *refusal = why;
    return status;
}

static int parse_first_line(struct span line, struct http_head *out, const char **refusal)
{
    char *at = (char *)line.ptr, *end = at + line.len;
    size_t n = token_length(at, line.len);
    if (n == 0 || n > METHOD_MAX || at[n] != ' ')
        return refuse(400, "bad request line", refusal);
    at[n] = '\0';
    out->method = at;
    at += n + 1;
    for (n = 0; at + n < end && at[n] != ' '; n++) {
        if (at[n] == '\0' || at[n] == '\r')
            return refuse(400, "bad request line", refusal);
    }
    if (n == 0 || at + n == end)
        return refuse(400, "bad request line", refusal);
    at[n] = '\0';
    out->target = at;
    out->target_len = n;
    at += n + 1;
    bool is_http = end - at == 8 && memcmp(at, "HTTP/", 5) == 0 && at[5] >= '0' && at[5] <= '9' && at[6] == '.' &&
                   at[7] >= '0' && at[7] <= '9';
    if (!is_http)
        return refuse(400, "bad request line", refusal);
    if (at[5] != '1')
        return refuse(505, "this is HTTP/1.1", refusal);
    out->is_1_0 = at[7] == '0';
    return 0;
}

/* Without the blanks around it, which are these two only: who takes others for blanks sees another header than others.
 */
static struct span without_blanks(struct span a)
{
    while (a.len > 0 && (a.ptr[0] == ' ' || a.ptr[0] == '\t')) {
        a.ptr++;
        a.len--;
    }
    while (a.len > 0 && (a.ptr[a.len - 1] == ' ' || a.ptr[a.len - 1] == '\t'))
        a.len--;
    return a;
}

/* HTTP_FIELDS: none of them. */
static enum http_field find_field(struct span name)
{
    static const struct span names[HTTP_FIELDS] = {
        [FIELD_CONNECTION] = {"Connection", 10},
        [FIELD_CONTENT_LENGTH] = {"Content-Length", 14},
        [FIELD_CONTENT_MD5] = {"Content-MD5", 11},
        [FIELD_CONTENT_RANGE] = {"Content-Range", 13},
        [FIELD_EXPECT] = {"Expect", 6},
        [FIELD_IF_MODIFIED_SINCE] = {"If-Modified-Since", 17},
        [FIELD_IF_RANGE] = {"If-Range", 8},
        [FIELD_RANGE] = {"Range", 5},
        [FIELD_TRAILER] = {"Trailer", 7},
        [FIELD_TRANSFER_ENCODING] = {"Transfer-Encoding", 17},
    };
    size_t i = 0;
    while (i < HTTP_FIELDS && (name.len != names[i].len || strncasecmp(name.ptr, names[i].ptr, name.len) != 0))
        i++;
    return (enum http_field)i;
}

/* What all Connection headers together say. */
struct wishes {
    bool close, keep_alive;
};

static void look_at_connection(struct span value, struct wishes *w)
{
    struct span token;
    while (span_split(&value, ',', &token)) {
        token = span_trim(token);
        w->close = w->close || span_is_nocase(token, "close");
        w->keep_alive = w->keep_alive || span_is_nocase(token, "keep-alive");
    }
}

static const char *bad_header(struct span line, struct http_head *out, struct wishes *w)
{
    /* Which of two that differ is meant? What is stored by the wrong one is lost. */
    static const char *const has_one_value[HTTP_FIELDS] = {
        [FIELD_CONTENT_LENGTH] = "more than one Content-Length",
        [FIELD_CONTENT_MD5] = "more than one Content-MD5",
        [FIELD_CONTENT_RANGE] = "more than one Content-Range",
    };
    size_t n = token_length(line.ptr, line.len);
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return "folded header";
    if (n == 0 || n == line.len || line.ptr[n] != ':')
        return "bad header name";
    struct span value = without_blanks(span_make(line.ptr + n + 1, line.len - n - 1));
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\0' || value.ptr[i] == '\r')
            return "bad header value";
    }
    enum http_field field = find_field(span_make(line.ptr, n));
    if (field == HTTP_FIELDS)
        return NULL;
    if (value.ptr + value.len < line.ptr + line.len)
        ((char *)value.ptr)[value.len] = '\0';
    const char **first = &out->fields[field];
    if (field == FIELD_CONNECTION)
        look_at_connection(value, w);
    if (has_one_value[field] && *first && !span_is(value, *first))
        return has_one_value[field];
    if (field == FIELD_TRANSFER_ENCODING && *first)
        return "more than one Transfer-Encoding";
    if (!*first)
        *first = value.ptr;
    return NULL;
}

/* How the body is framed. */
static int check_framing(struct http_head *out, const char **refusal)
{
    const char *length = out->fields[FIELD_CONTENT_LENGTH], *encoding = out->fields[FIELD_TRANSFER_ENCODING];
    const char *expect = out->fields[FIELD_EXPECT];
    if (length && encoding)
        return refuse(400, "Content-Length and Transfer-Encoding", refusal);
    if (length && num_parse_u64(span_of(length), 0, INT64_MAX, &out->length) != MOG_OK)
        return refuse(400, "bad Content-Length", refusal);
    if (encoding && strcasecmp(encoding, "chunked") != 0)
        return refuse(501, "unknown Transfer-Encoding", refusal);
    out->has_length = length != NULL;
    out->is_chunked = encoding != NULL;
    out->has_expect = expect && strcasecmp(expect, "100-continue") == 0;
    return 0;
}

int http_head_parse(char *in, size_t len, struct http_head *out, const char **refusal)
{
    size_t at = 0;
    struct wishes w = {0};
    *out = (struct http_head){0};
    int status = parse_first_line(next_line(in, len, &at), out, refusal);
    while (status == 0 && at < len) {
        struct span line = next_line(in, len, &at);
        if (line.len == 0)
            break;
        const char *why = bad_header(line, out, &w);
        if (why)
            status = refuse(400, why, refusal);
    }
    if (status == 0)
        status = check_framing(out, refusal);
    out->keeps_alive = status == 0 && !w.close && (!out->is_1_0 || w.keep_alive);
    return status;
}
