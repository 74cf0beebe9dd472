/*
 * Owners: events as messages, with credit.
 *
 * Most tests are plays of one client, given twice: with callbacks, and with an owner that has a credit of 1 and lives
 * elsewhere. What the client and its peer write down must be the same, since operations that the owner sends before the
 * credit take place inside the event.
 */
#include "fds.h"
#include "helpers.h"
#include "play.h"
#include "slab.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define LONG_WRITE (16u << 20) /* more than the kernel takes at once */

enum { TAG_GO = 1, TAG_WRITTEN, TAG_ACCEPTED, TAG_INFO, TAG_MORE, TAG_REACHED, TAG_STATE };

/* The client of a play: driven by callbacks, or by an owner. Everything is touched by the one who drives it. */
struct client {
    struct endpoint log;
    tr_socket *socket; /* NULL: by an owner */
    tr_actor *self;    /* the owner */
    tr_ref ref;
};

struct play {
    const char *name;
    struct tr_socket_options options;
    struct tr_connect_options connect;
    void (*react)(struct client *client, const char *event);
    void (*peer)(struct endpoint *peer, const char *event);
    bool half_open_peer;
    bool refused; /* nobody listens */
};

static const struct play *play;
static struct client client;
static unsigned closed;
static unsigned owner_worker, socket_worker;

/* What a client can do, in both ways. */

static void
write_text(struct client *to, const char *text)
{
    tr_slice slice = tr_slice_constant(text, strlen(text));
    if (to->socket != NULL)
        tr_socket_write_slice(to->socket, slice);
    else
        tr_remote_write(to->self, to->ref, slice);
}

static void
log_written(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    note(&client.log, "written%d:%s", (int)(intptr_t)argument, tr_status_code(status));
}

static void
write_and_tell(struct client *to, tr_slice slice, int token)
{
    if (to->socket != NULL)
        tr_socket_write_then(to->socket, slice, log_written, (void *)(intptr_t)token);
    else
        assert_int_equal(tr_remote_write_ask(to->self, to->ref, slice, TAG_WRITTEN, (uint64_t)token), TR_OK);
}

static void
end_and_tell(struct client *to, tr_slice slice, int token)
{
    if (to->socket != NULL)
        tr_socket_end_then(to->socket, slice, log_written, (void *)(intptr_t)token);
    else
        assert_int_equal(tr_remote_end_ask(to->self, to->ref, slice, TAG_WRITTEN, (uint64_t)token), TR_OK);
}

static void
end(struct client *to)
{
    if (to->socket != NULL)
        tr_socket_end(to->socket);
    else
        tr_remote_end(to->self, to->ref);
}

static void
destroy(struct client *to, tr_status status)
{
    if (to->socket != NULL)
        tr_socket_destroy(to->socket, status);
    else
        tr_remote_destroy(to->self, to->ref, status);
}

static void
pause_and_wait(struct client *to, unsigned timeout_ms)
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
resume(struct client *to)
{
    if (to->socket != NULL) {
        tr_socket_set_timeout(to->socket, 0);
        tr_socket_resume(to->socket);
    } else {
        tr_remote_set_timeout(to->self, to->ref, 0);
        tr_remote_resume(to->self, to->ref);
    }
}

/* What happens to it. */

static void
happened(const char *event)
{
    if (play->react != NULL)
        play->react(&client, event);
    if (strncmp(event, "close", 5) == 0)
        __atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
}

static void
log_plain(const char *event)
{
    note(&client.log, "%s", event);
    happened(event);
}

/* Pieces of data are one word. */
static void
log_data(tr_slice data)
{
    const char *word = strrchr(client.log.log, ' ');
    bool goes_on = word != NULL && strncmp(word + 1, "data:", 5) == 0;
    size_t used = strlen(client.log.log);
    snprintf(client.log.log + used, sizeof(client.log.log) - used, "%s%.*s", goes_on ? "" : " data:", (int)data.size,
             data.data);
    client.log.bytes += data.size;
    happened("data");
}

