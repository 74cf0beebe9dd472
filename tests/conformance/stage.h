/*
 * A play as its own files see it, and who does what.
 *
 *   play.c       the life of a play: begin, see that it is over, clean up
 *   baton.c      who may act: one worker at a time, and how it acts on what lives on another one
 *   rules.c      what happens: logs, rules, lists of actions
 *   secure.c     what makes both ends of connections secure, if that is wanted
 *   address.c    names for ports and paths, descriptors of the runner's own
 *   server.c     servers, their events and the actions on them
 *   local.c      sockets whose callbacks act on them directly
 *   remote.c     sockets that an owner drives by messages
 *   hand.c       the actor on each worker that runs errands, sleeps and wraps
 *
 * An endpoint is driven from one worker: in the local mode the one on which it lives; in the remote mode the first,
 * where the owner is. Whatever happens, the worker takes the baton first and returns it when the event's handler is
 * through. All that is below belongs to the holder of the baton, unless said otherwise. So a list of actions is as
 * undisturbed as in a program with one thread, which is what the scenarios were written for, while the library works
 * on all workers.
 */
#ifndef CONFORMANCE_STAGE_H
#define CONFORMANCE_STAGE_H

#include "log.h"
#include "play.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/server.h>
#include <troupe/net/tls.h>
#include <uv.h>

#define STREAM_HIGH_WATER 16384u /* of Node's streams: `ret` is their rule */

struct play;
struct endpoint;

struct address {
    const char *name;
    unsigned port;      /* 0: none yet */
    unsigned held_port; /* which it is, or will be */
    int held;           /* a descriptor that holds it; -1: none */
    char *path;         /* of unix sockets */
    struct address *next;
};

enum endpoint_state { STATE_NEW, STATE_OPENING, STATE_OPEN, STATE_CLOSED };

/* A callback that the library does not know: a one-time listener of an event. */
struct listener {
    enum event event;
    const char *label;
    const char *code; /* NULL: null */
    struct listener *next;
};

struct endpoint {
    /* Constant. */
    struct play *play;
    char *name;
    bool is_server;
    bool allow_half_open, no_data;
    const struct server_setup *setup; /* of a server, or the one that accepted it; NULL: a client */
    unsigned worker;                  /* from where it is driven */
    unsigned home;                    /* remote: where it lives */

    uint64_t number; /* of an accepted one: in its name */

    enum endpoint_state state;
    struct log log;
    json_t *told; /* every event of the library's as it came; NULL: no trace is left to compare it with */
    unsigned counts[EVENTS];
    uint64_t received;
    struct listener *listeners;
    const char *user_code;   /* of the error that ended it and that the library has no status for; NULL: none */
    const char *lookup_code; /* of the error that a look-up function will answer with; NULL: none */
    bool begun;              /* of a socket: it was connected, or that was tried, since it was closed last */
    bool reads_text;         /* it has an encoding */
    struct endpoint *next;

    /* Servers. */
    tr_server *server;
    struct address *at;
    unsigned closes_due; /* close events that are on their way: it was closed without connections */
    bool listening_due;  /* the listening or error event of a listen is on its way */

    /* Sockets. */
    tr_socket *socket;         /* local */
    tr_ref ref;                /* remote */
    bool wrapping, was_paused; /* remote: see remote.c */
};

/* Something that an actor of a worker is asked to do, by whoever holds the baton and waits for it. */
struct errand {
    unsigned worker;
    int from;
    void (*run)(struct play *play, void *argument);
    void *argument;
    bool done;
};

#define NOBODY (-1)
#define OUTSIDE (-2)

struct baton {
    uv_mutex_t lock;
    uv_cond_t changed;
    /* Under the lock. */
    int holder;     /* a worker, NOBODY or OUTSIDE */
    unsigned depth; /* how often the holder took it */
    struct errand *errand;
    uint64_t turn; /* how often it became free */
    bool over;     /* nobody gets it any more */
    unsigned pongs;
};

/* An entry that belongs behind the handler which runs, as what Node hands to process.nextTick(), and behind the events
 * of the endpoint that were on their way already. */
struct late {
    struct endpoint *endpoint;
    json_t *entry;
    unsigned closes; /* how many of them are close events */
    bool listening;  /* one is that of a listen */
    struct late *next;
};

/* A question that was asked from a distance; named by its address. Lives as long as the play. */
struct ask {
    struct endpoint *endpoint;
    const struct action *action;
    struct ask *next;
};

/* The rest of a list. */
struct rest {
    const struct action_list *list;
    size_t from;
    struct endpoint *self;
    tr_slice chunk; /* held; of the data event, for echo */
};

/* A connection of the runner's own that becomes a socket. */
struct wrapping {
    struct endpoint *endpoint;
    const struct action *action;
    struct sockaddr_storage peer;
    socklen_t peer_size;
    int fd;
    tr_ref ref; /* remote: the socket */
};

/* A clock of a worker's own, which shows how late its timers come. */
struct metronome {
    uv_timer_t timer;
    uint64_t due_ns;            /* the worker's */
    _Atomic uint64_t latest_ns; /* so late it was once */
};

