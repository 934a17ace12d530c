/* SPDX-License-Identifier: MIT */
/* Allocation that aborts instead of failing. */
#include "common/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
    if (p == NULL) {
        /* Nothing that allocates may run here, syslog included. */
        static const char text[] = "out of memory\n";
        (void)!fwrite(text, 1, sizeof(text) - 1, stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size != 0 ? size : 1));
}

void *mem_calloc(size_t n, size_t size)
{
    return checked(calloc(n != 0 ? n : 1, size != 0 ? size : 1));
}

void *mem_realloc(void *old, size_t n, size_t size)
{
    if (n == 0 || size == 0)
        n = size = 1;
    return checked(reallocarray(old, n, size));
}

char *mem_strdup(const char *s)
{
    return checked(strdup(s));
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len != 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void *mem_dup(const void *data, size_t len)
{
    void *copy = mem_alloc(len);
    if (len != 0)
        memcpy(copy, data, len);
    return copy;
}

char *mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : text);
}

void *mem_grow(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    *cap = *cap != 0 ? *cap * 2 : 8;
    return mem_realloc(array, *cap, size);
}
