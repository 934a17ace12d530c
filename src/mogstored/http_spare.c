/* SPDX-License-Identifier: MIT */
/* The memory of requests that have ended, kept for the next ones: allocating it anew costs more than using it. */
#include "mogstored/http_request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum { ROOMY_TARGET = 512, STACK_SHIFT = 20 };

/* Threads seldom meet at a place: their stacks, and so their ids, lie far apart. */
static struct request_place *own_place(struct http *h)
{
    return &h->spares[((uintptr_t)pthread_self() >> STACK_SHIFT) % REQUEST_SPARES];
}

struct request *request_take(struct http *h, size_t target_len)
{
    char *small = NULL;
    struct request *r = NULL;
    if (target_len < ROOMY_TARGET)
        r = atomic_exchange(&own_place(h)->spare, NULL);
    if (r)
        small = r->get.small;
    else
        r = mem_alloc(sizeof *r + (target_len < ROOMY_TARGET ? ROOMY_TARGET : target_len + 1));
    memset(r, 0, offsetof(struct request, path));
    r->fail.text[0] = '\0';
    r->get.small = small;
    r->target_len = target_len;
    return r;
}

static void destroy(struct request *r)
{
    if (r)
        free(r->get.small);
    free(r);
}

void request_give(struct request *r)
{
    if (r->target_len < ROOMY_TARGET)
        r = atomic_exchange(&own_place(r->http)->spare, r);
    destroy(r);
}

void request_free_spares(struct http *h)
{
    for (size_t i = 0; i < REQUEST_SPARES; i++)
        destroy(atomic_exchange(&h->spares[i].spare, NULL));
}
