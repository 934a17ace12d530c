/* SPDX-License-Identifier: MIT */
/* Fuzzing of a request's arguments: what was parsed and formatted parses to the same again. */
#include "common/kv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kv first = KV_ZERO, second = KV_ZERO;
    struct buf one = BUF_ZERO, two = BUF_ZERO;
    kv_parse(&first, span_make((const char *)data, size));
    kv_format(&first, &one);
    kv_parse(&second, buf_as_span(&one));
    kv_format(&second, &two);
    if (!span_eq(buf_as_span(&one), buf_as_span(&two)))
        abort();
    kv_fini(&first);
    kv_fini(&second);
    buf_fini(&one);
    buf_fini(&two);
    return 0;
}