static void
log_lookup(const char *host, const char *outcome)
{
    note(&client.log, "lookup:%s:%s", host, outcome);
    happened("lookup");
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
log_error(const struct tr_error *error)
{
    note(&client.log, "error:%s:%s:%d", error->code, error->call, error->system);
    happened("error");
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

/* The same as messages. */

static void
log_event(enum tr_event event, const tr_message *message)
{
    static const char *const words[TR_EVENTS] = {[TR_EVENT_CONNECT] = "connect",
                                                 [TR_EVENT_READY] = "ready",
                                                 [TR_EVENT_END] = "end",
                                                 [TR_EVENT_DRAIN] = "drain",
                                                 [TR_EVENT_TIMEOUT] = "timeout"};
    const void *payload = tr_message_data(message);
    const struct tr_lookup_event *lookup = payload;
    switch (event) {
    case TR_EVENT_LOOKUP:
        log_lookup(lookup->host, lookup->error.status != TR_OK ? lookup->error.code : lookup->address.text);
        break;
    case TR_EVENT_DATA: log_data(message->payload.slice); break;
    case TR_EVENT_ERROR: log_error(payload); break;
    case TR_EVENT_CLOSE: log_plain(*(const bool *)payload ? "close!" : "close"); break;
    default:
        assert_non_null(words[event]);
        assert_int_equal(tr_message_size(message), 0);
        log_plain(words[event]);
        break;
    }
}

static struct tr_connect_options
where(void)
{
    struct tr_connect_options connect = play->connect;
    connect.port = stage_port;
    if (connect.host == NULL)
        connect.host = "127.0.0.1";
    return connect;
}

static void
connect_as_owner(tr_actor *self)
{
    struct tr_socket_options options = play->options;
    struct tr_connect_options connect = where();
    struct tr_spawn_options placement = {.placement = TR_PLACE_WORKER, .worker = socket_worker};
    options.owner = (struct tr_owner){.actor = tr_self(self), .credit = 1};
    client.self = self;
    assert_int_equal(tr_remote_socket(self, &options, &placement, &client.ref), TR_OK);
    assert_int_equal(tr_ref_worker(client.ref), socket_worker);
    assert_int_equal(tr_remote_connect(self, client.ref, &connect), TR_OK);
}

static void
owner_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (message->tag == TAG_GO) {
        connect_as_owner(self);
    } else if (message->tag == TAG_WRITTEN) {
        const struct tr_remote_written *written = tr_message_data(message);
        log_written(NULL, (void *)(intptr_t)written->token, written->status);
    } else if (tr_event_of(message, &event)) {
        assert_int_equal(message->from, client.ref);
        log_event(event, message);
        assert_int_equal(tr_remote_credit(self, client.ref, 1), TR_OK);
    }
}

static const struct tr_behavior owner = {.name = "owner", .receive = owner_receive};

/* The play. */

static void
look_whether_over(void *argument)
{
    (void)argument;
    bool peer_is_over = play->refused || accepted[0].closed;
    if (__atomic_load_n(&closed, __ATOMIC_SEQ_CST) != 0 && peer_is_over)
        stage_settled(end_play, NULL);
    else
        stage_after(2, look_whether_over, NULL);
}

static tr_ref
spawn_on(unsigned worker, const struct tr_behavior *behavior, const void *argument)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker, .argument = argument};
    tr_ref ref;
    assert_int_equal(tr_spawn(director, behavior, &options, &ref), TR_OK);
    return ref;
}

static tr_server *
serve(void)
{
    return stage_serve((struct tr_server_options){.balance = home, .socket.allow_half_open = play->half_open_peer});
}

static void
prepare(void)
{
    accepted[0].hook = play->peer;
    tr_server *server = serve();
    if (play->refused)
        tr_server_close(server);
    look_whether_over(NULL);
}

static void
with_callbacks(void)
{
    prepare();
    struct tr_socket_options options = play->options;
    struct tr_connect_options connect = where();
    options.events = &callbacks;
    assert_int_equal(tr_connect(director, &options, &connect, &client.socket), TR_OK);
}

static void
with_owner(void)
{
    prepare();
    assert_int_equal(tr_tell(director, spawn_on(owner_worker, &owner, NULL), TAG_GO, NULL, 0), TR_OK);
}

static void
give_play(void (*script)(void))
{
    memset(&client, 0, sizeof(client));
    memset(accepted, 0, sizeof(accepted));
    closed = 0;
    stage_play(2, script);
}

