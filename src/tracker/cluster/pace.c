/* SPDX-License-Identifier: MIT */
/* How background jobs hold back while clients wait longer because of them. */
#include "tracker/cluster/pace.h"

#include "common/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* One request in so many may be late, and so many are when no job is at work: that is how long is late. */
static const double LATE_ONE_IN = 300.0;
/* Times longer than that is late beside jobs. */
static const double TOLERANCE = 1.5;
/* What is usual is followed in steps of this part of it. */
static const double LEARN = 0.1;
/*
 * How the interval moves: by GAIN of itself for each second of punctual requests, and by as much more for each late one
 * that it stays where it is when no more than may be are late. A request after a long pause counts as if the last one
 * had been STEP_MAX_US ago.
 */
static const double GAIN = 4.0, LATE_MOST = 1.7;

enum {
    SECOND_US = 1000000,
    ACTIVE_US = SECOND_US, /* clients that were served so lately count as being there */
    STEP_MAX_US = 10 * 1000,
    /* Where jobs are always at work, there are no quiet requests unless jobs pause now and then. */
    LOOK_EVERY_US = SECOND_US,
    LOOK_US = 30 * 1000,
    /* What lasts longer cannot be paused: then what is, is what clients are used to. */
    NEVER_QUIET_US = 10 * SECOND_US,
    INTERVAL_LEAST_US = 250,
    INTERVAL_NONE_US = 500, /* below this nothing waits */
    OWED_MOST = 100000      /* other trackers may have done what was owed here */
};

struct lane {
    int64_t begun_us; /* its last item */
    unsigned owed;    /* may begin without waiting */
};

struct pace {
    pthread_mutex_t lock; /* guards all */
    double interval_us, most_us;
    int64_t served_us; /* the last request */
    int64_t quiet_us;  /* the last one that no job can have disturbed */
    int64_t ended_us;  /* the last work of a job */
    size_t at_work;
    struct lane lanes[PACE_LANES];
    size_t kinds;
    double usual_us[]; /* what one in LATE_ONE_IN of each kind takes longer than, by itself; 0: not known */
};

static double most_of(int64_t least_rate)
{
    return (double)SECOND_US / (double)(least_rate > 0 ? least_rate : 1);
}

struct pace *pace_new(size_t kinds, int64_t least_rate)
{
    struct pace *p = mem_calloc(1, sizeof(*p) + kinds * sizeof(p->usual_us[0]));
    pthread_mutex_init(&p->lock, NULL);
    p->kinds = kinds;
    p->interval_us = p->most_us = most_of(least_rate);
    p->served_us = -ACTIVE_US;
    return p;
}

void pace_free(struct pace *p)
{
    if (p == NULL)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static double within(double value, double least, double most)
{
    value = value > least ? value : least;
    return value < most ? value : most;
}

void pace_set_least_rate(struct pace *p, int64_t least_rate)
{
    pthread_mutex_lock(&p->lock);
    p->most_us = most_of(least_rate);
    p->interval_us = within(p->interval_us, 0, p->most_us);
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock. */
static void learn(double *usual_us, double took_us)
{
    if (*usual_us <= 0)
        *usual_us = took_us > 1 ? took_us : 1;
    else if (took_us > *usual_us)
        *usual_us *= 1 + LEARN * (1 - 1 / LATE_ONE_IN);
    else
        *usual_us *= 1 - LEARN / LATE_ONE_IN;
}

/* Under the lock. */
static void judge(struct pace *p, bool is_late, int64_t since_us)
{
    double step = GAIN * within((double)since_us, 0, STEP_MAX_US) / SECOND_US;
    double factor = is_late ? 1 + within((LATE_ONE_IN - 1) * step, 0, LATE_MOST) : 1 - step;
    p->interval_us = within(p->interval_us * factor, INTERVAL_LEAST_US, p->most_us);
}

void pace_served(struct pace *p, size_t kind, int64_t begun_us, int64_t now_us)
{
    if (p == NULL || kind >= p->kinds)
        return;
    double took_us = (double)(now_us - begun_us);
    pthread_mutex_lock(&p->lock);
    bool is_quiet = p->at_work == 0 && begun_us >= p->ended_us;
    if (is_quiet)
        p->quiet_us = now_us;
    double *usual_us = &p->usual_us[kind];
    if (!is_quiet && *usual_us > 0)
        judge(p, took_us > *usual_us * TOLERANCE, now_us - p->served_us);
    if (is_quiet || *usual_us <= 0 || now_us - p->quiet_us > NEVER_QUIET_US)
        learn(usual_us, took_us);
    p->served_us = now_us;
    pthread_mutex_unlock(&p->lock);
}

void pace_owe(struct pace *p, enum pace_lane lane)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->lanes[lane].owed += p->lanes[lane].owed < OWED_MOST;
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock. */
static double wait_of(const struct pace *p, const struct lane *lane, int64_t now_us)
{
    double since_us = (double)(now_us - lane->begun_us);
    if (now_us - p->served_us >= ACTIVE_US || lane->owed != 0 || since_us >= p->most_us)
        return 0;
    if (now_us % LOOK_EVERY_US < LOOK_US)
        return within((double)(LOOK_US - now_us % LOOK_EVERY_US), 0, p->most_us - since_us);
    return p->interval_us < INTERVAL_NONE_US ? 0 : p->interval_us - since_us;
}

int64_t pace_ask(struct pace *p, enum pace_lane lane, int64_t now_us)
{
    if (p == NULL)
        return 0;
    pthread_mutex_lock(&p->lock);
    struct lane *l = &p->lanes[lane];
    double wait_us = wait_of(p, l, now_us);
    if (wait_us <= 0) {
        l->begun_us = now_us;
        l->owed -= l->owed != 0;
    }
    pthread_mutex_unlock(&p->lock);
    return wait_us <= 0 ? 0 : (int64_t)wait_us + 1;
}

void pace_begin(struct pace *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->at_work++;
    pthread_mutex_unlock(&p->lock);
}

void pace_end(struct pace *p, int64_t now_us)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->at_work--;
    p->ended_us = now_us;
    pthread_mutex_unlock(&p->lock);
}
