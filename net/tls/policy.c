#include "policy.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>

#define HOST_BYTES 253u

struct bond {
    unsigned char policy[TRI_POLICY_BYTES];
    unsigned char for_any_name;
    char name[HOST_BYTES + 1];
};

bool
tri_policy_init(struct tri_policy *policy)
{
    policy->digest = EVP_MD_CTX_new();
    policy->is_whole = policy->digest != NULL && EVP_DigestInit_ex(policy->digest, EVP_sha256(), NULL) == 1;
    return policy->is_whole;
}

void
tri_policy_fini(struct tri_policy *policy)
{
    EVP_MD_CTX_free(policy->digest);
}

static void
add_bytes(struct tri_policy *policy, const void *bytes, size_t size)
{
    uint64_t length = size;
    policy->is_whole = policy->is_whole && EVP_DigestUpdate(policy->digest, &length, sizeof(length)) == 1 &&
                       EVP_DigestUpdate(policy->digest, bytes, size) == 1;
}

void
tri_policy_add(struct tri_policy *policy, const char *what, const void *bytes, size_t size)
{
    add_bytes(policy, what, strlen(what));
    add_bytes(policy, bytes, size);
}

static void
add_subject(struct tri_policy *policy, const X509 *certificate)
{
    const unsigned char *der;
    size_t size;
    if (X509_NAME_get0_der(X509_get_subject_name(certificate), &der, &size))
        tri_policy_add(policy, "subject", der, size);
    else
        policy->is_whole = false;
}

void
tri_policy_add_names(struct tri_policy *policy, X509 *certificate)
{
    int place = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
    const ASN1_OCTET_STRING *names = place < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(certificate, place));
    if (names == NULL)
        add_subject(policy, certificate);
    else
        tri_policy_add(policy, "names", ASN1_STRING_get0_data(names), (size_t)ASN1_STRING_length(names));
}

bool
tri_policy_end(struct tri_policy *policy, unsigned char out[TRI_POLICY_BYTES])
{
    return policy->is_whole && EVP_DigestFinal_ex(policy->digest, out, NULL) == 1;
}

static char
lower(char letter)
{
    return (char)(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
}

bool
tri_policy_bond(const unsigned char policy[TRI_POLICY_BYTES], const char *name, bool for_any_name,
                unsigned char out[TRI_POLICY_BYTES])
{
    struct bond bond = {.for_any_name = for_any_name};
    memcpy(bond.policy, policy, sizeof(bond.policy));
    for (size_t i = 0; name != NULL && name[i] != '\0' && i < HOST_BYTES; i++)
        bond.name[i] = lower(name[i]);
    return EVP_Digest(&bond, sizeof(bond), out, NULL, EVP_sha256(), NULL) == 1;
}