static void
compare(const struct play *of)
{
    static const unsigned places[][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};
    play = of;
    give_play(with_callbacks);
    struct endpoint by_callbacks = client.log, peer = accepted[0];
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        owner_worker = places[i][0];
        socket_worker = places[i][1];
        give_play(with_owner);
        if (strcmp(client.log.log, by_callbacks.log) != 0 || strcmp(accepted[0].log, peer.log) != 0)
            fail_msg("%s, owner on %u, socket on %u:\n  owner     %s\n  callbacks %s\n  peer      %s\n  before    %s",
                     of->name, owner_worker, socket_worker, client.log.log, by_callbacks.log, accepted[0].log,
                     peer.log);
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
peer_greets(struct endpoint *peer, const char *event)
{
    if (is(event, "accepted"))
        say(peer->socket, "hello");
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
write_in_connect_end_in_data(struct client *self, const char *event)
{
    if (is(event, "connect"))
        write_text(self, "ping");
    if (is(event, "data"))
        end(self);
}

static void
destroy_in_connect(struct client *self, const char *event)
{
    if (is(event, "connect"))
        destroy(self, TR_OK);
}

static void
destroy_in_ready(struct client *self, const char *event)
{
    if (is(event, "ready"))
        destroy(self, TR_EIO);
}

static void
destroy_in_data(struct client *self, const char *event)
{
    if (is(event, "data"))
        destroy(self, TR_OK);
}

static void
destroy_in_end(struct client *self, const char *event)
{
    if (is(event, "end"))
        destroy(self, TR_EIO);
}

static void
destroy_in_error(struct client *self, const char *event)
{
    if (is(event, "ready"))
        write_text(self, "reset me");
    if (is(event, "error")) {
        write_text(self, "lost");
        destroy(self, TR_EIO);
    }
}

static void
pause_and_resume(struct client *self, const char *event)
{
    if (is(event, "connect"))
        pause_and_wait(self, 30);
    if (is(event, "timeout"))
        resume(self);
    if (is(event, "data"))
        end(self);
}

static void
write_after_end(struct client *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    write_and_tell(self, tr_slice_constant("one", 3), 1);
    end(self);
    write_and_tell(self, tr_slice_constant("two", 3), 2);
}

/* In the look-up's event, so that the connection surely waits for it. */
static void
write_before_connect(struct client *self, const char *event)
{
    if (!is(event, "lookup"))
        return;
    write_and_tell(self, tr_slice_constant("one", 3), 1);
    write_and_tell(self, tr_slice_constant("two", 3), 2);
    end_and_tell(self, tr_slice_constant("three", 5), 3);
}

static void
answer_in_end(struct client *self, const char *event)
{
    if (!is(event, "end"))
        return;
    write_and_tell(self, tr_slice_constant("late", 4), 1);
    end(self);
}

static void
write_much(struct client *self, const char *event)
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
destroy_in_lookup(struct client *self, const char *event)
{
    if (is(event, "lookup"))
        destroy(self, TR_OK);
}

static struct tr_error no_such_host = {.status = TR_ENOTFOUND};

static const struct play plays[] = {
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

/* Credit: how much comes without an answer. */

static struct {
    uint32_t credit;
    unsigned events, counted; /* counted: atomic copy for the director */
    tr_ref socket;
    size_t bytes;
    int fds;
    unsigned reached; /* atomic: how often the director's word came, for the director */
} hoard;

static void
hoard_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (message->tag == TAG_MORE) {
        tr_remote_credit(self, hoard.socket, 1);
        return;
    }
    if (message->tag == TAG_REACHED)
        __atomic_fetch_add(&hoard.reached, 1, __ATOMIC_SEQ_CST);
    if (!tr_event_of(message, &event))
        return;
    hoard.socket = message->from;
    hoard.bytes += event == TR_EVENT_DATA ? tr_message_size(message) : 0;
    if (event == TR_EVENT_FD) {
        int fd = tr_event_take_fd(message);
        assert_true(fd >= 0);
        assert_int_equal(tr_event_take_fd(message), -1);
        close(fd);
        hoard.fds++;
    }
    hoard.events++;
    __atomic_store_n(&hoard.counted, hoard.events, __ATOMIC_SEQ_CST);
}

static const struct tr_behavior hoarder = {.name = "hoarder", .receive = hoard_receive};
static tr_ref hoarder_ref;
static int far_end;
static unsigned steps_done;
static unsigned expected_at_step[8];

/* Adopts one end of a pair; the other is far_end. */
static tr_socket *
adopt_one_of_a_pair(const struct tr_socket_options *options)
{
    int pair[2];
    tr_socket *socket;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    far_end = pair[1];
    assert_int_equal(tr_socket_adopt(director, pair[0], TR_READABLE | TR_WRITABLE, options, &socket), TR_OK);
    return socket;
}

/*
 * Gives one credit after another and sees after each how many events there are: when as many as there should be have
 * come, the socket gets turns to tell more, and then a message takes the same way as its events.
 */
static void await_step(void);

static bool
as_many_came(void)
{
    return __atomic_load_n(&hoard.counted, __ATOMIC_SEQ_CST) >= expected_at_step[steps_done];
}

static bool
hoarder_was_reached(void)
{
    return __atomic_load_n(&hoard.reached, __ATOMIC_SEQ_CST) > steps_done;
}

static void
step_credit(void *argument)
{
    (void)argument;
    assert_int_equal(__atomic_load_n(&hoard.counted, __ATOMIC_SEQ_CST), expected_at_step[steps_done]);
    if (expected_at_step[++steps_done] == 0) {
        stage_end();
        return;
    }
    tr_tell(director, hoarder_ref, TAG_MORE, NULL, 0);
    await_step();
}

static void
reach_hoarder(void *argument)
{
    (void)argument;
    tr_tell(director, hoarder_ref, TAG_REACHED, NULL, 0);
    stage_when(hoarder_was_reached, step_credit, NULL);
}

static void
await_step(void)
{
    stage_settled_when(as_many_came, reach_hoarder, NULL);
}

static void
hoard_script(void)
{
    hoarder_ref = spawn_on(1, &hoarder, NULL);
    struct tr_owner to = {.actor = hoarder_ref, .credit = hoard.credit};
    struct tr_socket_options options = {.owner = to, .receive_fds = true, .allow_half_open = true};
    tr_ref socket = tr_socket_ref(adopt_one_of_a_pair(&options));
    assert_int_equal(tr_remote_credit(director, socket, 100), TR_OK); /* it is not the owner: that changes nothing */
    if (hoard.fds == 0) {
        send_fds(far_end, far_end, 2, "abc");
        close(far_end);
    } else {
        hoard.fds = 0;
        char byte =
            'x'; /* each is an event of its own only if it is read before the next comes: so an end, and close */
        assert_int_equal(write(far_end, &byte, 1), 1);
        close(far_end);
    }
    await_step();
}

static void
play_hoard(uint32_t credit, bool fds, const unsigned *expected, size_t n)
{
    memset(&hoard, 0, sizeof(hoard));
    hoard.credit = credit;
    hoard.fds = !fds;
    steps_done = 0;
    memset(expected_at_step, 0, sizeof(expected_at_step));
    memcpy(expected_at_step, expected, n * sizeof(*expected));
    stage_play(2, hoard_script);
}

static void
without_credit_nothing_more_comes(void **state)
{
    (void)state;
    static const unsigned one[] = {1, 2}; /* data | end; the half-open socket then stays */
    play_hoard(1, false, one, 2);
    assert_int_equal(hoard.bytes, 1);
}

static void
a_larger_credit_lets_so_many_come(void **state)
{
    (void)state;
    static const unsigned three[] = {3, 4}; /* fd fd data | end */
    play_hoard(3, true, three, 2);
    assert_int_equal(hoard.fds, 2);
    assert_int_equal(hoard.bytes, 3);
}

static void
descriptors_of_one_message_come_together_and_their_bytes_wait(void **state)
{
    (void)state;
    static const unsigned one[] = {2, 2, 3, 4}; /* fd fd | | data | end */
    play_hoard(1, true, one, 4);
    assert_int_equal(hoard.fds, 2);
    assert_int_equal(hoard.bytes, 3);
}

/* Each record is an event. */
static void
record_script(void)
{
    int pair[2];
    tr_socket *socket;
    hoarder_ref = spawn_on(1, &hoarder, NULL);
    struct tr_socket_options options = {.owner = {.actor = hoarder_ref}, .allow_half_open = true};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(write(pair[1], "r", 1), 1);
    close(pair[1]);
    assert_int_equal(tr_socket_adopt(director, pair[0], TR_READABLE, &options, &socket), TR_OK);
    await_step();
}

static void
the_credit_is_16_unless_it_is_said(void **state)
{
    (void)state;
    memset(&hoard, 0, sizeof(hoard));
    memset(expected_at_step, 0, sizeof(expected_at_step));
    expected_at_step[0] = 16;
    expected_at_step[1] = 17;
    steps_done = 0;
    stage_play(2, record_script);
}

static void
no_descriptor_is_taken_out_of_another_message(void **state)
{
    char *text = strdup("no descriptor");
    tr_message message = tr_message_pointer(TR_TAG_SOCKET_EVENT + TR_EVENT_FD, text, 14, free);
    (void)state;
    assert_int_equal(tr_event_take_fd(NULL), -1);
    assert_int_equal(tr_event_take_fd(&message), -1);
    assert_ptr_equal(tr_message_data(&message), text);
    tr_message_drop(&message);
    message = tr_message_signal(TR_TAG_SOCKET_EVENT + TR_EVENT_FD);
    assert_int_equal(tr_event_take_fd(&message), -1);
}

/* Owners that die. */

static enum { DIE_AT_ONCE, DIE_IN_CONNECTION, DIE_KILLED } death;
static unsigned connections_told;
static tr_ref mortals_socket; /* atomic; TR_NOBODY: it was told of none */

static void
mortal_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (!tr_event_of(message, &event))
        return;
    if (event == TR_EVENT_CONNECTION) {
        const struct tr_connection *connection = tr_message_data(message);
        assert_true(connection->server != TR_NOBODY);
        __atomic_store_n(&mortals_socket, message->from, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&connections_told, 1, __ATOMIC_SEQ_CST);
    }
    if (death == DIE_IN_CONNECTION)
        tr_exit(self);
    else if (death == DIE_KILLED)
        tr_stop(self, tr_self(self), TR_STOP_KILL);
}

static const struct tr_behavior mortal = {.name = "mortal", .receive = mortal_receive};
static unsigned mortal_worker;
static struct endpoint visitor;

static void
say_and_wait(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        say(self->socket, "hello");
}

/* On the director's worker, so it is known at once whether there is such an actor. */
static bool
is_over_and_gone(void)
{
    tr_ref socket = __atomic_load_n(&mortals_socket, __ATOMIC_SEQ_CST);
    return visitor.closed && (socket == TR_NOBODY || tr_tell(director, socket, TAG_MORE, NULL, 0) == TR_EGONE);
}

static void
owned_connection_script(void)
{
    tr_ref ref = spawn_on(mortal_worker, &mortal, NULL);
    if (death == DIE_AT_ONCE)
        assert_int_equal(tr_stop(director, ref, TR_STOP_NOW), TR_OK);
    struct tr_server_options options = {.balance = home};
    options.socket.owner = (struct tr_owner){.actor = ref, .credit = 1};
    options.socket.keep = true; /* a dead owner's socket is not kept */
    stage_serve(options);
    visitor.hook = say_and_wait;
    stage_connect(&visitor);
    stage_settled_when(is_over_and_gone, end_play, NULL);
}

static void
sockets_of_owners_that_die_are_destroyed(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        death = i % 3;
        mortal_worker = i < 3 ? 0 : 1;
        connections_told = 0;
        mortals_socket = TR_NOBODY;
        memset(&visitor, 0, sizeof(visitor));
        stage_play(2, owned_connection_script);
        assert_true(visitor.closed);
        assert_int_equal(connections_told, death != DIE_AT_ONCE);
        assert_memory_equal(visitor.log, "connect ready ", 14);
    }
}

