/* SPDX-License-Identifier: MIT */
/* Descriptions of big files: what is accepted is written and read back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bigfile.h"
#include "tools/toolopt.h"
#include "tools/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_make((const char *)data, size);
    struct bigfile a, b;
    struct buf out = BUF_ZERO;
    struct mog_fail f;
    bigfile_init(&a);
    bigfile_init(&b);
    if (bigfile_parse(&a, text, &f) == MOG_OK) {
        bigfile_format(&a, &out);
        if (bigfile_parse(&b, buf_as_span(&out), &f) != MOG_OK || a.size != b.size || a.n_parts != b.n_parts)
            abort();
    }
    bigfile_fini(&a);
    bigfile_fini(&b);
    buf_fini(&out);

    struct usage u;
    const char *missing;
    (void)usage_parse(&u, text, &missing);
    struct toolopt o = TOOLOPT_ZERO;
    toolopt_read_text(&o, text.ptr, text.len, TOOLOPT_HASH_AFTER_BLANK);
    toolopt_fini(&o);
    return 0;
}
