/* SPDX-License-Identifier: MIT */
/* A list of networks ("10.0.0.0/8, 192.168.7.4, fd00::/8") and the question whether an address is in one. */
#ifndef MOG_COMMON_NETLIST_H
#define MOG_COMMON_NETLIST_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct netlist_entry {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;       /* of 128 */
};

struct netlist {
    struct netlist_entry *entries;
    size_t n, cap;
};

/* Add one network or address. MOG_ESYNTAX with the detail in `f`. */
MOG_MUSTCHECK enum mog_err netlist_add(struct netlist *l, const char *text, struct mog_fail *f);

/* Add all networks of a list with commas between them; empty parts are skipped. As netlist_add. */
MOG_MUSTCHECK enum mog_err netlist_add_all(struct netlist *l, const char *text, struct mog_fail *f);

/* Whether netlist_add_all() would add at least one network. MOG_ESYNTAX with the detail in `f`. */
MOG_MUSTCHECK enum mog_err netlist_check(const char *text, struct mog_fail *f);

/* Is the address of `sa` in one of the networks? False for other families. An empty list holds nothing. */
bool netlist_has(const struct netlist *l, const struct sockaddr *sa);

void netlist_fini(struct netlist *l);

#endif
