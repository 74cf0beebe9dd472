/*
 * Random programs over a proxy of which each connection becomes secure in the middle of the streams that the pipes
 * carry: byte by byte.
 *
 *   outer ====hop==== middle ---pipes--- middle ====hop==== outer
 *
 * At random the outer ends write, cork, pause, resume, ask for new keys and end, and the middles pause, resume and ask
 * for new keys. At a random step a hop turns: its outer end is silent until all that it wrote has come, the middle
 * becomes secure with whatever of the other stream waits to be written, and the outer end follows behind the last plain
 * byte. The nth byte of a stream is known, so what arrives is checked as it comes, and in the end all of it has.
 */
#include "cast.h"
#include "helpers.h"
#include "random.h"
#include "secure.h"
#include "seeds.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/pipe.h>
#include <troupe/net/tls.h>

#define SEEDS 200u
#define STEPS 120u /* of one program */
#define STEPS_AT_MOST 2000000u
#define LARGEST 60000u
#define STREAM (8u << 20) /* more than a program writes */
#define AT_ONCE 20u       /* programs in one runtime */

enum turn { PLAIN, SILENT, TURNED, SECURE };

struct program;

struct hop {
    struct program *program;
    struct hop *other;
    tr_socket *outer, *middle;
    enum turn turn;
    unsigned turns_at; /* the step */
    uint64_t plain;    /* bytes that the middle sends before records */
    uint64_t written, received;
    unsigned secured, ends, closes;
    bool has_ended, is_corked;
};

struct program {
    uint64_t seed, random;
    struct hop hops[2];
    unsigned steps;
    bool over;
};

static struct program programs[AT_ONCE];
static tr_tls_context *serving, *calling;

#define CHECK(hop, condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "seed %llu, hop %d, step %u: %s\n", (unsigned long long)(hop)->program->seed,              \
                    (int)((hop) - (hop)->program->hops), (hop)->program->steps, #condition);                           \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static unsigned
below(struct hop *hop, unsigned limit)
{
    return random_below(&hop->program->random, limit);
}

static void
check_bytes(struct hop *hop, const char *data, size_t size)
{
    CHECK(hop, memcmp(data, pattern(STREAM).data + hop->received, size) == 0);
    hop->received += size;
}

/* Turning. */

static bool
middle_serves(const struct hop *hop)
{
    return (hop->program->seed >> (hop - hop->program->hops) & 1) != 0;
}

static void
make_secure(struct hop *hop, tr_socket *socket, bool serves, tr_slice received)
{
    const struct tr_tls_options options = {
        .context = serves ? serving : calling,
        .role = serves ? TR_TLS_SERVER : TR_TLS_CLIENT,
        .server_name = "server.example",
        .truncation_fails = true,
        .handshake_timeout_ms = TESTS_LIMIT_MS,
        .received = received,
    };
    CHECK(hop, tr_socket_set_secure(socket, &options) == TR_OK);
}

static void
turn_middle(struct hop *hop)
{
    hop->plain = tr_socket_bytes_written(hop->middle);
    hop->turn = TURNED;
    make_secure(hop, hop->middle, middle_serves(hop), tr_slice_constant(NULL, 0));
}

static void
turn_outer(struct hop *hop, tr_slice behind)
{
    hop->turn = SECURE;
    make_secure(hop, hop->outer, !middle_serves(hop), behind);
}

static void
go_on_turning(struct hop *hop)
{
    const struct tri_extra *extra = hop->middle != NULL ? hop->middle->extra : NULL;
    bool holds = extra != NULL && extra->held.first != NULL;
    if (hop->turn == PLAIN && hop->program->steps >= hop->turns_at)
        hop->turn = SILENT;
    if (hop->turn == SILENT && hop->is_corked) {
        tr_socket_uncork(hop->outer);
        hop->is_corked = false;
    }
    if (hop->turn == SILENT && tr_socket_bytes_read(hop->middle) == hop->written && !holds)
        turn_middle(hop);
    else if (hop->turn == SILENT)
        tr_socket_resume(hop->middle);
    if (hop->turn == TURNED && hop->received == hop->plain)
        turn_outer(hop, tr_slice_constant(NULL, 0));
}

