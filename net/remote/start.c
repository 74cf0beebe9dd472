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

/* What a worker keeps of them. */
struct starts {
    struct tri_guest guest; /* first */
    struct tri_net *net;
    struct tri_later later;  /* to send them */
    uint64_t count;          /* of all words ever */
    struct tri_start *first; /* to be sent in the next turn */
    struct tri_start *last;  /* valid if there is a first */
};

static void send_all(struct tri_later *later);

static void
put(struct starts *starts, struct tri_start *start)
{
    start->next = NULL;
    if (starts->first == NULL)
        starts->first = start;
    else
        starts->last->next = start;
    starts->last = start;
    tri_later_add(starts->net, &starts->later, send_all);
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
    struct starts *starts = TRI_CONTAINER_OF(later, struct starts, later);
    struct tri_start *start = starts->first;
    starts->first = NULL;
    while (start != NULL) {
        struct tri_start *next = start->next;
        send_one(starts->net, start);
        start = next;
    }
}

/* The words that were not sent are forgotten. */
static void
close_starts(struct tri_guest *guest)
{
    struct starts *starts = TRI_CONTAINER_OF(guest, struct starts, guest);
    while (starts->first != NULL) {
        struct tri_start *start = starts->first;
        starts->first = start->next;
        free(start);
    }
    free(starts);
}

/* NULL without memory. */
static struct starts *
starts_of(struct tri_net *net)
{
    struct tri_guest *guest = net->guests[TRI_GUEST_STARTS];
    if (guest != NULL)
        return TRI_CONTAINER_OF(guest, struct starts, guest);
    struct starts *starts = calloc(1, sizeof(*starts));
    if (starts == NULL)
        return NULL;
    starts->guest.close = close_starts;
    starts->net = net;
    net->guests[TRI_GUEST_STARTS] = &starts->guest;
    return starts;
}

tr_status
tri_start_later(struct tri_net *net, tr_ref socket, uint64_t *number)
{
    struct starts *starts = starts_of(net);
    struct tri_start *start = starts != NULL ? malloc(sizeof(*start)) : NULL;
    if (start == NULL)
        return TR_ENOMEM;
    start->socket = socket;
    /* Different from that of every other word, of whatever worker. */
    start->number = ++starts->count * net->worker->runtime->count + net->worker->index;
    *number = start->number;
    put(starts, start);
    return TR_OK;
}
