/*
 * A child listens: it asks the parent for the descriptor, and waits for the answer.
 *
 * That blocks a worker for as long as the parent takes, which does nothing that could wait. If it has ended, the wait
 * ends at once.
 */
#include "child_state.h"

#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <troupe/core/status_from.h>

/* The names of calls are constants everywhere. */
static const char *
constant_of(const char *call)
{
    static const char *const calls[] = {"bind", "chmod", "setsockopt", "socket"};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (strncmp(call, calls[i], TRI_CALL_MAX) == 0)
            return calls[i];
    return "listen";
}

static tr_status
failed(struct tr_error *error, int system)
{
    tr_status status = system == EMFILE ? TR_EMFILE : TR_EPIPE;
    *error = (struct tr_error){.status = status, .system = system, .call = "listen"};
    return status;
}

/* Gives 0, or an errno; EPIPE: the parent has ended. */
static int
exchange(const struct tri_lend_ask *ask, struct tri_lend_answer *answer, struct tri_channel_record *record)
{
    ssize_t got = tri_channel_send(tri_child.orders, ask, sizeof(*ask), NULL, 0, NULL, 0);
    while (got == 0) {
        tri_channel_await(tri_child.orders);
        got = tri_channel_receive(tri_child.orders, answer, sizeof(*answer), record);
        if (got == -EAGAIN)
            got = 0;
        else if (got == 0)
            return EPIPE;
    }
    return got == (ssize_t)sizeof(*answer) ? 0 : got == -EMFILE ? EMFILE : EPIPE;
}

static tr_status
understand(const struct tri_bound_wish *wish, const struct tri_lend_answer *answer, struct tri_channel_record *record,
           struct tri_opened *out, struct tr_error *error)
{
    if (answer->status != TR_OK) {
        *error = (struct tr_error){
            .status = (tr_status)answer->status, .system = answer->system, .call = constant_of(answer->call)};
        return error->status;
    }
    if (record->count != (answer->dealt ? 1u : 2u)) {
        tri_channel_drop(record);
        return failed(error, EPIPE);
    }
    *out = (struct tri_opened){
        .whose = answer->dealt ? TRI_OPENED_DEALT : TRI_OPENED_LENT,
        .fd = record->fds[answer->dealt ? 0 : 1],
        .lease = record->fds[0],
        .no_delay = answer->no_delay,
        .own = wish->key.kind == TRI_BOUND_PATH ? wish->key.address : answer->own, /* a path as it was given */
    };
    return TR_OK;
}

tr_status
tri_child_ask(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error)
{
    struct tri_lend_ask ask;
    struct tri_lend_answer answer;
    struct tri_channel_record record = {0};
    struct tri_bound_wish whole = *wish;
    if (wish->key.kind == TRI_BOUND_PATH)
        tri_unix_make_whole((struct sockaddr_un *)&whole.key.address, &whole.key.size);
    tri_lend_ask_of(&whole, &ask);
    uv_mutex_lock(&tri_child.asking);
    int system = exchange(&ask, &answer, &record);
    uv_mutex_unlock(&tri_child.asking);
    return system != 0 ? failed(error, system) : understand(wish, &answer, &record, out, error);
}
