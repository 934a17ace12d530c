/* SPDX-License-Identifier: MIT */
/* The SQL texts of sql/, built into the program. */
#ifndef MOG_STORE_EMBEDDED_H
#define MOG_STORE_EMBEDDED_H

#include "common/embedded.h"

/* Ends with a row whose name is NULL. */
extern const struct embedded_text embedded_sql[];

#endif
