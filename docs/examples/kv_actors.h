/*
 * The actors of the example: shards with the keys, one with the channels, and connections.
 */
#ifndef KV_ACTORS_H
#define KV_ACTORS_H

#include <troupe/actors/actor.h>
#include <troupe/net/server.h>

extern const struct tr_behavior kv_shard;
extern const struct tr_behavior kv_channels;

/*
 * Tells the connections where the keys and the channels are, and makes the options of their server.
 * Memory:  shards must outlive the server.
 * Thread:  setup, once the actors are there.
 */
struct tr_server_options kv_server(const tr_ref *shards, unsigned count, tr_ref channels);

#endif
