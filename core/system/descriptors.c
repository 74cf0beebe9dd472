#include "descriptors.h"

#include <sys/resource.h>

bool
tri_descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t wanted = limit.rlim_cur > 0 ? 2 * limit.rlim_cur : 1;
    if (limit.rlim_cur < limit.rlim_max && wanted > limit.rlim_max)
        wanted = limit.rlim_max;
    if (wanted > limit.rlim_max)
        limit.rlim_max = wanted; /* for root only */
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}
