/* SPDX-License-Identifier: MIT */
/* Digests over libcrypto's EVP. */
#include "common/digest.h"

#include "common/mem.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

static const struct digest_row {
    const char *name;
    size_t size;
    const EVP_MD *(*md)(void);
} rows[] = {
    [DIGEST_MD5] = {"MD5", 16, EVP_md5},           [DIGEST_SHA1] = {"SHA-1", 20, EVP_sha1},
    [DIGEST_SHA224] = {"SHA-224", 28, EVP_sha224}, [DIGEST_SHA256] = {"SHA-256", 32, EVP_sha256},
    [DIGEST_SHA384] = {"SHA-384", 48, EVP_sha384}, [DIGEST_SHA512] = {"SHA-512", 64, EVP_sha512},
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

struct digest {
    EVP_MD_CTX *ctx;
    enum digest_type type;
};

static const struct digest_row *row_of(enum digest_type t)
{
    return (unsigned)t < N_ROWS && rows[t].name != NULL ? &rows[t] : NULL;
}

const char *digest_name(enum digest_type t)
{
    const struct digest_row *row = row_of(t);
    return row != NULL ? row->name : NULL;
}

size_t digest_size(enum digest_type t)
{
    const struct digest_row *row = row_of(t);
    return row != NULL ? row->size : 0;
}

enum digest_type digest_by_name(struct span name)
{
    for (unsigned t = 1; t < N_ROWS; t++) {
        if (rows[t].name != NULL && span_is(name, rows[t].name))
            return (enum digest_type)t;
    }
    return DIGEST_NONE;
}

static void start(struct digest *d)
{
    int ok = EVP_DigestInit_ex(d->ctx, rows[d->type].md(), NULL);
    assert(ok == 1 && "the library has every digest of the table");
    (void)ok;
}

struct digest *digest_new(enum digest_type t)
{
    if (row_of(t) == NULL)
        return NULL;
    struct digest *d = mem_alloc(sizeof(*d));
    *d = (struct digest){.ctx = EVP_MD_CTX_new(), .type = t};
    if (d->ctx == NULL)
        abort();
    start(d);
    return d;
}

void digest_free(struct digest *d)
{
    if (d == NULL)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

void digest_update(struct digest *d, const void *data, size_t len)
{
    (void)EVP_DigestUpdate(d->ctx, data, len);
}

void digest_final(struct digest *d, uint8_t out[DIGEST_MAX_BYTES])
{
    (void)EVP_DigestFinal_ex(d->ctx, out, NULL);
    start(d);
}
