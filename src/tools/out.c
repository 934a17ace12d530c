/* SPDX-License-Identifier: MIT */
/* Output of the tools: colours where a person reads, JSON where a program does, and sizes a person can read. */
#include "tools/out.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/daemon.h"

void out_start(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    daemon_open_streams();
}

bool out_can_color(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color && no_color[0])
        return false;
    return isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0;
}

const char *out_begin(bool on, enum out_color color)
{
    static const char *const codes[] = {
        [OUT_PLAIN] = "",       [OUT_GOOD] = "\033[32m", [OUT_WARN] = "\033[33m",
        [OUT_BAD] = "\033[31m", [OUT_DIM] = "\033[2m",   [OUT_BOLD] = "\033[1m",
    };
    return on ? codes[color] : "";
}

const char *out_end(bool on)
{
    return on ? "\033[0m" : "";
}

void out_size(char *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(out, OUT_SIZE_MAX, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void out_duration(char *out, int64_t seconds)
{
    int64_t s = seconds < 0 ? 0 : seconds;
    if (s < 60)
        snprintf(out, OUT_SIZE_MAX, "%d s", (int)s);
    else if (s < 3600)
        snprintf(out, OUT_SIZE_MAX, "%d min", (int)(s / 60));
    else if (s < 86400)
        snprintf(out, OUT_SIZE_MAX, "%d h %02d min", (int)(s / 3600), (int)(s % 3600 / 60));
    else
        snprintf(out, OUT_SIZE_MAX, "%lld d %d h", (long long)(s / 86400 % 1000000), (int)(s % 86400 / 3600));
}

void out_bar(char *out, size_t width, double ratio)
{
    if (!(ratio > 0))
        ratio = 0;
    if (ratio > 1)
        ratio = 1;
    size_t full = (size_t)(ratio * (double)width + 0.5);
    memset(out, '#', full);
    memset(out + full, '.', width - full);
    out[width] = '\0';
}

void out_json(json_t *value)
{
    if (json_dumpf(value, stdout, JSON_INDENT(2)) == 0)
        putchar('\n');
    json_decref(value);
}

int out_finish(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "cannot write to standard output: %s\n", errno ? strerror(errno) : "error");
    return 1;
}
