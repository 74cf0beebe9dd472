#include "orders_hands.h"

#include "hands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/net/remote.h>
#include <unistd.h>

enum { ORDER = 30, FILL, ANSWER };

struct sink sinks[SINKS];
struct source sources[SOURCES];
uint64_t written[WORKERS][SINKS];
unsigned opened, closed, asked, answered;

const char *const seen_names[] = {
    "data events", "sources with piped bytes",          "pipes on one worker", "between two",
    "toggles",     "connections that nobody heard yet", "sinks destroyed",     "late credits",
    "questions"};
uint64_t seen[KINDS_SEEN];

void
see(unsigned what)
{
    ck_pr_inc_64(&seen[what]);
}

uint64_t chance[WORKERS + 1];

unsigned
draw(unsigned who, unsigned limit)
{
    uint64_t *x = &chance[who];
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (unsigned)(*x >> 33) % limit;
}

static unsigned
worker_of(tr_actor *self)
{
    return tr_ref_worker(tr_self(self));
}

void
fill(unsigned char *data, size_t size, unsigned origin, uint64_t place)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(origin << 6 | ((place + i) & 63));
}

void
check_bytes(struct sink *sink, const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned origin = data[i] >> 6;
        assert_int_equal(data[i] & 63, sink->received[origin] & 63);
        sink->received[origin]++;
    }
}

unsigned
origin_of(const struct source *source)
{
    return 2 + source->index / SINKS;
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    ck_pr_inc_uint(&closed);
}

/* A refusal says that the sink is gone. */
static void
forward(tr_actor *self, struct source *source, tr_slice data)
{
    see(BY_EVENT);
    __atomic_add_fetch(&source->by_event, data.size, __ATOMIC_RELAXED);
    tr_remote_write(self, source->sink->ref, data);
}

static void
note_pipe(const struct source *source)
{
    see(TOGGLES);
    see(source->worker == source->sink->worker ? SAME_WORKER : OTHER_WORKER);
}

static struct tr_pipe_options
pipe_options(unsigned worker)
{
    return (struct tr_pipe_options){.window_bytes = 1 + draw(worker, 2000), .keep_open = true};
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct source *source = tr_socket_data(socket);
    forward(tr_socket_actor(socket), source, data);
    if (draw(source->worker, 3) != 0)
        return;
    struct tr_pipe_options options = pipe_options(source->worker);
    if (tr_socket_pipe(socket, source->sink->ref, &options) == TR_OK)
        note_pipe(source);
}

static void
on_message(tr_socket *socket, tr_message *message)
{
    struct source *source = tr_socket_data(socket);
    if (message->tag == FILL && source != NULL && source->kind == TOGGLED && draw(source->worker, 40) == 0)
        tr_socket_unpipe(socket);
}

static const struct tr_socket_events sink_events = {.message = on_message, .close = on_close};
static const struct tr_socket_events toggled_events = {.data = on_data, .message = on_message, .close = on_close};

void
adopt_sink(tr_actor *self, void *argument)
{
    struct sink *sink = argument;
    struct tr_socket_options options = {.events = &sink_events, .allow_half_open = true};
    tr_socket *socket;
    assert_int_equal(tr_socket_adopt(self, sink->fd, TR_READABLE | TR_WRITABLE, &options, &socket), TR_OK);
    sink->ref = tr_socket_ref(socket);
}

void
adopt_source(tr_actor *self, void *argument)
{
    struct source *source = argument;
    struct tr_socket_options options = {.events = &toggled_events, .data = source};
    tr_socket *socket;
    if (source->kind == OWNED)
        options.owner = (struct tr_owner){.actor = hands[source->owner], .credit = source->credit};
    assert_int_equal(tr_socket_adopt(self, source->fd, TR_READABLE | TR_WRITABLE, &options, &socket), TR_OK);
    source->ref = tr_socket_ref(socket);
}

struct order {
    enum what what;
    unsigned which, count;
};

static void
fill_up(tr_actor *self, tr_ref to, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        tr_message message = tr_message_signal(FILL);
        tr_send(self, to, &message);
    }
}

