#include "start.h"

#include "tags.h"

#include <stddef.h>
#include <stdlib.h>

struct tri_start {
    struct tri_word word; /* first */
    struct tri_start *next;
    tr_ref socket;
    uint64_t number;
};

static void send_all(struct tri_later *later);

static void
put(struct tri_net *net, struct tri_start *start)
{
    start->next = NULL;
    if (net->starts == NULL)
        net->starts = start;
    else
        net->last_start->next = start;
    net->last_start = start;
    tri_later_add(net, &net->start, send_all);
}

static void
send_one(struct tri_net *net, struct tri_start *start)
{
    tr_message message = tr_message_copy(TRI_TAG_SOCKET_START, &start->number, sizeof(start->number));
    start->word.done = tri_word_free;
    tri_word_send(net->worker, &start->word, TR_NOBODY, start->socket, message);
}

static void
send_all(struct tri_later *later)
{
    struct tri_net *net = TRI_CONTAINER_OF(later, struct tri_net, start);
    struct tri_start *start = net->starts;
    net->starts = NULL;
    while (start != NULL) {
        struct tri_start *next = start->next;
        send_one(net, start);
        start = next;
    }
}

tr_status
tri_start_later(struct tri_net *net, tr_ref socket, uint64_t *number)
{
    struct tri_start *start = malloc(sizeof(*start));
    if (start == NULL)
        return TR_ENOMEM;
    start->socket = socket;
    /* Different from that of every other word, of whatever worker. */
    start->number = ++net->started * net->worker->runtime->count + net->worker->index;
    *number = start->number;
    put(net, start);
    return TR_OK;
}

void
tri_starts_free(struct tri_net *net)
{
    while (net->starts != NULL) {
        struct tri_start *start = net->starts;
        net->starts = start->next;
        free(start);
    }
}
