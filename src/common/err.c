/* SPDX-License-Identifier: MIT */
/* Names and texts of error codes, and the filling of struct mog_fail. */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const texts[] = {
#define X(name, text) text,
    MOG_ERRORS(X)
#undef X
};

static const char *const names[] = {
#define X(name, text) #name,
    MOG_ERRORS(X)
#undef X
};

const char *err_text(enum mog_err e)
{
    return (size_t)e < sizeof(texts) / sizeof(texts[0]) ? texts[e] : "unknown error";
}

const char *err_name(enum mog_err e)
{
    return (size_t)e < sizeof(names) / sizeof(names[0]) ? names[e] : "MOG_UNKNOWN";
}

enum mog_err fail_set(struct mog_fail *f, enum mog_err code, const char *fmt, ...)
{
    if (f == NULL)
        return code;
    f->code = code;
    f->sys_errno = 0;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
    va_end(ap);
    return code;
}

enum mog_err fail_sys(struct mog_fail *f, enum mog_err code, int sys_errno, const char *fmt, ...)
{
    if (f == NULL)
        return code;
    f->code = code;
    f->sys_errno = sys_errno;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(f->text, sizeof(f->text), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(f->text))
        return code;
    char reason[128];
    /* The GNU strerror_r returns the text; unlike strerror it is safe among threads. */
    const char *text = strerror_r(sys_errno, reason, sizeof(reason));
    (void)snprintf(f->text + n, sizeof(f->text) - (size_t)n, ": %s", text);
    return code;
}
