/* SPDX-License-Identifier: MIT */
/* A bounded map from fids to texts. */
#include "tracker/cluster/fid_notes.h"

#include "common/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { MAX_NOTES = 20000 };

struct note {
    UT_hash_handle hh;
    uint64_t fid;
    char text[];
};

/* Invariant: `notes` is under `lock`; its order is that of insertion. */
struct fid_notes {
    pthread_mutex_t lock;
    struct note *notes;
};

struct fid_notes *fid_notes_new(void)
{
    struct fid_notes *n = mem_calloc(1, sizeof(*n));
    pthread_mutex_init(&n->lock, NULL);
    return n;
}

/* Under the lock. */
static void drop(struct fid_notes *n, struct note *note)
{
    if (note == NULL)
        return;
    HASH_DEL(n->notes, note);
    free(note);
}

void fid_notes_free(struct fid_notes *n)
{
    if (n == NULL)
        return;
    while (n->notes != NULL)
        drop(n, n->notes);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

/* Under the lock. */
static struct note *find(struct fid_notes *n, uint64_t fid)
{
    struct note *note = NULL;
    HASH_FIND(hh, n->notes, &fid, sizeof(fid), note);
    return note;
}

void fid_notes_set(struct fid_notes *n, uint64_t fid, const char *text)
{
    size_t len = strlen(text);
    struct note *note = mem_alloc(sizeof(*note) + len + 1);
    note->fid = fid;
    memcpy(note->text, text, len + 1);
    pthread_mutex_lock(&n->lock);
    drop(n, find(n, fid));
    if (HASH_COUNT(n->notes) >= MAX_NOTES)
        drop(n, n->notes);
    HASH_ADD(hh, n->notes, fid, sizeof(note->fid), note);
    pthread_mutex_unlock(&n->lock);
}

void fid_notes_clear(struct fid_notes *n, uint64_t fid)
{
    pthread_mutex_lock(&n->lock);
    drop(n, find(n, fid));
    pthread_mutex_unlock(&n->lock);
}

char *fid_notes_get(struct fid_notes *n, uint64_t fid)
{
    if (n == NULL)
        return NULL;
    pthread_mutex_lock(&n->lock);
    const struct note *note = find(n, fid);
    char *text = note != NULL ? mem_strdup(note->text) : NULL;
    pthread_mutex_unlock(&n->lock);
    return text;
}
