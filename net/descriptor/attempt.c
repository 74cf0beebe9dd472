/*
 * Attempts to connect, as RFC 8305 ("Happy Eyeballs") asks for.
 *
 *   start -> attempt 1 fails ---------> attempt 2 ... -> the last fails -> done(error of attempt 1)
 *              |  in a race, after delay_ms ^
 *              +-- any of those under way is connected -> the others are closed -> done(fd)
 *
 * An attempt is a socket() of our own, a connect() that does not block and a poll handle that waits for its outcome. A
 * slow attempt is not given up for the next one: it may still win.
 *
 * Why not uv_tcp_connect(): it keeps some errors of bind() back until then, and a socket's own uv_tcp_t could be closed
 * but not be given another descriptor for the next attempt. SO_REUSEADDR is set on each socket, as Node's documents
 * promise; without it a local port would be refused for a minute after its last connection.
 *
 * Later: connect() may be decided at once (for unix sockets it always is, for addresses without a route too). The work
 * is done at once, but what comes out of tri_attempts_start() is reported by the timer in the loop's next turn.
 * Everything else happens in callbacks of the loop, where done can be called directly. So one timer serves: it stands
 * for the next attempt or for the report.
 *
 * A connection with itself: connect() to a port from which the system draws local ports can draw that very port, and
 * TCP then connects the socket with itself although nobody listens. What the program would get is its own echo, and
 * the port would be taken from the server that wants it. Finding it out costs one getsockname() per connection.
 *
 * Memory: the block with all attempts is given back when it is over and libuv has closed the last of its poll handles.
 *
 * Invariants, outside of the functions here
 *   - exactly the attempts that are WAITING have an active poll handle; WAITING and CONNECTED have a descriptor;
 *   - the timer is started exactly when a report is due or, in a race, attempts are left to begin: starting it again
 *     cannot fail.
 */
#include "attempt.h"

#include "verdict.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <troupe/core/compiler.h>
#include <unistd.h>

enum state {
    NOT_BEGUN,
    WAITING,
    CONNECTED,
    FAILED,
};

struct attempt {
    struct tri_attempts *all;
    uv_poll_t poll;
    enum state state;
    int fd;
    int error;
    bool in_bind; /* it failed there */
    struct sockaddr_storage peer;
};

struct tri_attempts {
    uv_loop_t *loop;
    struct tri_timers *timers;
    struct tri_timer timer;
    tri_attempts_done *done;
    void *argument;
    unsigned delay_ms;
    bool has_local;
    struct sockaddr_storage local;
    uint16_t local_port;

    unsigned begun, waiting;
    unsigned handles; /* that libuv has not let go of */
    bool over;
    struct attempt *winner;
    unsigned count;
    struct attempt attempts[];
};

/* Addresses. */

static socklen_t
size_of_path(const struct sockaddr_un *address)
{
    size_t room = sizeof(address->sun_path);
    size_t size = offsetof(struct sockaddr_un, sun_path);
    if (address->sun_path[0] == '\0') /* an abstract name has no NUL at its end */
        return (socklen_t)(size + 1 + strnlen(address->sun_path + 1, room - 1));
    size_t length = strnlen(address->sun_path, room);
    return (socklen_t)(size + length + (length < room));
}

static socklen_t
size_of(const struct sockaddr_storage *address)
{
    switch (address->ss_family) {
    case AF_INET: return sizeof(struct sockaddr_in);
    case AF_INET6: return sizeof(struct sockaddr_in6);
    case AF_UNIX: return size_of_path((const struct sockaddr_un *)address);
    default: return sizeof(*address); /* the system says what it thinks of it */
    }
}

static bool
is_internet(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET || address->ss_family == AF_INET6;
}

/* The next peer, from index on, that is of this family or is not; count if there is none. */
static unsigned
next_of(const struct sockaddr_storage *peers, unsigned count, unsigned index, int family, bool is)
{
    while (index < count && (peers[index].ss_family == family) != is)
        index++;
    return index;
}

void
tri_attempts_order(const struct sockaddr_storage *peers, unsigned count, unsigned *order)
{
    int family = count > 0 ? peers[0].ss_family : AF_UNSPEC;
    unsigned same = next_of(peers, count, 0, family, true);
    unsigned other = next_of(peers, count, 0, family, false);
    for (unsigned filled = 0; filled < count;) {
        if (same < count) {
            order[filled++] = same;
            same = next_of(peers, count, same + 1, family, true);
        }
        if (other < count) {
            order[filled++] = other;
            other = next_of(peers, count, other + 1, family, false);
        }
    }
}

/* The end. */

static void
free_if_unused(struct tri_attempts *all)
{
    if (all->over && all->handles == 0)
        free(all);
}

static void
on_closed(uv_handle_t *handle)
{
    struct attempt *attempt = handle->data;
    attempt->all->handles--;
    free_if_unused(attempt->all);
}