struct play {
    /* Constant. */
    const struct scenario *scenario;
    enum transport transport;
    const struct play_options *options;
    unsigned scale; /* all times are so many times as long */
    tr_runtime *runtime;
    unsigned workers;
    char directory[64];
    tr_tls_context *serving; /* NULL: plain */
    struct tr_tls_options calling;

    /* Each worker sets its own before the play begins. */
    tr_ref *hands;
    tr_actor **selves;
    struct metronome *metronomes;

    struct baton baton;
    struct address *addresses;
    struct endpoint *endpoints;
    uint64_t *seen;    /* for each rule: how many events it matched */
    unsigned sleeping; /* lists that sleep, connections that are being made */
    uint64_t last_ms;  /* when something was logged last */
    uint64_t last_data_ms;
    struct late *lates, **last_late;
    struct ask *asks;
    struct stash *stashes; /* remote: see remote.c */
    bool disturbed;        /* the machine may have changed the order of times: see play.c */
    char problem[256];     /* "": none */
};

/* The tags of messages to a hand. */
enum {
    TAG_ERRAND = 1, /* an errand may wait */
    TAG_STILL,      /* as a ping, and the trace gets a mark */
    TAG_PING,       /* to be answered by one more pong, when libuv's loop has turned once */
    TAG_TURNED,     /* it has */
    TAG_REST,       /* a pointer to a struct rest */
    TAG_WRAP,       /* a pointer to a struct wrapping: make the connection here */
    TAG_CONNECTED,  /* the same: it is made */
    TAG_ADOPTED,    /* the same: it is a socket (remote) */
    TAG_LOOKED_UP,  /* a struct looked_up: answer the look-up */
    TAG_CHECKED,    /* remote: answers */
    TAG_WRITTEN,
    TAG_INFO,
};

/* A look-up function's question, on its way to a later answer. */
struct looked_up {
    tr_socket *socket;
    tr_ref ref;
    const struct action *action;
};

/* baton.c */

void baton_init(struct baton *baton);
void baton_fini(struct baton *baton);

/* Takes the baton; false if the play is over: then nothing is to be done. Thread: that worker. */
bool baton_take(struct play *play, unsigned worker);
void baton_give(struct play *play);

/* The same for the thread that plays. */
void baton_take_outside(struct play *play);

/* Runs something on a worker and waits for it. Thread: the holder. */
void baton_errand(struct play *play, unsigned worker, void (*run)(struct play *play, void *argument), void *argument);

/* Runs the errand that waits for this worker, if there is one, and those that follow. Thread: that worker. */
void baton_serve(struct play *play, unsigned worker);

/* Waits until every worker has been through two turns: what had happened before is logged then. The trace has a mark of
 * each worker where it began: "still". Thread: the player. */
void baton_ping(struct play *play);
void baton_pong(struct play *play);

/* rules.c */

uint64_t now_ms(void);

/* A new endpoint: an accepted one before those of the same server that have a higher number, others at the end. */
struct endpoint *endpoint_add(struct play *play, const char *name, bool is_server, uint64_t number,
                              const struct server_setup *setup);
struct endpoint *endpoint_find(struct play *play, const char *name);
void endpoints_free(struct play *play);

/* Logs an entry, which is taken. */
void record(struct endpoint *endpoint, json_t *entry);

/* Logs it when the handler that runs is through. */
void record_late(struct endpoint *endpoint, json_t *entry);

/* ["cb", LABEL, CODE]; status TR_OK: null. */
json_t *cb_entry(const char *label, const char *code);

/* The library has told an event, in the words of the trace; entry is taken. It does nothing if no trace is left. */
void told(struct endpoint *endpoint, json_t *entry);

/* Its name, for the trace: what is told of the actor with that ref is told of the endpoint. */
void name_in_trace(const tr_actor *self, const struct endpoint *endpoint, tr_ref ref);

/* An event: logs it, performs the rules, calls the listeners. entry is taken; NULL: [NAME]. */
void happen(struct endpoint *endpoint, enum event event, json_t *entry);

/* The data event. */
void happen_data(struct endpoint *endpoint, tr_slice data);

/* A one-time listener of an event from now on. label may be NULL: then nothing is done. */
void listen_once(struct endpoint *endpoint, enum event event, const char *label, const char *code);

/* Performs a list from an action on; chunk may be NULL. */
void perform(struct play *play, const struct action_list *list, size_t from, struct endpoint *self,
             const tr_slice *chunk);

