#include "reason.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stddef.h>

/* Reasons of OpenSSL's by the names that Node has for them: that of the constant. */
#define REASONS(X)                                                                                                     \
    X(APPLICATION_DATA_AFTER_CLOSE_NOTIFY)                                                                             \
    X(APP_DATA_IN_HANDSHAKE)                                                                                           \
    X(BAD_CHANGE_CIPHER_SPEC)                                                                                          \
    X(BAD_CIPHER)                                                                                                      \
    X(BAD_DECOMPRESSION)                                                                                               \
    X(BAD_DIGEST_LENGTH)                                                                                               \
    X(BAD_ECPOINT)                                                                                                     \
    X(BAD_EXTENSION)                                                                                                   \
    X(BAD_HANDSHAKE_STATE)                                                                                             \
    X(BAD_HELLO_REQUEST)                                                                                               \
    X(BAD_KEY_SHARE)                                                                                                   \
    X(BAD_KEY_UPDATE)                                                                                                  \
    X(BAD_LEGACY_VERSION)                                                                                              \
    X(BAD_LENGTH)                                                                                                      \
    X(BAD_PACKET)                                                                                                      \
    X(BAD_PROTOCOL_VERSION_NUMBER)                                                                                     \
    X(BAD_PSK)                                                                                                         \
    X(BAD_PSK_IDENTITY)                                                                                                \
    X(BAD_RECORD_TYPE)                                                                                                 \
    X(BAD_SIGNATURE)                                                                                                   \
    X(BAD_WRITE_RETRY)                                                                                                 \
    X(BINDER_DOES_NOT_VERIFY)                                                                                          \
    X(BLOCK_CIPHER_PAD_IS_WRONG)                                                                                       \
    X(CALLBACK_FAILED)                                                                                                 \
    X(CCS_RECEIVED_EARLY)                                                                                              \
    X(CERTIFICATE_VERIFY_FAILED)                                                                                       \
    X(CERT_LENGTH_MISMATCH)                                                                                            \
    X(CIPHERSUITE_DIGEST_HAS_CHANGED)                                                                                  \
    X(CLIENTHELLO_TLSEXT)                                                                                              \
    X(DATA_BETWEEN_CCS_AND_FINISHED)                                                                                   \
    X(DATA_LENGTH_TOO_LONG)                                                                                            \
    X(DECRYPTION_FAILED)                                                                                               \
    X(DECRYPTION_FAILED_OR_BAD_RECORD_MAC)                                                                             \
    X(DH_KEY_TOO_SMALL)                                                                                                \
    X(DIGEST_CHECK_FAILED)                                                                                             \
    X(DUPLICATE_COMPRESSION_ID)                                                                                        \
    X(EE_KEY_TOO_SMALL)                                                                                                \
    X(ENCRYPTED_LENGTH_TOO_LONG)                                                                                       \
    X(EXCESSIVE_MESSAGE_SIZE)                                                                                          \
    X(EXTRA_DATA_IN_MESSAGE)                                                                                           \
    X(HTTPS_PROXY_REQUEST)                                                                                             \
    X(HTTP_REQUEST)                                                                                                    \
    X(INAPPROPRIATE_FALLBACK)                                                                                          \
    X(INCONSISTENT_EXTMS)                                                                                              \
    X(INVALID_ALERT)                                                                                                   \
    X(INVALID_CCS_MESSAGE)                                                                                             \
    X(INVALID_CERTIFICATE_OR_ALG)                                                                                      \
    X(INVALID_SESSION_ID)                                                                                              \
    X(LENGTH_MISMATCH)                                                                                                 \
    X(LENGTH_TOO_LONG)                                                                                                 \
    X(LENGTH_TOO_SHORT)                                                                                                \
    X(MISSING_SIGALGS_EXTENSION)                                                                                       \
    X(MISSING_SUPPORTED_GROUPS_EXTENSION)                                                                              \
    X(NOT_ON_RECORD_BOUNDARY)                                                                                          \
    X(NO_APPLICATION_PROTOCOL)                                                                                         \
    X(NO_CIPHERS_AVAILABLE)                                                                                            \
    X(NO_CIPHERS_SPECIFIED)                                                                                            \
    X(NO_CIPHER_MATCH)                                                                                                 \
    X(NO_PROTOCOLS_AVAILABLE)                                                                                          \
    X(NO_RENEGOTIATION)                                                                                                \
    X(NO_SHARED_CIPHER)                                                                                                \
    X(NO_SHARED_GROUPS)                                                                                                \
    X(NO_SHARED_SIGNATURE_ALGORITHMS)                                                                                  \
    X(NO_SUITABLE_GROUPS)                                                                                              \
    X(NO_SUITABLE_KEY_SHARE)                                                                                           \
    X(NO_SUITABLE_SIGNATURE_ALGORITHM)                                                                                 \
    X(PACKET_LENGTH_TOO_LONG)                                                                                          \
    X(PEER_DID_NOT_RETURN_A_CERTIFICATE)                                                                               \
    X(READ_BIO_NOT_SET)                                                                                                \
    X(RECORD_LENGTH_MISMATCH)                                                                                          \
    X(RECORD_TOO_SMALL)                                                                                                \
    X(RENEGOTIATION_MISMATCH)                                                                                          \
    X(SSLV3_ALERT_BAD_CERTIFICATE)                                                                                     \
    X(SSLV3_ALERT_BAD_RECORD_MAC)                                                                                      \
    X(SSLV3_ALERT_CERTIFICATE_EXPIRED)                                                                                 \
    X(SSLV3_ALERT_CERTIFICATE_REVOKED)                                                                                 \
    X(SSLV3_ALERT_CERTIFICATE_UNKNOWN)                                                                                 \
    X(SSLV3_ALERT_HANDSHAKE_FAILURE)                                                                                   \
    X(SSLV3_ALERT_ILLEGAL_PARAMETER)                                                                                   \
    X(SSLV3_ALERT_NO_CERTIFICATE)                                                                                      \
    X(SSLV3_ALERT_UNEXPECTED_MESSAGE)                                                                                  \
    X(SSLV3_ALERT_UNSUPPORTED_CERTIFICATE)                                                                             \
    X(TLSV13_ALERT_CERTIFICATE_REQUIRED)                                                                               \
    X(TLSV13_ALERT_MISSING_EXTENSION)                                                                                  \
    X(TLSV1_ALERT_ACCESS_DENIED)                                                                                       \
    X(TLSV1_ALERT_DECODE_ERROR)                                                                                        \
    X(TLSV1_ALERT_DECRYPTION_FAILED)                                                                                   \
    X(TLSV1_ALERT_DECRYPT_ERROR)                                                                                       \
    X(TLSV1_ALERT_EXPORT_RESTRICTION)                                                                                  \
    X(TLSV1_ALERT_INAPPROPRIATE_FALLBACK)                                                                              \
    X(TLSV1_ALERT_INSUFFICIENT_SECURITY)                                                                               \
    X(TLSV1_ALERT_INTERNAL_ERROR)                                                                                      \
    X(TLSV1_ALERT_NO_RENEGOTIATION)                                                                                    \
    X(TLSV1_ALERT_PROTOCOL_VERSION)                                                                                    \
    X(TLSV1_ALERT_RECORD_OVERFLOW)                                                                                     \
    X(TLSV1_ALERT_UNKNOWN_CA)                                                                                          \
    X(TLSV1_ALERT_USER_CANCELLED)                                                                                      \
    X(TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE)                                                                           \
    X(TLSV1_UNRECOGNIZED_NAME)                                                                                         \
    X(TLSV1_UNSUPPORTED_EXTENSION)                                                                                     \
    X(TOO_MANY_KEY_UPDATES)                                                                                            \
    X(TOO_MANY_WARN_ALERTS)                                                                                            \
    X(TOO_MUCH_EARLY_DATA)                                                                                             \
    X(UNEXPECTED_CCS_MESSAGE)                                                                                          \
    X(UNEXPECTED_EOF_WHILE_READING)                                                                                    \
    X(UNEXPECTED_MESSAGE)                                                                                              \
    X(UNEXPECTED_RECORD)                                                                                               \
    X(UNKNOWN_ALERT_TYPE)                                                                                              \
    X(UNKNOWN_CERTIFICATE_TYPE)                                                                                        \
    X(UNKNOWN_CIPHER_RETURNED)                                                                                         \
    X(UNKNOWN_PROTOCOL)                                                                                                \
    X(UNSAFE_LEGACY_RENEGOTIATION_DISABLED)                                                                            \
    X(UNSOLICITED_EXTENSION)                                                                                           \
    X(UNSUPPORTED_PROTOCOL)                                                                                            \
    X(WRONG_CERTIFICATE_TYPE)                                                                                          \
    X(WRONG_CIPHER_RETURNED)                                                                                           \
    X(WRONG_CURVE)                                                                                                     \
    X(WRONG_SIGNATURE_LENGTH)                                                                                          \
    X(WRONG_SIGNATURE_SIZE)                                                                                            \
    X(WRONG_SIGNATURE_TYPE)                                                                                            \
    X(WRONG_SSL_VERSION)                                                                                               \
    X(WRONG_VERSION_NUMBER)

