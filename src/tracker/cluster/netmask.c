/* SPDX-License-Identifier: MIT */
/* Parsing of IPv4 netmasks. */
#include "tracker/cluster/netmask.h"

#include "common/num.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum mog_err netmask_parse_ip(struct span text, uint32_t *ip)
{
    char copy[INET_ADDRSTRLEN];
    struct in_addr in;
    if (text.len == 0 || text.len >= sizeof(copy))
        return MOG_ESYNTAX;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &in) != 1)
        return MOG_ESYNTAX;
    *ip = ntohl(in.s_addr);
    return MOG_OK;
}

/* A mask is some ones followed by zeroes only. */
static bool is_mask(uint32_t mask)
{
    return (~mask & (~mask + 1)) == 0;
}

static enum mog_err from_bits(struct span text, uint32_t *mask)
{
    uint64_t bits = 0;
    if (num_parse_u64(text, 0, 32, &bits) != MOG_OK)
        return MOG_ESYNTAX;
    *mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    return MOG_OK;
}

static enum mog_err from_range(uint32_t first, struct span text, uint32_t *mask)
{
    uint32_t last = 0;
    if (netmask_parse_ip(text, &last) != MOG_OK || last < first)
        return MOG_ESYNTAX;
    *mask = ~(first ^ last);
    /* One block: it begins with zeroes and ends with ones, at the same bits. */
    return is_mask(*mask) && (first & ~*mask) == 0 && (last | *mask) == UINT32_MAX ? MOG_OK : MOG_ESYNTAX;
}

static enum mog_err parse_v6(struct span text, struct netmask *out)
{
    char copy[INET6_ADDRSTRLEN];
    struct span rest = text, address = {0};
    uint64_t bits = 0;
    struct in6_addr in6;
    if (!span_split(&rest, '/', &address) || address.len >= sizeof(copy) || rest.ptr == NULL ||
        num_parse_u64(rest, 0, 128, &bits) != MOG_OK)
        return MOG_ESYNTAX;
    memcpy(copy, address.ptr, address.len);
    copy[address.len] = '\0';
    if (inet_pton(AF_INET6, copy, &in6) != 1)
        return MOG_ESYNTAX;
    *out = (struct netmask){.never = true};
    return MOG_OK;
}

enum mog_err netmask_parse(struct span text, struct netmask *out)
{
    text = span_trim(text);
    *out = (struct netmask){0};
    if (span_is(text, "any") || span_is(text, "default"))
        return MOG_OK;
    size_t len = 0;
    while (len < text.len && ((text.ptr[len] >= '0' && text.ptr[len] <= '9') || text.ptr[len] == '.'))
        len++;
    uint32_t ip = 0, mask = UINT32_MAX;
    if (netmask_parse_ip(span_make(text.ptr, len), &ip) != MOG_OK)
        return parse_v6(text, out);
    enum mog_err e = MOG_OK;
    if (len < text.len) {
        struct span rest = span_make(text.ptr + len + 1, text.len - len - 1);
        switch (text.ptr[len]) {
        case '/':
            e = from_bits(rest, &mask);
            if (e != MOG_OK)
                e = netmask_parse_ip(rest, &mask);
            break;
        case ':':
            e = netmask_parse_ip(rest, &mask);
            break;
        case '#':
            e = netmask_parse_ip(rest, &mask);
            mask = ~mask;
            break;
        case '-':
            e = from_range(ip, rest, &mask);
            break;
        default:
            e = MOG_ESYNTAX;
        }
    }
    if (e != MOG_OK || !is_mask(mask))
        return MOG_ESYNTAX;
    *out = (struct netmask){.base = ip & mask, .mask = mask};
    return MOG_OK;
}

bool netmask_has(const struct netmask *m, uint32_t ip)
{
    return !m->never && (ip & m->mask) == m->base;
}

unsigned netmask_bits(const struct netmask *m)
{
    return (unsigned)__builtin_popcount(m->mask);
}
