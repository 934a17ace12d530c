/* SPDX-License-Identifier: MIT */
/* Reading a cluster's wanted shape from YAML. */
#include "tools/clusterfile.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/mem.h"
#include "common/num.h"

enum { DEVID_MAX = 16777215, WEIGHT_MAX = 1000000 };

void clusterfile_init(struct clusterfile *c, const char *path)
{
    *c = (struct clusterfile){.path = mem_strdup(path)};
}

void clusterfile_fini(struct clusterfile *c)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        struct clusterfile_host *h = &c->hosts[i];
        for (size_t j = 0; j < h->n_devices; j++)
            free(h->devices[j].status);
        free(h->devices);
        free(h->name);
        free(h->ip);
        free(h->altip);
        free(h->altmask);
        free(h->status);
    }
    for (size_t i = 0; i < c->n_domains; i++) {
        struct clusterfile_domain *d = &c->domains[i];
        for (size_t j = 0; j < d->n_classes; j++) {
            free(d->classes[j].name);
            free(d->classes[j].replpolicy);
            free(d->classes[j].hashtype);
        }
        free(d->classes);
        free(d->name);
    }
    for (size_t i = 0; i < c->n_settings; i++) {
        free(c->settings[i].key);
        free(c->settings[i].value);
    }
    free(c->hosts);
    free(c->domains);
    free(c->settings);
    free(c->path);
    *c = (struct clusterfile){.path = NULL};
}

/* ---- nodes ---- */

struct reader {
    struct clusterfile *c;
    yaml_document_t *doc;
    struct mog_fail *f;
};

static unsigned line_of(const yaml_node_t *n)
{
    return (unsigned)n->start_mark.line + 1;
}

static enum mog_err bad(struct reader *r, const yaml_node_t *n, enum mog_err e, const char *fmt, ...) MOG_PRINTF(4, 5);
static enum mog_err bad(struct reader *r, const yaml_node_t *n, enum mog_err e, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return fail_set(r->f, e, "%s:%u: %s", r->c->path, line_of(n), text);
}

static bool is_null(const yaml_node_t *n)
{
    if (n->type != YAML_SCALAR_NODE || n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    const char *v = (const char *)n->data.scalar.value;
    return v[0] == '\0' || strcmp(v, "~") == 0 || strcmp(v, "null") == 0;
}

static enum mog_err scalar(struct reader *r, const yaml_node_t *n, const char *key, const char **out)
{
    if (n->type != YAML_SCALAR_NODE)
        return bad(r, n, MOG_ESYNTAX, "'%s' must be a single value", key);
    if (strlen((const char *)n->data.scalar.value) != n->data.scalar.length)
        return bad(r, n, MOG_ESYNTAX, "'%s' has a NUL byte", key);
    *out = (const char *)n->data.scalar.value;
    return MOG_OK;
}

static enum mog_err read_text(struct reader *r, const yaml_node_t *n, const char *key, char **out)
{
    const char *v = "";
    enum mog_err e = scalar(r, n, key, &v);
    if (e == MOG_OK) {
        free(*out);
        *out = mem_strdup(is_null(n) ? "" : v);
    }
    return e;
}

static enum mog_err read_word(struct reader *r, const yaml_node_t *n, const char *key, const char *allowed, char **out)
{
    enum mog_err e = read_text(r, n, key, out);
    struct span rest = span_of(allowed), one;
    while (e == MOG_OK && span_split(&rest, ' ', &one)) {
        if (span_is(one, *out))
            return MOG_OK;
    }
    return e != MOG_OK ? e : bad(r, n, MOG_EINVAL, "'%s' cannot be '%s'; one of: %s", key, *out, allowed);
}

static enum mog_err read_number(struct reader *r, const yaml_node_t *n, const char *key, int64_t min, int64_t max,
                                int64_t *out)
{
    const char *v = "";
    enum mog_err e = scalar(r, n, key, &v);
    if (e == MOG_OK && num_parse_i64(span_of(v), min, max, out) != MOG_OK)
        e = bad(r, n, MOG_ERANGE, "'%s' must be a number from %" PRId64 " to %" PRId64 ", not '%s'", key, min, max, v);
    return e;
}

/* Called for each pair of a mapping. `into` is what the mapping describes. */
typedef enum mog_err (*pair_fn)(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                                yaml_node_t *value);

static enum mog_err each_pair(struct reader *r, yaml_node_t *n, const char *what, pair_fn fn, void *into)
{
    if (is_null(n))
        return MOG_OK;
    if (n->type != YAML_MAPPING_NODE)
        return bad(r, n, MOG_ESYNTAX, "'%s' must be a mapping (name: value)", what);
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        yaml_node_t *key_node = yaml_document_get_node(r->doc, p->key);
        yaml_node_t *value = yaml_document_get_node(r->doc, p->value);
        const char *key = "";
        enum mog_err e = scalar(r, key_node, what, &key);
        if (e == MOG_OK && !key[0])
            e = bad(r, key_node, MOG_ESYNTAX, "an empty name in '%s'", what);
        if (e == MOG_OK)
            e = fn(r, into, key, key_node, value);
        if (e != MOG_OK)
            return e;
    }
    return MOG_OK;
}

