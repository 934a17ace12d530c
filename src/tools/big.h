/* SPDX-License-Identifier: MIT */
/* What mogtool's commands share, and its two long ones: storing and reading files in pieces. */
#ifndef MOG_TOOLS_BIG_H
#define MOG_TOOLS_BIG_H

#include "tools/bigfile.h"
#include "tools/tool.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit statuses. */
enum { BIG_OK = 0, BIG_NOT_FOUND = 1, BIG_FATAL = 2 };

/* Objects of a big file: "_big_pre:KEY", "_big_info:KEY"; the caller frees. Pieces are "KEY,N". */
char *big_pre_key(const char *key);
char *big_info_key(const char *key);
char *big_part_key(const char *key, uint64_t number);

/* Print TEXT and what `f` says to standard error; returns BIG_FATAL. */
int big_fatal(const char *text, const struct mog_fail *f);

/* The paths of `key`; MOG_EREFUSED with "unknown_key" when there is none (`*unknown`, may be NULL). */
MOG_MUSTCHECK enum mog_err big_paths(struct client *c, const char *domain, const char *key, bool verify,
                                     struct opt_list *paths, bool *unknown, struct mog_fail *f);
/* Delete `key`; one that does not exist is MOG_OK. */
MOG_MUSTCHECK enum mog_err big_delete_key(struct client *c, const char *domain, const char *key, struct mog_fail *f);
/* GET `url` into `fd` from its start; the length and the hex MD5 of what came. */
MOG_MUSTCHECK enum mog_err big_get(struct http_client *http, const char *url, int fd, uint64_t *length, char md5[33],
                                   struct mog_fail *f);
/* Read and parse "_big_info:KEY". MOG_ENOTFOUND: not a big file. */
MOG_MUSTCHECK enum mog_err big_read_info(struct client *c, struct http_client *http, const char *domain,
                                         const char *key, struct bigfile *b, struct mog_fail *f);
/* An unlinked temporary file; -1. */
int big_temp_file(struct mog_fail *f);
/* Start `argv` with one end of a pipe as its standard input (or output); the other end in `*fd`. */
MOG_MUSTCHECK enum mog_err big_spawn(char *const argv[], bool is_input, pid_t *pid, int *fd, struct mog_fail *f);
/* Wait for it. MOG_EIO when it failed. */
MOG_MUSTCHECK enum mog_err big_wait(pid_t pid, const char *name, struct mog_fail *f);

int big_inject(struct tool *t, const char *source, const char *key);
int big_extract(struct tool *t, const char *key, const char *dest);

#endif
