#include "siege.h"

#include "hands.h"
#include "helpers.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

struct tr_tls_context_options siege_serving, siege_calling;
struct tr_tls_options siege_tls;
bool siege_pauses;
bool siege_is_full;

static tr_tls_context *serving, *calling;
static struct victim witnesses[2]; /* the first calls, the second serves */
static size_t words;

/* Victims. */

static void
on_secure(tr_socket *socket)
{
    struct victim *victim = tr_socket_data(socket);
    victim->secure = true;
}

static void
note_bytes(struct victim *victim, tr_slice data)
{
    for (size_t i = 0; i < data.size && victim->bytes + i < sizeof(victim->first) - 1; i++)
        victim->first[victim->bytes + i] = data.data[i];
    victim->bytes += data.size;
    victim->most = data.size > victim->most ? data.size : victim->most;
}

static void
echoes(tr_socket *socket, tr_slice data)
{
    note_bytes(tr_socket_data(socket), data);
    (void)tr_socket_write_slice(socket, data);
}

static void
only_hears(tr_socket *socket, tr_slice data)
{
    note_bytes(tr_socket_data(socket), data);
}

static void
on_end(tr_socket *socket)
{
    struct victim *victim = tr_socket_data(socket);
    victim->ended = true;
    victim->truncated = tr_socket_truncated(socket);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    struct victim *victim = tr_socket_data(socket);
    victim->error = error->status;
    snprintf(victim->code, sizeof(victim->code), "%s", error->code);
    snprintf(victim->call, sizeof(victim->call), "%s", error->call);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct victim *victim = tr_socket_data(socket);
    (void)had_error;
    victim->socket = NULL;
    victim->closed = true;
}

static const struct tr_socket_events echo_events = {
    .secure = on_secure, .data = echoes, .end = on_end, .error = on_error, .close = on_close};
static const struct tr_socket_events hearing_events = {
    .secure = on_secure, .data = only_hears, .end = on_end, .error = on_error, .close = on_close};

struct making {
    struct victim *victim;
    int fd;
    bool serves, pauses;
    const struct tr_socket_events *events;
    struct tr_tls_options tls;
};

static void
make(tr_actor *self, void *argument)
{
    struct making *making = argument;
    struct tr_socket_options options = {.events = making->events, .data = making->victim};
    struct victim *victim = making->victim;
    assert_int_equal(tr_socket_adopt(self, making->fd, TR_READABLE | TR_WRITABLE, &options, &victim->socket), TR_OK);
    if (making->pauses)
        tr_socket_pause(victim->socket);
    assert_int_equal(tr_socket_set_secure(victim->socket, &making->tls), TR_OK);
}

static void
make_contexts(void)
{
    if (serving != NULL)
        return;
    serving = tls_make(&siege_serving);
    calling = tls_make(&siege_calling);
}

void
siege_forget(void)
{
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
    serving = calling = NULL;
}

static void
begin_victim(struct victim *victim, bool serves, bool pauses, int fd, const struct tr_socket_events *events)
{
    struct making making = {victim, fd, serves, pauses, events, siege_tls};
    make_contexts();
    *victim = (struct victim){0};
    making.tls.context = serves ? serving : calling;
    making.tls.role = serves ? TR_TLS_SERVER : TR_TLS_CLIENT;
    on_worker(0, make, &making);
}

void
siege_victim(struct victim *victim, bool serves, int *fd)
{
    int fds[2];
    hands_pair(fds);
    while (siege_is_full && send(fds[0], fds, 1, MSG_DONTWAIT) == 1)
        continue;
    begin_victim(victim, serves, siege_pauses, fds[0], &echo_events);
    *fd = fds[1];
}

void
siege_foe(struct victim *victim, struct foe *foe, bool victim_serves, enum tr_tls_version version)
{
    int fd;
    siege_victim(victim, victim_serves, &fd);
    foe_begin(foe, fd, !victim_serves, version);
    assert_true(foe_shake(foe));
    siege_until_secure(victim);
}