/* ---- hosts ---- */

static enum mog_err device_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                                yaml_node_t *value)
{
    struct clusterfile_device *d = into;
    if (strcmp(key, "status") == 0)
        return read_word(r, value, key, "alive down readonly drain dead", &d->status);
    if (strcmp(key, "weight") == 0)
        return read_number(r, value, key, 0, WEIGHT_MAX, &d->weight);
    return bad(r, key_node, MOG_EINVAL, "unknown key '%s' of a device; known are: status, weight", key);
}

static enum mog_err devices_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                                 yaml_node_t *value)
{
    struct clusterfile_host *h = into;
    struct span s = span_of(key);
    uint64_t devid;
    if (span_starts(s, "dev"))
        s = span_make(s.ptr + 3, s.len - 3);
    if (num_parse_u64(s, 1, DEVID_MAX, &devid) != MOG_OK)
        return bad(r, key_node, MOG_ERANGE, "device '%s' must be a number from 1 to %d", key, DEVID_MAX);
    for (size_t i = 0; i < r->c->n_hosts; i++) {
        for (size_t j = 0; j < r->c->hosts[i].n_devices; j++) {
            if (r->c->hosts[i].devices[j].devid == devid)
                return bad(r, key_node, MOG_EEXISTS, "device %" PRIu64 " stands in line %u already", devid,
                           r->c->hosts[i].devices[j].line);
        }
    }
    h->devices = mem_grow(h->devices, h->n_devices, &h->cap_devices, sizeof *h->devices);
    struct clusterfile_device *d = &h->devices[h->n_devices++];
    *d = (struct clusterfile_device){.devid = devid, .line = line_of(key_node), .weight = CLUSTERFILE_UNSET};
    return each_pair(r, value, key, device_pair, d);
}

static enum mog_err host_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                              yaml_node_t *value)
{
    struct clusterfile_host *h = into;
    if (strcmp(key, "ip") == 0)
        return read_text(r, value, key, &h->ip);
    if (strcmp(key, "port") == 0)
        return read_number(r, value, key, 1, 65535, &h->port);
    if (strcmp(key, "getport") == 0)
        return is_null(value) ? (h->getport = 0, MOG_OK) : read_number(r, value, key, 0, 65535, &h->getport);
    if (strcmp(key, "altip") == 0)
        return read_text(r, value, key, &h->altip);
    if (strcmp(key, "altmask") == 0)
        return read_text(r, value, key, &h->altmask);
    if (strcmp(key, "status") == 0)
        return read_word(r, value, key, "alive down readonly dead", &h->status);
    if (strcmp(key, "devices") == 0)
        return each_pair(r, value, key, devices_pair, h);
    return bad(r, key_node, MOG_EINVAL,
               "unknown key '%s' of a host; known are: ip, port, getport, altip, altmask, status, devices", key);
}

