/* SPDX-License-Identifier: MIT */
/* Fuzzing of request targets: what is accepted stays below its device, and means the same when it is parsed again. */
#include "mogstored/dpath.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dpath *path)
{
    char text[DPATH_MAX + 32];
    struct dpath again;
    if (strstr(path->below, "//") || path->below[0] == '/' || strstr(path->below, "/../") ||
        strstr(path->below, "/./") || strcmp(path->below, "..") == 0 || strncmp(path->below, "../", 3) == 0 ||
        strlen(path->below) > DPATH_MAX)
        abort();
    if (path->kind == DPATH_STAR || path->kind == DPATH_ROOT)
        return;
    if (path->devid > DPATH_DEVID_MAX || (path->kind == DPATH_DEVICE) != (path->below[0] == '\0'))
        abort();
    snprintf(text, sizeof text, "/dev%u%s%s", path->devid, path->below[0] ? "/" : "", path->below);
    if (dpath_parse(span_of(text), &again) != MOG_OK || again.devid != path->devid || again.kind != path->kind ||
        strcmp(again.below, path->below) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dpath path;
    if (dpath_parse(span_make((const char *)data, size), &path) == MOG_OK)
        check(&path);
    return 0;
}