/* A timeout that is due while the socket stands still for its owner is not told any more when the owner switches it
 * off. */

static struct {
    unsigned timeouts;
    bool switched_off;
} timer;

static void
timer_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (message->tag == TAG_MORE) {
        timer.switched_off = true;
        assert_int_equal(tr_remote_set_timeout(self, hoard.socket, 0), TR_OK);
        assert_int_equal(tr_remote_credit(self, hoard.socket, 1), TR_OK);
        assert_int_equal(tr_remote_end(self, hoard.socket), TR_OK);
        close(far_end);
    } else if (tr_event_of(message, &event)) {
        hoard.socket = message->from;
        timer.timeouts += event == TR_EVENT_TIMEOUT;
        if (event == TR_EVENT_CLOSE)
            __atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
        if (event != TR_EVENT_DATA) {
            assert_int_equal(tr_remote_credit(self, message->from, 1), TR_OK);
            return;
        }
        assert_int_equal(tr_remote_set_timeout(self, message->from, 30), TR_OK);
        tr_message later = tr_message_signal(TAG_MORE);
        assert_int_equal(tr_send_after(self, tr_self(self), 120, &later, NULL), TR_OK);
    }
}

static void
look_whether_closed(void *argument)
{
    if (__atomic_load_n(&closed, __ATOMIC_SEQ_CST) != 0)
        stage_end();
    else
        stage_after(2, look_whether_closed, argument);
}

static void
timer_script(void)
{
    static const struct tr_behavior keeper = {.name = "timer", .receive = timer_receive};
    struct tr_owner to = {.actor = spawn_on(1, &keeper, NULL), .credit = 1};
    adopt_one_of_a_pair(&(struct tr_socket_options){.owner = to});
    assert_true(tests_peer_send(far_end, "x", 1));
    look_whether_closed(NULL);
}