static enum mog_err hosts_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                               yaml_node_t *value)
{
    struct clusterfile *c = into;
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (strcmp(c->hosts[i].name, key) == 0)
            return bad(r, key_node, MOG_EEXISTS, "host '%s' stands in line %u already", key, c->hosts[i].line);
    }
    c->hosts = mem_grow(c->hosts, c->n_hosts, &c->cap_hosts, sizeof *c->hosts);
    struct clusterfile_host *h = &c->hosts[c->n_hosts++];
    *h = (struct clusterfile_host){
        .name = mem_strdup(key), .line = line_of(key_node), .port = CLUSTERFILE_UNSET, .getport = CLUSTERFILE_UNSET};
    return each_pair(r, value, key, host_pair, h);
}

/* ---- domains ---- */

/* A class always has one, and trackers take an empty one for no change. */
static enum mog_err read_policy(struct reader *r, const yaml_node_t *n, const char *key, char **out)
{
    enum mog_err e = read_text(r, n, key, out);
    return e != MOG_OK || (*out)[0] ? e : bad(r, n, MOG_EINVAL, "'%s' must not be empty", key);
}

static enum mog_err class_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                               yaml_node_t *value)
{
    struct clusterfile_class *cl = into;
    if (strcmp(key, "mindevcount") == 0)
        return read_number(r, value, key, 1, 255, &cl->mindevcount);
    if (strcmp(key, "replpolicy") == 0)
        return read_policy(r, value, key, &cl->replpolicy);
    if (strcmp(key, "hashtype") == 0)
        return read_word(r, value, key, "NONE MD5 SHA-1", &cl->hashtype);
    return bad(r, key_node, MOG_EINVAL, "unknown key '%s' of a class; known are: mindevcount, replpolicy, hashtype",
               key);
}

static enum mog_err classes_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                                 yaml_node_t *value)
{
    struct clusterfile_domain *d = into;
    for (size_t i = 0; i < d->n_classes; i++) {
        if (strcmp(d->classes[i].name, key) == 0)
            return bad(r, key_node, MOG_EEXISTS, "class '%s' stands in line %u already", key, d->classes[i].line);
    }
    d->classes = mem_grow(d->classes, d->n_classes, &d->cap_classes, sizeof *d->classes);
    struct clusterfile_class *cl = &d->classes[d->n_classes++];
    *cl = (struct clusterfile_class){
        .name = mem_strdup(key), .line = line_of(key_node), .mindevcount = CLUSTERFILE_UNSET};
    return each_pair(r, value, key, class_pair, cl);
}

static enum mog_err domain_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                                yaml_node_t *value)
{
    if (strcmp(key, "classes") == 0)
        return each_pair(r, value, key, classes_pair, into);
    return bad(r, key_node, MOG_EINVAL, "unknown key '%s' of a domain; known is: classes", key);
}

static enum mog_err domains_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                                 yaml_node_t *value)
{
    struct clusterfile *c = into;
    for (size_t i = 0; i < c->n_domains; i++) {
        if (strcmp(c->domains[i].name, key) == 0)
            return bad(r, key_node, MOG_EEXISTS, "domain '%s' stands in line %u already", key, c->domains[i].line);
    }
    c->domains = mem_grow(c->domains, c->n_domains, &c->cap_domains, sizeof *c->domains);
    struct clusterfile_domain *d = &c->domains[c->n_domains++];
    *d = (struct clusterfile_domain){.name = mem_strdup(key), .line = line_of(key_node)};
    return each_pair(r, value, key, domain_pair, d);
}

/* ---- settings and the whole ---- */

