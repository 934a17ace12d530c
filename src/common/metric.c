/* SPDX-License-Identifier: MIT */
/* Counters and histograms that any thread adds to without locks, and their text in Prometheus' format. */
#include "common/metric.h"

#include "common/num.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The bounds of mogstored, so that one dashboard's axis fits both programs. */
static const struct {
    int64_t us;
    const char *seconds;
} bounds[METRIC_BUCKETS] = {{100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"}, {2500, "0.0025"},
                            {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"}, {100000, "0.1"},
                            {250000, "0.25"}, {1000000, "1"},   {5000000, "5"},   {30000000, "30"}};

void metric_observe(struct metric_histogram *h, int64_t took_us)
{
    size_t i = 0;
    if (took_us < 0)
        took_us = 0;
    while (i < METRIC_BUCKETS && took_us > bounds[i].us)
        i++;
    metric_add(&h->buckets[i], 1);
    metric_add(&h->sum_us, (uint64_t)took_us);
}

uint64_t metric_count(const struct metric_histogram *h)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= METRIC_BUCKETS; i++)
        n += metric_get(&h->buckets[i]);
    return n;
}

/* ---- writing ---- */

void metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Name and labels, up to the blank before the value. */
static void begin(struct buf *out, const char *name, const char *suffix, const char *labels)
{
    buf_str(out, name);
    buf_str(out, suffix);
    if (labels[0] != '\0') {
        buf_char(out, '{');
        buf_str(out, labels);
        buf_char(out, '}');
    }
    buf_char(out, ' ');
}

void metric_u64(struct buf *out, const char *name, const char *labels, uint64_t value)
{
    begin(out, name, "", labels);
    buf_u64(out, value);
    buf_char(out, '\n');
}

void metric_double(struct buf *out, const char *name, const char *labels, double value)
{
    begin(out, name, "", labels);
    buf_printf(out, "%.15g\n", value);
}

void metric_write_histogram(struct buf *out, const char *name, const char *labels, const struct metric_histogram *h)
{
    uint64_t sum = 0;
    const char *comma = labels[0] != '\0' ? "," : "";
    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        sum += metric_get(&h->buckets[i]);
        buf_str(out, name);
        buf_str(out, "_bucket{");
        buf_str(out, labels);
        buf_str(out, comma);
        buf_str(out, "le=\"");
        buf_str(out, i < METRIC_BUCKETS ? bounds[i].seconds : "+Inf");
        buf_str(out, "\"} ");
        buf_u64(out, sum);
        buf_char(out, '\n');
    }
    begin(out, name, "_sum", labels);
    buf_printf(out, "%.6f\n", (double)metric_get(&h->sum_us) / 1e6);
    begin(out, name, "_count", labels);
    buf_u64(out, sum);
    buf_char(out, '\n');
}

/* How many bytes the UTF-8 character at `p` has; 0: there is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : (p[0] & 0xf0) == 0xe0       ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;
    if (n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (n == 3 && p[0] == 0xe0 && p[1] < 0xa0) || (n == 4 && p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (n == 3 && p[0] == 0xed && p[1] >= 0xa0) || (n == 4 && p[0] == 0xf4 && p[1] >= 0x90);
    return overlong || beyond ? 0 : n;
}

void metric_label(struct buf *out, const char *name, struct span value)
{
    buf_printf(out, "%s%s=\"", out->len != 0 ? "," : "", name);
    for (size_t i = 0; i < value.len;) {
        const unsigned char *p = (const unsigned char *)value.ptr + i;
        size_t n = utf8_length(p, value.len - i);
        if (n == 0) {
            buf_char(out, '?');
            n = 1;
        } else if (*p == '"' || *p == '\\') {
            buf_printf(out, "\\%c", *p);
        } else if (*p == '\n') {
            buf_str(out, "\\n");
        } else {
            buf_append(out, p, n);
        }
        i += n;
    }
    buf_char(out, '"');
}

void metric_gauge(struct buf *out, const char *name, const char *help, double value)
{
    metric_head(out, name, "gauge", help);
    metric_double(out, name, "", value);
}

void metric_total(struct buf *out, const char *name, const char *help, uint64_t value)
{
    metric_head(out, name, "counter", help);
    metric_u64(out, name, "", value);
}

/* ---- the process ---- */

/* The fields of /proc/self/stat behind the command's name, which may hold anything: the first is field 3. */
static bool read_stat(char *text, size_t size, struct span *fields)
{
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *end = strrchr(text, ')');
    if (end == NULL || end[1] != ' ')
        return false;
    *fields = span_of(end + 2);
    return true;
}

static uint64_t stat_field(struct span fields, unsigned number)
{
    struct span part = {0};
    uint64_t value = 0;
    for (unsigned i = 3; i <= number; i++) {
        if (!span_split(&fields, ' ', &part))
            return 0;
    }
    return num_parse_u64(part, 0, UINT64_MAX, &value) == MOG_OK ? value : 0;
}

static uint64_t boot_time_s(void)
{
    char text[65536];
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    uint64_t value = 0;
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *line = strstr(text, "\nbtime ");
    if (line == NULL)
        return 0;
    line += 7;
    return num_parse_u64(span_make(line, strcspn(line, "\n")), 0, UINT64_MAX, &value) == MOG_OK ? value : 0;
}

static uint64_t open_descriptors(void)
{
    uint64_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        return 0;
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n > 3 ? n - 3 : 0; /* without ".", ".." and the folder's own */
}

void metric_process(struct buf *out)
{
    enum { UTIME = 14, STIME = 15, THREADS = 20, START = 22, VSIZE = 23, RSS = 24 };
    char text[4096];
    struct span f;
    double hz = (double)sysconf(_SC_CLK_TCK);
    struct rlimit files = {0};
    if (read_stat(text, sizeof(text), &f)) {
        metric_head(out, "process_cpu_seconds_total", "counter", "Processor time used, of user and system.");
        metric_double(out, "process_cpu_seconds_total", "", (double)(stat_field(f, UTIME) + stat_field(f, STIME)) / hz);
        metric_gauge(out, "process_resident_memory_bytes", "Memory held.",
                     (double)stat_field(f, RSS) * (double)sysconf(_SC_PAGESIZE));
        metric_gauge(out, "process_virtual_memory_bytes", "Address space taken.", (double)stat_field(f, VSIZE));
        metric_gauge(out, "process_threads", "Threads.", (double)stat_field(f, THREADS));
        metric_gauge(out, "process_start_time_seconds", "When it was started, since 1970.",
                     (double)boot_time_s() + (double)stat_field(f, START) / hz);
    }
    metric_gauge(out, "process_open_fds", "Open descriptors.", (double)open_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        metric_gauge(out, "process_max_fds", "Descriptors that may be open.", (double)files.rlim_cur);
}
