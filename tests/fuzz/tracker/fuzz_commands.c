/* SPDX-License-Identifier: MIT */
/* Whole requests against the handlers, on a scratch SQLite database. Each line of the input is one request. */
#include "../../unit/tracker/harness.h"

#include "common/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool waits_for_long(const char *line, size_t len)
{
    struct span rest = span_trim(span_make(line, len));
    return rest.len >= 5 && (strncasecmp(rest.ptr, "sleep", 5) == 0 || strncasecmp(rest.ptr, "do_mo", 5) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h;
    static bool started;
    if (!started) {
        log_set_level(LOG_LEVEL_ERR);
        harness_start(&h);
        started = true;
    }
    struct span rest = span_make((const char *)data, size), line;
    for (size_t n = 0; n < 8 && span_split(&rest, '\n', &line); n++) {
        if (waits_for_long(line.ptr, line.len))
            continue;
        char *answer = harness_run(&h, line.ptr, line.len);
        size_t len = strlen(answer);
        bool ok = len > 4 && strcmp(answer + len - 2, "\r\n") == 0 &&
                  (strncmp(answer, "OK ", 3) == 0 || strncmp(answer, "ERR ", 4) == 0);
        free(answer);
        if (!ok)
            abort();
    }
    return 0;
}