/* One of the ways to write; a question is counted. */
static void
write_some(tr_actor *self, unsigned which, unsigned count)
{
    unsigned char data[512];
    unsigned worker = worker_of(self);
    tr_slice copy;
    fill(data, count, worker, written[worker][which]);
    written[worker][which] += count;
    assert_int_equal(tr_slice_copy(data, count, &copy), TR_OK);
    tr_status status = TR_EGONE;
    unsigned way = draw(worker, 3);
    if (way == 0)
        tr_remote_write(self, sinks[which].ref, copy);
    else if (way == 1)
        status = tr_remote_write_ask(self, sinks[which].ref, copy, ANSWER, 0);
    else
        status = tr_remote_write_check(self, sinks[which].ref, copy, ANSWER, 0);
    if (status == TR_OK) {
        ck_pr_inc_uint(&asked);
        see(QUESTIONS);
    }
    tr_slice_release(copy);
}

static void
pipe_by_order(tr_actor *self, struct source *source)
{
    struct tr_pipe_options options = pipe_options(worker_of(self));
    if (tr_remote_pipe(self, source->ref, source->sink->ref, &options) == TR_OK)
        note_pipe(source);
}

static void
make_afar(tr_actor *self, struct source *source)
{
    struct tr_socket_options options = {.events = &sink_events};
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = source->worker};
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = source->port};
    fill_up(self, hands[source->worker], draw(worker_of(self), MANY_MESSAGES));
    assert_int_equal(tr_remote_socket(self, &options, &place, &source->ref), TR_OK);
    assert_int_equal(tr_remote_connect(self, source->ref, &connect), TR_OK);
    fill_up(self, hands[source->worker], draw(worker_of(self), MANY_MESSAGES));
    if (source->split)
        see(UNHEARD);
    else
        pipe_by_order(self, source);
}

static void
cork_and_write(tr_actor *self, unsigned which, unsigned count)
{
    tr_remote_cork(self, sinks[which].ref);
    write_some(self, which, count);
    tr_remote_uncork(self, sinks[which].ref);
}

static void
carry_out(tr_actor *self, const struct order *order)
{
    struct source *source = &sources[order->which];
    unsigned worker = worker_of(self);
    struct tr_owner owner = {.actor = hands[source->owner], .credit = source->credit};
    switch (order->what) {
    case WRITE: write_some(self, order->which, order->count); break;
    case CORK: cork_and_write(self, order->which, order->count); break;
    case FILL_UP: fill_up(self, draw(worker, 2) == 0 ? source->ref : source->sink->ref, order->count); break;
    case PIPE: pipe_by_order(self, source); break;
    case UNPIPE: tr_remote_unpipe(self, source->ref); break;
    case PAUSE: tr_remote_pause(self, source->ref); break;
    case RESUME: tr_remote_resume(self, source->ref); break;
    case OWN: tr_remote_set_owner(self, source->ref, &owner); break;
    case DESTROY: tr_remote_destroy(self, sinks[order->which].ref, draw(worker, 2) == 0 ? TR_OK : TR_ETIMEDOUT); break;
    case END: tr_remote_end(self, sinks[order->which].ref); break;
    case MAKE: make_afar(self, source); break;
    case PIPE_AFAR: pipe_by_order(self, source); break;
    }
}

/* An owner, which answers some events together with later ones. */
static void
on_event(tr_actor *self, struct source *source, enum tr_event event, tr_message *message)
{
    if (event == TR_EVENT_DATA)
        forward(self, source, message->payload.slice);
    source->unanswered++;
    bool is_last = event == TR_EVENT_END || event == TR_EVENT_ERROR || event == TR_EVENT_CLOSE;
    if (event == TR_EVENT_CLOSE)
        ck_pr_inc_uint(&closed);
    if (!is_last && source->unanswered + 1 < source->credit && draw(worker_of(self), 2) == 0) {
        see(LATE_CREDITS);
        return;
    }
    tr_remote_credit(self, message->from, source->unanswered);
    source->unanswered = 0;
}

void
orders_receive(tr_actor *self, tr_message *message)
{
    enum tr_event event;
    struct order order;
    if (message->tag == ORDER) {
        memcpy(&order, tr_message_data(message), sizeof(order));
        carry_out(self, &order);
    } else if (message->tag == ANSWER) {
        ck_pr_inc_uint(&answered);
    } else if (tr_event_of(message, &event)) {
        for (unsigned i = 0; i < SOURCES; i++)
            if (sources[i].kind == OWNED && sources[i].ref == message->from)
                on_event(self, &sources[i], event, message);
    }
}

void
give_order(unsigned worker, enum what what, unsigned which, unsigned count)
{
    struct order order = {what, which, count};
    tr_message message = tr_message_copy(ORDER, &order, sizeof(order));
    assert_int_equal(tr_runtime_send(hands_runtime, hands[worker], &message), TR_OK);
}
