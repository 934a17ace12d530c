/* SPDX-License-Identifier: MIT */
/* What mogdbsetup says and asks: questions on standard output, all else on standard error. */
#include "tools/dbsetup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX = 256 };

void dbsetup_ask_status(const struct dbsetup *d, const char *fmt, ...)
{
    if (!d->verbose)
        return;
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

void dbsetup_ask_complain(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

enum mog_err dbsetup_ask(const struct dbsetup *d, bool default_yes, const char *fmt, ...)
{
    if (d->yes)
        return MOG_OK;
    va_list args;
    va_start(args, fmt);
    putchar('\n');
    vprintf(fmt, args);
    va_end(args);
    printf(" %s: ", default_yes ? "[Y/n]" : "[N/y]");
    fflush(stdout);
    char answer[ANSWER_MAX];
    bool has_answer = fgets(answer, sizeof answer, stdin) != NULL;
    if (has_answer && (answer[0] == 'y' || answer[0] == 'Y'))
        return MOG_OK;
    bool is_empty = !has_answer || answer[0] == '\n' || answer[0] == '\0';
    /* Enter takes what stands in capitals; an input that has ended has agreed to nothing. */
    if (has_answer && is_empty && default_yes)
        return MOG_OK;
    dbsetup_ask_complain(is_empty && default_yes ? "Aborted." : "Stopped.");
    return MOG_ECANCELED;
}
