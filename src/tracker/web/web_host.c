/* SPDX-License-Identifier: MIT */
/*
 * The names that clients may call us. A browser that a foreign page has led here by a name of its own (DNS rebinding)
 * sends that name, and gets nothing.
 */
#include "tracker/web/web_priv.h"

#include "common/num.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 255 };

/* "name", "name:port", "[v6]:port" without the port; false: not of that form. */
static bool cut_port(struct span *host)
{
    uint64_t port = 0;
    size_t end = 0;
    if (host->len != 0 && host->ptr[0] == '[') {
        while (end < host->len && host->ptr[end] != ']')
            end++;
        if (end++ == host->len)
            return false;
    } else {
        while (end < host->len && host->ptr[end] != ':')
            end++;
    }
    struct span rest = span_make(host->ptr + end, host->len - end);
    host->len = end;
    if (rest.len == 0)
        return true;
    return rest.ptr[0] == ':' && num_parse_u64(span_make(rest.ptr + 1, rest.len - 1), 1, 65535, &port) == MOG_OK;
}

static bool is_address(struct span host)
{
    char text[64];
    struct in6_addr six;
    struct in_addr four;
    bool bracketed = host.len > 2 && host.ptr[0] == '[';
    if (bracketed)
        host = span_make(host.ptr + 1, host.len - 2);
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return bracketed ? inet_pton(AF_INET6, text, &six) == 1 : inet_pton(AF_INET, text, &four) == 1;
}

/* `host` is `name`, or, when `name` is of several parts, its first one. */
static bool is_own_name(struct span host, const char *name)
{
    size_t first = strcspn(name, ".");
    if (span_is_nocase(host, name))
        return host.len != 0;
    return first != 0 && host.len == first && strncasecmp(host.ptr, name, first) == 0;
}

bool web_host_is_allowed(const char *host, const char *hostname, const struct opt_list *hosts)
{
    struct span name = span_of(host);
    if (name.len == 0 || name.len > NAME_MAX_BYTES || !cut_port(&name) || name.len == 0)
        return false;
    if (name.ptr[name.len - 1] == '.')
        name.len--; /* a name that is meant from the root */
    if (is_address(name) || span_is_nocase(name, "localhost") || is_own_name(name, hostname))
        return true;
    for (size_t i = 0; i < hosts->n; i++) {
        if (name.len != 0 && span_is_nocase(name, hosts->items[i]))
            return true;
    }
    return false;
}
