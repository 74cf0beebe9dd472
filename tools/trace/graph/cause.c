#include "cause.h"
#include <string.h>

bool
begins_work(enum role role)
{
    switch (role) {
    case ROLE_receive:
    case ROLE_spawn:
    case ROLE_restart:
    case ROLE_cluster_receive:
    case ROLE_cluster_take:
    case ROLE_socket_lookup:
    case ROLE_socket_connect:
    case ROLE_socket_data:
    case ROLE_socket_drain:
    case ROLE_socket_end:
    case ROLE_socket_timeout:
    case ROLE_socket_error: return true;
    default: return false;
    }
}

bool
ends_work(enum role role)
{
    switch (role) {
    case ROLE_receive:
    case ROLE_sleep:
    case ROLE_wake:
    case ROLE_worker_start:
    case ROLE_worker_stop: return true;
    default: return false;
    }
}

void
work_note(struct work *work, enum role role, const struct tri_trace_record *record)
{
    if (ends_work(role))
        work->count = 0;
    if (begins_work(role))
        work->begun[work->count++ % WORKS] = (struct begin){*record, role};
}

const struct begin *
work_cause(const struct work *work, uint64_t actor)
{
    size_t kept = work->count < WORKS ? work->count : WORKS;
    for (size_t i = 1; i <= kept; i++) {
        const struct begin *begin = &work->begun[(work->count - i) % WORKS];
        if (begin->record.actor == actor)
            return begin;
    }
    return NULL;
}
