/*
 * Statuses: their codes and sentences, and what the system's errors are called here.
 *
 * libuv has translated most systems' numbers into one set already, so there is one list, of libuv's names; an errno
 * goes through libuv's own translation first.
 */
#include <errno.h>
#include <troupe/core/status.h>
#include <troupe/core/status_from.h>
#include <uv.h>

const char *
tr_status_code(tr_status status)
{
    switch (status) {
#define STATUS_CODE(constant, value, code, sentence)                                                                   \
    case constant: return code;
        TR_STATUS_MAP(STATUS_CODE)
#undef STATUS_CODE
    }
    return "UNKNOWN";
}

const char *
tr_status_text(tr_status status)
{
    switch (status) {
#define STATUS_TEXT(constant, value, code, sentence)                                                                   \
    case constant: return sentence;
        TR_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return tr_status_text(TR_EUNKNOWN);
}

/* Errors that have the same name in libuv, less its UV_, and here, less our TR_. */
#define SAME_NAMES(X)                                                                                                  \
    X(EINVAL)                                                                                                          \
    X(ENOMEM)                                                                                                          \
    X(EACCES)                                                                                                          \
    X(EADDRINUSE)                                                                                                      \
    X(EADDRNOTAVAIL)                                                                                                   \
    X(EAFNOSUPPORT)                                                                                                    \
    X(EAGAIN)                                                                                                          \
    X(EALREADY)                                                                                                        \
    X(EBADF)                                                                                                           \
    X(EBUSY)                                                                                                           \
    X(ECANCELED)                                                                                                       \
    X(ECONNABORTED)                                                                                                    \
    X(ECONNREFUSED)                                                                                                    \
    X(ECONNRESET)                                                                                                      \
    X(EDESTADDRREQ)                                                                                                    \
    X(EEXIST)                                                                                                          \
    X(EFAULT)                                                                                                          \
    X(EFBIG)                                                                                                           \
    X(EHOSTDOWN)                                                                                                       \
    X(EHOSTUNREACH)                                                                                                    \
    X(EINTR)                                                                                                           \
    X(EIO)                                                                                                             \
    X(EISCONN)                                                                                                         \
    X(EISDIR)                                                                                                          \
    X(ELOOP)                                                                                                           \
    X(EMFILE)                                                                                                          \
    X(EMSGSIZE)                                                                                                        \
    X(ENAMETOOLONG)                                                                                                    \
    X(ENETDOWN)                                                                                                        \
    X(ENETUNREACH)                                                                                                     \
    X(ENFILE)                                                                                                          \
    X(ENOBUFS)                                                                                                         \
    X(ENODEV)                                                                                                          \
    X(ENOENT)                                                                                                          \
    X(ENOPROTOOPT)                                                                                                     \
    X(ENOSPC)                                                                                                          \
    X(ENOSYS)                                                                                                          \
    X(ENOTCONN)                                                                                                        \
    X(ENOTDIR)                                                                                                         \
    X(ENOTSOCK)                                                                                                        \
    X(ENOTSUP)                                                                                                         \
    X(EPERM)                                                                                                           \
    X(EPIPE)                                                                                                           \
    X(EPROTO)                                                                                                          \
    X(EPROTOTYPE)                                                                                                      \
    X(EROFS)                                                                                                           \
    X(ETIMEDOUT)                                                                                                       \
    X(EAI_AGAIN)                                                                                                       \
    X(EAI_FAIL)                                                                                                        \
    X(EAI_FAMILY)

tr_status
tri_status_from_uv(int uv_error)
{
    if (uv_error >= 0)
        return TR_OK;
    switch (uv_error) {
#define SAME_NAME(name)                                                                                                \
    case UV_##name: return TR_##name;
        SAME_NAMES(SAME_NAME)
#undef SAME_NAME
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
    case UV_EAI_SERVICE: return TR_ENOTFOUND;
    case UV_EAI_ADDRFAMILY: return TR_EAI_FAMILY;
    case UV_EAI_CANCELED: return TR_ECANCELED;
    case UV_EAI_MEMORY: return TR_ENOMEM;
    default: return TR_EUNKNOWN;
    }
}

tr_status
tri_status_from_errno(int error)
{
#ifdef EDQUOT
    if (error == EDQUOT) /* libuv does not know it */
        return TR_ENOSPC;
#endif
    return tri_status_from_uv(uv_translate_sys_error(error));
}
