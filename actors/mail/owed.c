/*
 * Words that must not be lost: that a child has ended, or was never born, which its parent on another worker waits for
 * when the runtime drains; that a message found nobody; an offloaded function's result; what the layer above owes.
 *
 * A send may fail for lack of memory. So the memory of what the word is about is kept until it has been sent: the
 * actor's own block, the order to spawn it, the node that the message lay in, the offload, a pipe, a question. Each
 * turn tries again, and the worker does not sleep while a word is owed.
 *
 * Order. What is owed stands in line, and while a word for another worker (or this one) is owed, nothing else is sent
 * there: `owing` has a bit for each worker, or for several if there are more than 64, and every way of sending looks at
 * it. Only the words that parents wait for are apart: they act when they arrive, whatever else waits.
 */
#include "owed.h"

#include <assert.h>

static uint64_t
bit_of(tr_ref to)
{
    return UINT64_C(1) << tri_ref_worker(to) % 64;
}

void
tri_owed_look_again(struct tri_actors *home)
{
    if (home->owed.first != NULL || home->worker->at_limit)
        home->careful = TRI_CAREFUL_ALWAYS;
    else
        home->careful = home->worker->trace != NULL ? TRI_CAREFUL_RECORDS : TRI_CAREFUL_NOT;
}

void
tri_owed_open(struct tri_actors *home)
{
    home->owed.last_next = &home->owed.first;
    tri_owed_look_again(home);
}

/* The list ends where last_next says, and each word keeps later messages from its worker. Debug builds call it. */
static void
check(const struct tri_actors *home)
{
#ifndef NDEBUG
    struct tri_owed *const *link = &home->owed.first;
    for (; *link != NULL; link = &(*link)->next)
        assert((home->owing & bit_of((*link)->to)) != 0);
    assert(home->owed.last_next == link);
    assert(home->careful == TRI_CAREFUL_ALWAYS || home->owed.first == NULL);
#else
    (void)home;
#endif
}

void
tri_owe(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_actors *home = tri_actors_of(worker);
    owed->next = NULL;
    *home->owed.last_next = owed;
    home->owed.last_next = &owed->next;
    home->owing |= bit_of(owed->to);
    tri_owed_look_again(home);
}

static void
take_out(struct tri_actors *home, struct tri_owed **link)
{
    struct tri_owed *owed = *link;
    *link = owed->next;
    if (owed->next == NULL)
        home->owed.last_next = link;
}

static void
put_back(struct tri_actors *home, struct tri_owed **link, struct tri_owed *owed)
{
    owed->next = *link;
    *link = owed;
    if (owed->next == NULL)
        home->owed.last_next = &owed->next;
}

/* Out of the line while it is tried, since sending may owe more. false: it stands there again. */
static bool
try_first(struct tri_actors *home, struct tri_owed **link)
{
    struct tri_owed *owed = *link;
    take_out(home, link);
    if (owed->send(home->worker, owed))
        return true;
    put_back(home, link, owed);
    home->owing |= bit_of(owed->to);
    return false;
}

void
tri_owed_pay(struct tri_actors *home)
{
    struct tri_owed **link = &home->owed.first;
    home->paying = true;
    home->owing = 0;
    while (*link != NULL)
        if ((home->owing & bit_of((*link)->to)) != 0 || !try_first(home, link))
            link = &(*link)->next;
    home->paying = false;
    tri_owed_look_again(home);
    check(home);
}

bool
tri_owed_blocks_now(struct tri_actors *home, tr_ref to)
{
    if (home->killing || (home->owing & bit_of(to)) == 0)
        return false;
    if (!home->paying)
        tri_owed_pay(home);
    return (home->owing & bit_of(to)) != 0;
}

void
tri_owed_forget(struct tri_actors *home)
{
    for (struct tri_owed *owed; (owed = home->owed.first) != NULL;) {
        take_out(home, &home->owed.first);
        if (owed->forget != NULL)
            owed->forget(owed);
    }
}
