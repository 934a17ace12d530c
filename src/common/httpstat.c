/* SPDX-License-Identifier: MIT */
/* One line about how an HTTP exchange ended, in the words of the original tools. */
#include "common/httpstat.h"

#include <stdio.h>
#include <string.h>

const char *httpstat_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } table[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Request Entity Too Large"},
        {416, "Range Not Satisfiable"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status)
            return table[i].reason;
    }
    return "Status";
}

void httpstat_line(char *out, size_t out_size, enum mog_err e, int status, const char *url, const struct mog_fail *f)
{
    if (e == MOG_OK) {
        snprintf(out, out_size, "%d %s", status, httpstat_reason(status));
        return;
    }
    const char *reason = f && f->text[0] ? f->text : err_text(e);
    const char *behind = strstr(reason, url);
    if (behind && strncmp(behind + strlen(url), ": ", 2) == 0)
        reason = behind + strlen(url) + 2;
    if (e != MOG_ECONN) {
        snprintf(out, out_size, "500 %s", reason);
        return;
    }
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    snprintf(out, out_size, "500 Can't connect to %.*s (%s)", (int)strcspn(host, "/"), host, reason);
}