/* The play cannot go on as it should. The first word is kept. */
void trouble(struct play *play, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Logs what was late: what may be logged now; at the end all of it. */
void lates_flush(struct play *play);
void lates_end(struct play *play);

/* address.c */

tr_status addresses_prepare(struct play *play);
void addresses_free(struct play *play);

/* The address of that name; NULL: that of the first server. */
struct address *address_find(struct play *play, const char *name);

const char *loopback(const struct play *play);

/* As section 3 writes them. */
json_t *port_name(const struct play *play, unsigned port);
json_t *address_value(const struct play *play, const struct tr_address *address);

/* Where an address is, for system calls. */
socklen_t address_fill(const struct play *play, const struct address *address, struct sockaddr_storage *out);

/* A descriptor that is bound to the address, unless its port is in use, and does not listen; -1 on failure. */
int address_bind(const struct play *play, const struct address *address);

/* The actions stat and file. */
json_t *address_stat(const struct address *address);
bool address_file(struct play *play, const struct address *address, enum file_kind kind);

/* Removes the play's directory and what is in it. */
void directory_remove(const char *path);

/* Is there an IPv6 loopback on this machine? */
bool machine_has_ipv6(void);

/* secure.c */

/* The contexts of both ends, if there are to be any. */
tr_status secure_prepare(struct play *play);
void secure_end(struct play *play);

/* An adopted descriptor becomes secure, as one that connects does; or it stays plain. */
tr_status secure_wrapped(const struct play *play, tr_socket *socket);

/* server.c */

tr_status server_make(struct endpoint *endpoint);
tr_status server_act(struct endpoint *endpoint, const struct action *action);

/* The connection of a server with that number as an endpoint, which is driven from that worker. */
struct endpoint *server_accepted(struct endpoint *server, uint64_t number, unsigned worker);

/* Puts the connection entries of a log, which is taken and given, into the order of their numbers: between workers
 * there is none. */
json_t *server_order_connections(json_t *log);

/* The events of a new connection, once it has its socket. */
void server_tell_accepted(struct endpoint *server, struct endpoint *connection);

/* socket.c: what both modes have in common. Where they differ it calls local.c or remote.c. */

struct tr_socket_info; /* remote.h */

struct tr_socket_options socket_options(struct endpoint *endpoint);

/* The timeout that a connect sets, also if it is refused; 0: none. */
uint64_t connect_timeout(const struct endpoint *endpoint, const struct action *action);
struct tr_connect_options connect_options(struct endpoint *endpoint, const struct action *action);

/* Creates the unconnected socket of a client. */
tr_status socket_make(struct endpoint *endpoint);

/* Returns TR_OK, or the refusal of a call. */
tr_status socket_act(struct endpoint *endpoint, const struct action *action, const tr_slice *chunk);

/* Data that nobody listens to is to flow. */
void socket_resume(struct endpoint *endpoint);

/* Events that both modes treat alike. */
void socket_tell_error(struct endpoint *endpoint, const struct tr_error *error);
void socket_tell_close(struct endpoint *endpoint, bool had_error);
void socket_tell_lookup(struct endpoint *endpoint, const struct tr_error *error, const struct tr_address *address,
                        const char *host);

/* What an action writes, as a slice of which the caller owns one hold. */
tr_status payload_slice(const struct action *action, tr_slice *out);

/* The code of what became of a write: NULL if it has gone. A status alone does not tell the program's own code. */
const char *code_of(const struct endpoint *endpoint, tr_status status);

/* What became of a write or an end that was asked for. */
void socket_tell_written(struct ask *ask, tr_status status);

/* A question, for as long as the play lasts. */
struct ask *ask_new(struct endpoint *endpoint, const struct action *action);

/* ["get", {...}] */
json_t *socket_properties(struct endpoint *endpoint, const struct action *action, const struct tr_socket_info *info);

/* Begins a connection of the runner's own, on the worker where the socket is to be. */
struct wrapping *wrapping_new(struct endpoint *endpoint, const struct action *action);
void wrapping_free(void *wrapping);
void wrapping_begin(struct play *play, unsigned worker, struct wrapping *wrapping);
unsigned wrapping_sides(const struct wrapping *wrapping);

/* The answer to a look-up function's question. */
void look_up_answer(struct play *play, tr_actor *self, const struct looked_up *question);

/* local.c */
tr_status local_make(struct endpoint *endpoint);
tr_status local_act(struct endpoint *endpoint, const struct action *action, const tr_slice *chunk);
void local_connection(tr_socket *socket);
void local_wrapped(struct wrapping *wrapping);
extern const struct tr_socket_events local_events, local_events_without_data;

/* remote.c */
tr_status remote_make(struct endpoint *endpoint);
tr_status remote_act(struct endpoint *endpoint, const struct action *action, const tr_slice *chunk);
unsigned remote_balance(const struct tr_balance_view *view);
void remote_wrapped(struct wrapping *wrapping);
void remote_adopted(struct wrapping *wrapping);
void remote_event(struct play *play, enum tr_event event, tr_message *message);
void remote_answer(struct play *play, const tr_message *message);

void stashes_free(struct play *play);

/* hand.c */
extern const struct tr_behavior hand_behavior; /* its argument is a struct hand_place */

struct hand_place {
    struct play *play;
    unsigned worker;
};

/* Performs the rest of a list that much later. Thread: the holder. */
void hand_sleep(struct play *play, const struct rest *rest, uint64_t ms);

#endif
