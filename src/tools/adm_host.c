/* SPDX-License-Identifier: MIT */
/* mogadm host: the machines that hold the devices. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tools/adm.h"
#include "tools/out.h"

static const struct toolopt_def host_opts[] = {
    {"ip", 0, TOOLOPT_STRING, "IP address of the host"},
    {"port", 0, TOOLOPT_INT, "HTTP port (default 7500)"},
    {"getport", 0, TOOLOPT_INT, "HTTP port for reading, where it is another one"},
    {"altip", 0, TOOLOPT_STRING, "alternative IP address"},
    {"altmask", 0, TOOLOPT_STRING, "clients in this network use the alternative address"},
    {"status", 0, TOOLOPT_STRING, "alive, down, readonly (default of a new host: down)"},
    {NULL, 0, TOOLOPT_FLAG, NULL},
};

static void print_detail(const char *label, const char *text)
{
    if (text[0])
        printf("  %-10s%s\n", label, text);
}

static void list_text(const struct adm *a, const struct cluster *c)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        const struct cluster_host *h = &c->hosts[i];
        char address[300], port[32] = "";
        printf("%s [%" PRIu64 "]: %s%s%s\n", h->name, h->hostid, adm_state_begin(a, h->status), h->status,
               adm_state_end(a));
        snprintf(address, sizeof address, "%.250s:%" PRIu64, h->ip, h->port);
        if (h->get_port)
            snprintf(port, sizeof port, "%" PRIu64, h->get_port);
        print_detail("IP:", address);
        print_detail("Alt IP:", h->altip);
        print_detail("Alt Mask:", h->altmask);
        print_detail("GET Port:", port);
        putchar('\n');
    }
}

static json_t *host_json(const struct cluster_host *h)
{
    json_t *row = json_object();
    json_object_set_new(row, "hostid", json_integer((json_int_t)h->hostid));
    report_json_str(row, "hostname", h->name);
    report_json_str(row, "status", h->status);
    report_json_str(row, "ip", h->ip);
    json_object_set_new(row, "port", json_integer((json_int_t)h->port));
    json_object_set_new(row, "getport", h->get_port ? json_integer((json_int_t)h->get_port) : json_null());
    report_json_str(row, "altip", h->altip[0] ? h->altip : NULL);
    report_json_str(row, "altmask", h->altmask[0] ? h->altmask : NULL);
    return row;
}

static int host_list(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    bool ok = adm_load_hosts(a, &c);
    if (ok && adm_json(a)) {
        json_t *list = json_array();
        for (size_t i = 0; i < c.n_hosts; i++)
            json_array_append_new(list, host_json(&c.hosts[i]));
        out_json(list);
    } else if (ok) {
        list_text(a, &c);
    }
    cluster_fini(&c);
    return ok ? 0 : 1;
}

/* The first IPv4 address of a name; false when there is none. */
static bool resolve(const char *name, char *out, socklen_t size)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(name, NULL, &hints, &found) != 0 || !found)
        return false;
    const struct sockaddr_in *in = (const void *)found->ai_addr;
    bool ok = inet_ntop(AF_INET, &in->sin_addr, out, size) != NULL;
    freeaddrinfo(found);
    return ok;
}

static int host_add(struct adm *a)
{
    struct cluster c = CLUSTER_ZERO;
    if (!adm_load_hosts(a, &c)) {
        cluster_fini(&c);
        return 1;
    }
    bool exists = cluster_host_by_name(&c, a->word[0]) != NULL;
    cluster_fini(&c);
    if (exists)
        return adm_fail_text("Host already exists.");

    char ip[INET_ADDRSTRLEN];
    const char *given = toolopt_text(&a->opt, "ip"), *port = toolopt_text(&a->opt, "port"),
               *status = toolopt_text(&a->opt, "status");
    if (!given && !resolve(a->word[0], ip, sizeof ip))
        return adm_fail_text("The hostname does not resolve to an IP address, and none was given.\n"
                             "Verify the name, or try again with an address:\n"
                             "    mogadm host add <hostname> --ip=<ipaddr> [...]");
    struct kv args = KV_ZERO;
    kv_add_str(&args, "host", a->word[0]);
    kv_add_str(&args, "ip", given ? given : ip);
    kv_add_str(&args, "port", port ? port : "7500");
    kv_add_str(&args, "status", status ? status : "down");
    adm_add_option(a, &args, "getport");
    adm_add_option(a, &args, "altip");
    adm_add_option(a, &args, "altmask");
    int result = adm_command(a, "create_host", &args, "Failure creating host: ", "Host has been created.");
    kv_fini(&args);
    return result;
}

static int host_modify(struct adm *a)
{
    struct kv args = KV_ZERO;
    kv_add_str(&args, "host", a->word[0]);
    for (const struct toolopt_def *d = host_opts; d->name; d++)
        adm_add_option(a, &args, d->name);
    int result = adm_command(a, "update_host", &args, "Failure modifying host: ", "Host has been modified.");
    kv_fini(&args);
    return result;
}

static int host_mark(struct adm *a)
{
    struct kv args = KV_ZERO;
    kv_add_str(&args, "host", a->word[0]);
    kv_add_str(&args, "status", a->word[1]);
    int result = adm_command(a, "update_host", &args, "Failure updating host status: ", "Host status updated.");
    kv_fini(&args);
    return result;
}

static int host_delete(struct adm *a)
{
    struct kv args = KV_ZERO;
    kv_add_str(&args, "host", a->word[0]);
    int result = adm_command(a, "delete_host", &args, "Failure deleting host: ", "Host has been deleted.");
    kv_fini(&args);
    return result;
}

const struct adm_verb adm_host_verbs[] = {
    {"list", NULL, adm_json_opts, "List all hosts.", host_list, 0},
    {"add", "hostname", host_opts, "Add a host.", host_add, 0},
    {"modify", "hostname", host_opts, "Change a host's properties.", host_modify, 0},
    {"mark", "hostname status", NULL, "Change the status of a host.", host_mark, 0},
    {"delete", "hostname", NULL, "Delete a host that has no devices.", host_delete, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
