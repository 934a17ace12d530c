/* SPDX-License-Identifier: MIT */
/* Fuzzing of requests: their heads, and bodies in chunks, which must be the same however they are cut. */
#include "mogstored/http_chunked.h"
#include "mogstored/http_head.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, const char *begin, size_t len)
{
    if (text && *text != '\0' && (text < begin || text + strlen(text) > begin + len))
        abort();
}

/* Returns the length of the head, or 0 when there is none. */
static size_t check_head(const char *data, size_t size)
{
    size_t line = 0, len = http_head_find(data, size, &line), step_line = 0, step_len = 0;
    for (size_t n = 0; n <= size && step_len == 0; n++)
        step_len = http_head_find(data, n, &step_line);
    if (step_len != len || line > size)
        abort();
    (void)http_head_is_hopeless(data, size);
    if (len == 0)
        return 0;
    struct http_head head;
    const char *refusal = NULL;
    char *copy = mem_dup(data, len);
    int status = http_head_parse(copy, len, &head, &refusal);
    if ((status != 0) != (refusal != NULL) || (status != 0 && head.keeps_alive))
        abort();
    if (status == 0 &&
        (!head.method || !head.target || (head.is_chunked && head.has_length) || head.length > INT64_MAX))
        abort();
    check_text(head.method, copy, len);
    check_text(head.target, copy, len);
    for (size_t i = 0; i < HTTP_FIELDS; i++)
        check_text(head.fields[i], copy, len);
    free(copy);
    return len;
}

struct sum {
    enum chunked_event event;
    size_t used, body;
    uint64_t hash;
    bool has_md5;
};

static struct sum decode(const char *data, size_t size, size_t piece)
{
    struct chunked c = {0};
    struct sum s = {.event = CHUNKED_MORE};
    for (size_t at = 0; at < size && (s.event == CHUNKED_MORE || s.event == CHUNKED_DATA);) {
        size_t used, n, end = at - at % piece + piece;
        s.event = chunked_next(&c, data + at, (end < size ? end : size) - at, &used, &n);
        at += used;
        if (at > size || (s.event == CHUNKED_DATA && (n == 0 || n > size - at)))
            abort();
        if (s.event == CHUNKED_DATA) {
            for (size_t i = 0; i < n; i++)
                s.hash = s.hash * 31 + (uint8_t)data[at + i];
            s.body += n;
            at += n;
            chunked_took(&c, n);
        }
        s.used = at;
    }
    s.has_md5 = c.has_md5;
    if (c.has_md5 && strlen(c.md5) >= sizeof c.md5)
        abort();
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t head = check_head(text, size);
    struct sum whole = decode(text + head, size - head, size + 1);
    for (size_t piece = 1; piece <= 7; piece += 3) {
        struct sum parts = decode(text + head, size - head, piece);
        if (parts.event != whole.event || parts.used != whole.used || parts.hash != whole.hash ||
            parts.body != whole.body || parts.has_md5 != whole.has_md5)
            abort();
    }
    return 0;
}
