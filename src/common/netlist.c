/* SPDX-License-Identifier: MIT */
/* A list of networks ("10.0.0.0/8, 192.168.7.4, fd00::/8") and the question whether an address is in one. */
#include "common/netlist.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/mem.h"
#include "common/num.h"

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum mog_err netlist_add(struct netlist *l, const char *text, struct mog_fail *f)
{
    struct netlist_entry entry = {.bits = 128};
    char address[64];
    struct span rest = span_trim(span_of(text)), host;
    if (!span_split(&rest, '/', &host) || host.len == 0 || host.len >= sizeof address)
        return fail_set(f, MOG_ESYNTAX, "\"%s\" is not a network (a.b.c.d/bits)", text);
    memcpy(address, host.ptr, host.len);
    address[host.len] = '\0';

    unsigned offset = 0;
    memcpy(entry.address, v4_prefix, sizeof v4_prefix);
    if (inet_pton(AF_INET, address, entry.address + sizeof v4_prefix) == 1)
        offset = 96;
    else if (inet_pton(AF_INET6, address, entry.address) != 1)
        return fail_set(f, MOG_ESYNTAX, "\"%s\" is not a network (a.b.c.d/bits)", text);
    if (rest.ptr) {
        uint64_t bits;
        if (num_parse_u64(rest, 0, 128 - offset, &bits) != MOG_OK)
            return fail_set(f, MOG_ESYNTAX, "\"%s\": the bits of a network are 0 to %u", text, 128 - offset);
        entry.bits = (unsigned)bits + offset;
    }
    l->entries = mem_grow(l->entries, l->n, &l->cap, sizeof entry);
    l->entries[l->n++] = entry;
    return MOG_OK;
}

enum mog_err netlist_add_all(struct netlist *l, const char *text, struct mog_fail *f)
{
    struct span rest = span_of(text), part;
    enum mog_err e = MOG_OK;
    while (e == MOG_OK && span_split(&rest, ',', &part)) {
        char *one = span_dup(span_trim(part));
        if (one[0] != '\0')
            e = netlist_add(l, one, f);
        free(one);
    }
    return e;
}

enum mog_err netlist_check(const char *text, struct mog_fail *f)
{
    struct netlist networks = {0};
    enum mog_err e = netlist_add_all(&networks, text, f);
    /* Commas alone must not open the door to everybody. */
    if (e == MOG_OK && networks.n == 0)
        e = fail_set(f, MOG_ESYNTAX, "'%s' names no network", text);
    netlist_fini(&networks);
    return e;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return (a[bits / 8] & mask) == (b[bits / 8] & mask);
}

bool netlist_has(const struct netlist *l, const struct sockaddr *sa)
{
    uint8_t address[16];
    if (sa->sa_family == AF_INET) {
        memcpy(address, v4_prefix, sizeof v4_prefix);
        memcpy(address + sizeof v4_prefix, &((const struct sockaddr_in *)sa)->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(address, &((const struct sockaddr_in6 *)sa)->sin6_addr, sizeof address);
    } else {
        return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        if (same_prefix(address, l->entries[i].address, l->entries[i].bits))
            return true;
    }
    return false;
}

void netlist_fini(struct netlist *l)
{
    free(l->entries);
    *l = (struct netlist){0};
}
