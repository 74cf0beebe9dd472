/*
 * AES-GCM by Intel's multi-buffer library (libipsec-mb), which is looked for while the program runs.
 *
 * It takes a third of the time of OpenSSL 3.0's on processors with VAES, which OpenSSL uses from 3.1 on; with AVX2 a
 * little less time for much, and far less for little, since it has no layers.
 */
#ifndef TROUPE_NET_TLS_VECTOR_GCM_H
#define TROUPE_NET_TLS_VECTOR_GCM_H

#include <intel-ipsec-mb.h>
#include <stdbool.h>

/* For keys of one length. No argument is NULL, an IV has 12 bytes, and lengths may be 0. */
struct tri_vector_gcm {
    aes_gcm_pre_t expand_key;
    aes_gcm_init_t begin; /* a message: IV, and all of what is authenticated alone */
    aes_gcm_enc_dec_update_t encrypt, decrypt;
    aes_gcm_enc_dec_finalize_t finish_encrypting, finish_decrypting; /* give the tag */
};

/*
 * Gives the calls for keys of 128 and of 256 bits; what they need stays until the process ends. false: the library is
 * not installed, or it or the processor is too old. Thread: any.
 */
bool tri_vector_gcm_load(struct tri_vector_gcm *gcm_128, struct tri_vector_gcm *gcm_256);

#endif
