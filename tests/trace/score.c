#include "score.h"

#include <troupe/actors/trace.h>
#include <troupe/actors/watch.h>
#include <troupe/core/status.h>
#include <troupe/core/trace.h>
#include <troupe/core/trace_format.h>
#include <troupe/net/trace.h>

#define OUTSIDE TRI_TRACE_OUTSIDE
#define REF(worker, slot) TRI_TRACE_REF(worker, slot, 1)
#define ID(worker, count) TRI_TRACE_MESSAGE(worker, count)
#define CORE(name) TRI_TRACE_CORE_##name
#define ACTORS(name) TRI_TRACE_ACTORS_##name
#define NET(name) TRI_TRACE_NET_##name

#define PARENT REF(0, 1)
#define CHILD REF(0, 2)
#define FAILING REF(0, 3)
#define WARD REF(0, 4)
#define LISTENER REF(0, 5)
#define SERVER REF(0, 6)
#define FAR REF(1, 1)
#define PEER REF(1, 2)   /* an accepted socket */
#define CLIENT REF(1, 3) /* one that connects */
#define ADOPTED REF(1, 4)
#define ENTRANCE REF(1, 5)
#define REFUSED REF(1, 6)
#define GREETING REF(1, 7)
#define REJECTED REF(1, 8)
#define SECURE REF(1, 9)

const char *const score_names[SCORE_NAMES] = {"one", "two", "three"};