static void
a_timeout_that_waits_for_credit_can_still_be_switched_off(void **state)
{
    (void)state;
    closed = 0;
    memset(&timer, 0, sizeof(timer));
    stage_play(2, timer_script);
    assert_true(timer.switched_off);
    assert_int_equal(timer.timeouts, 0);
}

/* Owners that do not answer, and what the director does with their sockets in the end. */

static void
does_not_answer(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static const struct tr_behavior deaf = {.name = "deaf", .receive = does_not_answer};
static struct endpoint still;

static void
adopt_for_the_deaf(struct tr_socket_options options, uint32_t credit)
{
    memset(&still, 0, sizeof(still));
    options.owner = (struct tr_owner){.actor = spawn_on(0, &deaf, NULL), .credit = credit};
    options.events = &endpoint_events;
    options.data = &still;
    still.socket = adopt_one_of_a_pair(&options);
}

static void
take_from_the_deaf(void *argument)
{
    (void)argument;
    assert_int_equal(tr_socket_set_owner(still.socket, NULL), TR_OK);
    stage_end_when_closed(&(struct endpoint *){&still}, 1);
}

static bool
has_read(void)
{
    return tr_socket_bytes_read(still.socket) > 0;
}

static void
look_at_still_socket(void *argument)
{
    assert_int_equal(tr_socket_bytes_read(still.socket), TRI_READ_BYTES);
    assert_int_equal(still.socket->polled, 0); /* else the loop would turn and turn */
    take_from_the_deaf(argument);
    close(far_end);
}

static void
give_credit_of_a_stranger(void *argument)
{
    (void)argument;
    assert_int_equal(tr_remote_credit(director, tr_socket_ref(still.socket), 1), TR_OK);
    stage_settled(look_at_still_socket, NULL);
}

static void
still_script(void)
{
    adopt_for_the_deaf((struct tr_socket_options){0}, 1);
    assert_true(tests_peer_send(far_end, pattern(100000).data, 100000));
    stage_settled_when(has_read, give_credit_of_a_stranger, NULL);
}

static void
without_credit_nothing_is_read_nor_polled_and_only_the_owners_counts(void **state)
{
    (void)state;
    stage_play(1, still_script);
    assert_string_equal(still.log, "data end close");
    assert_int_equal(still.bytes, 100000 - TRI_READ_BYTES);
}

static bool
timeout_is_due(void)
{
    return (still.socket->due & TRI_STEP(TIMEOUT)) != 0;
}

static void
destroy_still_socket(void *argument)
{
    tr_socket_destroy(still.socket, TR_OK);
    take_from_the_deaf(argument);
}

static void
due_timeout_script(void)
{
    adopt_for_the_deaf((struct tr_socket_options){.timeout_ms = 20}, 1);
    assert_true(tests_peer_send(far_end, "x", 1));
    close(far_end);
    stage_when(timeout_is_due, destroy_still_socket, NULL);
}

static void
a_timeout_that_was_due_is_not_told_of_a_socket_that_is_destroyed(void **state)
{
    (void)state;
    stage_play(1, due_timeout_script);
    assert_string_equal(still.log, "close");
}

/* What is no event. */

static void
only_an_event_is_taken_for_one(void **state)
{
    (void)state;
    enum tr_event event;
    for (uint32_t i = 0; i < TR_EVENTS; i++) {
        tr_message is_one = tr_message_signal(TR_TAG_SOCKET_EVENT + i);
        assert_true(tr_event_of(&is_one, &event));
        assert_int_equal(event, i);
    }
    tr_message before = tr_message_signal(TR_TAG_SOCKET_EVENT - 1);
    tr_message after = tr_message_signal(TR_TAG_SOCKET_EVENT + TR_EVENTS);
    assert_false(tr_event_of(&before, &event));
    assert_false(tr_event_of(&after, &event));

    tr_message pointer = tr_message_pointer(1, malloc(1), 1, free);
    assert_int_equal(tr_event_take_fd(&pointer), -1);
    assert_non_null(tr_message_data(&pointer));
    assert_int_equal(tr_event_take_fd(&before), -1);
    assert_int_equal(tr_event_take_fd(NULL), -1);
    tr_message_drop(&pointer);
}

/* A socket's actor as the owner of another one: its message callback gets the events. */

static struct endpoint front;
static unsigned told_to_socket;

static void
front_message(tr_socket *socket, tr_message *message)
{
    enum tr_event event;
    tr_actor *self = tr_socket_actor(socket);
    if (!tr_event_of(message, &event))
        return;
    told_to_socket++;
    if (event == TR_EVENT_DATA) {
        tr_socket_write_slice(socket, message->payload.slice);
        tr_remote_end(self, message->from);
    } else if (event == TR_EVENT_CLOSE) {
        tr_socket_end(socket);
    }
    tr_remote_credit(self, message->from, 1);
}

static void
open_another(struct endpoint *self, const char *event)
{
    tr_socket *other;
    if (!is(event, "ready"))
        return;
    struct tr_socket_options options = {.owner = {.actor = tr_socket_ref(self->socket), .credit = 1}};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_connect(tr_socket_actor(self->socket), &options, &connect, &other), TR_OK);
}

static void
socket_as_owner_script(void)
{
    static struct tr_socket_events events;
    events = endpoint_events;
    events.message = front_message;
    accepted[1].hook = peer_greets;
    front.hook = open_another;
    stage_serve((struct tr_server_options){.balance = home});
    struct tr_socket_options options = {.events = &events, .data = &front};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_connect(director, &options, &connect, &front.socket), TR_OK);
    struct endpoint *all[] = {&front, &accepted[0], &accepted[1]};
    stage_end_when_closed(all, 3);
}