/* libuv forgets the descriptor within uv_close(), so that it may be closed or used otherwise right away. */
static void
stop_waiting(struct attempt *attempt)
{
    if (attempt->state != WAITING)
        return;
    uv_close((uv_handle_t *)&attempt->poll, on_closed);
    attempt->all->waiting--;
}

static void
fail(struct attempt *attempt, int error)
{
    stop_waiting(attempt);
    if (attempt->fd >= 0)
        close(attempt->fd);
    attempt->fd = -1;
    attempt->state = FAILED;
    attempt->error = error;
}

static void
fail_in_bind(struct attempt *attempt, int error)
{
    fail(attempt, error);
    attempt->in_bind = true;
}

static void
end(struct tri_attempts *all)
{
    tri_timer_stop(all->timers, &all->timer);
    for (unsigned i = 0; i < all->begun; i++)
        if (&all->attempts[i] != all->winner)
            fail(&all->attempts[i], UV_ECANCELED);
    all->over = true;
}

static void
report(struct tri_attempts *all)
{
    const struct attempt *first = &all->attempts[0];
    struct tri_attempts_result result = {
        .fd = -1, .error = first->error, .in_bind = first->in_bind, .peer = &first->peer};
    if (all->winner != NULL)
        result = (struct tri_attempts_result){.fd = all->winner->fd, .peer = &all->winner->peer};
    end(all);
    all->done(all->argument, &result);
    free_if_unused(all);
}

void
tri_attempts_cancel(tri_attempts *all)
{
    if (all == NULL)
        return;
    all->winner = NULL;
    end(all);
    free_if_unused(all);
}

/* One attempt. */

static bool
is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a, *b6 = (const struct sockaddr_in6 *)b;
        return a6->sin6_port == b6->sin6_port && memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
    }
    const struct sockaddr_in *a4 = (const struct sockaddr_in *)a, *b4 = (const struct sockaddr_in *)b;
    return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

static in_port_t
port_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                          : ((const struct sockaddr_in *)address)->sin_port;
}

/* The far end is asked for only if the ports are equal, which they seldom are. */
static bool
met_itself(const struct attempt *attempt)
{
    struct sockaddr_storage near, far;
    socklen_t near_size = sizeof(near), far_size = sizeof(far);
    return is_internet(&attempt->peer) && getsockname(attempt->fd, (struct sockaddr *)&near, &near_size) == 0 &&
           port_of(&near) == port_of(&attempt->peer) &&
           getpeername(attempt->fd, (struct sockaddr *)&far, &far_size) == 0 && is_same(&near, &far);
}

static void
succeed(struct attempt *attempt)
{
    if (met_itself(attempt)) {
        fail(attempt, UV_ECONNREFUSED);
        return;
    }
    stop_waiting(attempt);
    attempt->state = CONNECTED;
    attempt->all->winner = attempt;
}

