#include "tap.h"
#include "cast.h"
#include "tls_play.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct tap_way tap_up, tap_down;
struct tr_tls_options tap_calling, tap_serving;
struct endpoint answerer;
static bool relays;

int
tap_reset(void **state)
{
    memset(&tap_up, 0, sizeof(tap_up));
    memset(&tap_down, 0, sizeof(tap_down));
    memset(&answerer, 0, sizeof(answerer));
    tap_calling = (struct tr_tls_options){.server_name = "server.example", .role = TR_TLS_CLIENT};
    tap_serving = (struct tr_tls_options){.role = TR_TLS_SERVER};
    relays = false;
    return cast_reset(state);
}

void
tap_make_contexts(void)
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    of_server.highest = TR_TLS_1_2;
    tap_serving.context = tls_make(&of_server);
    tap_calling.context = tls_make(&of_client);
}

void
tap_release_contexts(void)
{
    tr_tls_context_release(tap_serving.context);
    tr_tls_context_release(tap_calling.context);
}

/* What passes. */

static char
letter_of(unsigned char kind)
{
    return kind == 20 ? 'C' : kind == 21 ? 'A' : kind == 22 ? 'H' : 'D';
}

static void
put_letter(struct tap_way *way, char letter)
{
    size_t used = strlen(way->order);
    bool again = used > 0 && way->order[used - 1] == letter && (letter == 'H' || letter == 'D');
    if (!again && used + 1 < sizeof(way->order))
        way->order[used] = letter;
}

static void
see_record(struct tap_way *way)
{
    way->left = (size_t)way->header[3] << 8 | way->header[4];
    way->last_record = way->left;
    way->header_size = 0;
    way->data_records += letter_of(way->header[0]) == 'D';
    put_letter(way, letter_of(way->header[0]));
}

static void
see(struct tap_way *way, const char *bytes, size_t size)
{
    way->bytes += size;
    while (size > 0) {
        size_t part = way->left < size ? way->left : size;
        way->left -= part;
        bytes += part;
        size -= part;
        if (part > 0 || size == 0)
            continue;
        way->header[way->header_size++] = (unsigned char)*bytes++;
        size--;
        if (way->header_size == sizeof(way->header))
            see_record(way);
    }
}

/* The relay. */

static void
push(struct tap_way *way)
{
    size_t left = way->held_size - way->held_first;
    ssize_t sent = left > 0 ? send(way->to, way->held + way->held_first, left, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (sent > 0)
        way->held_first += (size_t)sent;
    if (sent < 0 && errno != EAGAIN)
        way->held_first = way->held_size; /* nobody is there */
}

static void
pull(struct tap_way *way)
{
    ssize_t got = recv(way->from, way->held, sizeof(way->held), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    way->held_first = 0;
    way->held_size = got > 0 ? (size_t)got : 0;
    if (got > 0) {
        see(way, way->held, (size_t)got);
        return;
    }
    put_letter(way, '.');
    shutdown(way->to, SHUT_WR);
    way->ended = true;
}

static void
pass(struct tap_way *way)
{
    if (way->ended || way->stands)
        return;
    push(way);
    if (way->held_first == way->held_size)
        pull(way);
}

static void
look(void *argument)
{
    (void)argument;
    pass(&tap_up);
    pass(&tap_down);
    if (!tap_up.ended || !tap_down.ended || !client.closed || !answerer.closed) {
        stage_after(1, look, NULL);
        return;
    }
    close(tap_up.from);
    close(tap_down.from);
    relays = false;
}

static void
make(struct endpoint *endpoint, int fd, struct tr_socket_options options, const struct tr_tls_options *tls)
{
    stage_adopt_as(endpoint, fd, options);
    assert_int_equal(tr_socket_set_secure(endpoint->socket, tls), TR_OK);
}

void
tap_open(struct tr_socket_options caller, struct tr_socket_options answerer_options)
{
    int one[2], two[2];
    stage_pair(AF_INET, one);
    stage_pair(AF_INET, two);
    tap_up.from = tap_down.to = one[1];
    tap_up.to = tap_down.from = two[1];
    relays = true;
    make(&answerer, two[0], answerer_options, &tap_serving);
    make(&client, one[0], caller, &tap_calling);
    look(NULL);
}

static bool
is_over(void)
{
    return client.closed && answerer.closed && !relays;
}

void
tap_end_when_closed(void)
{
    stage_settled_when(is_over, end_play, NULL);
}