static void
a_socket_can_own_another_one(void **state)
{
    (void)state;
    memset(accepted, 0, sizeof(accepted));
    stage_play(1, socket_as_owner_script);
    assert_string_equal(accepted[0].log, "accepted data:hello end close");
    assert_string_equal(front.log, "connect ready end close");
    assert_int_equal(told_to_socket, 5); /* connect ready data end close */
}

/* Handing on: what goes from one owner to the next along with the socket. */

#define STREAM_BYTES (2u << 20)
#define HAND_ON_EVERY 5u

struct stream {
    tr_ref socket;
    size_t bytes;
    uint64_t sum;
};

static tr_ref runners[2];
static struct stream at_the_end;
static unsigned handed_on;

static void
take_bytes(struct stream *stream, tr_slice data)
{
    for (size_t i = 0; i < data.size; i++)
        stream->sum += (uint64_t)(unsigned char)data.data[i] * (++stream->bytes % 65521);
}

struct runner {
    struct stream stream;
    unsigned events;
};

static void
hand_on(tr_actor *self, struct runner *runner)
{
    tr_ref next = runners[tr_self(self) == runners[0]];
    struct tr_owner to = {.actor = next, .credit = 1};
    assert_int_equal(tr_tell(self, next, TAG_STATE, &runner->stream, sizeof(runner->stream)), TR_OK);
    assert_int_equal(tr_remote_set_owner(self, runner->stream.socket, &to), TR_OK);
    handed_on++; /* by one runner at a time: the messages order them */
}

static void
runner_receive(tr_actor *self, void *state, tr_message *message)
{
    struct runner *runner = state;
    enum tr_event event;
    if (message->tag == TAG_STATE) {
        memcpy(&runner->stream, tr_message_data(message), sizeof(runner->stream));
        return;
    }
    if (!tr_event_of(message, &event))
        return;
    runner->stream.socket = message->from;
    if (event == TR_EVENT_DATA)
        take_bytes(&runner->stream, message->payload.slice);
    if (event == TR_EVENT_CLOSE)
        at_the_end = runner->stream;
    if (event == TR_EVENT_DATA && ++runner->events % HAND_ON_EVERY == 0)
        hand_on(self, runner);
    tr_remote_credit(self, message->from, 1);
}

static const struct tr_behavior runner = {
    .name = "runner", .state_size = sizeof(struct runner), .receive = runner_receive};

static void
write_the_stream(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    tr_socket_write_slice(self->socket, pattern(STREAM_BYTES));
    tr_socket_end(self->socket);
}

/* The callbacks take the first bytes, then it goes to the first runner. */
static struct stream before;

static void
hand_to_a_runner(tr_socket *socket, tr_slice data)
{
    take_bytes(&before, data);
    struct tr_owner to = {.actor = runners[0], .credit = 1};
    assert_int_equal(tr_tell(tr_socket_actor(socket), runners[0], TAG_STATE, &before, sizeof(before)), TR_OK);
    assert_int_equal(tr_socket_set_owner(socket, &to), TR_OK);
}

static void
on_relay_connection(tr_socket *socket)
{
    static const struct tr_socket_events events = {.data = hand_to_a_runner};
    tr_socket_set_events(socket, &events);
}

static void
relay_script(void)
{
    runners[0] = spawn_on(0, &runner, NULL);
    runners[1] = spawn_on(1, &runner, NULL);
    stage_serve((struct tr_server_options){.balance = home, .connection = on_relay_connection});
    visitor.hook = write_the_stream;
    stage_connect(&visitor);
    stage_end_when_closed(&(struct endpoint *){&visitor}, 1);
}

static void
a_socket_goes_from_owner_to_owner_without_losing_a_byte(void **state)
{
    (void)state;
    memset(&visitor, 0, sizeof(visitor));
    memset(&before, 0, sizeof(before));
    handed_on = 0;
    stage_play(2, relay_script);
    assert_int_equal(at_the_end.bytes, STREAM_BYTES);
    assert_int_equal(at_the_end.sum, pattern_sum(STREAM_BYTES));
    assert_true(handed_on >= 2);
}

/* Back to callbacks, from an owner for whom the socket stands still. */

static tr_socket *taken_back;

static void
take_back_when_it_stands_still(void *argument)
{
    (void)argument;
    if (__atomic_load_n(&hoard.counted, __ATOMIC_SEQ_CST) == 0) {
        stage_after(2, take_back_when_it_stands_still, NULL);
        return;
    }
    assert_int_equal(write(far_end, "b", 1), 1);
    assert_int_equal(tr_socket_set_owner(taken_back, NULL), TR_OK);
    close(far_end);
}

static void
take_back_script(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &visitor};
    options.owner = (struct tr_owner){.actor = spawn_on(1, &hoarder, NULL), .credit = 1};
    taken_back = adopt_one_of_a_pair(&options);
    assert_int_equal(write(far_end, "a", 1), 1);
    take_back_when_it_stands_still(NULL);
    stage_end_when_closed(&(struct endpoint *){&visitor}, 1);
}

static void
a_socket_that_stands_still_goes_on_when_it_is_taken_from_its_owner(void **state)
{
    (void)state;
    memset(&visitor, 0, sizeof(visitor));
    memset(&hoard, 0, sizeof(hoard));
    stage_play(2, take_back_script);
    assert_string_equal(visitor.log, "data:b end close");
    assert_int_equal(hoard.events, 1);
}

/* Answers keep their place. */

