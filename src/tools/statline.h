/* SPDX-License-Identifier: MIT */
/* Words of mogstats about queues. */
#ifndef MOG_TOOLS_STATLINE_H
#define MOG_TOOLS_STATLINE_H

#include <stdbool.h>
#include <stdint.h>

/* The state of a queue's row by its next try, seen from the database's clock. `is_replication`: "newfile" for 0. */
const char *statline_state(uint64_t nexttry, int64_t now_unix_s, bool is_replication);
/* The name of a queue type of file_to_queue. */
const char *statline_queue(uint64_t type);

#endif
