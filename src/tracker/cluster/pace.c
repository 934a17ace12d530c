/* SPDX-License-Identifier: MIT */
/* How background jobs hold back while clients wait longer because of them. */
#include "tracker/cluster/pace.h"

#include "common/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum mark { MEDIAN, TAIL, MARKS };

/* So many of the requests take longer than a mark while no job is at work. */
static const double PART[MARKS] = {[MEDIAN] = 1.0 / 2, [TAIL] = 1.0 / 100};
/*
 * Beside jobs as many may take so many times as long. The tail alone would not do: clients who wait for a free
 * connection do so where no tracker sees them, and when all connections are taken no request is much later than others.
 */
static const double TOLERANCE = 1.5;
/* Where fewer requests than this are there at a time, on average, it may be so many times. */
static const double FEW = 0.1, FEW_TOLERANCE = 3;
/*
 * So much of what is usual a look changes at most. Down is quicker: jobs may have left a queue behind them, which makes
 * what comes during a look slow.
 */
static const double LEARN_UP = 0.2, LEARN_DOWN = 0.3;
/* What tails are taken for at first, in medians. */
static const double GUESS = 4;
/* Requests over a mark, or missing there, that may be chance. */
static const double DOUBT = 1;
/* By how much of itself a window of late requests makes the interval longer, and one of punctual ones shorter. */
static const double LONGER = 1.0, SHORTER = 0.2;

enum {
    SECOND_US = 1000000,
    ACTIVE_US = SECOND_US, /* clients that were served so lately count as being there */
    FIRST = 100,           /* requests from which there is a notion of what is usual */
    LOOK_LEAST = 150,      /* requests */
    /*
     * A window of requests lasts so long and has so many; with few clients it lasts longer and has less. Who asks still
     * more rarely is not worth holding anything back for.
     */
    WINDOW_US = 50 * 1000,
    WINDOW_REQUESTS = 100,
    FEW_US = SECOND_US,
    FEW_REQUESTS = 20,
    FEWEST_US = 5 * SECOND_US,
    /*
     * Where jobs are always at work, there are no quiet requests unless jobs pause now and then: at the beginning of
     * each second, for twice as long as late requests take.
     */
    LOOK_EVERY_US = SECOND_US,
    LOOK_LEAST_US = 60 * 1000,
    LOOK_MOST_US = 200 * 1000,
    /* What lasts longer cannot be paused: then what is usual is seen while nothing else begins. */
    NEVER_QUIET_US = 10 * SECOND_US,
    SETTLE_US = 10 * 1000,
    STEP_MAX_US = 10 * 1000, /* clients that pause for longer are not at it meanwhile */
    INTERVAL_LEAST_US = 250,
    INTERVAL_NONE_US = 500, /* below this nothing waits */
    OWED_FOR_US = 2 * SECOND_US
};

/* How many requests there were, and how many of them took longer than each mark. */
struct tally {
    unsigned n, over[MARKS];
};

/* What a kind of requests takes by itself. */
struct usual {
    double us[MARKS];
    struct tally quiet; /* of them, since `since_us` */
    int64_t since_us;
    unsigned first; /* how many of the FIRST there were */
};

struct lane {
    int64_t begun_us; /* its last item that was not owed */
    /* May begin without waiting: what was made since `owed_us`, and for OWED_FOR_US before. */
    unsigned owed, owed_before;
    int64_t owed_us;
};

struct pace {
    pthread_mutex_t lock; /* guards all */
    double interval_us, most_us;
    int64_t served_us;  /* the last request */
    int64_t unquiet_us; /* for so long no request came that no job can have disturbed */
    int64_t begun_us;   /* the last item */
    int64_t paced_us;   /* the last one that was not owed */
    int64_t ended_us;   /* the last work of a job */
    size_t at_work;
    int64_t stirred_us;  /* when there last was work, and none before */
    int64_t calm_us;     /* when there last was none any more, in a look or before it */
    int64_t look_us;     /* how long a look lasts */
    double tail_us;      /* the longest usual TAIL of late */
    struct tally window; /* of requests of all kinds, since `window_us` */
    int64_t window_us;
    double waited_us;  /* all of the window's together */
    bool are_few;      /* in the last one */
    bool is_disturbed; /* one at least of the window's */
    struct lane lanes[PACE_LANES];
    size_t kinds;
    struct usual usual[];
};

static double most_of(int64_t least_rate)
{
    return (double)SECOND_US / (double)(least_rate > 0 ? least_rate : 1);
}

