/* SPDX-License-Identifier: MIT */
/* Fuzzing of header values, and of the texts in /proc: results are within their bounds, and nothing crashes. */
#include "common/httpdate.h"
#include "mogstored/iostat.h"
#include "mogstored/md5field.h"
#include "mogstored/mount.h"
#include "common/netlist.h"
#include "common/range.h"
#include "mogstored/upload.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ranges(struct span value)
{
    static const uint64_t sizes[] = {0, 1, 666, INT64_MAX};
    struct range r;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (range_parse(value, sizes[i], &r) == RANGE_PART && (r.first > r.last || r.last >= sizes[i]))
            abort();
    }
    if (range_parse_content(value, &r) == MOG_OK && (r.first > r.last || r.last >= INT64_MAX))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span value = span_make((const char *)data, size);
    char *text = mem_strndup((const char *)data, size), source[MOUNT_SOURCE_SIZE];
    uint8_t digest[MD5FIELD_BYTES];
    int64_t when;
    struct netlist list = {0};
    struct mog_fail f;
    double per_cent;
    struct iostat *stat = iostat_new();
    check_ranges(value);
    (void)!httpdate_parse(value, &when);
    (void)!md5field_parse(value, digest);
    (void)!netlist_add_all(&list, text, &f);
    netlist_fini(&list);
    (void)upload_temp_is_abandoned(text);
    if (mount_parse_source(text, 2049, "/var/mogdata/dev1", source) && strstr(source, ": "))
        abort();
    iostat_feed(stat, text, 1000);
    iostat_feed(stat, text, 2000);
    if (iostat_find(stat, "sda", &per_cent) && (per_cent < 0 || per_cent > 100))
        abort();
    iostat_free(stat);
    free(text);
    return 0;
}
