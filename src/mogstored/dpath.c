/* SPDX-License-Identifier: MIT */
/* The grammar of request targets: what a path names, before any file system is asked. */
#include "mogstored/dpath.h"

#include <string.h>
#include <strings.h>

#include "common/num.h"

bool dpath_is_device(struct span name, uint32_t *devid)
{
    if (!span_starts(name, "dev") || name.len > 3 + 8)
        return false;
    struct span digits = span_make(name.ptr + 3, name.len - 3);
    uint64_t id;
    if (num_parse_u64(digits, 0, DPATH_DEVID_MAX, &id) != MOG_OK)
        return false;
    if (digits.len > 1 && digits.ptr[0] == '0')
        return false;
    *devid = (uint32_t)id;
    return true;
}

bool dpath_is_temporary(struct span name)
{
    return span_starts(name, DPATH_TEMPORARY_PREFIX);
}

struct span dpath_last(const char *path)
{
    const char *slash = strrchr(path, '/');
    return span_of(slash ? slash + 1 : path);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_name_byte(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '-' && c <= '9' && c != '/') || c == '_';
}

/* "http://host:port/path" becomes "/path". */
static struct span without_authority(struct span target)
{
    static const char scheme[] = "http://";
    size_t n = sizeof scheme - 1;
    if (target.len < n || strncasecmp(target.ptr, scheme, n) != 0)
        return target;
    struct span rest = span_make(target.ptr + n, target.len - n);
    const char *slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
    if (!slash)
        return span_of("/");
    return span_make(slash, rest.len - (size_t)(slash - rest.ptr));
}

/* Decode one byte at `*i`; escapes of '/' are refused, so that a name cannot grow a separator. */
static enum mog_err next_byte(struct span t, size_t *i, char *c)
{
    *c = t.ptr[(*i)++];
    if (*c == '/' || is_name_byte(*c))
        return MOG_OK;
    if (*c != '%' || t.len - *i < 2)
        return MOG_ESYNTAX;
    int high = hex_digit(t.ptr[*i]), low = hex_digit(t.ptr[*i + 1]);
    if (high < 0 || low < 0)
        return MOG_ESYNTAX;
    *i += 2;
    *c = (char)(high * 16 + low);
    return is_name_byte(*c) ? MOG_OK : MOG_ESYNTAX;
}

static bool is_dots(const char *name, size_t len)
{
    return len <= 2 && len > 0 && name[0] == '.' && name[len - 1] == '.';
}

/*
 * Decode, and collapse repeated '/', into `out` (DPATH_MAX + 1 bytes): "/a/b", "/a/b/" or "/". Its length goes to
 * `*len`.
 */
static enum mog_err decode(struct span t, char *out, size_t *len)
{
    size_t n = 0, component = 0;
    bool has_dots = false;
    for (size_t i = 0; i < t.len;) {
        char c;
        enum mog_err e = next_byte(t, &i, &c);
        if (e != MOG_OK)
            return e;
        if (c == '/') {
            if (n > 0 && out[n - 1] == '/')
                continue;
            has_dots = has_dots || is_dots(out + n - component, component);
            component = 0;
        } else {
            component++;
        }
        if (n == DPATH_MAX || component > DPATH_COMPONENT_MAX)
            return MOG_ETOOLONG;
        out[n++] = c;
    }
    out[n] = '\0';
    *len = n;
    return has_dots || is_dots(out + n - component, component) ? MOG_EPERM : MOG_OK;
}

/* `path` has no leading '/' and no trailing one. */
static enum mog_err classify(struct span path, struct dpath *out)
{
    struct span rest = path, first;
    if (!span_split(&rest, '/', &first) || !dpath_is_device(first, &out->devid))
        return MOG_ENOTFOUND;
    if (rest.ptr == NULL || rest.len == 0) {
        out->kind = DPATH_DEVICE;
        return MOG_OK;
    }
    out->kind = span_is(rest, "usage") ? DPATH_USAGE : DPATH_FILE;
    out->is_test_write = span_starts(rest, "test-write/");
    memcpy(out->below, rest.ptr, rest.len);
    out->below[rest.len] = '\0';
    return MOG_OK;
}

enum mog_err dpath_parse(struct span target, struct dpath *out)
{
    char decoded[DPATH_MAX + 1];
    size_t len = 0;
    memset(out, 0, offsetof(struct dpath, below) + 1);
    if (span_is(target, "*")) {
        out->kind = DPATH_STAR;
        return MOG_OK;
    }
    target = without_authority(target);
    const char *query = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    if (query) {
        out->has_query = true;
        target.len = (size_t)(query - target.ptr);
    }
    if (target.len == 0 || target.ptr[0] != '/')
        return MOG_ESYNTAX;
    enum mog_err e = decode(target, decoded, &len);
    if (e != MOG_OK)
        return e;
    struct span path = span_make(decoded + 1, len - 1);
    if (path.len == 0) {
        out->kind = DPATH_ROOT;
        return MOG_OK;
    }
    if (path.ptr[path.len - 1] == '/') {
        out->trailing_slash = true;
        path.len--;
    }
    return classify(path, out);
}
