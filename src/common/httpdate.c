/* SPDX-License-Identifier: MIT */
/* Dates as HTTP writes them. */
#include "common/httpdate.h"

#include <string.h>
#include <time.h>

void httpdate_format(int64_t unix_s, char *out)
{
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(out, HTTPDATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", sizeof "Thu, 01 Jan 1970 00:00:00 GMT");
}

enum mog_err httpdate_parse(struct span value, int64_t *unix_s)
{
    static const char *const forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %d %H:%M:%S %Y",
    };
    char text[64];
    const char *semicolon = value.len > 0 ? memchr(value.ptr, ';', value.len) : NULL;
    if (semicolon)
        value.len = (size_t)(semicolon - value.ptr);
    value = span_trim(value);
    if (value.len == 0 || value.len >= sizeof text)
        return MOG_ESYNTAX;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end && *end == '\0') {
            *unix_s = (int64_t)timegm(&tm);
            return MOG_OK;
        }
    }
    return MOG_ESYNTAX;
}
