/*
 * Certificates in words, for sentences.
 */
#ifndef TROUPE_NET_TLS_SUBJECT_H
#define TROUPE_NET_TLS_SUBJECT_H

#include <openssl/types.h>

#define TRI_SUBJECT_BYTES 96u
#define TRI_DATE_BYTES 32u

/* "CN=a.example,O=Example", cut where it is too long; "nobody" without a subject. */
void tri_subject_of(const X509 *certificate, char text[TRI_SUBJECT_BYTES]);

/* "Nov 28 17:37:00 2026 GMT". */
void tri_date_of(const ASN1_TIME *date, char text[TRI_DATE_BYTES]);

#endif