static void
note_answer(tr_message *message)
{
    const struct tr_remote_accepted *taken = tr_message_data(message);
    const struct tr_socket_info *info = tr_message_data(message);
    if (message->tag == TAG_ACCEPTED)
        note(&client.log, "accepted%d:%s", (int)taken->token, tr_status_code(taken->status));
    else if (message->tag == TAG_INFO)
        note(&client.log, "info%d:%s:%d:%d", (int)info->token, tr_ready_state_name(info->ready_state), info->connecting,
             (int)(info->remote.port == stage_port));
}

static void
asker_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    note_answer(message);
    if (tr_event_of(message, &event) && event == TR_EVENT_READY) {
        tr_remote_write_check(self, client.ref, tr_slice_constant("first", 5), TAG_ACCEPTED, 1);
        tr_remote_socket_info(self, client.ref, TAG_INFO, 2);
        tr_remote_write_ask(self, client.ref, tr_slice_constant("second", 6), TAG_WRITTEN, 3);
        tr_remote_write_check(self, client.ref, pattern(LONG_WRITE), TAG_ACCEPTED, 4);
        tr_remote_end_ask(self, client.ref, tr_slice_constant(NULL, 0), TAG_WRITTEN, 5);
        tr_remote_socket_info(self, client.ref, TAG_INFO, 6);
        tr_remote_write_check(self, client.ref, tr_slice_constant("late", 4), TAG_ACCEPTED, 7);
    }
    owner_receive(self, state, message);
}

static const struct tr_behavior asker = {.name = "asker", .receive = asker_receive};

static void
asker_script(void)
{
    prepare();
    assert_int_equal(tr_tell(director, spawn_on(owner_worker, &asker, NULL), TAG_GO, NULL, 0), TR_OK);
}

static void
answers_keep_their_place_among_the_events(void **state)
{
    (void)state;
    static const struct play plain = {.name = "answers"};
    play = &plain;
    for (owner_worker = 0; owner_worker < 2; owner_worker++) {
        socket_worker = 1 - owner_worker;
        give_play(asker_script);
        assert_string_equal(client.log.log,
                            "connect ready accepted1:OK info2:open:0:1 accepted4:QUEUED info6:readOnly:0:1 "
                            "accepted7:ERR_STREAM_WRITE_AFTER_END "
                            "written3:OK error:ERR_STREAM_WRITE_AFTER_END:write:0 "
                            "written5:ERR_STREAM_WRITE_AFTER_END close!");
    }
}

/* What a distant order to connect can be refused for. */

static void
wrong_type_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    enum tr_event event;
    if (message->tag == TAG_GO) {
        struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}, .type = TR_SOCKET_TCP4};
        assert_int_equal(tr_remote_socket(self, &options, NULL, &client.ref), TR_OK);
        assert_int_equal(tr_remote_connect(self, client.ref, &(struct tr_connect_options){.host = "::1", .port = 1}),
                         TR_OK);
    } else if (tr_event_of(message, &event)) {
        log_event(event, message);
        tr_remote_credit(self, client.ref, 1);
    }
}

static const struct tr_behavior wrong_type = {.name = "owner", .receive = wrong_type_receive};

static void
wrong_type_script(void)
{
    prepare();
    assert_int_equal(tr_tell(director, spawn_on(1, &wrong_type, NULL), TAG_GO, NULL, 0), TR_OK);
}

static void
an_address_that_the_socket_does_not_take_is_an_error_event(void **state)
{
    (void)state;
    static const struct play refused = {.name = "type", .refused = true};
    play = &refused;
    give_play(wrong_type_script);
    assert_string_equal(client.log.log, "error:ERR_INVALID_IP_ADDRESS:connect:0 close!");
}

/* Many. */

#define CROWD 1000u

struct member {
    tr_ref socket;
    size_t bytes;
    unsigned worker;
};

static struct {
    bool answers;
    unsigned connected, closed, wrong;
} crowd;

static void
member_begin(tr_actor *self, struct member *member)
{
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    struct tr_spawn_options placement = {.placement = TR_PLACE_WORKER, .worker = member->worker};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_remote_socket(self, &options, &placement, &member->socket), TR_OK);
    assert_int_equal(tr_remote_connect(self, member->socket, &connect), TR_OK);
    assert_int_equal(tr_remote_write(self, member->socket, tr_slice_constant("crowded", 7)), TR_OK);
}

static void
member_receive(tr_actor *self, void *state, tr_message *message)
{
    struct member *member = state;
    enum tr_event event;
    if (message->tag == TAG_GO) {
        memcpy(&member->worker, tr_message_data(message), sizeof(member->worker));
        member_begin(self, member);
        return;
    }
    if (!tr_event_of(message, &event))
        return;
    if (event == TR_EVENT_CONNECT)
        __atomic_fetch_add(&crowd.connected, 1, __ATOMIC_SEQ_CST);
    if (!crowd.answers)
        return;
    member->bytes += event == TR_EVENT_DATA ? tr_message_size(message) : 0;
    if (event == TR_EVENT_DATA && member->bytes == 7)
        tr_remote_end(self, member->socket);
    if (event == TR_EVENT_CLOSE) {
        __atomic_fetch_add(&crowd.wrong, member->bytes != 7 || *(const bool *)tr_message_data(message),
                           __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&crowd.closed, 1, __ATOMIC_SEQ_CST);
    }
    tr_remote_credit(self, member->socket, 1);
}

static const struct tr_behavior member = {
    .name = "member", .state_size = sizeof(struct member), .receive = member_receive};

static void
echo_data(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
}

static void
on_crowd_connection(tr_socket *socket)
{
    (void)socket;
}

