/* SPDX-License-Identifier: MIT */
/* Dates as HTTP writes them. */
#include "common/httpdate.h"

#include <string.h>
#include <time.h>

enum { DAY_S = 86400, LAST_YEAR = 9999 };

static void put_digits(char *out, size_t n, unsigned value)
{
    for (; n > 0; value /= 10)
        out[--n] = (char)('0' + value % 10);
}

/* By hand, since every answer of a storage node has one, and the library's functions cost more than the rest of it. */
void httpdate_format(int64_t unix_s, char *out)
{
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", sizeof "Thu, 01 Jan 1970 00:00:00 GMT");
    if (unix_s < 0)
        return;
    /* Years from March on, so that the odd day of a leap year is the last one; from the year 0, whose 1 March this is.
     */
    uint64_t day = (uint64_t)unix_s / DAY_S, since_0 = day + 719468, era = since_0 / 146097;
    unsigned of_era = (unsigned)(since_0 % 146097), second = (unsigned)((uint64_t)unix_s % DAY_S);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153, of_month = of_year - (153 * month + 2) / 5 + 1;
    uint64_t full_year = era * 400 + year + (month >= 10);
    if (full_year > LAST_YEAR)
        return;
    memcpy(out, days + day % 7 * 3, 3);
    put_digits(out + 5, 2, of_month);
    memcpy(out + 8, months + (size_t)month * 3, 3);
    put_digits(out + 12, 4, (unsigned)full_year);
    put_digits(out + 17, 2, second / 3600);
    put_digits(out + 20, 2, second / 60 % 60);
    put_digits(out + 23, 2, second % 60);
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
