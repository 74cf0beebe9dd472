/*
 * Owners: events as messages, with credit.
 *
 * Plays of one client, given twice: with callbacks, and with an owner that has a credit of 1 and lives elsewhere. What
 * the client and its peer write down must be the same, since operations that the owner sends before the credit take
 * place inside the event.
 */
#include "owner_play.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

/* What a client can do, in both ways. */

static void
write_text(struct owned_client *to, const char *text)
{
    tr_slice slice = tr_slice_constant(text, strlen(text));
    if (to->socket != NULL)
        tr_socket_write_slice(to->socket, slice);
    else
        tr_remote_write(to->self, to->ref, slice);
}

static void
write_and_tell(struct owned_client *to, tr_slice slice, int token)
{
    if (to->socket != NULL)
        tr_socket_write_then(to->socket, slice, log_written, (void *)(intptr_t)token);
    else
        assert_int_equal(tr_remote_write_ask(to->self, to->ref, slice, TAG_WRITTEN, (uint64_t)token), TR_OK);
}

static void
end_and_tell(struct owned_client *to, tr_slice slice, int token)
{
    if (to->socket != NULL)
        tr_socket_end_then(to->socket, slice, log_written, (void *)(intptr_t)token);
    else
        assert_int_equal(tr_remote_end_ask(to->self, to->ref, slice, TAG_WRITTEN, (uint64_t)token), TR_OK);
}

static void
end(struct owned_client *to)
{
    if (to->socket != NULL)
        tr_socket_end(to->socket);
    else
        tr_remote_end(to->self, to->ref);
}

static void
destroy(struct owned_client *to, tr_status status)
{
    if (to->socket != NULL)
        tr_socket_destroy(to->socket, status);
    else
        tr_remote_destroy(to->self, to->ref, status);
}

static void
pause_and_wait(struct owned_client *to, unsigned timeout_ms)
{
    if (to->socket != NULL) {
        tr_socket_pause(to->socket);
        tr_socket_set_timeout(to->socket, timeout_ms);
    } else {
        tr_remote_pause(to->self, to->ref);
        tr_remote_set_timeout(to->self, to->ref, timeout_ms);
    }
}

/* Without a further timeout, however long the rest takes. */
static void
resume(struct owned_client *to)
{
    if (to->socket != NULL) {
        tr_socket_set_timeout(to->socket, 0);
        tr_socket_resume(to->socket);
    } else {
        tr_remote_set_timeout(to->self, to->ref, 0);
        tr_remote_resume(to->self, to->ref);
    }
}

static void
on_lookup(tr_socket *socket, const struct tr_error *error, const struct tr_address *address, const char *host)
{
    (void)socket;
    log_lookup(host, error != NULL ? error->code : address->text);
}

static void
on_connect(tr_socket *socket)
{
    (void)socket;
    log_plain("connect");
}

static void
on_ready(tr_socket *socket)
{
    (void)socket;
    log_plain("ready");
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    (void)socket;
    log_data(data);
}

static void
on_end(tr_socket *socket)
{
    (void)socket;
    log_plain("end");
}

static void
on_drain(tr_socket *socket)
{
    (void)socket;
    log_plain("drain");
}

static void
on_timeout(tr_socket *socket)
{
    (void)socket;
    log_plain("timeout");
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    log_error(error);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    log_plain(had_error ? "close!" : "close");
}

static const struct tr_socket_events callbacks = {
    .lookup = on_lookup,
    .connect = on_connect,
    .ready = on_ready,
    .data = on_data,
    .end = on_end,
    .drain = on_drain,
    .timeout = on_timeout,
    .error = on_error,
    .close = on_close,
};

static const struct tr_behavior owner = {.name = "owner", .receive = owner_receive};

static void
with_callbacks(void)
{
    prepare();
    struct tr_socket_options options = play_now->options;
    struct tr_connect_options connect = where();
    options.events = &callbacks;
    assert_int_equal(tr_connect(director, &options, &connect, &owned.socket), TR_OK);
}

static void
with_owner(void)
{
    prepare();
    assert_int_equal(tr_tell(director, spawn_on(owner_worker, &owner, NULL), TAG_GO, NULL, 0), TR_OK);
}

static void
compare(const struct owner_play *of)
{
    static const unsigned places[][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
    play_now = of;
    give_play(with_callbacks);
    struct endpoint by_callbacks = owned.log, peer = accepted[0];
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        owner_worker = places[i][0];
        socket_worker = places[i][1];
        give_play(with_owner);
        if (strcmp(owned.log.log, by_callbacks.log) != 0 || strcmp(accepted[0].log, peer.log) != 0)
            fail_msg("%s, owner on %u, socket on %u:\n  owner     %s\n  callbacks %s\n  peer      %s\n  before    %s",
                     of->name, owner_worker, socket_worker, owned.log.log, by_callbacks.log, accepted[0].log, peer.log);
    }
    /* So that it is known what was compared. */
    print_message("%s:%s | %s\n", of->name, by_callbacks.log, peer.log);
}

/* The plays. */

static void
peer_echoes(struct endpoint *peer, const char *event)
{
    if (is(event, "data"))
        tr_socket_write_slice(peer->socket, peer->last);
}

static void
peer_greets_and_ends(struct endpoint *peer, const char *event)
{
    peer_greets(peer, event);
    if (is(event, "accepted"))
        tr_socket_end(peer->socket);
}

static void
peer_resets(struct endpoint *peer, const char *event)
{
    if (is(event, "data"))
        tr_socket_reset(peer->socket);
}

