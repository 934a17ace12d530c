/* SPDX-License-Identifier: MIT */
/* Output of the tools: colours where a person reads, JSON where a program does, and sizes a person can read. */
#ifndef MOG_TOOLS_OUT_H
#define MOG_TOOLS_OUT_H

#include "common/err.h"
#include "common/span.h"
#include "report/report_json.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* First of all in main(): a stream that is closed, or a reader that goes away, fails the next write, which is told. */
void out_start(void);

enum out_color { OUT_PLAIN, OUT_GOOD, OUT_WARN, OUT_BAD, OUT_DIM, OUT_BOLD };

/* Whether colours may be used on `stream`: a terminal, not a dumb one, and NO_COLOR is not set. */
bool out_can_color(FILE *stream);
/* The escape sequence that begins `color`, or "" when `on` is false. */
const char *out_begin(bool on, enum out_color color);
const char *out_end(bool on);

enum { OUT_SIZE_MAX = 16 };
/* "0 B", "12.3 GiB" into `out` (OUT_SIZE_MAX bytes). */
void out_size(char *out, uint64_t bytes);
/* "5 s", "3 min", "2 h 05 min", "3 d 4 h" into `out` (OUT_SIZE_MAX bytes). */
void out_duration(char *out, int64_t seconds);
/* A bar of `width` cells, filled by `ratio` (0 to 1; cut to that), into `out` (at least width + 1 bytes). */
void out_bar(char *out, size_t width, double ratio);

/* Print `value` (takes) with a line end to standard output. */
void out_json(json_t *value /* takes */);

/*
 * To be called last: what could not be written makes a failure. Returns `status`, or 1 (with a message) when standard
 * output has an error.
 */
int out_finish(int status);

#endif
