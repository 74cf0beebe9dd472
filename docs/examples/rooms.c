/*
 * A chat server with any number of rooms, on all cores.
 *
 * A room is a group of sockets that is found by its name; nobody makes it, and it is gone when the last guest has left.
 * The first line of a connection is the name of its room, what follows is said to the others there. A line is one
 * counted buffer for all of them, on whatever workers they are; who reads slowly is thrown out at WRITE_LIMIT bytes.
 *
 *   $ example-rooms 8125 &
 *   $ nc 127.0.0.1 8125
 *   kitchen
 */
#include <stdbool.h>
#include <stdio.h>
#include <troupe/actors/group.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

#define WRITE_LIMIT 262144
#define ROOM_LIMIT 1000 /* guests */

/* The state of a connection: the room once it is in one, and as much of a line as has come. */
struct guest {
    tr_group *room;
    bool refused;
    size_t size;
    char line[1024];
};

static void
tell_others(tr_socket *socket, tr_group *room, const char *text, size_t size)
{
    tr_message message = tr_message_copy(0, text, size);
    if (tr_group_publish_to_others(tr_socket_actor(socket), room, &message) != TR_OK)
        tr_message_drop(&message); /* the workers are far behind: this line is lost */
}

static tr_status
open_and_join(tr_actor *self, const char *name, tr_group **room)
{
    struct tr_group_options options = {.members = ROOM_LIMIT};
    tr_status status = tr_group_open(tr_actor_runtime(self), name, &options, room);
    if (status == TR_OK && (status = tr_group_join(self, *room)) != TR_OK) {
        tr_group_release(*room);
        *room = NULL;
    }
    return status;
}

static void
enter(tr_socket *socket, struct guest *guest, const char *name)
{
    char text[128];
    tr_status status = open_and_join(tr_socket_actor(socket), name, &guest->room);
    int size = status == TR_OK ? snprintf(text, sizeof(text), "* you are %zu here\n", tr_group_count(guest->room))
                               : snprintf(text, sizeof(text), "* not let in: %s\n", tr_status_text(status));
    tr_socket_write(socket, text, (size_t)size);
    guest->refused = status != TR_OK;
    if (guest->refused)
        tr_socket_end(socket);
    else
        tell_others(socket, guest->room, "* one more\n", 11);
}

/* A whole line, with its end. */
static void
take_line(tr_socket *socket, struct guest *guest)
{
    if (guest->room != NULL) {
        tell_others(socket, guest->room, guest->line, guest->size);
    } else if (!guest->refused) {
        guest->line[guest->size - 1] = '\0';
        enter(socket, guest, guest->line);
    }
    guest->size = 0;
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct guest *guest = tr_socket_state(socket);
    for (size_t i = 0; i < data.size; i++) {
        guest->line[guest->size++] = data.data[i];
        if (guest->size == sizeof(guest->line)) /* too long: it becomes two */
            guest->line[guest->size - 1] = '\n';
        if (guest->line[guest->size - 1] == '\n')
            take_line(socket, guest);
    }
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct guest *guest = tr_socket_state(socket);
    (void)had_error;
    if (guest->room != NULL)
        tell_others(socket, guest->room, "* one less\n", 11);
    tr_group_release(guest->room); /* the membership ends by itself */
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.data = on_data, .close = on_close};
    struct tr_server_options server = {
        .socket = {
            .events = &events, .state_size = sizeof(struct guest), .no_delay = true, .write_limit = WRITE_LIMIT}};
    tr_runtime *runtime;
    struct tr_address at;
    uint16_t port = 8125;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &port) : TR_OK;
    struct tr_listen_options listen = {.port = port, .any_port = true};
    if (status != TR_OK || (status = tr_runtime_start(NULL, &runtime)) != TR_OK ||
        (status = tr_runtime_listen(runtime, &server, &listen, NULL, &at)) != TR_OK) {
        fprintf(stderr, "rooms: %s\n", tr_status_text(status));
        return 1;
    }
    fprintf(stderr, "rooms: listening on port %u, %u workers\n", at.port, tr_runtime_workers(runtime));
    tr_runtime_wait(runtime); /* for Ctrl-C */
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK ? 0 : 1;
}
