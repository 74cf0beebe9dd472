/*
 * The library is opened when the first context is made, so a program without TLS does not load its 12 MB, and a package
 * of ours runs where it is not. What we call is kept from its manager's table, which is freed again.
 *
 * Its name has the version of its binary interface; the table's layout is that of the header all the same only from the
 * header's version on, since newer ones append to it.
 */
#include "vector_gcm.h"

#include <stddef.h>
#include <uv.h>

#define LIBRARY "libIPSec_MB.so.1"

struct library {
    unsigned (*version)(void);
    IMB_MGR *(*new_manager)(uint64_t flags);
    void (*init_manager)(IMB_MGR *manager, IMB_ARCH *arch);
    void (*free_manager)(IMB_MGR *manager);
};

static bool
find(uv_lib_t *handle, const char *name, void *function)
{
    return uv_dlsym(handle, name, function) == 0;
}

static bool
find_all(uv_lib_t *handle, struct library *library)
{
    return find(handle, "imb_get_version", &library->version) && find(handle, "alloc_mb_mgr", &library->new_manager) &&
           find(handle, "init_mb_mgr_auto", &library->init_manager) &&
           find(handle, "free_mb_mgr", &library->free_manager);
}

static void
take(const IMB_MGR *manager, struct tri_vector_gcm *gcm_128, struct tri_vector_gcm *gcm_256)
{
    *gcm_128 = (struct tri_vector_gcm){
        .expand_key = manager->gcm128_pre,
        .begin = manager->gcm128_init,
        .encrypt = manager->gcm128_enc_update,
        .decrypt = manager->gcm128_dec_update,
        .finish_encrypting = manager->gcm128_enc_finalize,
        .finish_decrypting = manager->gcm128_dec_finalize,
    };
    *gcm_256 = (struct tri_vector_gcm){
        .expand_key = manager->gcm256_pre,
        .begin = manager->gcm256_init,
        .encrypt = manager->gcm256_enc_update,
        .decrypt = manager->gcm256_dec_update,
        .finish_encrypting = manager->gcm256_enc_finalize,
        .finish_decrypting = manager->gcm256_dec_finalize,
    };
}

/* With less than AVX2 nobody has measured it. */
static bool
is_worth_it(IMB_ARCH arch)
{
    return arch >= IMB_ARCH_AVX2;
}

static bool
take_from(const struct library *library, struct tri_vector_gcm *gcm_128, struct tri_vector_gcm *gcm_256)
{
    IMB_ARCH arch;
    IMB_MGR *manager = library->version() < IMB_VERSION_NUM ? NULL : library->new_manager(0);
    if (manager == NULL)
        return false;
    library->init_manager(manager, &arch);
    bool is_taken = is_worth_it(arch);
    if (is_taken)
        take(manager, gcm_128, gcm_256);
    library->free_manager(manager);
    return is_taken;
}

bool
tri_vector_gcm_load(struct tri_vector_gcm *gcm_128, struct tri_vector_gcm *gcm_256)
{
    struct library library;
    uv_lib_t handle;
    if (uv_dlopen(LIBRARY, &handle) == 0 && find_all(&handle, &library) && take_from(&library, gcm_128, gcm_256))
        return true;
    uv_dlclose(&handle);
    return false;
}