struct pace *pace_new(size_t kinds, int64_t least_rate)
{
    struct pace *p = mem_calloc(1, sizeof(*p) + kinds * sizeof(p->usual[0]));
    pthread_mutex_init(&p->lock, NULL);
    p->kinds = kinds;
    p->interval_us = p->most_us = most_of(least_rate);
    p->served_us = -ACTIVE_US;
    p->look_us = LOOK_LEAST_US;
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
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->most_us = most_of(least_rate);
    p->interval_us = within(p->interval_us, 0, p->most_us);
    pthread_mutex_unlock(&p->lock);
}

static void count(struct tally *t, const struct usual *u, double took_us)
{
    t->n++;
    for (enum mark m = 0; m < MARKS; m++)
        t->over[m] += took_us > u->us[m];
}

/* Are more over the mark than should be? From 1: far too many, to -1: far too few; few requests tell little. */
static double excess(const struct tally *t, enum mark m, double doubt)
{
    double expected = PART[m] * t->n;
    return within((t->over[m] - expected) / (expected * (1 - PART[m]) + doubt), -1, 1);
}

static double factor(double excess, double down, double up)
{
    return 1 + excess * (excess > 0 ? up : down);
}

/* The first ones tell more or less what is usual, whatever disturbs them. */
static void learn_first(struct usual *u, double took_us)
{
    if (u->first++ == 0)
        u->us[MEDIAN] = took_us > 1 ? took_us : 1;
    u->us[MEDIAN] *= 1 + LEARN_UP * ((took_us > u->us[MEDIAN]) - PART[MEDIAN]);
    u->us[TAIL] = GUESS * u->us[MEDIAN];
}

static void learn(struct usual *u, double took_us, int64_t now_us)
{
    count(&u->quiet, u, took_us);
    if (u->quiet.n < LOOK_LEAST || now_us - u->since_us < SECOND_US)
        return;
    for (enum mark m = 0; m < MARKS; m++) {
        u->us[m] *= factor(excess(&u->quiet, m, DOUBT), LEARN_DOWN, LEARN_UP);
        u->us[m] = u->us[m] > 1 ? u->us[m] : 1;
    }
    u->quiet = (struct tally){0};
    u->since_us = now_us;
}

/* Under the lock. */
static void begin_window(struct pace *p, int64_t now_us)
{
    p->window = (struct tally){0};
    p->window_us = now_us;
    p->waited_us = 0;
    p->is_disturbed = false;
}

/* Under the lock: from 1, far too many of the window's requests are late, to -1, far too few. */
static double lateness(const struct pace *p)
{
    double most = excess(&p->window, MEDIAN, 0);
    /* One in a hundred is chance among fewer. */
    return p->window.n < WINDOW_REQUESTS ? most : within(excess(&p->window, TAIL, 0), most, 1);
}

/* Under the lock. */
static void judge(struct pace *p, const struct usual *u, double took_us, int64_t now_us)
{
    count(&p->window, u, took_us / (p->are_few ? FEW_TOLERANCE : TOLERANCE));
    p->waited_us += took_us;
    p->tail_us = within(u->us[TAIL], p->tail_us, LOOK_MOST_US);
    int64_t since_us = now_us - p->window_us;
    bool is_long = since_us >= WINDOW_US && p->window.n >= WINDOW_REQUESTS;
    bool is_longer = since_us >= FEW_US && p->window.n >= FEW_REQUESTS;
    if (!is_long && !is_longer && since_us < FEWEST_US)
        return;
    if (p->is_disturbed) {
        double late = is_long || is_longer ? lateness(p) : -1;
        p->interval_us = within(p->interval_us * factor(late, SHORTER, LONGER), INTERVAL_LEAST_US, p->most_us);
    }
    p->are_few = p->waited_us < FEW * (double)since_us;
    p->look_us = (int64_t)within(2 * p->tail_us, LOOK_LEAST_US, LOOK_MOST_US);
    p->tail_us *= 1 - LEARN_DOWN;
    begin_window(p, now_us);
}

/* The end of the look of the second in which this was. */
static int64_t look_end(const struct pace *p, int64_t then_us)
{
    return then_us - then_us % LOOK_EVERY_US + p->look_us;
}

/*
 * Under the lock: whether a request of this kind that began then tells what is usual. What counts is when it began, not
 * whether jobs began again before it ended: else there would be no long ones among those that tell.
 */
