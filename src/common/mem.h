/* SPDX-License-Identifier: MIT */
/* Allocation that cannot fail: running out of memory aborts. Sizes from outside are checked before they come here. */
#ifndef MOG_COMMON_MEM_H
#define MOG_COMMON_MEM_H

#include <stddef.h>

/* All return memory that the caller frees with free(). Any thread. Overflow of n * size aborts. */
void *mem_alloc(size_t size);
void *mem_calloc(size_t n, size_t size);
void *mem_realloc(void *old, size_t n, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len);
void *mem_dup(const void *data, size_t len);

/* printf into new memory; the caller frees. */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Make room for one more element in a growing array: `*cap` is doubled when `n` has reached it.
 * Returns the (possibly moved) array.
 */
void *mem_grow(void *array, size_t n, size_t *cap, size_t size);

#endif
