/*
 * The hall: where handshakes wait for a seat, and for their turn.
 *
 *   come --> [in line] --seat--> its turn --> go_on --> (the wire is polled) --> come ... --> go
 *                ^                                                                             |
 *                +------------------------- the seat of one who goes --------------------------+
 *
 * A handshake costs a hundred times what anything else does that a connection makes a worker do. So it is not done when
 * its descriptor is ready: it waits for its turn, and a turn of the loop has TURN_NS for all of them together, and ends
 * with the one in which that time is over. What is left is the next turn's, and between two turns the loop looks at all
 * other descriptors: whoever floods a worker with handshakes makes handshakes slower, and nothing else.
 *
 * Seats bound what handshakes that are under way take of memory. Each server has its own, so that none keeps another
 * waiting. Who stands in line has nothing of OpenSSL's yet.
 *
 * While the runtime is at its memory limit nobody has a turn: as a socket is not read then. A timer, whose place is
 * kept, looks again.
 */
#include "hall.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <troupe/core/clock.h>

#define TURN_NS UINT64_C(1000000)
#define AT_LIMIT_MS 10u /* so long after the memory limit was met it is looked at again */

struct tri_hall {
    struct tri_guest guest; /* first */
    struct tri_net *net;
    struct tri_visitors ready; /* they have seats, and can go on */
    struct tri_later later;
    struct tri_timer at_limit;
};

/* Lines. */

static void
append(struct tri_visitors *visitors, struct tri_visitor *visitor)
{
    visitor->in = visitors;
    visitor->next = NULL;
    visitor->prev = visitors->last;
    if (visitors->last != NULL)
        visitors->last->next = visitor;
    else
        visitors->first = visitor;
    visitors->last = visitor;
}

static void
take_out(struct tri_visitor *visitor)
{
    struct tri_visitors *visitors = visitor->in;
    if (visitors == NULL)
        return;
    if (visitor->prev != NULL)
        visitor->prev->next = visitor->next;
    else
        visitors->first = visitor->next;
    if (visitor->next != NULL)
        visitor->next->prev = visitor->prev;
    else
        visitors->last = visitor->prev;
    visitor->in = NULL;
}

/* Turns. */

static void run(struct tri_later *later);

static void
go_on_in_turn(struct tri_hall *hall)
{
    uint64_t begin_ns = tri_clock_now_ns();
    do {
        struct tri_visitor *visitor = hall->ready.first;
        take_out(visitor);
        visitor->go_on(visitor);
    } while (hall->ready.first != NULL && tri_clock_now_ns() - begin_ns < TURN_NS);
}

static void
run(struct tri_later *later)
{
    struct tri_hall *hall = TRI_CONTAINER_OF(later, struct tri_hall, later);
    if (hall->ready.first == NULL)
        return;
    if (TRI_UNLIKELY(hall->net->worker->at_limit)) {
        if (hall->at_limit.place == 0)
            (void)tri_timer_start(&hall->net->worker->timers, &hall->at_limit, AT_LIMIT_MS); /* its place is kept */
        return;
    }
    go_on_in_turn(hall);
    if (hall->ready.first != NULL)
        tri_later_add(hall->net, later, run);
}

static void
look_again(struct tri_timer *timer)
{
    struct tri_hall *hall = TRI_CONTAINER_OF(timer, struct tri_hall, at_limit);
    tri_later_add(hall->net, &hall->later, run);
}

static void
make_ready(struct tri_hall *hall, struct tri_visitor *visitor)
{
    append(&hall->ready, visitor);
    tri_later_add(hall->net, &hall->later, run);
}

/* Seats. */

static void
count_taken(struct tri_seats *seats, uint32_t taken)
{
    ck_pr_store_32(&seats->taken, taken); /* no order: it only counts */
}

static void
take_seat(struct tri_hall *hall, struct tri_seats *seats, struct tri_visitor *visitor)
{
    visitor->has_seat = true;
    count_taken(seats, seats->taken + 1);
    make_ready(hall, visitor);
}

void
tri_hall_come(struct tri_hall *hall, struct tri_seats *seats, uint32_t most, struct tri_visitor *visitor)
{
    if (visitor->in != NULL)
        return;
    if (visitor->has_seat)
        make_ready(hall, visitor);
    else if (seats->taken < most)
        take_seat(hall, seats, visitor);
    else
        append(&seats->line, visitor);
}

void
tri_hall_go(struct tri_hall *hall, struct tri_seats *seats, struct tri_visitor *visitor)
{
    take_out(visitor);
    if (!visitor->has_seat)
        return;
    visitor->has_seat = false;
    count_taken(seats, seats->taken - 1);
    struct tri_visitor *next = seats->line.first;
    if (next == NULL)
        return;
    take_out(next);
    take_seat(hall, seats, next);
}

/* The worker's own. */

static void
close_hall(struct tri_guest *guest)
{
    free(TRI_CONTAINER_OF(guest, struct tri_hall, guest));
}

static struct tri_hall *
open_hall(struct tri_net *net)
{
    struct tri_hall *hall = calloc(1, sizeof(*hall));
    if (hall == NULL || tri_timer_keep(&net->worker->timers, &hall->at_limit) != TR_OK) {
        free(hall);
        return NULL;
    }
    hall->guest.close = close_hall;
    hall->net = net;
    hall->at_limit.fire = look_again;
    net->guests[TRI_GUEST_HALL] = &hall->guest;
    return hall;
}

struct tri_hall *
tri_hall_of(struct tri_net *net)
{
    struct tri_guest *guest = net->guests[TRI_GUEST_HALL];
    return guest != NULL ? TRI_CONTAINER_OF(guest, struct tri_hall, guest) : open_hall(net);
}
