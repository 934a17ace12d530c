/* SPDX-License-Identifier: MIT */
/* mogadm: one table of topics and verbs, and what all verbs share. */
#ifndef MOG_TOOLS_ADM_H
#define MOG_TOOLS_ADM_H

#include "common/err.h"
#include "tools/client.h"
#include "tools/cluster.h"
#include "tools/toolopt.h"

#include <stdbool.h>
#include <stdint.h>

enum { ADM_WORDS_MAX = 4 };

struct adm;

enum adm_flags {
    ADM_NO_TRACKER = 1, /* runs without any tracker */
    ADM_KEEP_ORDER = 2, /* the client keeps the order of the list of trackers */
};

/* One verb; tables end with a row whose `run` is NULL. */
struct adm_verb {
    const char *verb;               /* NULL: the topic itself is the command */
    const char *words;              /* names of its arguments, separated by blanks; NULL: none */
    const struct toolopt_def *opts; /* NULL: none */
    const char *help;
    int (*run)(struct adm *a); /* returns the exit status */
    unsigned flags;
};

struct adm_topic {
    const char *name;
    const struct adm_verb *verbs;
};

/* All topics, in the order of the help page; ends with a row without a name. */
extern const struct adm_topic adm_topics[];

struct adm {
    const struct adm_topic *topic;
    const struct adm_verb *verb;
    struct toolopt global; /* global options and configuration files */
    struct toolopt opt;    /* the verb's options */
    struct opt_list rest;
    const char *word[ADM_WORDS_MAX]; /* the verb's arguments */
    struct client *client;           /* NULL with ADM_NO_TRACKER */
    struct client_opts client_opts;
    bool verbose, color;
};

/* The whole program. Returns the exit status. */
int adm_main(int argc, char **argv);

/* Whether --json was given, before the topic or behind the verb. */
bool adm_json(const struct adm *a);

/* Print PREFIX and what `f` says to standard error; returns 1. */
int adm_fail(const char *prefix, const struct mog_fail *f);
/* Print `text`, a line end and an empty line to standard error; returns 1. */
int adm_fail_text(const char *text);

/*
 * Ask the tracker `command`; on an error print PREFIX and it. On success print `done` (may be NULL) when --verbose was
 * given. Returns the exit status. `args` is emptied.
 */
int adm_command(struct adm *a, const char *command, struct kv *args, const char *prefix, const char *done);

/* The devid of a "5" or "dev5"; 0 when it is none. */
uint64_t adm_devid(const char *text);

/* Append option `name` to `args` under its own name when it was given. */
void adm_add_option(const struct adm *a, struct kv *args, const char *name);

/* Load hosts or domains, or say that they cannot be had. False: end with status 1. */
MOG_MUSTCHECK bool adm_load_hosts(struct adm *a, struct cluster *c);
MOG_MUSTCHECK bool adm_load_devices(struct adm *a, struct cluster *c);
MOG_MUSTCHECK bool adm_load_domains(struct adm *a, struct cluster *c);

/*
 * Call `fn` with a client of its own for each tracker, in the order of the list. Returns 1 when one call did not return
 * 0, else 0.
 */
int adm_each_tracker(struct adm *a, int (*fn)(struct adm *a, struct client *one, void *arg), void *arg);

/* Escape sequences around a state ("alive", "writeable": good; "down", "dead" ...: bad). "" without colours. */
const char *adm_state_begin(const struct adm *a, const char *state);
const char *adm_state_end(const struct adm *a);

/* Help pages, to standard output; they return 1, the exit status. */
int adm_help_global(void);
int adm_help_topic(const struct adm_topic *topic);
int adm_help_verb(const struct adm_topic *topic, const struct adm_verb *verb);
/* "ERROR: MESSAGE" and the verb's help. */
int adm_help_error(const struct adm *a, const char *fmt, ...) MOG_PRINTF(2, 3);

/* The tables of the topics. */
extern const struct adm_verb adm_check_verbs[], adm_stats_verbs[], adm_host_verbs[], adm_device_verbs[],
    adm_domain_verbs[], adm_class_verbs[], adm_slave_verbs[], adm_fsck_verbs[], adm_rebalance_verbs[],
    adm_settings_verbs[], adm_tracker_verbs[], adm_status_verbs[], adm_why_verbs[], adm_apply_verbs[],
    adm_export_verbs[], adm_completion_verbs[];

/* Options of listing verbs that have no others. */
extern const struct toolopt_def adm_json_opts[];

#endif