static const struct note notes[] = {
    {0, CORE(worker_start), 0, 3, 0, 0},
    {1, CORE(worker_start), 0, 4, 0, 0},
    {0, ACTORS(spawn), 0, 1, PARENT, 0},
    {0, ACTORS(spawn), 0, 1, CHILD, PARENT},
    {1, ACTORS(spawn), 0, 2, FAR, PARENT},
    {0, ACTORS(spawn), 0, 1, FAILING, PARENT},
    {0, ACTORS(init_failed), 0, (uint32_t)TR_EIO, FAILING, 0},
    {0, ACTORS(stopped), 0, 0, FAILING, 0},

    /* Messages, the second of which is set aside, and one to nobody. */
    {0, ACTORS(send), 0, 7, PARENT, ID(0, 1)},
    {0, ACTORS(send), 0, 7, PARENT, ID(0, 2)},
    {0, ACTORS(send), 0, 8, PARENT, ID(0, 3)},
    {0, ACTORS(dead_letter), 0, 3, FAILING, ID(0, 3)},
    {1, ACTORS(receive), 0, 7, FAR, ID(0, 1)},
    {1, CORE(mark), 0, 3, FAR, 5},
    {1, ACTORS(handled), 0, 7, FAR, ID(0, 1)},
    {1, ACTORS(receive), 0, 7, FAR, ID(0, 2)},
    {1, ACTORS(become), 0, 1, FAR, 0},
    {1, ACTORS(stash), 0, 0, FAR, ID(0, 2)},
    {1, ACTORS(handled), 0, 7, FAR, ID(0, 2)},
    {1, ACTORS(receive), 0, 7, FAR, ID(0, 2)},
    {1, ACTORS(handled), 0, 7, FAR, ID(0, 2)},

    /* A question of the parent's to FAR, who hands it on to the child, who answers. */
    {OUTSIDE, ACTORS(send), 0, 9, 0, ID(OUTSIDE, 1)},
    {0, ACTORS(receive), 0, 9, PARENT, ID(OUTSIDE, 1)},
    {0, ACTORS(ask), 0, 0, PARENT, ID(0, 4)},
    {0, ACTORS(send), 0, 10, PARENT, ID(0, 4)},
    {0, ACTORS(handled), 0, 9, PARENT, ID(OUTSIDE, 1)},
    {1, ACTORS(receive), 0, 10, FAR, ID(0, 4)},
    {1, ACTORS(forward), 0, 10, FAR, 0},
    {1, ACTORS(send), 0, 10, FAR, ID(1, 1)},
    {1, ACTORS(handled), 0, 10, FAR, ID(0, 4)},
    {0, ACTORS(receive), 0, 10, CHILD, ID(1, 1)},
    {0, ACTORS(send), 0, 11, CHILD, ID(0, 5)},
    {0, ACTORS(handled), 0, 10, CHILD, ID(1, 1)},
    {0, ACTORS(receive), 0, 11, PARENT, ID(0, 5)},
    {0, ACTORS(ask_over), 0, 0, PARENT, ID(0, 4)},
    {0, ACTORS(handled), 0, 11, PARENT, ID(0, 5)},

    /* A group of one. */
    {0, ACTORS(send), 0, 12, PARENT, ID(0, 6)},
    {0, ACTORS(publish), 0, 12, PARENT, 1},
    {0, ACTORS(receive), 0, 12, CHILD, ID(0, 6)},
    {0, ACTORS(monitor), 0, 0, CHILD, FAR},
    {0, ACTORS(unmonitor), 0, 0, CHILD, FAR},
    {0, ACTORS(monitor), 0, 0, CHILD, FAR},
    {0, ACTORS(handled), 0, 12, CHILD, ID(0, 6)},

    /* One that comes again until it is cancelled, and one that comes once. */
    {0, ACTORS(timer), 1, 5, PARENT, 77},
    {0, ACTORS(timer_fired), 1, 1, PARENT, 77},
    {0, ACTORS(send), 0, 13, PARENT, ID(0, 7)},
    {0, ACTORS(receive), 0, 13, CHILD, ID(0, 7)},
    {0, ACTORS(handled), 0, 13, CHILD, ID(0, 7)},
    {0, ACTORS(timer), 0, 5, PARENT, 79},
    {0, ACTORS(timer_over), 0, 0, PARENT, 79},
    {0, ACTORS(timer_fired), 1, 2, PARENT, 77},
    {0, ACTORS(send), 0, 13, PARENT, ID(0, 8)},
    {0, ACTORS(receive), 0, 13, PARENT, ID(0, 8)},
    {0, ACTORS(timer_over), 0, 0, PARENT, 77},
    {0, ACTORS(handled), 0, 13, PARENT, ID(0, 8)},
    {0, ACTORS(timer), 0, 5, PARENT, 78},
    {0, ACTORS(timer_fired), 0, 1, PARENT, 78},
    {0, ACTORS(send), 0, 14, PARENT, ID(0, 9)},
    {0, ACTORS(receive), 0, 14, PARENT, ID(0, 9)},
    {0, ACTORS(handled), 0, 14, PARENT, ID(0, 9)},

    /* Workers. */
    {0, CORE(over_budget), 0, 900, 0, 3},
    {0, CORE(lane_full), 0, 1, 0, 0},
    {0, CORE(memory_limit), 0, 0, 0, 1000},
    {0, CORE(memory_free), 0, 0, 0, 900},
    {0, CORE(sleep), 0, 0, 0, 0},
    {0, CORE(wake), 0, 0, 0, 0},
    {OUTSIDE, CORE(stall), 0, 600, PARENT, 7},
    {OUTSIDE, CORE(unpinned), 0, 1, 0, 50000},
    {OUTSIDE, CORE(pinned), 0, 1, 0, 4},

    /* A ward, which fails and begins again. */
    {0, ACTORS(spawn), 0, 2, WARD, PARENT},
    {0, ACTORS(fail), 0, (uint32_t)TR_EIO, WARD, 0},
    {0, ACTORS(stopped), 0, 0, WARD, 0},
    {0, ACTORS(restart), 0, 2, WARD, PARENT},
    {0, ACTORS(stop), 0, 1, WARD, 0},
    {0, ACTORS(stopped), 0, 0, WARD, 0},

    /* A server, and four connections: a plain one, one with a header that is secure then, and two that are refused. */
    {0, ACTORS(spawn), 0, 1, LISTENER, 0},
    {0, NET(listener_open), 0, 80, LISTENER, 0},
    {0, ACTORS(spawn), 0, 1, SERVER, 0},
    {0, NET(server_listening), 0, 80, SERVER, 0},
    {0, NET(server_announced), 0, 0, SERVER, 0},
    {0, NET(listener_load), 0, 1, LISTENER, 2},
    {0, NET(listener_accept), 1, 1, LISTENER, SERVER},
    {0, NET(listener_load), 0, 0, LISTENER, 2},
    {0, NET(listener_load), 0, 1, LISTENER, 1},
    {0, NET(listener_accept), 1, 1, LISTENER, SERVER},
    {0, NET(listener_load), 0, 1, LISTENER, 2},
    {0, NET(listener_accept), 1, 1, LISTENER, SERVER},
    {0, NET(listener_load), 0, 1, LISTENER, 2},
    {0, NET(listener_accept), 1, 1, LISTENER, SERVER},
    {0, NET(listener_reject), 1, 4, LISTENER, SERVER},
    {0, NET(listener_paused), 0, (uint32_t)TR_EIO, LISTENER, 0},
    {0, NET(listener_resumed), 0, 0, LISTENER, 0},
    {1, ACTORS(spawn), 0, 1, PEER, 0},
    {1, NET(socket_accepted), 1, 0, PEER, SERVER},
    {1, NET(socket_connect), 0, 0, PEER, 0},
    {1, NET(socket_ready), 0, 0, PEER, 0},
    {1, NET(socket_write), 1, 9, PEER, 0},
    {1, NET(socket_drain), 0, 0, PEER, 0},
    {1, NET(socket_written), 0, 0, PEER, 0},
    {1, NET(socket_fd), 0, 0, PEER, 0},
    {1, NET(socket_timeout), 0, 100, PEER, 0},
    {1, NET(socket_goaway), 0, 0, PEER, 0},
    {1, NET(socket_data), 3, 5, PEER, 0},
    {1, NET(socket_text), 0, 5, PEER, 0},
    {1, NET(socket_end), 0, 0, PEER, 0},
    {1, NET(socket_shutdown), 0, 0, PEER, 0},
    {1, NET(socket_close), 0, 0, PEER, 5},
    {1, ACTORS(stopped), 0, 0, PEER, 0},
    {1, ACTORS(spawn), 0, 1, ENTRANCE, 0},
    {1, NET(proxy_header), 2, 30, ENTRANCE, SERVER},
    {1, ACTORS(stopped), 0, 0, ENTRANCE, 0},
    {1, ACTORS(spawn), 0, 1, GREETING, 0},
    {1, NET(handshake_begin), 0, 0, GREETING, SERVER},
    {1, NET(handshake), 0, 0, GREETING, SERVER},
    {1, ACTORS(stopped), 0, 0, GREETING, 0},
    {1, ACTORS(spawn), 0, 1, SECURE, 0},
    {1, NET(socket_accepted), 0, 0, SECURE, SERVER},
    {1, NET(socket_close), 0, 0, SECURE, 0},
    {1, ACTORS(stopped), 0, 0, SECURE, 0},
    {1, ACTORS(spawn), 0, 1, REFUSED, 0},
    {1, NET(proxy_refused), 3, 8, REFUSED, SERVER},
    {1, ACTORS(stopped), 0, 0, REFUSED, 0},
    {1, ACTORS(spawn), 0, 1, REJECTED, 0},
    {1, NET(handshake_begin), 0, 0, REJECTED, SERVER},
    {1, NET(handshake_failed), 0, (uint32_t)TR_EIO, REJECTED, SERVER},
    {1, ACTORS(stopped), 0, 0, REJECTED, 0},
    {0, NET(server_paused), 0, 0, SERVER, 0},
    {0, NET(server_resumed), 0, 0, SERVER, 0},
    {0, NET(server_error), 0, (uint32_t)TR_EIO, SERVER, 0},
    {0, NET(server_drain), 0, 3, SERVER, 0},
    {0, NET(server_drained), 0, 1, SERVER, 2},
    {0, NET(server_close), 0, 0, SERVER, 0},
    {0, ACTORS(stopped), 0, 0, SERVER, 0},
    {0, NET(listener_close), 0, 0, LISTENER, 0},
    {0, ACTORS(stopped), 0, 0, LISTENER, 0},

    /* Sockets without a server. */
    {1, ACTORS(spawn), 0, 1, CLIENT, 0},
    {1, NET(socket_spawned), 0, 0, CLIENT, 0},
    {1, NET(socket_connecting), 0, 80, CLIENT, 0},
    {1, NET(socket_lookup), 0, 0, CLIENT, 0},
    {1, NET(socket_connect), 0, 0, CLIENT, 0},
    {1, NET(socket_handshake), 0, 0, CLIENT, 0},
    {1, NET(socket_secure), 0, 0, CLIENT, 0},
    {1, NET(socket_data), 0, 5, CLIENT, 0},
    {1, NET(socket_code), 0, 1, CLIENT, 0},
    {1, NET(socket_error), 0, (uint32_t)TR_EIO, CLIENT, 0},
    {1, NET(socket_close), 0, 1, CLIENT, 5},
    {1, NET(socket_again), 0, 0, CLIENT, 0},
    {1, NET(socket_close), 0, 0, CLIENT, 0},
    {1, ACTORS(stopped), 0, 0, CLIENT, 0},
    {1, ACTORS(spawn), 0, 1, ADOPTED, 0},
    {1, NET(socket_spawned), 0, 0, ADOPTED, 0},
    {1, NET(socket_adopted), 0, 0, ADOPTED, 0},
    {1, NET(socket_data), 0, 5, ADOPTED, 0},
    {1, NET(socket_close), 0, 0, ADOPTED, 5},
    {1, ACTORS(stopped), 0, 0, ADOPTED, 0},

    /* The end. */
    {1, ACTORS(send), 0, TR_TAG_DOWN, FAR, ID(1, 2)},
    {1, ACTORS(stopped), 0, 0, FAR, 0},
    {1, CORE(worker_stop), 0, 0, 0, 0},
    {0, ACTORS(down), 0, 0, CHILD, FAR},
    {0, ACTORS(receive), 0, TR_TAG_DOWN, CHILD, ID(1, 2)},
    {0, ACTORS(handled), 0, TR_TAG_DOWN, CHILD, ID(1, 2)},
    {0, ACTORS(stopped), 0, 0, CHILD, 0},
    {0, ACTORS(stopped), 0, 0, PARENT, 0},
    {0, CORE(worker_stop), 0, 0, 0, 0},
};

const struct scene score = {"the score", notes, sizeof(notes) / sizeof(notes[0]), 0, false};
