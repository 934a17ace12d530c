/* SPDX-License-Identifier: MIT */
/* The usage file of a storage node's device. */
#include "tools/usage.h"

#include <stddef.h>

#include "common/num.h"

enum field { AVAILABLE, DEVICE, DISK, TOTAL, USED, N_FIELDS };

static const char *const names[N_FIELDS] = {"available", "device", "disk", "total", "used"};

bool usage_parse(struct usage *u, struct span text, const char **missing)
{
    struct span values[N_FIELDS] = {{NULL, 0}}, rest = text, line, name;
    bool any = false;
    *missing = NULL;
    while (span_split(&rest, '\n', &line)) {
        struct span value = line;
        if (!span_split(&value, ':', &name) || !value.ptr)
            continue;
        any = true;
        for (int i = 0; i < N_FIELDS; i++) {
            if (span_is(span_trim(name), names[i]))
                values[i] = span_trim(value);
        }
    }
    if (!any)
        return false;
    for (int i = AVAILABLE; i <= DISK; i++) {
        if (values[i].len == 0) {
            *missing = names[i];
            return false;
        }
    }
    *u = (struct usage){.total_kib = 0};
    if (num_parse_double(values[AVAILABLE], &u->available_kib) != MOG_OK)
        u->available_kib = 0;
    if (num_parse_double(values[TOTAL], &u->total_kib) != MOG_OK)
        u->total_kib = 0;
    if (num_parse_double(values[USED], &u->used_kib) != MOG_OK)
        u->used_kib = 0;
    return true;
}

double usage_percent(double available_kib, double total_kib)
{
    return total_kib > 0 ? 100 - available_kib / total_kib * 100 : 0;
}
