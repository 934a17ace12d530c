/* SPDX-License-Identifier: MIT */
/* Pieces of JSON that all documents are made of. */
#include "report/report_json.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/urlenc.h"

#include <stdlib.h>

static void append_readable(struct buf *out, struct span bytes)
{
    for (size_t i = 0; bytes.ptr && i < bytes.len; i++) {
        char c = bytes.ptr[i];
        buf_char(out, (unsigned char)c < 0x80 ? c : '?');
    }
}

void report_json_bytes(json_t *obj, const char *name, struct span bytes)
{
    json_t *value = json_stringn(bytes.ptr ? bytes.ptr : "", bytes.len);
    if (value) {
        json_object_set_new(obj, name, value);
        return;
    }
    struct buf text = BUF_ZERO;
    append_readable(&text, bytes);
    json_object_set_new(obj, name, json_stringn(buf_cstr(&text), text.len));
    buf_reset(&text);
    urlenc_hex(&text, bytes.ptr, bytes.len);
    char *hex_name = mem_printf("%s_hex", name);
    json_object_set_new(obj, hex_name, json_string(buf_cstr(&text)));
    free(hex_name);
    buf_fini(&text);
}

void report_json_str(json_t *obj, const char *name, const char *value)
{
    if (value)
        report_json_bytes(obj, name, span_of(value));
    else
        json_object_set_new(obj, name, json_null());
}

void report_json_set(json_t *obj, const char *name, json_t *value)
{
    (void)json_object_set_new_nocheck(obj, name, value);
}

void report_json_u64(json_t *obj, const char *name, uint64_t value)
{
    report_json_set(obj, name, json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX));
}

json_t *report_json_pairs(const struct kv *pairs)
{
    json_t *o = json_object();
    for (size_t i = 0; i < pairs->n; i++) {
        const char *name = pairs->items[i].name.ptr;
        uint64_t n;
        if (num_parse_u64(pairs->items[i].value, 0, INT64_MAX, &n) == MOG_OK)
            json_object_set_new(o, name, json_integer((json_int_t)n));
        else
            report_json_bytes(o, name, pairs->items[i].value);
    }
    return o;
}
