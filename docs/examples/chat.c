/*
 * A chat room on all cores.
 *
 * The room is one actor on worker 0; its members are sockets on every worker. A socket makes each line that it reads
 * into one counted buffer and sends it to the room, which writes it to every member. Each of them holds the same
 * buffer until its bytes have gone: the text is never copied for a receiver, and the last one to let go frees it.
 *
 * Who reads slowly is thrown out when WRITE_LIMIT bytes wait for him in this process: he must not cost the memory of
 * all.
 *
 * The room knows members by their refs. One that leaves just now is no danger: what the room still writes to it
 * becomes dead letters. A socket tells the room of its end after everything else it said, so the room forgets it last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/remote.h>

/* What a socket tells the room; each carries the text for the others as a slice. */
enum { JOIN, SAY, LEAVE };

#define WRITE_LIMIT 262144

static tr_ref room; /* set before the server listens, never changed afterwards */

struct room {
    tr_ref *members;
    size_t count, capacity;
};

static void
room_add(struct room *state, tr_ref member)
{
    if (state->count == state->capacity) {
        size_t capacity = state->capacity == 0 ? 16 : 2 * state->capacity;
        tr_ref *members = realloc(state->members, capacity * sizeof(*members));
        if (members == NULL)
            return; /* without memory a newcomer may talk, but hears nothing */
        state->members = members;
        state->capacity = capacity;
    }
    state->members[state->count++] = member;
}

static void
room_remove(struct room *state, tr_ref member)
{
    for (size_t i = 0; i < state->count; i++) {
        if (state->members[i] == member) {
            state->members[i] = state->members[--state->count];
            return;
        }
    }
}

static void
room_receive(tr_actor *self, void *memory, tr_message *message)
{
    struct room *state = memory;
    if (message->tag == JOIN)
        room_add(state, message->from);
    if (message->tag == LEAVE)
        room_remove(state, message->from);
    for (size_t i = 0; i < state->count; i++) {
        if (message->tag != SAY || state->members[i] != message->from)
            tr_remote_write(self, state->members[i], message->payload.slice); /* if it fails, this one misses a line */
    }
}

/* So that a trace says SAY, and not 1. */
static const char *
name_of_tag(uint32_t tag)
{
    static const char *const names[] = {[JOIN] = "JOIN", [SAY] = "SAY", [LEAVE] = "LEAVE"};
    return tag <= LEAVE ? names[tag] : NULL;
}

static void
room_stopped(tr_actor *self, void *memory)
{
    struct room *state = memory;
    (void)self;
    free(state->members);
}

/* The state of a connection: "guest 50312: " and as much of a line as has come. */
struct guest {
    size_t name_size, size;
    char line[1024];
};

static void
tell_room(tr_socket *socket, uint32_t tag, const char *text, size_t size)
{
    tr_slice slice;
    if (tr_slice_copy(text, size, &slice) != TR_OK)
        return;
    tr_message message = tr_message_slice(tag, slice);
    if (tr_send(tr_socket_actor(socket), room, &message) != TR_OK)
        tr_message_drop(&message);
}

static void
tell_room_that(tr_socket *socket, uint32_t tag, const char *what)
{
    struct guest *guest = tr_socket_state(socket);
    char text[64];
    int size = snprintf(text, sizeof(text), "* %.*s %s\n", (int)guest->name_size - 2, guest->line, what);
    tell_room(socket, tag, text, (size_t)size);
}

static void
on_connection(tr_socket *socket)
{
    struct tr_address peer;
    struct guest *guest = tr_socket_state(socket);
    tr_socket_remote_address(socket, &peer);
    guest->name_size = (size_t)snprintf(guest->line, sizeof(guest->line), "guest %u: ", peer.port);
    guest->size = guest->name_size;
    tell_room_that(socket, JOIN, "came in");
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct guest *guest = tr_socket_state(socket);
    for (size_t i = 0; i < data.size; i++) {
        bool whole = data.data[i] == '\n';
        guest->line[guest->size++] = data.data[i];
        if (!whole && guest->size == sizeof(guest->line) - 1) { /* too long: it becomes two */
            guest->line[guest->size++] = '\n';
            whole = true;
        }
        if (whole) {
            tell_room(socket, SAY, guest->line, guest->size);
            guest->size = guest->name_size;
        }
    }
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)had_error;
    tell_room_that(socket, LEAVE, "went out");
}

static tr_status
open_room(tr_runtime *runtime, uint16_t port, struct tr_address *at)
{
    static const struct tr_behavior room_behavior = {.name = "room",
                                                     .state_size = sizeof(struct room),
                                                     .receive = room_receive,
                                                     .stopped = room_stopped,
                                                     .tag_name = name_of_tag};
    static const struct tr_socket_events events = {.data = on_data, .close = on_close};
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = 0};
    struct tr_socket_options socket = {
        .events = &events, .state_size = sizeof(struct guest), .no_delay = true, .write_limit = WRITE_LIMIT};
    struct tr_server_options server = {.connection = on_connection, .socket = socket};
    struct tr_listen_options listen = {.port = port, .any_port = true};

    tr_status status = tr_runtime_spawn(runtime, &room_behavior, &place, &room);
    if (status != TR_OK)
        return status;
    return tr_runtime_listen(runtime, &server, &listen, NULL, at);
}

int
main(int argc, char **argv)
{
    tr_runtime *runtime;
    struct tr_address at;
    uint16_t port = 8125;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &port) : TR_OK;
    if (status != TR_OK || (status = tr_runtime_start(NULL, &runtime)) != TR_OK ||
        (status = open_room(runtime, port, &at)) != TR_OK) {
        fprintf(stderr, "chat: %s\n", tr_status_text(status));
        return 1;
    }
    fprintf(stderr, "chat: listening on port %u, %u workers\n", at.port, tr_runtime_workers(runtime));
    tr_runtime_wait(runtime); /* for Ctrl-C */
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK ? 0 : 1;
}