/* What they come to. */

static bool
is_closed(void *victim)
{
    return ((const struct victim *)victim)->closed;
}

static bool
is_secure(void *victim)
{
    return ((const struct victim *)victim)->secure;
}

void
siege_until_closed(struct victim *victim)
{
    await_on_worker(0, is_closed, victim);
}

void
siege_until_secure(struct victim *victim)
{
    await_on_worker(0, is_secure, victim);
}

struct amount {
    const struct victim *victim;
    size_t bytes;
};

static bool
has_come(void *argument)
{
    const struct amount *amount = argument;
    return amount->victim->bytes >= amount->bytes;
}

void
siege_until_bytes(struct victim *victim, size_t bytes)
{
    struct amount amount = {victim, bytes};
    await_on_worker(0, has_come, &amount);
}

void
siege_has_ended(struct victim *victim, tr_status status, const char *code, const char *call)
{
    siege_until_closed(victim);
    if (victim->error != status || strcmp(victim->code, code != NULL ? code : "") != 0 ||
        (code != NULL && strcmp(victim->call, call) != 0))
        fail_msg("%s %s, call %s, and not %s, call %s", tr_status_code(victim->error), victim->code, victim->call, code,
                 call);
}

void
siege_leave(struct victim *victim, struct foe *foe)
{
    foe_end(foe);
    siege_until_closed(victim);
}

struct line {
    struct victim *victim;
    const char *text;
    bool pauses;
};

static void
write_line(tr_actor *self, void *argument)
{
    const struct line *line = argument;
    tr_socket *socket = line->victim->socket;
    (void)self;
    assert_non_null(socket);
    if (line->pauses)
        tr_socket_pause(socket);
    else
        tr_socket_resume(socket);
    assert_true(tr_socket_write(socket, line->text, strlen(line->text)) >= TR_OK);
}

void
siege_write(struct victim *victim, const char *text, bool pauses)
{
    struct line line = {victim, text, pauses};
    on_worker(0, write_line, &line);
}

/* A word of the witnesses takes some turns of the loop, in each of which it polls. */
void
siege_settle(void)
{
    for (unsigned i = 0; i < 3; i++)
        siege_goes_on();
}

/* Witnesses. */

static void
say_word(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    assert_non_null(witnesses[0].socket);
    assert_true(tr_socket_write(witnesses[0].socket, "goes on", 7) >= TR_OK);
}

void
siege_goes_on(void)
{
    words++;
    on_worker(0, say_word, NULL);
    siege_until_bytes(&witnesses[0], 7 * words);
}

static void
begin_witnesses(void)
{
    struct tr_tls_options usual = siege_tls;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    siege_tls.any_name = true;
    begin_victim(&witnesses[0], false, false, fds[0], &hearing_events);
    begin_victim(&witnesses[1], true, false, fds[1], &echo_events);
    siege_tls = usual;
    words = 0;
    siege_goes_on();
}

static void
end_witnesses(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    tr_socket_destroy(witnesses[0].socket, TR_OK);
}

static void
look_at_queue(tr_actor *self, void *argument)
{
    (void)self;
    *(unsigned long *)argument = ERR_peek_error();
}

int
siege_begin(void **state)
{
    (void)state;
    siege_serving = tls_server("server");
    siege_calling = tls_client("ca");
    siege_tls = (struct tr_tls_options){.any_name = true};
    siege_pauses = false;
    siege_is_full = false;
    hands_open(1);
    begin_witnesses();
    siege_forget();
    return 0;
}

int
siege_end(void **state)
{
    unsigned long left = 1;
    siege_goes_on();
    on_worker(0, look_at_queue, &left);
    on_worker(0, end_witnesses, NULL);
    siege_until_closed(&witnesses[0]);
    siege_until_closed(&witnesses[1]);
    siege_forget();
    hands_close();
    return left == 0 ? tls_leaves_no_errors(state) : -1;
}
