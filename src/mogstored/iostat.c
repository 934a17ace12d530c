/* SPDX-License-Identifier: MIT */
/* How busy each disk is, from two readings of /proc/diskstats. */
#include "mogstored/iostat.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uthash.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/span.h"
#include "mogstored/mount.h"

enum { FIELD_NAME = 2, FIELD_BUSY_MS = 12, DISKSTATS_MAX = 4 << 20 };

struct disk {
    char name[MOUNT_DISK_SIZE];
    uint64_t busy_ms, last_busy_ms;
    int64_t at_mono_ms, last_at_mono_ms; /* 0: no reading */
    UT_hash_handle hh;
};

struct iostat {
    struct disk *disks;
};

struct iostat *iostat_new(void)
{
    return mem_calloc(1, sizeof(struct iostat));
}

void iostat_free(struct iostat *s)
{
    if (!s)
        return;
    struct disk *d = s->disks;
    HASH_CLEAR(hh, s->disks);
    while (d) {
        struct disk *next = d->hh.next;
        free(d);
        d = next;
    }
    free(s);
}

static void feed_disk(struct iostat *s, struct span name, uint64_t busy_ms, int64_t now_mono_ms)
{
    struct disk *d = NULL;
    HASH_FIND(hh, s->disks, name.ptr, name.len, d);
    if (!d) {
        d = mem_calloc(1, sizeof *d);
        memcpy(d->name, name.ptr, name.len);
        HASH_ADD(hh, s->disks, name, name.len, d);
    }
    d->last_busy_ms = d->busy_ms;
    d->last_at_mono_ms = d->at_mono_ms;
    d->busy_ms = busy_ms;
    d->at_mono_ms = now_mono_ms;
}

static void feed_line(struct iostat *s, struct span line, int64_t now_mono_ms)
{
    struct span rest = line, field, name = {0};
    size_t i = 0;
    uint64_t busy_ms;
    while (span_split(&rest, ' ', &field)) {
        if (field.len == 0)
            continue;
        if (i == FIELD_NAME)
            name = field;
        if (i == FIELD_BUSY_MS && name.len < MOUNT_DISK_SIZE &&
            num_parse_u64(field, 0, UINT64_MAX, &busy_ms) == MOG_OK) {
            feed_disk(s, name, busy_ms, now_mono_ms);
            return;
        }
        i++;
    }
}

void iostat_feed(struct iostat *s, const char *text, int64_t now_mono_ms)
{
    struct span rest = span_of(text), line;
    while (span_split(&rest, '\n', &line))
        feed_line(s, line, now_mono_ms);
}

void iostat_sample(struct iostat *s)
{
    struct buf text = BUF_ZERO;
    ssize_t n = 0;
    int fd = open("/proc/diskstats", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    do {
        n = read(fd, buf_reserve(&text, 16384), 16384);
        if (n > 0)
            buf_commit(&text, (size_t)n);
    } while (n > 0 && text.len < DISKSTATS_MAX);
    close(fd);
    if (n >= 0) /* half a text ends with half a number */
        iostat_feed(s, buf_cstr(&text), clock_mono_ms());
    buf_fini(&text);
}

bool iostat_find(struct iostat *s, const char *disk, double *per_cent)
{
    struct disk *d = NULL;
    HASH_FIND(hh, s->disks, disk, strlen(disk), d);
    if (!d || d->last_at_mono_ms == 0 || d->at_mono_ms <= d->last_at_mono_ms)
        return false;
    uint64_t busy = d->busy_ms >= d->last_busy_ms ? d->busy_ms - d->last_busy_ms : 0; /* the counter wraps */
    double value = 100.0 * (double)busy / (double)(d->at_mono_ms - d->last_at_mono_ms);
    *per_cent = value > 100.0 ? 100.0 : value;
    return true;
}
