/* SPDX-License-Identifier: MIT */
/* Answer lines of trackers. */
#include <stddef.h>
#include <stdint.h>

#include "tools/client.h"
#include "tools/fetch.h"
#include "tools/kvindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_answer a = CLIENT_ANSWER_ZERO;
    struct mog_fail f;
    if (client_answer_parse(&a, span_make((const char *)data, size), &f) == MOG_OK) {
        struct kvindex x;
        struct opt_list paths = {NULL, 0, 0};
        kvindex_init(&x, &a.args);
        (void)kvindex_find(&x, "key_%d", 1);
        fetch_paths_of(&a.args, &paths);
        opt_list_fini(&paths);
        kvindex_fini(&x);
    }
    client_answer_fini(&a);
    return 0;
}