static void
look_at_crowd(void *argument)
{
    const unsigned *counter = argument;
    if (__atomic_load_n(counter, __ATOMIC_SEQ_CST) == CROWD)
        stage_end();
    else
        stage_after(2, look_at_crowd, argument);
}

static void
crowd_script(void)
{
    static const struct tr_socket_events echoes = {.data = echo_data};
    stage_serve((struct tr_server_options){.connection = on_crowd_connection, .socket.events = &echoes});
    for (unsigned i = 0; i < CROWD; i++) {
        unsigned worker = (i + 1) % 3;
        assert_int_equal(tr_tell(director, spawn_on(i % 3, &member, NULL), TAG_GO, &worker, sizeof(worker)), TR_OK);
    }
    look_at_crowd(crowd.answers ? &crowd.closed : &crowd.connected);
}

static void
a_thousand_sockets_have_owners_on_other_workers(void **state)
{
    (void)state;
    memset(&crowd, 0, sizeof(crowd));
    crowd.answers = true;
    stage_play(3, crowd_script);
    assert_int_equal(crowd.wrong, 0);
}

/* Accepted sockets are no children of their owner: it ends before them, and they stand still. */

static unsigned silent_told;

static void
silent_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)self;
    (void)state;
    if (tr_event_of(message, &event))
        __atomic_fetch_add(&silent_told, 1, __ATOMIC_SEQ_CST);
}

static const struct tr_behavior silent = {.name = "silent", .receive = silent_receive};

static void
crowd_that_stands_still_script(void)
{
    struct tr_server_options options = {.balance = NULL};
    options.socket.owner = (struct tr_owner){.actor = spawn_on(1, &silent, NULL), .credit = 1};
    stage_serve(options);
    for (unsigned i = 0; i < CROWD; i++) {
        struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port};
        assert_int_equal(tr_connect(director, NULL, &connect, NULL), TR_OK);
    }
    look_at_crowd(&silent_told);
}

static void
the_runtime_stops_while_a_thousand_stand_still_for_an_owner_that_ends_first(void **state)
{
    (void)state;
    silent_told = 0;
    stage_play(3, crowd_that_stands_still_script); /* which fails if anything is killed, or a descriptor is left */
}

/* The owner is their parent, lives, and answers nothing: only the deadline ends that. */

static bool
all_are_connected(void *argument)
{
    (void)argument;
    return __atomic_load_n(&crowd.connected, __ATOMIC_SEQ_CST) == CROWD;
}

static void
stop_with_a_deadline(unsigned deadline_ms)
{
    int fds = tests_open_fds();
    struct tr_stop_report report;
    struct tr_runtime_options options = {.workers = 3};
    assert_int_equal(tr_runtime_start(&options, &stage_runtime), TR_OK);
    struct tr_server_options server = {.connection = on_crowd_connection};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    assert_int_equal(tr_runtime_listen(stage_runtime, &server, &listen, NULL, &bound), TR_OK);
    stage_port = bound.port;
    for (unsigned i = 0; i < CROWD; i++) {
        struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = i % 3};
        unsigned worker = (i + 1) % 3;
        tr_ref ref;
        assert_int_equal(tr_runtime_spawn(stage_runtime, &member, &place, &ref), TR_OK);
        tr_message go = tr_message_copy(TAG_GO, &worker, sizeof(worker));
        assert_int_equal(tr_runtime_send(stage_runtime, ref, &go), TR_OK);
    }
    assert_true(tests_wait_until(all_are_connected, NULL, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(stage_runtime, deadline_ms, &report), TR_ETIMEDOUT_STOP);
    assert_true(report.killed >= 2 * CROWD); /* sockets and owners */
    assert_int_equal(tests_open_fds(), fds);
}

static void
the_deadline_ends_a_thousand_that_stand_still_for_an_owner_who_never_answers(void **state)
{
    (void)state;
    memset(&crowd, 0, sizeof(crowd));
    stop_with_a_deadline(200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_with_a_credit_of_one_sees_what_callbacks_see),
        cmocka_unit_test(without_credit_nothing_more_comes),
        cmocka_unit_test(a_larger_credit_lets_so_many_come),
        cmocka_unit_test(descriptors_of_one_message_come_together_and_their_bytes_wait),
        cmocka_unit_test(the_credit_is_16_unless_it_is_said),
        cmocka_unit_test(no_descriptor_is_taken_out_of_another_message),
        cmocka_unit_test(sockets_of_owners_that_die_are_destroyed),
        cmocka_unit_test(a_timeout_that_waits_for_credit_can_still_be_switched_off),
        cmocka_unit_test(without_credit_nothing_is_read_nor_polled_and_only_the_owners_counts),
        cmocka_unit_test(a_timeout_that_was_due_is_not_told_of_a_socket_that_is_destroyed),
        cmocka_unit_test(only_an_event_is_taken_for_one),
        cmocka_unit_test(a_socket_can_own_another_one),
        cmocka_unit_test(a_socket_goes_from_owner_to_owner_without_losing_a_byte),
        cmocka_unit_test(a_socket_that_stands_still_goes_on_when_it_is_taken_from_its_owner),
        cmocka_unit_test(answers_keep_their_place_among_the_events),
        cmocka_unit_test(an_address_that_the_socket_does_not_take_is_an_error_event),
        cmocka_unit_test(a_thousand_sockets_have_owners_on_other_workers),
        cmocka_unit_test(the_runtime_stops_while_a_thousand_stand_still_for_an_owner_that_ends_first),
        cmocka_unit_test(the_deadline_ends_a_thousand_that_stand_still_for_an_owner_who_never_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
