/*
 * Who gets a place at a server, who gets none: admission.c.
 *
 * Thread: any.
 */
#ifndef TROUPE_NET_ADMISSION_H
#define TROUPE_NET_ADMISSION_H

#include "deal.h"

#include <troupe/net/trace.h>

enum tri_admission {
    TRI_ADMISSION_OK,
    TRI_ADMISSION_REFUSED, /* the reason says why */
    TRI_ADMISSION_FAILED,  /* there is no memory */
    TRI_ADMISSION_LEFT,    /* the server takes no connections, or none on that worker */
};

/* Does the server ask where its connections come from? */
bool tri_deal_asks_peer(const struct tri_deal *deal);

/* What an answer of tri_deal_admit() says besides. */
struct tri_admission_word {
    enum tri_reject reason; /* TRI_ADMISSION_REFUSED */
    uint32_t limit;         /* which was reached; 0: none was */
    uint32_t load;          /* TRI_ADMISSION_OK: connections that the worker had */
};

/*
 * Takes a place on arrival->worker for a connection from there, and numbers it. peer may be NULL if the server does not
 * ask. A connection that is refused is counted by tri_deal_count_refusal(), if it finds no other server either.
 */
enum tri_admission tri_deal_admit(struct tri_deal *deal, const struct sockaddr *peer, struct tri_arrival *arrival,
                                  struct tri_admission_word *word);
void tri_deal_count_refusal(struct tri_deal *deal, enum tri_reject reason);

/* A connection that has not begun gives its place back. The server is told if it waits for that. Thread: a worker. */
void tri_deal_take_back(struct tri_deal *deal, struct tri_worker *here, const struct tri_arrival *arrival);

/* Connections that are assigned to a worker and not closed yet; under the lock. */
static inline uint32_t
tri_deal_load(const struct tri_deal *deal, unsigned worker)
{
    return (uint32_t)(deal->places[worker].dealt - ck_pr_load_64(&deal->ends[worker].closed));
}

/* The same of all workers together, and without the lock. */
uint32_t tri_deal_connections(struct tri_deal *deal);

/* Is there a share on that worker that hears of what is sent to it? Under the lock. */
static inline bool
tri_deal_reaches(const struct tri_deal *deal, unsigned worker)
{
    tr_ref share = deal->places[worker].share;
    return share == deal->server || (share != TR_NOBODY && !deal->dismissed);
}

/* Can that worker take a connection? It may be one where none is wanted. Under the lock. */
static inline bool
tri_deal_takes(const struct tri_deal *deal, unsigned worker)
{
    return deal->open && tri_deal_reaches(deal, worker);
}

#endif