static void
write_in_connect_end_in_data(struct owned_client *self, const char *event)
{
    if (is(event, "connect"))
        write_text(self, "ping");
    if (is(event, "data"))
        end(self);
}

static void
destroy_in_connect(struct owned_client *self, const char *event)
{
    if (is(event, "connect"))
        destroy(self, TR_OK);
}

static void
destroy_in_ready(struct owned_client *self, const char *event)
{
    if (is(event, "ready"))
        destroy(self, TR_EIO);
}

static void
destroy_in_data(struct owned_client *self, const char *event)
{
    if (is(event, "data"))
        destroy(self, TR_OK);
}

static void
destroy_in_end(struct owned_client *self, const char *event)
{
    if (is(event, "end"))
        destroy(self, TR_EIO);
}

static void
destroy_in_error(struct owned_client *self, const char *event)
{
    if (is(event, "ready"))
        write_text(self, "reset me");
    if (is(event, "error")) {
        write_text(self, "lost");
        destroy(self, TR_EIO);
    }
}

static void
pause_and_resume(struct owned_client *self, const char *event)
{
    if (is(event, "connect"))
        pause_and_wait(self, 30);
    if (is(event, "timeout"))
        resume(self);
    if (is(event, "data"))
        end(self);
}

static void
write_after_end(struct owned_client *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    write_and_tell(self, tr_slice_constant("one", 3), 1);
    end(self);
    write_and_tell(self, tr_slice_constant("two", 3), 2);
}

/* In the look-up's event, so that the connection surely waits for it. */
static void
write_before_connect(struct owned_client *self, const char *event)
{
    if (!is(event, "lookup"))
        return;
    write_and_tell(self, tr_slice_constant("one", 3), 1);
    write_and_tell(self, tr_slice_constant("two", 3), 2);
    end_and_tell(self, tr_slice_constant("three", 5), 3);
}

static void
answer_in_end(struct owned_client *self, const char *event)
{
    if (!is(event, "end"))
        return;
    write_and_tell(self, tr_slice_constant("late", 4), 1);
    end(self);
}

static void
write_much(struct owned_client *self, const char *event)
{
    if (is(event, "connect"))
        write_and_tell(self, pattern(LONG_WRITE), 1);
    if (is(event, "drain"))
        end(self);
}

static void
answer_look_up(tr_socket *socket, const char *host, enum tr_family family, void *data)
{
    (void)host;
    (void)family;
    if (data != NULL)
        tr_socket_looked_up(socket, data, NULL, 0);
    else
        tr_socket_looked_up(socket, NULL, &(struct tr_address){.family = TR_FAMILY_IPV4, .text = "127.0.0.1"}, 1);
}

/* Nobody listens on the first, if it exists at all. */
static void
answer_two(tr_socket *socket, const char *host, enum tr_family family, void *data)
{
    static const struct tr_address two[] = {{.family = TR_FAMILY_IPV4, .text = "127.0.0.9"},
                                            {.family = TR_FAMILY_IPV4, .text = "127.0.0.1"}};
    (void)host;
    (void)family;
    (void)data;
    tr_socket_looked_up(socket, NULL, two, 2);
}

static void
destroy_in_lookup(struct owned_client *self, const char *event)
{
    if (is(event, "lookup"))
        destroy(self, TR_OK);
}

static struct tr_error no_such_host = {.status = TR_ENOTFOUND};

static const struct owner_play plays[] = {
    {.name = "write in connect, end in data", .react = write_in_connect_end_in_data, .peer = peer_echoes},
    {.name = "destroy in connect", .react = destroy_in_connect},
    {.name = "destroy with an error in ready", .react = destroy_in_ready},
    {.name = "destroy in data", .react = destroy_in_data, .peer = peer_greets},
    {.name = "destroy in end", .react = destroy_in_end, .peer = peer_greets_and_ends, .options.allow_half_open = true},
    {.name = "destroy and write in error", .react = destroy_in_error, .peer = peer_resets},
    {.name = "end of the peer alone", .peer = peer_greets_and_ends},
    {.name = "pause, timeout, resume", .react = pause_and_resume, .peer = peer_greets},
    {.name = "write after end", .react = write_after_end},
    {.name = "writes that wait for the connection",
     .react = write_before_connect,
     .connect = {.host = "here.test", .lookup = answer_look_up}},
    {.name = "refused with writes that wait",
     .react = write_before_connect,
     .connect = {.host = "here.test", .lookup = answer_look_up},
     .refused = true},
    {.name = "half open",
     .react = answer_in_end,
     .peer = peer_greets_and_ends,
     .half_open_peer = true,
     .options.allow_half_open = true},
    {.name = "a write that waits", .react = write_much},
    {.name = "look-up", .react = destroy_in_ready, .connect = {.host = "here.test", .lookup = answer_look_up}},
    {.name = "look-up, destroyed in it",
     .react = destroy_in_lookup,
     .connect = {.host = "here.test", .lookup = answer_look_up},
     .refused = true},
    {.name = "look-up of two addresses",
     .react = destroy_in_ready,
     .connect = {.host = "here.test", .lookup = answer_two}},
    {.name = "look-up of two addresses, destroyed in the first",
     .react = destroy_in_lookup,
     .connect = {.host = "here.test", .lookup = answer_two},
     .refused = true},
    {.name = "look-up that fails",
     .react = write_before_connect,
     .connect = {.host = "nowhere.test", .lookup = answer_look_up, .lookup_data = &no_such_host},
     .refused = true},
};

static void
an_owner_with_a_credit_of_one_sees_what_callbacks_see(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++)
        compare(&plays[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_with_a_credit_of_one_sees_what_callbacks_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
