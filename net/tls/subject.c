#include "subject.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>

/* What was written to a memory BIO; `otherwise` if that is nothing. Frees the BIO. */
static void
read_text(BIO *bio, const char *otherwise, char *text, int room)
{
    int size = bio == NULL ? 0 : BIO_read(bio, text, room - 1);
    if (size > 0)
        text[size] = '\0';
    else
        snprintf(text, (size_t)room, "%s", otherwise);
    BIO_free(bio);
    ERR_pop_to_mark(); /* who asks may be about to tell of an error of his own */
}

void
tri_subject_of(const X509 *certificate, char text[TRI_SUBJECT_BYTES])
{
    ERR_set_mark();
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL)
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    read_text(bio, "nobody", text, (int)TRI_SUBJECT_BYTES);
}

void
tri_date_of(const ASN1_TIME *date, char text[TRI_DATE_BYTES])
{
    ERR_set_mark();
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL)
        ASN1_TIME_print(bio, date);
    read_text(bio, "a date that cannot be read", text, (int)TRI_DATE_BYTES);
}
