/*
 * TLS as a layer of records, without sockets of the library: two layers, a pair of descriptors, and what comes through.
 */
#ifndef TESTS_NET_TLS_LAYER_PLAY_H
#define TESTS_NET_TLS_LAYER_PLAY_H

#include "layer.h"
#include "tls_play.h"

#include <sys/types.h>

#define LAYER_TEST(name) cmocka_unit_test_teardown(name, layers_leave_nothing)

/* One end. */
struct layer_end {
    struct tri_record_layer *layer;
    int fd;
    int shook;       /* what the last advance() has answered */
    ssize_t last;    /* what the last read has answered */
    size_t got_size; /* plain bytes that were read, ever */
    uint64_t sum;    /* of those, in their order */
    char first[64];  /* the first of them */
};

struct layer_duo {
    struct layer_end client, server;
};

/* How the two are made. All zero: "server" and a client that believes "ca", any version, host "server.example". */
struct layer_plan {
    const struct tr_tls_context_options *client, *server;
    const char *host; /* "": none */
    bool any_name;
    int room; /* SO_SNDBUF; 0: the system's */
};

void layer_begin(struct layer_duo *duo, const struct layer_plan *plan);

/* One end alone, on that descriptor. */
void layer_begin_end(struct layer_end *end, const struct tri_tls_wish *wish, int fd);

/* Goes on with both until both are done, or one has failed. true: done. */
bool layer_shake(struct layer_duo *duo);

/* Both of them. */
void layer_agree(struct layer_duo *duo, const struct layer_plan *plan);

void layer_end(struct layer_duo *duo);
void layer_end_end(struct layer_end *end);

/* Reads all that is there, in pieces of up to `piece` bytes. */
void layer_read(struct layer_end *end, size_t piece);

/* As a socket would: what it owes first, then a record. Gives what write_record() gives; 0: there is no room. */
ssize_t layer_write(struct layer_end *end, const void *data, size_t size);

/* Writes so many bytes of a pattern in records of `record` bytes while the other reads, and demands that they come. */
void layer_carry(struct layer_end *from, struct layer_end *to, size_t size, size_t record);

/* Sends what is owed. true: nothing is left. */
bool layer_push(struct layer_end *end);

/* The status and the name of a failure: demands them. */
void layer_has_failed(const struct layer_end *end, int outcome, tr_status status, const char *code);

/* Makes the contexts of that version alone. */
struct tr_tls_context_options layer_of_version(struct tr_tls_context_options options, enum tr_tls_version version);

/* OpenSSL's queue is empty, and every descriptor of these is closed. */
int layers_leave_nothing(void **state);

#endif
