/* SPDX-License-Identifier: MIT */
/* The SQL texts of sql/, built into the program. */
#ifndef MOG_STORE_EMBEDDED_H
#define MOG_STORE_EMBEDDED_H

struct embedded_text {
    const char *name; /* "sqlite/schema.sql" */
    const char *text;
};

/* Ends with a row whose name is NULL. */
extern const struct embedded_text embedded_sql[];

#endif
