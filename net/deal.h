/*
 * A server's connections on all workers: what the server's actor and the workers share.
 *
 *   struct tri_deal    one for each server, counted: it outlives the server for as long as connections do
 *   struct tri_share   a worker's part in it: only that worker's thread touches it
 */
#ifndef TROUPE_NET_DEAL_H
#define TROUPE_NET_DEAL_H

#include "worker_net.h"

#include <stdalign.h>
#include <troupe/actors/host.h>
#include <troupe/net/server.h>

/* How many connections a worker has seen the end of. It alone writes, the server reads. */
struct tri_deal_ends {
    alignas(TRI_CACHE_PAIR) uint64_t left; /* their descriptor is closed */
    uint64_t ended;                        /* their close event is over as well */
};

struct tri_deal {
    /* Constant. */
    struct tr_server_options options;
    tr_ref server;
    unsigned workers;
    struct tri_net *home; /* in whose list it stands, under that one's lock */
    struct tri_deal *next, *prev;

    /* Any thread. */
    alignas(TRI_CACHE_PAIR) unsigned holds; /* the server's, and one for each share */
    unsigned closing;                       /* the server waits for the last connection: it wants to be told of ends */
    struct tri_deal_ends ends[];            /* one for each worker */
};

struct tri_share {
    struct tri_deal *deal;
    struct tri_net *net;
    size_t connections; /* alive here */
    bool open;          /* more may come */
};

/* With one hold, the caller's. NULL without memory. Thread: owner of net, the server's. */
struct tri_deal *tri_deal_new(struct tri_net *net, tr_ref server, const struct tr_server_options *options);
void tri_deal_hold(struct tri_deal *deal);
void tri_deal_release(struct tri_deal *deal);

/* At the runtime's end: those whose shares were never born. Thread: setup. */
void tri_deals_free(struct tri_net *net);

/* Begins a share; takes a hold of the caller's. NULL without memory. Thread: owner of net. */
struct tri_share *tri_share_open(struct tri_deal *deal, struct tri_net *net);

/* Nothing more comes; it is freed with its last connection. NULL does nothing. Thread: owner. */
void tri_share_close(struct tri_share *share);

/* Makes a socket actor of an accepted descriptor, which is taken. Thread: owner. */
void tri_share_accept(struct tri_share *share, tr_actor *parent, int fd);

/* A connection's descriptor is closed. Thread: owner. */
void tri_share_left(struct tri_share *share);

/* A connection has had its last event. The share may be gone afterwards. Thread: owner. */
void tri_share_ended(struct tri_share *share);

/* The server's ref. */
tr_ref tri_share_server(const struct tri_share *share);

/* The init callback of accepted sockets. */
tr_status tri_share_init_socket(tr_actor *self, void *state, const void *argument);

/* The actor that receives descriptors on another worker; its argument is a deal, of which it takes a hold. */
extern const struct tr_behavior tri_share_behavior;

/* A message that carries an accepted descriptor to such an actor; if nobody takes it the descriptor is closed. */
tr_message tri_share_message(int fd);

#endif