#define ROW(name) {SSL_R_##name, "ERR_SSL_" #name},

static const struct {
    int reason;
    const char *code;
} of_ssl[] = {REASONS(ROW)};

/* Results of verification. Those that have no status of their own share TR_EUNTRUSTED. */
#define CODE(name, status) {X509_V_ERR_##name, status, #name},

static const struct {
    int result;
    tr_status status;
    const char *code;
} of_certificates[] = {
    CODE(CERT_HAS_EXPIRED, TR_ECERTEXPIRED)                 /**/
    CODE(CERT_NOT_YET_VALID, TR_ECERTNOTYET)                /**/
    CODE(DEPTH_ZERO_SELF_SIGNED_CERT, TR_ESELFSIGNED)       /**/
    CODE(SELF_SIGNED_CERT_IN_CHAIN, TR_ESELFSIGNEDCHAIN)    /**/
    CODE(UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TR_ENOISSUER)   /**/
    CODE(UNABLE_TO_VERIFY_LEAF_SIGNATURE, TR_EUNVERIFIED)   /**/
    CODE(CERT_REVOKED, TR_EREVOKED)                         /**/
    CODE(OUT_OF_MEM, TR_ENOMEM)                             /**/
    CODE(UNABLE_TO_GET_ISSUER_CERT, TR_EUNTRUSTED)          /**/
    CODE(UNABLE_TO_GET_CRL, TR_EUNTRUSTED)                  /**/
    CODE(UNABLE_TO_DECRYPT_CERT_SIGNATURE, TR_EUNTRUSTED)   /**/
    CODE(UNABLE_TO_DECRYPT_CRL_SIGNATURE, TR_EUNTRUSTED)    /**/
    CODE(UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, TR_EUNTRUSTED) /**/
    CODE(CERT_SIGNATURE_FAILURE, TR_EUNTRUSTED)             /**/
    CODE(CRL_SIGNATURE_FAILURE, TR_EUNTRUSTED)              /**/
    CODE(CRL_NOT_YET_VALID, TR_EUNTRUSTED)                  /**/
    CODE(CRL_HAS_EXPIRED, TR_EUNTRUSTED)                    /**/
    CODE(ERROR_IN_CERT_NOT_BEFORE_FIELD, TR_EUNTRUSTED)     /**/
    CODE(ERROR_IN_CERT_NOT_AFTER_FIELD, TR_EUNTRUSTED)      /**/
    CODE(ERROR_IN_CRL_LAST_UPDATE_FIELD, TR_EUNTRUSTED)     /**/
    CODE(ERROR_IN_CRL_NEXT_UPDATE_FIELD, TR_EUNTRUSTED)     /**/
    CODE(CERT_CHAIN_TOO_LONG, TR_EUNTRUSTED)                /**/
    CODE(INVALID_CA, TR_EUNTRUSTED)                         /**/
    CODE(PATH_LENGTH_EXCEEDED, TR_EUNTRUSTED)               /**/
    CODE(INVALID_PURPOSE, TR_EUNTRUSTED)                    /**/
    CODE(CERT_UNTRUSTED, TR_EUNTRUSTED)                     /**/
    CODE(CERT_REJECTED, TR_EUNTRUSTED)                      /**/
    {X509_V_ERR_HOSTNAME_MISMATCH, TR_EALTNAME, NULL},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, TR_EALTNAME, NULL},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* What is beyond any that there are has no name here. */
