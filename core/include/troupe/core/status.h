/*
 * One status type for the whole library.
 *
 * Zero is success. TR_QUEUED is success too: the call did its work, but part of the data waits in this process.
 * Everything negative is a refusal or a failure. Each has a code, the one that Node.js uses for the same thing if Node
 * has one ("ECONNREFUSED"), and a sentence.
 *
 * Easily confused:
 *
 *   TR_EBADF            not an open descriptor                TR_EBADFD           open, but of the wrong kind
 *   TR_EBADHANDLE       a socket of the wrong kind            TR_ENOTSOCK         from the system
 *   TR_ENOTSUPPORTED    the library cannot do it here         TR_ENOTSUP          from the system
 *   TR_EMISSING         nothing to connect to was given       TR_ENOADDRESS       nothing to listen on was given
 *   TR_ETIMEDOUT        a connection took too long            TR_ETIMEDOUT_STOP   a stop took too long
 *   TR_ETOOSLOW         the peer of a connection is too slow, by the socket's options
 *
 * Thread:  any, for all functions.
 */
#ifndef TROUPE_CORE_STATUS_H
#define TROUPE_CORE_STATUS_H

#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

/* X(constant, value, code, sentence). The values are part of the ABI: append, never renumber. */
#define TR_STATUS_MAP(X)                                                                                               \
    X(TR_OK, 0, "OK", "success")                                                                                       \
    X(TR_QUEUED, 1, "QUEUED", "accepted, part of it waits in this process")                                            \
    /* A caller's mistake. */                                                                                          \
    X(TR_EINVAL, -1, "EINVAL", "invalid argument")                                                                     \
    X(TR_EBADWORKER, -2, "ERR_BAD_WORKER", "there is no worker of that number")                                        \
    X(TR_EBADPORT, -3, "ERR_SOCKET_BAD_PORT", "a port is a number from 0 to 65535")                                    \
    X(TR_EBADHOST, -4, "ERR_BAD_HOST", "the host is empty, too long or holds a forbidden character")                   \
    X(TR_EBADADDRESS, -5, "ERR_INVALID_IP_ADDRESS", "not an address of that family")                                   \
    X(TR_EMISSING, -6, "ERR_MISSING_ARGS", "neither a port nor a path was given")                                      \
    X(TR_EBADFD, -7, "ERR_INVALID_FD_TYPE", "the descriptor is of the wrong kind")                                     \
    X(TR_ETOOMANYWORKERS, -8, "ERR_TOO_MANY_WORKERS", "more workers than the library can number")                      \
    X(TR_EBADBEHAVIOR, -9, "ERR_BAD_BEHAVIOR", "the behavior has no receive callback")                                 \
    X(TR_EBADREF, -10, "ERR_BAD_REF", "not the name of an actor of this runtime")                                      \
    X(TR_EBADTAG, -11, "ERR_BAD_TAG", "that tag is the runtime's own")                                                 \
    X(TR_EWRONGTHREAD, -12, "ERR_WRONG_THREAD", "the call would block the worker it waits for")                        \
    X(TR_EBADLIMIT, -13, "ERR_BAD_LIMIT", "a limit or a time is out of range")                                         \
    X(TR_ENOADDRESS, -14, "ERR_INVALID_ARG_VALUE", "nothing to listen on was given")                                   \
    X(TR_EBADENCODING, -15, "ERR_UNKNOWN_ENCODING", "not the name of an encoding")                                     \
    X(TR_EBADTEXT, -16, "ERR_INVALID_TEXT", "the text cannot be written in that encoding")                             \
    X(TR_EBADPATH, -17, "ERR_INVALID_PATH", "the path is empty")                                                       \
    X(TR_EBADHANDLE, -18, "ERR_INVALID_HANDLE_TYPE", "this kind of socket cannot do that")                             \
    X(TR_ENONAME, -19, "ERR_NO_NAME", "the behavior has no name")                                                      \
    X(TR_EBADSTATE, -50, "ERR_BAD_STATE_SIZE", "the state_size is above 1 GiB")                                        \
    X(TR_EBADPOLICY, -51, "ERR_BAD_POLICY", "the behavior's mailbox.policy is none of enum tr_mailbox_policy")         \
    /* Facts of the actor world. */                                                                                    \
    X(TR_EGONE, -20, "ERR_ACTOR_GONE", "the actor has stopped")                                                        \
    X(TR_EFULL, -21, "ERR_MAILBOX_FULL", "the mailbox, or the way to it, is full")                                     \
    X(TR_ESTOPPING, -22, "ERR_STOPPING", "the runtime is stopping")                                                    \
    X(TR_ETIMEDOUT_STOP, -23, "ERR_STOP_DEADLINE", "the deadline passed before everything had stopped")                \
    X(TR_EINIT, -24, "ERR_INIT_FAILED", "the actor's init callback failed")                                            \
    X(TR_EGIVENUP, -25, "ERR_CHILD_GIVEN_UP", "a child has ended too often too soon")                                  \
    X(TR_EKILLED, -26, "ERR_ACTOR_KILLED", "the actor was killed")                                                     \
    X(TR_EDEADLINE, -27, "ERR_DEADLINE", "the deadline passed before there was an answer")                             \
    X(TR_ENOREPLY, -28, "ERR_NO_REPLY", "the actor has neither answered the question nor kept it")                     \
    X(TR_ENOQUESTION, -29, "ERR_NO_QUESTION", "there is no such question, or it has its answer already")               \
    X(TR_ESELF, -30, "ERR_SELF", "an actor cannot do this with itself")                                                \
    X(TR_ENAMETAKEN, -31, "ERR_NAME_TAKEN", "another actor has that name")                                             \
    X(TR_EBADNAME, -32, "ERR_BAD_NAME", "the name is empty, or too long")                                              \
    X(TR_EMEMORYLIMIT, -33, "ERR_MEMORY_LIMIT", "the runtime holds as much as its memory limit allows")                \
    X(TR_EBADMESSAGE, -34, "ERR_BAD_MESSAGE", "the payload is not what the tag says")                                  \
    X(TR_ENOTNAMED, -35, "ERR_NOT_NAMED", "the actor does not have that name")                                         \
    X(TR_ENOTWATCHED, -36, "ERR_NOT_WATCHED", "the actor does not watch that name")                                    \
    /* Facts of the network that Node names. */                                                                        \
    X(TR_EALREADYLISTENING, -40, "ERR_SERVER_ALREADY_LISTEN", "the server listens already")                            \
    X(TR_ENOTLISTENING, -41, "ERR_SERVER_NOT_RUNNING", "the server is not listening")                                  \
    X(TR_EWRITEAFTEREND, -42, "ERR_STREAM_WRITE_AFTER_END", "write after end")                                         \
    X(TR_EDESTROYED, -43, "ERR_STREAM_DESTROYED", "the socket has been destroyed")                                     \
    X(TR_ESOCKETCLOSED, -44, "ERR_SOCKET_CLOSED", "the socket is closed")                                              \
    X(TR_ENOTSUPPORTED, -45, "ERR_NOT_SUPPORTED", "not supported here")                                                \
    X(TR_EALREADYFINISHED, -46, "ERR_STREAM_ALREADY_FINISHED", "the stream has finished already")                      \
    X(TR_ECLOSEDBEFORECONNECT, -47, "ERR_SOCKET_CLOSED_BEFORE_CONNECTION",                                             \
      "the socket was closed before it connected")                                                                     \
    X(TR_EQUEUELIMIT, -48, "ERR_WRITE_LIMIT", "more bytes would wait to be written than the limit allows")             \
    X(TR_EUSER, -49, "ERR_USER", "an error of the program's own, see its code")                                        \
    X(TR_ETOOSLOW, -52, "ERR_PEER_TOO_SLOW", "the peer is slower than the socket's limits allow")                      \
    X(TR_EBACKLOGDIFFERS, -70, "ERR_BACKLOG_DIFFERS", "the address is shared, with another backlog")                   \
    X(TR_EIPV6ONLYDIFFERS, -71, "ERR_IPV6_ONLY_DIFFERS", "the address is shared, with another ipv6_only")              \
    X(TR_ERIGHTSDIFFER, -72, "ERR_RIGHTS_DIFFER", "the path is shared, with another readable_all or writable_all")     \
    X(TR_EACCEPTDIFFERS, -74, "ERR_ACCEPT_DIFFERS", "the address is shared, with another way of accepting")            \
    X(TR_EBALANCEDIFFERS, -73, "ERR_BALANCE_DIFFERS", "the address is shared, with another policy of balancing")       \
    /* Mistakes in a text that should be a number. */                                                                  \
    X(TR_ENOTANUMBER, -60, "ERR_NOT_A_NUMBER", "not a decimal number")                                                 \
    X(TR_ETRAILING, -61, "ERR_TRAILING_CHARACTERS", "something follows the number")                                    \
    /* TLS: contexts, handshakes, certificates. */                                                                     \
    X(TR_ENOTPEM, -75, "ERR_OSSL_PEM_NO_START_LINE", "not the PEM that is needed there")                               \
    X(TR_EPASSPHRASE, -76, "ERR_OSSL_BAD_DECRYPT",                                                                     \
      "the private key is encrypted, with another passphrase or none given")                                           \
    X(TR_ETLSNOKEY, -77, "ERR_TLS_NO_KEY", "there is no certificate with a private key to serve with")                 \
    X(TR_EKEYMISMATCH, -78, "ERR_OSSL_X509_KEY_VALUES_MISMATCH", "the private key does not belong to the certificate") \
    X(TR_EWEAKKEY, -79, "ERR_SSL_EE_KEY_TOO_SMALL", "a key or a signature of the certificates is too weak")            \
    X(TR_EBADCIPHERS, -80, "ERR_SSL_NO_CIPHER_MATCH", "no such cipher, suite, group or signature")                     \
    X(TR_EBADVERSIONS, -81, "ERR_TLS_PROTOCOL_VERSION_CONFLICT", "no version of TLS lies between these")               \
    X(TR_EBADALPN, -82, "ERR_TLS_BAD_ALPN", "the name of a protocol has no bytes, or too many")                        \
    X(TR_EBADNAMES, -83, "ERR_TLS_BAD_NAMES", "the table of host names cannot be")                                     \
    X(TR_EBADSESSION, -84, "ERR_TLS_BAD_SESSION", "these bytes are no session")                                        \
    X(TR_ETLS, -85, "ERR_SSL_PROTOCOL_ERROR", "an alert, or a fault in the protocol of TLS")                           \
    X(TR_ETLSTIMEOUT, -86, "ERR_TLS_HANDSHAKE_TIMEOUT", "the handshake took too long")                                 \
    X(TR_ETRUNCATED, -87, "ERR_TLS_TRUNCATED", "the peer has ended without saying so in TLS")                          \
    X(TR_EALTNAME, -88, "ERR_TLS_CERT_ALTNAME_INVALID", "the certificate is for other names")                          \
    X(TR_ECERTEXPIRED, -89, "CERT_HAS_EXPIRED", "the certificate has expired")                                         \
    X(TR_ECERTNOTYET, -90, "CERT_NOT_YET_VALID", "the certificate is not yet valid")                                   \
    X(TR_ESELFSIGNED, -91, "DEPTH_ZERO_SELF_SIGNED_CERT", "the certificate is signed by itself")                       \
    X(TR_ESELFSIGNEDCHAIN, -92, "SELF_SIGNED_CERT_IN_CHAIN", "the chain ends in a certificate that is not trusted")    \
    X(TR_ENOISSUER, -93, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "the issuer of a certificate is not known here")         \
    X(TR_EUNVERIFIED, -94, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "the issuer of the only certificate is not known here")  \
    X(TR_EREVOKED, -95, "CERT_REVOKED", "the certificate was revoked")                                                 \
    X(TR_EUNTRUSTED, -96, "CERT_UNTRUSTED", "the certificate is not trusted")                                          \
    /* What the system answers: errno and getaddrinfo. */                                                              \
    X(TR_ENOMEM, -100, "ENOMEM", "not enough memory")                                                                  \
    X(TR_EACCES, -101, "EACCES", "permission denied")                                                                  \
    X(TR_EADDRINUSE, -102, "EADDRINUSE", "address already in use")                                                     \
    X(TR_EADDRNOTAVAIL, -103, "EADDRNOTAVAIL", "address not available")                                                \
    X(TR_EAFNOSUPPORT, -104, "EAFNOSUPPORT", "address family not supported")                                           \
    X(TR_EAGAIN, -105, "EAGAIN", "resource temporarily unavailable")                                                   \
    X(TR_EALREADY, -106, "EALREADY", "connection already in progress")                                                 \
    X(TR_EBADF, -107, "EBADF", "bad file descriptor")                                                                  \
    X(TR_EBUSY, -108, "EBUSY", "resource busy or locked")                                                              \
    X(TR_ECANCELED, -109, "ECANCELED", "operation canceled")                                                           \
    X(TR_ECONNABORTED, -110, "ECONNABORTED", "software caused connection abort")                                       \
    X(TR_ECONNREFUSED, -111, "ECONNREFUSED", "connection refused")                                                     \
    X(TR_ECONNRESET, -112, "ECONNRESET", "connection reset by peer")                                                   \
    X(TR_EDESTADDRREQ, -113, "EDESTADDRREQ", "destination address required")                                           \
    X(TR_EEXIST, -114, "EEXIST", "file already exists")                                                                \
    X(TR_EFAULT, -115, "EFAULT", "bad address in system call argument")                                                \
    X(TR_EHOSTDOWN, -116, "EHOSTDOWN", "host is down")                                                                 \
    X(TR_EHOSTUNREACH, -117, "EHOSTUNREACH", "host is unreachable")                                                    \
    X(TR_EINTR, -118, "EINTR", "interrupted system call")                                                              \
    X(TR_EIO, -119, "EIO", "i/o error")                                                                                \
    X(TR_EISCONN, -120, "EISCONN", "socket is already connected")                                                      \
    X(TR_EISDIR, -121, "EISDIR", "illegal operation on a directory")                                                   \
    X(TR_ELOOP, -122, "ELOOP", "too many symbolic links encountered")                                                  \
    X(TR_EMFILE, -123, "EMFILE", "too many open files")                                                                \
    X(TR_EMSGSIZE, -124, "EMSGSIZE", "message too long")                                                               \
    X(TR_ENAMETOOLONG, -125, "ENAMETOOLONG", "name too long")                                                          \
    X(TR_ENETDOWN, -126, "ENETDOWN", "network is down")                                                                \
    X(TR_ENETUNREACH, -127, "ENETUNREACH", "network is unreachable")                                                   \
    X(TR_ENFILE, -128, "ENFILE", "file table overflow")                                                                \
    X(TR_ENOBUFS, -129, "ENOBUFS", "no buffer space available")                                                        \
    X(TR_ENODEV, -130, "ENODEV", "no such device")                                                                     \
    X(TR_ENOENT, -131, "ENOENT", "no such file or directory")                                                          \
    X(TR_ENOPROTOOPT, -132, "ENOPROTOOPT", "protocol not available")                                                   \
    X(TR_ENOSPC, -133, "ENOSPC", "no space left on device")                                                            \
    X(TR_ENOSYS, -134, "ENOSYS", "function not implemented")                                                           \
    X(TR_ENOTCONN, -135, "ENOTCONN", "socket is not connected")                                                        \
    X(TR_ENOTDIR, -136, "ENOTDIR", "not a directory")                                                                  \
    X(TR_ENOTSOCK, -137, "ENOTSOCK", "socket operation on non-socket")                                                 \
    X(TR_ENOTSUP, -138, "ENOTSUP", "operation not supported on socket")                                                \
    X(TR_EPERM, -139, "EPERM", "operation not permitted")                                                              \
    X(TR_EPIPE, -140, "EPIPE", "broken pipe")                                                                          \
    X(TR_EPROTO, -141, "EPROTO", "protocol error")                                                                     \
    X(TR_EPROTOTYPE, -142, "EPROTOTYPE", "protocol wrong type for socket")                                             \
    X(TR_EROFS, -143, "EROFS", "read-only file system")                                                                \
    X(TR_ETIMEDOUT, -144, "ETIMEDOUT", "connection timed out")                                                         \
    X(TR_ENOTFOUND, -145, "ENOTFOUND", "unknown node or service")                                                      \
    X(TR_EAI_AGAIN, -146, "EAI_AGAIN", "temporary failure of the name service")                                        \
    X(TR_EAI_FAIL, -147, "EAI_FAIL", "permanent failure of the name service")                                          \
    X(TR_EAI_FAMILY, -148, "EAI_FAMILY", "address family not supported by the name service")                           \
    X(TR_EFBIG, -151, "EFBIG", "file too large")                                                                       \
    X(TR_EUNKNOWN, -199, "UNKNOWN", "unknown error")

typedef enum tr_status {
#define TR_STATUS_CONSTANT(constant, value, code, sentence) constant = value,
    TR_STATUS_MAP(TR_STATUS_CONSTANT)
#undef TR_STATUS_CONSTANT
} tr_status;

/*
 * The code of a status: "ECONNREFUSED", "ERR_SERVER_NOT_RUNNING"; "UNKNOWN" for a number that is no status.
 * Memory: a constant. Thread: any.
 */
const char *tr_status_code(tr_status status);

/* The sentence of a status, for people; that of TR_EUNKNOWN for a number that is no status. Memory: a constant. Thread:
 * any. */
const char *tr_status_text(tr_status status);

TR_DECLARATIONS_END
#endif
