#include "owner_play.h"

#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

const struct owner_play *play_now;
struct owned_client owned;
unsigned closed;
unsigned owner_worker, socket_worker;

void
log_written(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    note(&owned.log, "written%d:%s", (int)(intptr_t)argument, tr_status_code(status));
}

static void
happened(const char *event)
{
    if (play_now->react != NULL)
        play_now->react(&owned, event);
    if (strncmp(event, "close", 5) == 0)
        __atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
}

void
log_plain(const char *event)
{
    note(&owned.log, "%s", event);
    happened(event);
}

void
log_data(tr_slice data)
{
    const char *word = strrchr(owned.log.log, ' ');
    bool goes_on = word != NULL && strncmp(word + 1, "data:", 5) == 0;
    size_t used = strlen(owned.log.log);
    snprintf(owned.log.log + used, sizeof(owned.log.log) - used, "%s%.*s", goes_on ? "" : " data:", (int)data.size,
             data.data);
    owned.log.bytes += data.size;
    happened("data");
}

void
log_lookup(const char *host, const char *outcome)
{
    note(&owned.log, "lookup:%s:%s", host, outcome);
    happened("lookup");
}

void
log_error(const struct tr_error *error)
{
    note(&owned.log, "error:%s:%s:%d", error->code, error->call, error->system);
    happened("error");
}

void
log_event(enum tr_event event, const tr_message *message)
{
    static const char *const words[TR_EVENTS] = {
        [TR_EVENT_CONNECT] = "connect", [TR_EVENT_READY] = "ready",     [TR_EVENT_END] = "end",
        [TR_EVENT_DRAIN] = "drain",     [TR_EVENT_TIMEOUT] = "timeout", [TR_EVENT_SECURE] = "secure"};
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

struct tr_connect_options
where(void)
{
    struct tr_connect_options connect = play_now->connect;
    connect.port = stage_port;
    if (connect.host == NULL)
        connect.host = "127.0.0.1";
    return connect;
}

static void
connect_as_owner(tr_actor *self)
{
    struct tr_socket_options options = play_now->options;
    struct tr_connect_options connect = where();
    struct tr_spawn_options placement = {.placement = TR_PLACE_WORKER, .worker = socket_worker};
    options.owner = (struct tr_owner){.actor = tr_self(self), .credit = 1};
    owned.self = self;
    assert_int_equal(tr_remote_socket(self, &options, &placement, &owned.ref), TR_OK);
    assert_int_equal(tr_ref_worker(owned.ref), socket_worker);
    assert_int_equal(tr_remote_connect(self, owned.ref, &connect), TR_OK);
}

void
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
        assert_int_equal(message->from, owned.ref);
        log_event(event, message);
        assert_int_equal(tr_remote_credit(self, owned.ref, 1), TR_OK);
    }
}

static void
look_whether_over(void *argument)
{
    (void)argument;
    bool peer_is_over = play_now->refused || accepted[0].closed;
    if (__atomic_load_n(&closed, __ATOMIC_SEQ_CST) != 0 && peer_is_over)
        stage_settled(end_play, NULL);
    else
        stage_after(2, look_whether_over, NULL);
}

tr_ref
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
    return stage_serve((struct tr_server_options){.balance = home, .socket.allow_half_open = play_now->half_open_peer});
}

void
prepare(void)
{
    accepted[0].hook = play_now->peer;
    tr_server *server = serve();
    if (play_now->refused)
        tr_server_close(server);
    look_whether_over(NULL);
}

void
give_play(void (*script)(void))
{
    memset(&owned, 0, sizeof(owned));
    memset(accepted, 0, sizeof(accepted));
    closed = 0;
    stage_play(2, script);
}

void
peer_greets(struct endpoint *peer, const char *event)
{
    if (is(event, "accepted"))
        say(peer->socket, "hello");
}

struct hoard hoard;

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

const struct tr_behavior hoarder = {.name = "hoarder", .receive = hoard_receive};
int owned_peer;

tr_socket *
adopt_one_of_a_pair(const struct tr_socket_options *options)
{
    int pair[2];
    tr_socket *socket;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    owned_peer = pair[1];
    assert_int_equal(tr_socket_adopt(director, pair[0], TR_READABLE | TR_WRITABLE, options, &socket), TR_OK);
    return socket;
}