static int16_t
numbered(int first, long number)
{
    return (int16_t)(first + (number > 0 && number < TRI_REASON_SSL ? number : 0));
}

static int16_t
reason_of(const SSL *connection, unsigned long error)
{
    long result = SSL_get_verify_result(connection);
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
        return TRI_REASON_MEMORY;
    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return TRI_REASON_SSL;
    if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED && result != X509_V_OK)
        return numbered(TRI_REASON_VERIFY, result);
    return numbered(TRI_REASON_SSL, ERR_GET_REASON(error));
}

int16_t
tri_reason_take(const SSL *connection)
{
    unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    return reason_of(connection, error);
}

tr_status
tri_reason_of_certificate(long result, const char **code)
{
    *code = NULL;
    if (result == X509_V_OK)
        return TR_OK;
    for (size_t i = 0; i < COUNT(of_certificates); i++)
        if (of_certificates[i].result == result) {
            *code = of_certificates[i].code;
            return of_certificates[i].status;
        }
    *code = "UNSPECIFIED";
    return TR_EUNTRUSTED;
}

bool
tri_reason_is_of_certificate(int16_t reason)
{
    return reason >= TRI_REASON_VERIFY && reason < TRI_REASON_MEMORY;
}

static const char *
code_of_ssl(int32_t reason)
{
    for (size_t i = 0; i < COUNT(of_ssl); i++)
        if (of_ssl[i].reason == reason)
            return of_ssl[i].code;
    return NULL;
}

tr_status
tri_reason_status(int32_t reason, const char **code)
{
    *code = NULL;
    if (reason <= 0)
        return TR_OK;
    if (reason >= TRI_REASON_MEMORY)
        return TR_ENOMEM;
    if (reason >= TRI_REASON_VERIFY)
        return tri_reason_of_certificate(reason - TRI_REASON_VERIFY, code);
    *code = code_of_ssl(reason - TRI_REASON_SSL);
    return TR_ETLS;
}
