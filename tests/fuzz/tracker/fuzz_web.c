/* SPDX-License-Identifier: MIT */
/* Targets of HTTP requests, heads of storage nodes' answers, names of hosts: whatever comes, nothing breaks. */
#include "tracker/web/web_origin.h"
#include "tracker/web/web_priv.h"
#include "tracker/web/web_target.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_make((const char *)data, size);
    struct buf domain = BUF_ZERO, key = BUF_ZERO;
    struct web_origin_head head;
    struct opt_list none = {0};
    char *copy = span_dup(text);
    if (web_target_parse(text, &domain, &key) == MOG_OK && (domain.len == 0 || domain.len + key.len > size))
        abort();
    (void)web_target_type(buf_as_span(&key));
    buf_reset(&key);
    if (web_target_query(text, "key", &key) == MOG_OK && key.len > size)
        abort();
    if (web_origin_parse(text, &head) == MOG_OK && strpbrk(head.last_modified, "\r\n") != NULL)
        abort();
    (void)web_target_matches(copy, "\"1\"");
    (void)web_host_is_allowed(copy, "host.example", &none);
    free(copy);
    buf_fini(&domain);
    buf_fini(&key);
    return 0;
}