static bool is_quiet(struct pace *p, const struct usual *u, int64_t begun_us, int64_t now_us)
{
    bool is_idle = p->at_work == 0 && begun_us - p->ended_us >= SECOND_US;
    int64_t end_us = look_end(p, begun_us);
    bool has_stirred = p->at_work != 0 && p->stirred_us < end_us;
    bool is_look = begun_us >= p->calm_us && !has_stirred && (double)begun_us + u->us[TAIL] <= (double)end_us;
    bool is = is_idle || is_look;
    p->unquiet_us = is ? 0 : p->unquiet_us + (int64_t)within((double)(now_us - p->served_us), 0, STEP_MAX_US);
    return is || (p->unquiet_us > NEVER_QUIET_US && begun_us >= p->begun_us + SETTLE_US);
}

/* Under the lock. */
static void serve(struct pace *p, size_t kind, int64_t begun_us, int64_t now_us)
{
    double took_us = (double)(now_us - begun_us);
    struct usual *u = &p->usual[kind];
    /* Jobs have made the most of their absence; a few who come now and then need not begin with the worst. */
    if (now_us - p->served_us >= ACTIVE_US && !p->are_few) {
        p->interval_us = p->most_us;
        p->are_few = true;
        begin_window(p, now_us);
    }
    bool quiet = is_quiet(p, u, begun_us, now_us);
    p->is_disturbed = p->is_disturbed || p->at_work != 0 || begun_us < p->ended_us;
    if (u->first < FIRST) {
        learn_first(u, took_us);
    } else {
        judge(p, u, took_us, now_us);
        if (quiet)
            learn(u, took_us, now_us);
    }
    p->served_us = now_us;
}

void pace_served(struct pace *p, const struct pace_request *all, size_t n, int64_t now_us)
{
    if (p == NULL || n == 0)
        return;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < n; i++) {
        if (all[i].kind < p->kinds)
            serve(p, all[i].kind, all[i].begun_us, now_us);
    }
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock. What has been owed for long is not owed any more: else all of it would begin together some day. */
static void forget_old(struct lane *lane, int64_t now_us)
{
    int64_t since_us = now_us - lane->owed_us;
    if (since_us < OWED_FOR_US)
        return;
    lane->owed_before = since_us < 2 * OWED_FOR_US ? lane->owed : 0;
    lane->owed = 0;
    lane->owed_us = now_us;
}

void pace_owe(struct pace *p, enum pace_lane lane)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    forget_old(&p->lanes[lane], p->served_us); /* a moment ago: who makes something is a client */
    p->lanes[lane].owed++;
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock. */
static double wait_of(const struct pace *p, const struct lane *lane, int64_t now_us)
{
    if (now_us - p->served_us >= ACTIVE_US || p->most_us < INTERVAL_NONE_US)
        return 0;
    if (now_us < look_end(p, now_us))
        return (double)(look_end(p, now_us) - now_us);
    if (lane->owed + lane->owed_before != 0 || p->interval_us < INTERVAL_NONE_US)
        return 0;
    double own_us = p->interval_us - (double)(now_us - lane->begun_us);
    double others_us = p->interval_us / (PACE_LANES + 1) - (double)(now_us - p->paced_us);
    return own_us > others_us ? own_us : others_us; /* not all lanes at the same time */
}

int64_t pace_ask(struct pace *p, enum pace_lane lane, int64_t now_us)
{
    if (p == NULL)
        return 0;
    pthread_mutex_lock(&p->lock);
    struct lane *l = &p->lanes[lane];
    forget_old(l, now_us);
    double wait_us = wait_of(p, l, now_us);
    if (wait_us <= 0) {
        unsigned *owed = l->owed_before != 0 ? &l->owed_before : &l->owed;
        if (*owed != 0)
            --*owed;
        else
            p->paced_us = l->begun_us = now_us;
        p->begun_us = now_us;
    }
    pthread_mutex_unlock(&p->lock);
    return wait_us <= 0 ? 0 : (int64_t)wait_us + 1;
}

void pace_begin(struct pace *p, int64_t now_us)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    if (p->at_work++ == 0)
        p->stirred_us = now_us;
    pthread_mutex_unlock(&p->lock);
}

void pace_end(struct pace *p, int64_t now_us)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->ended_us = now_us;
    if (--p->at_work == 0 && p->stirred_us < look_end(p, now_us))
        p->calm_us = now_us;
    pthread_mutex_unlock(&p->lock);
}
