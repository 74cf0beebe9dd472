/*
 * Changes of the registry: whatever an actor begins or ends with a name is one change, under the registry's lock. It is
 * held for some hundred nanoseconds, and longer only for a name that many watch and while the table grows. The words to
 * those that watch are sent when it has been given back.
 */
#include "change.h"

tr_status
tri_names_change(tr_actor *self, const char *text, tri_names_function change)
{
    struct tri_name_key key;
    struct tri_name_errands errands = {0};
    if (self == NULL || text == NULL)
        return TR_EINVAL;
    struct tri_names *names = tri_names_of(self);
    tr_status status = tri_name_key_make(&names->table, text, &key);
    if (status != TR_OK)
        return status;
    uv_mutex_lock(&names->lock);
    status = change(self, names, &key, &errands);
    uv_mutex_unlock(&names->lock);
    tri_name_errands_run(self->home, &errands);
    return status;
}