/* Events. */

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct hop *hop = tr_socket_data(socket);
    uint64_t left = hop->turn == TURNED ? hop->plain - hop->received : data.size;
    size_t size = data.size < left ? data.size : (size_t)left;
    CHECK(hop, hop->turn != SECURE || hop->secured > 0);
    check_bytes(hop, data.data, size);
    if (hop->turn == TURNED && hop->received == hop->plain)
        turn_outer(hop, tr_slice_part(data, size, data.size - size));
    if (below(hop, 8) == 0)
        tr_socket_pause(socket);
}

static void
on_secure(tr_socket *socket)
{
    struct hop *hop = tr_socket_data(socket);
    CHECK(hop, tr_socket_secure(socket));
    hop->secured += socket == hop->outer;
}

static void
on_end(tr_socket *socket)
{
    struct hop *hop = tr_socket_data(socket);
    CHECK(hop, !tr_socket_truncated(socket));
    if (socket != hop->outer)
        return;
    hop->ends++;
    CHECK(hop, hop->received == hop->other->written && hop->other->has_ended);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    struct hop *hop = tr_socket_data(socket);
    fprintf(stderr, "%s in %s of the %s\n", error->code, error->call, socket == hop->outer ? "outer" : "middle");
    CHECK(hop, false);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct hop *hop = tr_socket_data(socket);
    CHECK(hop, !had_error);
    CHECK(hop, socket != hop->outer || hop->ends == 1);
    *(socket == hop->outer ? &hop->outer : &hop->middle) = NULL;
    hop->closes++;
}

static const struct tr_socket_events events = {
    .data = on_data, .end = on_end, .error = on_error, .close = on_close, .secure = on_secure};

/* What they do. */

static void
write_some(struct hop *hop)
{
    static const unsigned limits[] = {1, 100, 17000, LARGEST};
    size_t size = below(hop, limits[below(hop, 4)] + 1);
    if (hop->turn == SILENT || hop->turn == TURNED)
        return;
    CHECK(hop,
          tr_socket_write_slice(hop->outer, tr_slice_constant(pattern(STREAM).data + hop->written, size)) >= TR_OK);
    hop->written += size;
}

static void
toggle_cork(struct hop *hop)
{
    if (hop->is_corked)
        CHECK(hop, tr_socket_uncork(hop->outer) >= TR_OK);
    else if (hop->turn == SILENT || hop->turn == TURNED)
        return; /* it would hold the handshake up */
    else
        tr_socket_cork(hop->outer);
    hop->is_corked = !hop->is_corked;
}

static void
renew(struct hop *hop, tr_socket *socket)
{
    if (!tr_socket_secure(socket))
        return;
    tr_status status = tr_socket_update_keys(socket, below(hop, 2) == 0);
    CHECK(hop, status == TR_OK || status == TR_EAGAIN || status == TR_EWRITEAFTEREND);
}

