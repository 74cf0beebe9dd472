/*
 * PEM (RFC 7468): blocks of text between a line with BEGIN and one with END, and anything else around them.
 */
#ifndef TROUPE_NET_TLS_PEM_H
#define TROUPE_NET_TLS_PEM_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <troupe/net/tls.h>

#define TRI_PEM_NAME_BYTES 64u

struct tri_pem {
    const char *name;                /* for people: that of the file, or called */
    char called[TRI_PEM_NAME_BYTES]; /* "ca[1]", for what lies in memory */
    char *file;                      /* the bytes of a file; NULL: they are the caller's */
    const char *bytes;
    size_t size;
    size_t at;     /* what was read so far */
    unsigned line; /* in which it ends */
};

struct tri_pem_block {
    const char *text; /* from its BEGIN to its END; NULL: there are no more blocks */
    size_t size;
    unsigned line;                  /* of its BEGIN */
    char label[TRI_PEM_NAME_BYTES]; /* "CERTIFICATE" */
};

/* What a block holds. */
struct tri_pem_body {
    char *label, *header; /* the header says how it is encrypted, if it is; else "" */
    unsigned char *der;
    long size;
};

/* Nothing was given. */
static inline bool
tri_pem_is_none(const struct tr_pem *from)
{
    return from->file == NULL && from->memory == NULL;
}

/*
 * Makes the PEM ready to be read, a file by reading it. `called` is the name of the option, for people.
 * Returns TR_OK; TR_EINVAL: it has a file and memory, or neither, or PEM in the place of the file's name; TR_EFBIG;
 * TR_ENOMEM; what reading files answers.
 * Fini it, whatever the answer.
 */
tr_status tri_pem_init(struct tri_pem *pem, const struct tr_pem *from, const char *called,
                       struct tr_tls_refusal *refusal);

/* Forgets it. Bytes that were read from a file are wiped. */
void tri_pem_fini(struct tri_pem *pem);

/* The next block, or none. TR_ENOTPEM: it has no end. */
tr_status tri_pem_next(struct tri_pem *pem, struct tri_pem_block *block, struct tr_tls_refusal *refusal);

/* Nothing of what was wanted is in there, which is called `what`. Returns TR_ENOTPEM. */
tr_status tri_pem_refuse_empty(const struct tri_pem *pem, const char *what, struct tr_tls_refusal *refusal);

/* Decodes a block's text. Free the body, whatever the answer: it is wiped. TR_ENOTPEM, TR_ENOMEM. */
tr_status tri_pem_decode(const struct tri_pem *pem, const struct tri_pem_block *block, struct tri_pem_body *body,
                         struct tr_tls_refusal *refusal);
void tri_pem_body_free(struct tri_pem_body *body);

/* Where a block stands, for people. */
struct tri_pem_place {
    const char *name;
    unsigned line;
};

/* Blocks of a label, called `what` where there is none, and who takes each. */
struct tri_pem_wanted {
    const char *label, *what;
    tr_status (*take)(const struct tri_pem_place *place, const struct tri_pem_body *body, void *data,
                      struct tr_tls_refusal *refusal);
    void *data;
};

/* Gives all such blocks to take(), and stops where that is not TR_OK. TR_ENOTPEM: there is none; and what init, next,
 * decode and take() answer. */
tr_status tri_pem_take(const struct tr_pem *from, const char *called, const struct tri_pem_wanted *wanted,
                       struct tr_tls_refusal *refusal);

#endif
