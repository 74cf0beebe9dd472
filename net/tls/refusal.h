/*
 * Refusals: a status, a sentence for people, and OpenSSL's reason.
 */
#ifndef TROUPE_NET_TLS_REFUSAL_H
#define TROUPE_NET_TLS_REFUSAL_H

#include <troupe/net/tls.h>

/*
 * Writes the sentence, with '?' in place of control characters. What lies in OpenSSL's queue is its own affair: that is
 * emptied, and no reason noted. Returns status. Thread: any.
 */
tr_status tri_refuse(struct tr_tls_refusal *refusal, tr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same for a call of OpenSSL's that has failed: its newest reason is noted and stands behind the sentence, and the
 * queue is empty afterwards. Returns TR_ENOMEM if memory was the reason, the status of a reason that has one of its
 * own, else `otherwise`. Thread: any.
 */
tr_status tri_refuse_openssl(struct tr_tls_refusal *refusal, tr_status otherwise, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