static void
do_something(struct hop *hop)
{
    switch (below(hop, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: write_some(hop); break;
    case 4: toggle_cork(hop); break;
    case 5: renew(hop, hop->outer); break;
    case 6: renew(hop, hop->middle); break;
    case 7: tr_socket_pause(hop->outer); break;
    case 8: tr_socket_pause(hop->middle); break;
    case 9: tr_socket_resume(hop->middle); break;
    default: tr_socket_resume(hop->outer); break;
    }
}

static void
finish(struct hop *hop)
{
    if (hop->outer != NULL)
        tr_socket_resume(hop->outer);
    if (hop->middle != NULL)
        tr_socket_resume(hop->middle);
    if (hop->has_ended || hop->turn != SECURE || hop->other->turn != SECURE || hop->outer == NULL)
        return; /* the pipe would end the other middle, which could not become secure then */
    hop->has_ended = true;
    CHECK(hop, tr_socket_end(hop->outer) == TR_OK); /* which takes the cork off */
}

/* A program. */

static tr_socket *
adopt(struct hop *hop, int fd)
{
    struct tr_socket_options options = {.events = &events, .data = hop, .allow_half_open = true};
    tr_socket *socket;
    if (hop->program->seed % 4 == 2) /* a unix socket: TCP would wait for late acknowledgements */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)), 0);
    assert_int_equal(tr_socket_adopt(director, fd, TR_READABLE | TR_WRITABLE, &options, &socket), TR_OK);
    return socket;
}

static void
begin(unsigned number, uint64_t seed)
{
    struct program *program = &programs[number];
    *program = (struct program){.seed = seed, .random = seed};
    for (int i = 0; i < 2; i++) {
        struct hop *hop = &program->hops[i];
        int fds[2];
        hop->program = program;
        hop->other = &program->hops[1 - i];
        stage_pair(seed % 4 == 0 ? AF_INET : AF_UNIX, fds);
        hop->outer = adopt(hop, fds[0]);
        hop->middle = adopt(hop, fds[1]);
        hop->turns_at = below(hop, STEPS);
    }
    struct tr_pipe_options pipe = {.window_bytes = seed % 3 == 0 ? 1 : 0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(tr_socket_pipe(program->hops[i].middle, tr_socket_ref(program->hops[1 - i].middle), &pipe),
                         TR_OK);
}

static void
print_socket(const char *name, const tr_socket *socket)
{
    const struct tri_record_layer *layer = socket != NULL ? tri_socket_layer(socket) : NULL;
    if (socket != NULL)
        fprintf(stderr, "; %s: flags %x, due %x, polled %d, buffered %llu", name, socket->flags, socket->due,
                socket->polled, (unsigned long long)tr_socket_buffered(socket));
    if (layer != NULL)
        fprintf(stderr, ", state %d, inner %d, owes %d, committed %d, amid %d", layer->state, layer->inner, layer->owes,
                layer->committed, layer->amid);
}

/* What stands still, so that the seed tells more than that it hangs. */
static void
give_up(struct program *program)
{
    for (int i = 0; i < 2; i++) {
        const struct hop *hop = &program->hops[i];
        fprintf(stderr, "seed %llu: turn %d, wrote %llu, received %llu, plain %llu, ends %u",
                (unsigned long long)program->seed, hop->turn, (unsigned long long)hop->written,
                (unsigned long long)hop->received, (unsigned long long)hop->plain, hop->ends);
        print_socket("outer", hop->outer);
        print_socket("middle", hop->middle);
        fprintf(stderr, "\n");
    }
    abort();
}

static bool
go_on(unsigned number)
{
    struct program *program = &programs[number];
    struct hop *hop = &program->hops[random_below(&program->random, 2)];
    if (program->over)
        return true;
    if (++program->steps > STEPS_AT_MOST)
        give_up(program);
    if (program->steps > STEPS)
        finish(hop);
    else
        do_something(hop);
    go_on_turning(hop);
    program->over = program->hops[0].closes == 2 && program->hops[1].closes == 2;
    return program->over;
}

static const struct stage_seeds seeds = {.at_once = AT_ONCE, .begin = begin, .go_on = go_on};

static void
a_proxy_whose_connections_become_secure_in_mid_stream_loses_nothing_in_random_programs(void **state)
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    (void)state;
    serving = tls_make(&of_server);
    calling = tls_make(&of_client);
    for (uint64_t first = 1; first < SEEDS * tests_stress(); first += AT_ONCE)
        stage_play_seeds(&seeds, first);
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_proxy_whose_connections_become_secure_in_mid_stream_loses_nothing_in_random_programs),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
