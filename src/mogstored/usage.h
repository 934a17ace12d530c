/* SPDX-License-Identifier: MIT */
/* Measuring a device, and writing its usage file for those who read the disk itself. */
#ifndef MOG_MOGSTORED_USAGE_H
#define MOG_MOGSTORED_USAGE_H

#include <stdbool.h>
#include <sys/types.h>

struct device;

/* What the writer remembers between rounds; zeroed at the start. */
struct usage_writer {
    bool has_failed;       /* the last file could not be written: said once */
    dev_t nameless_st_dev; /* the file system that has nameless files, if the device does */
};

/*
 * One round: is the directory there, mounted as before and readable; how full is it. Publishes the numbers or the
 * fault in `d`, then writes devN/usage, and tries whether it has files without a name, until it does. True when
 * healthy. Blocks as long as the disk does. The janitor's thread.
 */
bool usage_round(struct usage_writer *w, struct device *d);

#endif
