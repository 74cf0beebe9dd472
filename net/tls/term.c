/*
 * Terms. Whoever resumes is not asked for a certificate again, and a ticket of an older key is exchanged for a new one,
 * whose age begins anew with 1.3. So a client could come in for ever by a certificate that was good once (RFC 8446,
 * section 4.6.1, wants a limit). The term ends with the certificate, and no later than a session that is made now; it
 * goes along in the session, and whatever follows from that ends with it.
 */
#include "term.h"

#include <openssl/asn1.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <troupe/core/clock.h>

#define DAY_S 86400

static void
limit(SSL_SESSION *session, int64_t end_s)
{
    int64_t left_s = end_s - SSL_SESSION_get_time(session);
    (void)SSL_SESSION_set_timeout(session, (long)(left_s > 0 ? left_s : 0));
}

/* For each ticket, those that are kept in the cache included. */
static int
on_ticket(SSL *connection, void *data)
{
    SSL_SESSION *session = SSL_get_session(connection);
    int64_t end_s;
    void *kept;
    size_t size;
    (void)data;
    if (SSL_SESSION_get0_ticket_appdata(session, &kept, &size) == 1 && size == sizeof(end_s)) {
        memcpy(&end_s, kept, size);
        limit(session, end_s);
    }
    return 1;
}

void
tri_term_use(SSL_CTX *ssl)
{
    (void)SSL_CTX_set_session_ticket_cb(ssl, on_ticket, NULL, NULL); /* cannot fail */
}

static int64_t
end_of(const X509 *certificate)
{
    int days, seconds;
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1)
        return 0;
    return (int64_t)(tri_clock_ns(CLOCK_REALTIME) / TRI_CLOCK_NS) + (int64_t)days * DAY_S + seconds;
}

bool
tri_term_begin(SSL *connection, const X509 *certificate)
{
    SSL_SESSION *session = SSL_get_session(connection);
    int64_t end_s = SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session);
    int64_t of_certificate = end_of(certificate);
    if (of_certificate < end_s)
        end_s = of_certificate;
    limit(session, end_s);
    return SSL_SESSION_set1_ticket_appdata(session, &end_s, sizeof(end_s)) == 1;
}
