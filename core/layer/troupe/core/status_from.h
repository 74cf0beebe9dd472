/*
 * Where foreign error numbers become statuses; the only place that knows libuv's and the system's.
 */
#ifndef TROUPE_CORE_STATUS_FROM_H
#define TROUPE_CORE_STATUS_FROM_H

#include <troupe/core/status.h>

/*
 * The status of what a libuv call returned: TR_OK for 0 and above, TR_EUNKNOWN for an error without a name here. What
 * look-ups answer has Node's names: no such name and no address for it are both TR_ENOTFOUND. Thread: any.
 */
tr_status tri_status_from_uv(int uv_error);

/* The status of an errno, TR_OK for 0. Thread: any. */
tr_status tri_status_from_errno(int error);

#endif
