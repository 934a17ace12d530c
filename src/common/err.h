/* SPDX-License-Identifier: MIT */
/* Error codes of every fallible function, and the detail that travels with them. */
#ifndef MOG_COMMON_ERR_H
#define MOG_COMMON_ERR_H

#include <stddef.h>

#define MOG_MUSTCHECK         __attribute__((warn_unused_result))
#define MOG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* X(name, text): one row per code; 0 is success. */
#define MOG_ERRORS(X)                                                                                                  \
    X(MOG_OK, "success")                                                                                               \
    X(MOG_EINVAL, "invalid argument")                                                                                  \
    X(MOG_ESYNTAX, "malformed input")                                                                                  \
    X(MOG_ERANGE, "number out of range")                                                                               \
    X(MOG_ETOOLONG, "too long")                                                                                        \
    X(MOG_ENOTFOUND, "not found")                                                                                      \
    X(MOG_EEXISTS, "exists already")                                                                                   \
    X(MOG_ENOTEMPTY, "not empty")                                                                                      \
    X(MOG_EPERM, "not permitted")                                                                                      \
    X(MOG_ENOSPC, "no space left")                                                                                     \
    X(MOG_EIO, "input/output error")                                                                                   \
    X(MOG_ETIMEOUT, "timed out")                                                                                       \
    X(MOG_ECONN, "cannot connect")                                                                                     \
    X(MOG_ECLOSED, "connection closed by the other end")                                                               \
    X(MOG_EPROTO, "protocol error")                                                                                    \
    X(MOG_EHTTP, "unexpected HTTP status")                                                                             \
    X(MOG_EDIGEST, "checksum differs")                                                                                 \
    X(MOG_ESIZE, "size differs")                                                                                       \
    X(MOG_EDB, "database error")                                                                                       \
    X(MOG_EDBDOWN, "database unreachable")                                                                             \
    X(MOG_EDEADLOCK, "database deadlock")                                                                              \
    X(MOG_ELOCKED, "locked by another")                                                                                \
    X(MOG_EAGAIN, "would have to wait")                                                                                \
    X(MOG_ESCHEMA, "wrong schema version")                                                                             \
    X(MOG_EUNSUPPORTED, "not supported")                                                                               \
    X(MOG_ECANCELED, "canceled")                                                                                       \
    X(MOG_EREFUSED, "refused by the other end")                                                                        \
    X(MOG_EDEAD, "device is dead")                                                                                     \
    X(MOG_EUSAGE, "usage error")

enum mog_err {
#define X(name, text) name,
    MOG_ERRORS(X)
#undef X
};

/* Detail of one failure, filled once, where the failure is first seen. */
struct mog_fail {
    enum mog_err code;
    int sys_errno; /* 0 when errno is not the cause */
    char text[400];
};

/* A static text for `e`; never NULL. Any thread. */
const char *err_text(enum mog_err e);

/* The enumerator's name ("MOG_EINVAL"); never NULL. Any thread. */
const char *err_name(enum mog_err e);

/*
 * Fill `f` (may be NULL) with `code` and a formatted text, cut to fit, and return `code`,
 * so that a caller can write `return fail_set(f, MOG_EINVAL, ...)`.
 */
enum mog_err fail_set(struct mog_fail *f, enum mog_err code, const char *fmt, ...) MOG_PRINTF(3, 4);

/* As fail_set, with ": " and the text of `sys_errno` appended. */
enum mog_err fail_sys(struct mog_fail *f, enum mog_err code, int sys_errno, const char *fmt, ...) MOG_PRINTF(4, 5);

#endif
