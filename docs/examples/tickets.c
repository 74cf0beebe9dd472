/*
 * One actor that drives all connections: whoever sends a line gets a number that nobody else gets.
 *
 *   tickets [PORT]        by default 8126
 *
 * The clerk lives on worker 0, the sockets on all workers. They have no callbacks but an owner, the clerk: their
 * events come to him as messages, and what he does to them goes back as messages. So the next number is a plain
 * variable of his, although all cores serve connections.
 *
 * Credit keeps him from being flooded: a socket may tell CREDIT events that he has not answered, then it reads no more
 * and its peer feels it. He answers data when he knows what became of the numbers that he wrote: if they wait, because
 * the guest does not read, the socket pauses first. So a guest has at most CREDIT answers waiting.
 *
 * A guest may end right after his last line. His socket, several events ahead of the clerk, must not end its own side
 * then, before the numbers are written: hence allow_half_open, and the clerk ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/remote.h>

#define CREDIT 4
#define NUMBER_TEXT 24 /* bytes that hold any number, a line feed and a NUL */

enum { WRITTEN }; /* the tag of what a socket answers to a write; its events have tags of their own */

struct clerk {
    unsigned long long given; /* numbers so far */
};

static size_t
count_lines(tr_slice data)
{
    size_t lines = 0;
    for (size_t i = 0; i < data.size; i++)
        lines += data.data[i] == '\n';
    return lines;
}

static tr_status
give_numbers(tr_actor *self, struct clerk *clerk, tr_ref socket, size_t count)
{
    char *text = malloc(count * NUMBER_TEXT);
    size_t size = 0;
    tr_slice slice;
    if (text == NULL)
        return TR_ENOMEM;
    for (size_t i = 0; i < count; i++)
        size += (size_t)snprintf(text + size, NUMBER_TEXT, "%llu\n", ++clerk->given);
    tr_status status = tr_slice_adopt(text, size, free, &slice);
    if (status != TR_OK) {
        free(text);
        return status;
    }
    status = tr_remote_write_check(self, socket, slice, WRITTEN, socket);
    tr_slice_release(slice);
    return status;
}

/* Answers an event, now or when its numbers are written. */
static tr_status
handle(tr_actor *self, struct clerk *clerk, enum tr_event event, const tr_message *message)
{
    tr_ref socket = message->from;
    size_t lines = event == TR_EVENT_DATA ? count_lines(message->payload.slice) : 0;
    if (lines > 0)
        return give_numbers(self, clerk, socket, lines);
    tr_status status = TR_OK;
    if (event == TR_EVENT_DRAIN)
        status = tr_remote_resume(self, socket);
    else if (event == TR_EVENT_END)
        status = tr_remote_end(self, socket); /* after the numbers for all that came before */
    return status == TR_OK ? tr_remote_credit(self, socket, 1) : status;
}

static tr_status
written(tr_actor *self, const struct tr_remote_accepted *write)
{
    tr_status status = write->status == TR_QUEUED ? tr_remote_pause(self, write->token) : write->status;
    return status == TR_OK ? tr_remote_credit(self, write->token, 1) : status;
}

static void
clerk_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    tr_ref socket = message->from;
    tr_status status = TR_OK;
    if (message->tag == WRITTEN)
        status = written(self, tr_message_data(message));
    else if (tr_event_of(message, &event) && event != TR_EVENT_CLOSE) /* after which nobody waits for an answer */
        status = handle(self, state, event, message);
    if (status != TR_OK && status != TR_EGONE) /* better no connection than one that stands still for ever */
        tr_stop(self, socket, TR_STOP_NOW);
}

static tr_status
open_office(tr_runtime *runtime, uint16_t port, struct tr_address *at)
{
    static const struct tr_behavior behavior = {
        .name = "clerk", .state_size = sizeof(struct clerk), .receive = clerk_receive};
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = 0};
    struct tr_listen_options listen = {.port = port, .any_port = true};
    tr_ref clerk;
    tr_status status = tr_runtime_spawn(runtime, &behavior, &place, &clerk);
    if (status != TR_OK)
        return status;
    struct tr_owner owner = {.actor = clerk, .credit = CREDIT};
    struct tr_server_options server = {.socket = {.owner = owner, .allow_half_open = true, .no_delay = true}};
    return tr_runtime_listen(runtime, &server, &listen, NULL, at);
}

int
main(int argc, char **argv)
{
    struct tr_address at;
    uint16_t port = 8126;
    tr_runtime *runtime = NULL;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &port) : TR_OK;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = open_office(runtime, port, &at);
    if (status == TR_OK) {
        fprintf(stderr, "tickets: listening on port %u, %u workers\n", at.port, tr_runtime_workers(runtime));
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "tickets: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
