/*
 * Refusals: from OpenSSL's queue to a status and a sentence.
 *
 * OpenSSL keeps the errors of a thread in a queue, where the next caller finds those that nobody took. So whoever has
 * met one takes them all, here. The newest says what was wrong; but if memory was short anywhere on the way, that is
 * the reason. So it is where OpenSSL has failed without a word: it does that for lack of memory alone.
 */
#include "refusal.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Reasons that have a status of their own, wherever they come up. */
static const struct {
    int library, reason;
    tr_status status;
} own[] = {
    {ERR_LIB_SSL, SSL_R_EE_KEY_TOO_SMALL, TR_EWEAKKEY},
    {ERR_LIB_SSL, SSL_R_CA_KEY_TOO_SMALL, TR_EWEAKKEY},
    {ERR_LIB_SSL, SSL_R_CA_MD_TOO_WEAK, TR_EWEAKKEY},
    {ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH, TR_EKEYMISMATCH},
    {ERR_LIB_X509, X509_R_KEY_TYPE_MISMATCH, TR_EKEYMISMATCH},
};

static void
write_text(struct tr_tls_refusal *refusal, const char *format, va_list values)
{
    vsnprintf(refusal->text, sizeof(refusal->text), format, values);
    for (char *at = refusal->text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == '\x7f')
            *at = '?';
}

static void
append_reason(struct tr_tls_refusal *refusal)
{
    const char *reason = ERR_reason_error_string(refusal->reason);
    size_t size = strlen(refusal->text);
    if (reason != NULL)
        snprintf(refusal->text + size, sizeof(refusal->text) - size, ": %s", reason);
}

/* Empties the queue. Returns its newest entry, or 0. */
static unsigned long
take_queue(bool *lacks_memory)
{
    unsigned long error, newest = 0;
    *lacks_memory = ERR_peek_error() == 0;
    while ((error = ERR_get_error()) != 0) {
        *lacks_memory =
            *lacks_memory || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE || ERR_GET_REASON(error) == ERR_R_INIT_FAIL;
        newest = error;
    }
    return newest;
}

static tr_status
status_of(unsigned long error, tr_status otherwise)
{
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (ERR_GET_LIB(error) == own[i].library && ERR_GET_REASON(error) == own[i].reason)
            return own[i].status;
    return otherwise;
}

tr_status
tri_refuse(struct tr_tls_refusal *refusal, tr_status status, const char *format, ...)
{
    va_list values;
    ERR_clear_error();
    va_start(values, format);
    write_text(refusal, format, values);
    va_end(values);
    return status;
}

tr_status
tri_refuse_openssl(struct tr_tls_refusal *refusal, tr_status otherwise, const char *format, ...)
{
    bool lacks_memory;
    va_list values;
    refusal->reason = take_queue(&lacks_memory);
    va_start(values, format);
    write_text(refusal, format, values);
    va_end(values);
    append_reason(refusal);
    return lacks_memory ? TR_ENOMEM : status_of(refusal->reason, otherwise);
}
