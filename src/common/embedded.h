/* SPDX-License-Identifier: MIT */
/* A file that is built into the program. */
#ifndef MOG_COMMON_EMBEDDED_H
#define MOG_COMMON_EMBEDDED_H

struct embedded_text {
    const char *name; /* relative to its folder: "sqlite/schema.sql" */
    const char *text;
};

#endif
