/* SPDX-License-Identifier: MIT */
/* Words of mogstats about queues. */
#include "tools/statline.h"

enum { REDO = 1, LAST_SPECIAL = 999, END_OF_TIME = 2147483647 };

const char *statline_state(uint64_t nexttry, int64_t now_unix_s, bool is_replication)
{
    if (nexttry == 0)
        return is_replication ? "newfile" : "new";
    if (nexttry == REDO)
        return "redo";
    if (nexttry <= LAST_SPECIAL)
        return "unknown";
    if (nexttry == END_OF_TIME)
        return "manual";
    return nexttry < (uint64_t)(now_unix_s > 0 ? now_unix_s : 0) ? "overdue" : "deferred";
}

const char *statline_queue(uint64_t type)
{
    return type == 1 ? "FSCK_QUEUE" : type == 2 ? "REBAL_QUEUE" : "UNKNOWN_QUEUE";
}
