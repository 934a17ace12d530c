/* SPDX-License-Identifier: MIT */
/* What is mounted where: from a device number to the source of the mount and to the disk behind it. */
#include "mogstored/mount.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/num.h"
#include "common/span.h"

enum { MOUNTINFO_MAX = 4 << 20 };

/* One line: "36 35 98:0 /root /mnt/point rw,noatime shared:1 - ext4 /dev/root rw". */
struct entry {
    dev_t dev;
    struct span point, source;
};

static bool parse_dev(struct span text, dev_t *dev)
{
    struct span rest = text, major_text;
    uint64_t major_no, minor_no;
    if (!span_split(&rest, ':', &major_text) || num_parse_u64(major_text, 0, UINT32_MAX, &major_no) != MOG_OK ||
        num_parse_u64(rest, 0, UINT32_MAX, &minor_no) != MOG_OK)
        return false;
    *dev = makedev((unsigned)major_no, (unsigned)minor_no);
    return true;
}

static bool parse_line(struct span line, struct entry *out)
{
    struct span rest = line, field;
    size_t i = 0, after_dash = 0;
    *out = (struct entry){0};
    while (span_split(&rest, ' ', &field)) {
        if (i == 2 && !parse_dev(field, &out->dev))
            return false;
        if (i == 4)
            out->point = field;
        if (after_dash > 0 && ++after_dash == 3)
            out->source = field;
        if (i > 5 && after_dash == 0 && span_is(field, "-"))
            after_dash = 1;
        i++;
    }
    return out->source.len > 0;
}

/* Does `path` lie at or under the mount point? */
static bool lies_under(const char *path, struct span point)
{
    if (span_is(point, "/"))
        return true;
    size_t n = strlen(path);
    return n >= point.len && memcmp(path, point.ptr, point.len) == 0 &&
           (path[point.len] == '\0' || path[point.len] == '/');
}

static void copy_source(struct span source, char out[MOUNT_SOURCE_SIZE])
{
    size_t n = source.len < MOUNT_SOURCE_SIZE - 1 ? source.len : MOUNT_SOURCE_SIZE - 1;
    memcpy(out, source.ptr, n);
    out[n] = '\0';
    /* mountinfo escapes blanks as \040; what remains must not look like the separator of a usage line. */
    for (char *c = out; *c; c++) {
        if (*c <= ' ' || *c == 0x7f || (*c == ':' && c[1] == ' '))
            *c = '_';
    }
}

bool mount_parse_source(const char *mountinfo, dev_t dev, const char *path, char out[MOUNT_SOURCE_SIZE])
{
    struct span rest = span_of(mountinfo), line;
    struct entry entry, by_number = {0}, by_path = {0};
    while (span_split(&rest, '\n', &line)) {
        if (line.len == 0 || !parse_line(line, &entry))
            continue;
        /* A real device is a better answer than the name of a file system that shares the number. */
        if (entry.dev == dev &&
            (!by_number.source.ptr || (by_number.source.ptr[0] != '/' && entry.source.ptr[0] == '/')))
            by_number = entry;
        /* A later mount on the same point hides the earlier one. */
        if (lies_under(path, entry.point) && entry.point.len >= by_path.point.len)
            by_path = entry;
    }
    struct span source = by_number.source.ptr ? by_number.source : by_path.source;
    if (!source.ptr)
        return false;
    copy_source(source, out);
    return true;
}

/* The whole of a file in /proc. */
static bool read_text(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n;
    do {
        n = read(fd, buf_reserve(out, 16384), 16384);
        if (n > 0)
            buf_commit(out, (size_t)n);
    } while (n > 0 && out->len < MOUNTINFO_MAX);
    close(fd);
    return n >= 0;
}

void mount_find_source(dev_t dev, const char *path, char out[MOUNT_SOURCE_SIZE])
{
    struct buf text = BUF_ZERO;
    if (!read_text("/proc/self/mountinfo", &text) || !mount_parse_source(buf_cstr(&text), dev, path, out))
        memcpy(out, "unknown", sizeof "unknown");
    buf_fini(&text);
}

/* "/sys/dev/block/8:1" leads to ".../block/sda/sda1": a partition's disk is the directory above it. */
static bool disk_of_number(dev_t dev, char out[MOUNT_DISK_SIZE])
{
    char link[64], path[PATH_MAX], probe[PATH_MAX + 16];
    snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(dev), minor(dev));
    if (!realpath(link, path))
        return false;
    snprintf(probe, sizeof probe, "%s/partition", path);
    char *at = path;
    if (access(probe, F_OK) == 0)
        at = dirname(path);
    const char *name = basename(at);
    if (strlen(name) >= MOUNT_DISK_SIZE)
        return false;
    memcpy(out, name, strlen(name) + 1);
    /* Names with a '/' ("cciss/c0d0") are written with '!' in /sys. */
    for (char *c = out; *c; c++) {
        if (*c == '!')
            *c = '/';
    }
    return true;
}

bool mount_find_disk(dev_t dev, const char *source, char out[MOUNT_DISK_SIZE])
{
    struct stat st;
    if (major(dev) != 0 && disk_of_number(dev, out))
        return true;
    if (source[0] != '/' || stat(source, &st) != 0 || !S_ISBLK(st.st_mode))
        return false;
    return disk_of_number(st.st_rdev, out);
}
