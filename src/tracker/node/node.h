/* SPDX-License-Identifier: MIT */
/* HTTP and side channel to storage nodes. One struct node per thread; what is known about nodes is shared. */
#ifndef MOG_TRACKER_NODE_NODE_H
#define MOG_TRACKER_NODE_NODE_H

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/http.h"
#include "tracker/cluster/cluster.h"

#include <stdbool.h>
#include <stdint.h>

/* From the tracker's configuration; may change while running (node_shared_set_config). */
struct node_config {
    int64_t node_timeout_ms; /* to connect, and until an answer begins */
    size_t conn_pool_size;
    uint16_t stream_port; /* side channel */
    bool repl_use_get_port;
};

struct node_shared;
struct node;

struct node_shared *node_shared_new(const struct node_config *config);
void node_shared_free(struct node_shared *s);
void node_shared_set_config(struct node_shared *s, const struct node_config *config);
struct node_config node_shared_config(struct node_shared *s);

/* The tracker stops: requests in progress end soon, with MOG_ECANCELED. Any thread. */
void node_shared_stop(struct node_shared *s);
bool node_shared_is_stopping(struct node_shared *s);

struct node *node_new(struct node_shared *s);
void node_free(struct node *n);
struct http_client *node_http(struct node *n);
/* Called now and then, on the node's thread, while a copy or a digest takes long. NULL: nothing is. */
void node_set_alive(struct node *n, void (*alive)(void *arg), void *arg);

/* All functions below block no longer than their deadlines, and log nothing unless said. */

/* ---- single files ---- */

enum node_size_result {
    NODE_SIZE_KNOWN,
    NODE_SIZE_MISSING,     /* 404 */
    NODE_SIZE_UNREACHABLE, /* anything else; the failure has the text to log */
};

/*
 * HEAD `url` within `timeout_ms`, all in all (0: node_timeout, to connect and then to answer). A 2xx without a length
 * counts as 0 from lighttpd alone.
 */
enum node_size_result node_size(struct node *n, const char *url, int64_t timeout_ms, uint64_t *size,
                                struct mog_fail *f);

/* DELETE `url`. MOG_OK on 2xx; MOG_ENOTFOUND on 404; MOG_EHTTP and transport errors otherwise. */
MOG_MUSTCHECK enum mog_err node_delete(struct node *n, const char *url, int *status, struct mog_fail *f);

/*
 * Make the folders of a fid on a device, unless they are known to be there or the node needs no MKCOL; no request is
 * begun after `by`. Failures are no matter: the upload shows whether it works.
 */
void node_make_folders(struct node *n, const struct cluster *c, const struct cluster_device *d, uint64_t fid,
                       struct deadline by);
/* Whether that would return at once: the node is known to make folders by itself. */
bool node_makes_folders(struct node *n, const struct cluster *c, const struct cluster_device *d);
/* The same for devN/test-write. */
void node_make_test_folder(struct node *n, const struct cluster *c, const struct cluster_device *d, struct deadline by);

/* ---- digests ---- */

enum node_digest_result { NODE_DIGEST_KNOWN, NODE_DIGEST_MISSING, NODE_DIGEST_UNKNOWN };

/*
 * The digest of a copy, from the side channel, else by reading it over HTTP. `purpose`: "fsck" or NULL. `port`: which
 * URL. Side-channel failures are logged, at most every 300 s a host.
 */
enum node_digest_result node_digest(struct node *n, const struct cluster_device *d, uint64_t fid,
                                    enum cluster_port port, enum digest_type type, const char *purpose,
                                    uint8_t out[DIGEST_MAX_BYTES], struct mog_fail *f);

/* ---- copies ---- */

enum node_copy_result {
    NODE_COPY_OK,
    NODE_COPY_SRC_ERROR,
    NODE_COPY_SRC_MISSING, /* the source answered 404 */
    NODE_COPY_SRC_DIGEST,  /* the source's bytes do not have the wanted digest */
    NODE_COPY_DEST_ERROR,
};

struct node_copy {
    const struct cluster *cluster;
    const struct cluster_device *from, *to;
    uint64_t fid, length;
    enum digest_type want_type; /* digest that the file must have; DIGEST_NONE: none known */
    const uint8_t *want;
    enum digest_type compute; /* digest to compute when none is known; DIGEST_NONE: none */
    /* Result: the digest of what was copied, with type `got_type`. */
    enum digest_type got_type;
    uint8_t got[DIGEST_MAX_BYTES];
    bool began; /* something may have reached the destination */
};

/*
 * Stream one file from device to device. No time-out on the whole, 45 s on silence. A failed destination is asked to
 * delete what it has of it. The detail in `f` is the text to log.
 */
enum node_copy_result node_copy(struct node *n, struct node_copy *copy, struct mog_fail *f);

/* ---- what the monitor asks ---- */

struct node_usage {
    uint64_t total_kb, used_kb;
};
/*
 * GET /devN/usage. MOG_OK; MOG_ESYNTAX: it came but says nothing usable; MOG_EHTTP and transport errors. `timeout_ms`
 * for the whole.
 */
MOG_MUSTCHECK enum mog_err node_usage(struct node *n, const struct cluster_device *d, int64_t timeout_ms,
                                      struct node_usage *out, struct mog_fail *f);
/* Write a file below test-write/, and read it back. MOG_OK: the same bytes came back. */
MOG_MUSTCHECK enum mog_err node_test_write(struct node *n, const struct cluster *c, const struct cluster_device *d,
                                           int64_t timeout_ms, uint64_t random, struct mog_fail *f);
/*
 * Whether the node refuses a PUT whose Content-MD5 is wrong. MOG_OK: `*rejects` is certain; anything else: not known.
 * After a successful test write only.
 */
MOG_MUSTCHECK enum mog_err node_probe_md5(struct node *n, const struct cluster_device *d, int64_t timeout_ms,
                                          bool *rejects);

#endif
