/* SPDX-License-Identifier: MIT */
/* One line about how an HTTP exchange ended, in the words of the original tools. */
#ifndef MOG_COMMON_HTTPSTAT_H
#define MOG_COMMON_HTTPSTAT_H

#include "common/err.h"

#include <stddef.h>

/* The reason phrase of a status; "Status" for an unknown one. */
const char *httpstat_reason(int status);

/*
 * Into `out`: "404 Not Found" for an answer (e is MOG_OK), "500 Can't connect to HOST:PORT (REASON)" when none was
 * reached, "500 REASON" for an exchange that broke off.
 */
void httpstat_line(char *out, size_t out_size, enum mog_err e, int status, const char *url, const struct mog_fail *f);

#endif
