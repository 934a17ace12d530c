/* SPDX-License-Identifier: MIT */
/* Fuzzing of everything small that comes as text: numbers, coding, hexadecimal, addresses. */
#include "common/net.h"
#include "common/num.h"
#include "common/urlenc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_make((const char *)data, size);
    uint64_t u;
    int64_t i;
    double d;
    uint8_t bytes[16];
    char host[32];
    uint16_t port;
    if (num_parse_u64(s, 5, 500, &u) == MOG_OK && (u < 5 || u > 500))
        abort();
    if (num_parse_i64(s, -5, 500, &i) == MOG_OK && (i < -5 || i > 500))
        abort();
    (void)!num_parse_double(s, &d);
    (void)num_perl_int(s);
    (void)!urlenc_unhex(s, bytes, sizeof(bytes));
    struct buf encoded = BUF_ZERO, decoded = BUF_ZERO;
    urlenc_encode(&encoded, s);
    urlenc_decode(&decoded, buf_as_span(&encoded));
    if (!span_eq(buf_as_span(&decoded), s))
        abort();
    char *text = span_dup(s);
    if (net_split(text, 7001, host, sizeof(host), &port) == MOG_OK && strlen(host) >= sizeof(host))
        abort();
    free(text);
    buf_fini(&encoded);
    buf_fini(&decoded);
    return 0;
}
