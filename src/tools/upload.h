/* SPDX-License-Identifier: MIT */
/* Storing one file: create_open, PUT to one of the offered devices, create_close; again elsewhere when that fails. */
#ifndef MOG_TOOLS_UPLOAD_H
#define MOG_TOOLS_UPLOAD_H

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/http.h"
#include "common/span.h"
#include "tools/client.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Where the bytes come from: an open descriptor (borrowed), read from its present position. Up to 1 MiB is read ahead,
 * so a short stream can be sent again as often as a file can.
 */
struct upload_source {
    int fd;
    int64_t size; /* bytes; -1 while not known (a stream longer than what was read ahead) */
    bool seekable;
    bool all_in_head;
    struct buf head;
    int64_t start; /* of a seekable one: offset of the first byte */
    bool passed;   /* a stream was read beyond the head: it cannot be sent again */
};

/* Borrows `fd`. MOG_EIO. upload_source_fini in any case. */
MOG_MUSTCHECK enum mog_err upload_source_init(struct upload_source *s, int fd, struct mog_fail *f);
/* Bytes in memory as a source; borrowed until fini. */
void upload_source_memory(struct upload_source *s, struct span bytes);
void upload_source_fini(struct upload_source *s);

struct upload_opts {
    const char *domain;
    const char *class_name; /* NULL: not sent */
    struct span key;
    enum digest_type checksum;                  /* sent with create_close; DIGEST_NONE: none */
    bool verify;                                /* the tracker is to read the file back and compare the checksum */
    unsigned rounds;                            /* times create_open is tried; 0: 3 */
    void (*progress)(void *arg, uint64_t sent); /* may be NULL; goes back when a try starts again */
    void *progress_arg;
};

/* How far it came. */
enum upload_stage { UPLOAD_OPEN, UPLOAD_PUT, UPLOAD_CLOSE, UPLOAD_DONE };

struct upload_result {
    enum upload_stage stage;
    char code[64]; /* the tracker's error code; "" when the failure is not the tracker's */
    uint64_t fid;
    uint64_t devid;
    uint64_t size;
    char checksum[160]; /* "MD5:hex"; "" without */
    unsigned puts;      /* uploads begun */
};

/*
 * MOG_OK: the file is stored. Otherwise `r->stage` says where it failed and `f` why: MOG_EREFUSED (the tracker),
 * MOG_EHTTP (the storage node's status), MOG_EIO (the source), errors of client_request and http_exchange.
 */
MOG_MUSTCHECK enum mog_err upload_run(struct client *c, struct http_client *http, struct upload_source *s,
                                      const struct upload_opts *opts, struct upload_result *r, struct mog_fail *f);

#endif