static bool is_boolean(const char *key)
{
    return strcmp(key, "skip_devcount") == 0 || strcmp(key, "skip_mkcol") == 0 ||
           strcmp(key, "case_sensitive_list_keys") == 0;
}

static bool is_fsck_checksum(const char *text)
{
    return strcmp(text, "class") == 0 || strcmp(text, "off") == 0 || strcmp(text, "MD5") == 0 ||
           strcmp(text, "SHA-1") == 0;
}

/* As the tracker stores them, so that what is stored can be compared. */
static const char *boolean_of(const char *value)
{
    static const char *const on[] = {"1", "on", "yes", "true", "y", "t"};
    static const char *const off[] = {"0", "off", "no", "false", "n", "f"};
    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
        if (span_is_nocase(span_of(value), on[i]))
            return "1";
        if (span_is_nocase(span_of(value), off[i]))
            return "0";
    }
    return NULL;
}

static enum mog_err settings_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                                  yaml_node_t *value)
{
    struct clusterfile *c = into;
    const char *text = "";
    if (!clusterfile_setting_is_configuration(key))
        return bad(r, key_node, MOG_EINVAL, "setting '%s' is not for configuration", key);
    for (size_t i = 0; i < c->n_settings; i++) {
        if (strcmp(c->settings[i].key, key) == 0)
            return bad(r, key_node, MOG_EEXISTS, "setting '%s' stands in line %u already", key, c->settings[i].line);
    }
    enum mog_err e = scalar(r, value, key, &text);
    if (e == MOG_OK && strcmp(key, "fsck_checksum") == 0 && !is_fsck_checksum(text))
        e = bad(r, value, MOG_EINVAL, "'%s' cannot be '%s'; one of: class off MD5 SHA-1", key, text);
    if (e == MOG_OK && is_boolean(key)) {
        text = boolean_of(text);
        if (!text)
            e = bad(r, value, MOG_EINVAL, "'%s' must be on or off", key);
    }
    if (e != MOG_OK)
        return e;
    c->settings = mem_grow(c->settings, c->n_settings, &c->cap_settings, sizeof *c->settings);
    c->settings[c->n_settings++] =
        (struct clusterfile_setting){mem_strdup(key), line_of(key_node), mem_strdup(is_null(value) ? "" : text)};
    return MOG_OK;
}

static enum mog_err top_pair(struct reader *r, void *into, const char *key, const yaml_node_t *key_node,
                             yaml_node_t *value)
{
    struct clusterfile *c = into;
    static const struct {
        const char *key;
        pair_fn fn;
    } sections[] = {{"hosts", hosts_pair}, {"domains", domains_pair}, {"settings", settings_pair}};
    bool *const seen[] = {&c->has_hosts, &c->has_domains, &c->has_settings};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(sections[i].key, key) != 0)
            continue;
        if (*seen[i])
            return bad(r, key_node, MOG_EEXISTS, "'%s' stands there twice", key);
        *seen[i] = true;
        return each_pair(r, value, key, sections[i].fn, c);
    }
    return bad(r, key_node, MOG_EINVAL, "unknown key '%s'; known are: hosts, domains, settings", key);
}

enum mog_err clusterfile_parse(struct clusterfile *c, struct span text, struct mog_fail *f)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser))
        return fail_set(f, MOG_EINVAL, "no memory for the YAML parser");
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
    enum mog_err e = MOG_OK;
    if (!yaml_parser_load(&parser, &doc)) {
        e = fail_set(f, MOG_ESYNTAX, "%s:%zu: %s%s%s", c->path, parser.problem_mark.line + 1,
                     parser.problem ? parser.problem : "no YAML", parser.context ? ", " : "",
                     parser.context ? parser.context : "");
    } else {
        struct reader r = {c, &doc, f};
        yaml_node_t *root = yaml_document_get_root_node(&doc);
        if (root)
            e = each_pair(&r, root, "file", top_pair, c);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    return e;
}