static int
open_socket(struct attempt *attempt)
{
    int one = 1;
    attempt->fd = socket(attempt->peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->fd < 0)
        return uv_translate_sys_error(errno);
    if (is_internet(&attempt->peer) && setsockopt(attempt->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
        return uv_translate_sys_error(errno);
    return 0;
}

/* An interrupted connect() may go on by itself: asked again, the system says how far it is. */
static int
connect_socket(const struct attempt *attempt, bool *waits)
{
    enum tri_verdict verdict;
    do {
        int result = connect(attempt->fd, (const struct sockaddr *)&attempt->peer, size_of(&attempt->peer));
        verdict = result == 0 ? TRI_COMPLETE : tri_verdict(TRI_ON_CONNECT, errno);
    } while (verdict == TRI_AGAIN);
    *waits = verdict == TRI_WAIT;
    return *waits || verdict == TRI_COMPLETE ? 0 : uv_translate_sys_error(errno);
}

/* What is bound before a connection to that peer; false: nothing is. */
static bool
local_for(const struct tri_attempts *all, const struct sockaddr_storage *peer, struct sockaddr_storage *out)
{
    *out = all->local;
    if (all->has_local || all->local_port == 0)
        return all->has_local;
    *out = (struct sockaddr_storage){.ss_family = peer->ss_family}; /* any address is zero in both families */
    if (peer->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)out)->sin6_port = htons(all->local_port);
    else
        ((struct sockaddr_in *)out)->sin_port = htons(all->local_port);
    return true;
}

static int
bind_socket(const struct attempt *attempt)
{
    struct sockaddr_storage local;
    if (!local_for(attempt->all, &attempt->peer, &local))
        return 0;
    int result = bind(attempt->fd, (const struct sockaddr *)&local, size_of(&local));
    return result == 0 ? 0 : uv_translate_sys_error(errno);
}

static void on_outcome(uv_poll_t *poll, int status, int events);

static int
watch(struct attempt *attempt)
{
    int error = uv_poll_init(attempt->all->loop, &attempt->poll, attempt->fd);
    if (error != 0)
        return error;
    attempt->poll.data = attempt;
    attempt->state = WAITING;
    attempt->all->handles++;
    attempt->all->waiting++;
    return uv_poll_start(&attempt->poll, UV_WRITABLE, on_outcome);
}

static void
begin(struct attempt *attempt)
{
    bool waits = false;
    int error = open_socket(attempt);
    int unbound = error == 0 ? bind_socket(attempt) : 0;
    if (unbound != 0) {
        fail_in_bind(attempt, unbound);
        return;
    }
    if (error == 0)
        error = connect_socket(attempt, &waits);
    if (error == 0 && waits)
        error = watch(attempt);
    if (error != 0)
        fail(attempt, error);
    else if (!waits)
        succeed(attempt);
}

/* All of them. */

static bool
is_decided(const struct tri_attempts *all)
{
    return all->winner != NULL || (all->begun == all->count && all->waiting == 0);
}

/* Begins attempts until one does not fail at once. */
static void
begin_next(struct tri_attempts *all)
{
    while (all->begun < all->count) {
        struct attempt *attempt = &all->attempts[all->begun++];
        begin(attempt);
        if (attempt->state != FAILED)
            return;
    }
}

static void
set_timer(struct tri_attempts *all)
{
    tri_timer_stop(all->timers, &all->timer);
    if (!is_decided(all) && (all->begun == all->count || all->delay_ms == 0))
        return;
    tr_status status = tri_timer_start(all->timers, &all->timer, is_decided(all) ? 0 : all->delay_ms);
    assert(status == TR_OK); /* it was started before, so there is room */
    (void)status;
}

static void
go_on(struct tri_attempts *all)
{
    begin_next(all);
    if (is_decided(all))
        report(all);
    else
        set_timer(all);
}

static void
on_time(struct tri_timer *timer)
{
    struct tri_attempts *all = TRI_CONTAINER_OF(timer, struct tri_attempts, timer);
    if (is_decided(all))
        report(all);
    else
        go_on(all);
}

/* libuv gives UV_EBADF for whatever is wrong with a descriptor; the socket knows better. */
static int
outcome_of(int fd, int status)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return uv_translate_sys_error(errno);
    return error != 0 ? uv_translate_sys_error(error) : status;
}

static void
on_outcome(uv_poll_t *poll, int status, int events)
{
    struct attempt *attempt = poll->data;
    struct tri_attempts *all = attempt->all;
    (void)events;
    int error = outcome_of(attempt->fd, status);
    if (error == 0)
        succeed(attempt);
    else
        fail(attempt, error);

    bool was_last_begun = attempt == &all->attempts[all->begun - 1];
    if (is_decided(all))
        report(all);
    else if (was_last_begun)
        go_on(all);
}

/* The beginning. */

static void
add(struct tri_attempts *all, const struct sockaddr_storage *peer)
{
    all->attempts[all->count++] = (struct attempt){.all = all, .fd = -1, .peer = *peer};
}

static void
add_peers(struct tri_attempts *all, const struct tri_attempts_options *options, const unsigned *order)
{
    for (unsigned i = 0; i < options->count; i++) {
        const struct sockaddr_storage *peer = &options->peers[order[i]];
        if (!all->has_local || peer->ss_family == all->local.ss_family)
            add(all, peer);
    }
    if (all->count > 0)
        return;
    add(all, &options->peers[0]);
    all->begun = 1;
    fail_in_bind(&all->attempts[0], UV_EINVAL);
}

static struct tri_attempts *
new_attempts(const struct tri_attempts_options *options)
{
    struct tri_attempts *all = calloc(1, sizeof(*all) + options->count * sizeof(struct attempt));
    unsigned *order = calloc(options->count, sizeof(*order));
    if (all == NULL || order == NULL) {
        free(all);
        free(order);
        return NULL;
    }
    all->delay_ms = options->delay_ms;
    all->has_local = options->local != NULL;
    if (all->has_local)
        all->local = *options->local;
    all->local_port = options->local_port;
    tri_attempts_order(options->peers, options->count, order);
    add_peers(all, options, order);
    free(order);
    return all;
}

tr_status
tri_attempts_start(uv_loop_t *loop, struct tri_timers *timers, const struct tri_attempts_options *options,
                   tri_attempts_done *done, void *argument, tri_attempts **out)
{
    assert(options->count > 0);
    struct tri_attempts *all = new_attempts(options);
    if (all == NULL)
        return TR_ENOMEM;
    all->loop = loop;
    all->timers = timers;
    all->timer.fire = on_time;
    all->done = done;
    all->argument = argument;
    tr_status status = tri_timer_start(timers, &all->timer, 0); /* makes room, before anything is tried */
    if (status != TR_OK) {
        free(all);
        return status;
    }
    begin_next(all);
    set_timer(all);
    *out = all;
    return TR_OK;
}
