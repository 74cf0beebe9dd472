#include "flight.h"
#include <stdlib.h>
#include <string.h>
#include <troupe/core/trace_format.h>

#include "bad_input.h"

#define STREAMS (TRI_TRACE_OUTSIDE + 1u)
#define FIRST_ROOM 16u
#define MOST_ROOM (1u << 20)

void
flight_init(struct flight *flight)
{
    memset(flight, 0, sizeof(*flight));
    flight->rings = must_calloc(STREAMS, sizeof(*flight->rings));
    table_init(&flight->waiting, sizeof(struct sent));
}

void
flight_fini(struct flight *flight)
{
    for (size_t i = 0; i < STREAMS; i++)
        free(flight->rings[i].places);
    free(flight->rings);
    table_fini(&flight->waiting);
}

static struct ring *
ring_of(const struct flight *flight, uint64_t message)
{
    return &flight->rings[TRI_TRACE_MESSAGE_STREAM(message)];
}

static struct sent *
place_of(const struct ring *ring, uint64_t message)
{
    return &ring->places[TRI_TRACE_MESSAGE_COUNT(message) & (ring->room - 1)];
}

/* Leaves its place in the ring to another. */
static void
set_aside(struct flight *flight, const struct sent *sent)
{
    if (flight->waiting.count >= MOST_WAITING) {
        flight->forgotten++;
        flight->count--;
        return;
    }
    *(struct sent *)table_put(&flight->waiting, sent->message, 0) = *sent;
}

static void
grow(struct ring *ring)
{
    struct ring larger = {.room = ring->room > 0 ? ring->room * 2 : FIRST_ROOM, .count = ring->count};
    larger.places = must_calloc(larger.room, sizeof(*larger.places));
    for (size_t i = 0; i < ring->room; i++) {
        if (ring->places[i].message != 0)
            *place_of(&larger, ring->places[i].message) = ring->places[i];
    }
    free(ring->places);
    *ring = larger;
}

void
flight_put(struct flight *flight, uint64_t message, const struct sending *sending)
{
    struct ring *ring = ring_of(flight, message);
    if (ring->count >= ring->room / 2 && ring->room < MOST_ROOM)
        grow(ring);
    struct sent *place = place_of(ring, message);
    if (place->message == message)
        return; /* a second send of one id, which `check` finds */
    if (place->message != 0)
        set_aside(flight, place);
    else
        ring->count++;
    flight->count++;
    place->message = message;
    place->sending = *sending;
}

static bool
take_waiting(struct flight *flight, uint64_t message, struct sending *sending)
{
    const struct sent *found = flight->waiting.count > 0 ? table_get(&flight->waiting, message, 0) : NULL;
    if (found == NULL)
        return false;
    *sending = found->sending;
    table_remove(&flight->waiting, message, 0);
    flight->count--;
    return true;
}

/* NULL: it is not in its ring. */
static struct sent *
find_in_ring(const struct flight *flight, uint64_t message)
{
    const struct ring *ring = ring_of(flight, message);
    struct sent *place = ring->room > 0 ? place_of(ring, message) : NULL;
    return place != NULL && place->message == message ? place : NULL;
}

bool
flight_take(struct flight *flight, uint64_t message, struct sending *sending)
{
    struct sent *place = find_in_ring(flight, message);
    if (message == 0)
        return false;
    if (place == NULL)
        return take_waiting(flight, message, sending);
    *sending = place->sending;
    place->message = 0;
    ring_of(flight, message)->count--;
    flight->count--;
    return true;
}

struct sending *
flight_find(const struct flight *flight, uint64_t message)
{
    struct sent *place = find_in_ring(flight, message);
    if (message == 0)
        return NULL;
    if (place == NULL)
        place = table_get(&flight->waiting, message, 0);
    return place != NULL ? &place->sending : NULL;
}

void
flight_each(const struct flight *flight, void (*call)(void *argument, const struct sent *sent), void *argument)
{
    for (size_t i = 0; i < STREAMS; i++) {
        const struct ring *ring = &flight->rings[i];
        for (size_t j = 0; j < ring->room; j++) {
            if (ring->places[j].message != 0)
                call(argument, &ring->places[j]);
        }
    }
    struct table_entry entry;
    for (size_t place = 0; table_next(&flight->waiting, &place, &entry);)
        call(argument, entry.value);
}
