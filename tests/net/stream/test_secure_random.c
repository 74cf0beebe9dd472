/*
 * Random programs over two secure sockets: a thousand seeds, byte by byte.
 *
 * Each program sends some plain bytes first, turns to records wherever the other end happens to be with its reading,
 * and then lets both ends write, cork, write files, pause, resume, ask for renewals and end, at random, over a layer
 * whose calls of the system split and fail with EAGAIN at random. The model is one number for each direction: the nth
 * byte of a stream is known, so what arrives is checked as it comes, and in the end all of it has.
 */
#include "cast.h"
#include "helpers.h"
#include "random.h"
#include "seeds.h"
#include "toy_layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SEEDS 1000u
#define STEPS 60u /* of one program */
#define STEPS_AT_MOST 2000000u
#define LARGEST 60000u
#define STREAM (8u << 20) /* more than a program writes */
#define AT_ONCE 50u       /* programs in one runtime */

struct program;

/* One end. What it writes is its peer's stream. */
struct side {
    struct program *program;
    struct side *peer;
    tr_socket *socket;
    uint64_t written, received; /* bytes, plain or not */
    uint64_t told;              /* bytes of which the callbacks have been called, in order */
    unsigned told_writes, writes;
    unsigned drains_owed, asked_renewals;
    unsigned secured, ends, closes;
    bool has_ended, is_corked;
};

struct program {
    uint64_t seed, random;
    struct side sides[2];
    uint64_t plain; /* bytes that the first sends before records */
    unsigned steps;
    int file;
    bool over;
};

static struct program programs[AT_ONCE];

#define CHECK(side, condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "seed %llu, side %d: %s\n", (unsigned long long)(side)->program->seed,                     \
                    (int)((side) - (side)->program->sides), #condition);                                               \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The stream: of every byte its place decides. */
static void
check_bytes(struct side *side, const char *data, size_t size)
{
    CHECK(side, memcmp(data, pattern(STREAM).data + side->received, size) == 0);
    side->received += size;
}

static tr_slice
next_bytes(const struct side *side, size_t size)
{
    return tr_slice_constant(pattern(STREAM).data + side->written, size);
}

static unsigned
below(struct side *side, unsigned limit)
{
    return random_below(&side->program->random, limit);
}

/* Becoming secure. */

static void
disturb(struct toy *toy, struct program *program)
{
    if (program->seed % 4 != 0)
        toy->random = random_next(&program->random) | 1;
}

static void
turn_to_records(struct side *side, bool serves, tr_slice received)
{
    struct tri_secure_options options = {.received = received, .handshake_ms = TESTS_LIMIT_MS};
    struct toy *toy;
    CHECK(side, toy_secure(side->socket, serves, &options, &toy) == TR_OK);
    disturb(toy, side->program);
}

/* The second end reads plain bytes, of which it knows how many there are; what comes behind them is the layer's. */
static void
on_plain(struct side *side, tr_slice data)
{
    uint64_t left = side->program->plain - side->received;
    size_t plain = data.size < left ? data.size : (size_t)left;
    check_bytes(side, data.data, plain);
    if (side->received == side->program->plain)
        turn_to_records(side, true, tr_slice_part(data, plain, data.size - plain));
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct side *side = tr_socket_data(socket);
    if (!tri_socket_is_secure(socket)) {
        on_plain(side, data);
        return;
    }
    CHECK(side, side->secured == 1);
    check_bytes(side, data.data, data.size);
    if (below(side, 8) == 0)
        tr_socket_pause(socket);
}

static void
on_secure(tr_socket *socket)
{
    struct side *side = tr_socket_data(socket);
    side->secured++;
}

static void
on_end(tr_socket *socket)
{
    struct side *side = tr_socket_data(socket);
    side->ends++;
    CHECK(side, !tri_secure_is_cut(socket));
    CHECK(side, side->received == side->peer->written && side->peer->has_ended);
}

static void
on_drain(tr_socket *socket)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, tr_socket_buffered(socket) == 0);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    struct side *side = tr_socket_data(socket);
    fprintf(stderr, "%s in %s\n", error->code, error->call);
    CHECK(side, false);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, !had_error && side->ends == 1 && side->told_writes == side->writes);
    CHECK(side, toy_of(socket)->renewed <= side->asked_renewals); /* a peer that ends meanwhile does not answer */
    side->socket = NULL;
    side->closes++;
}

static const struct tr_socket_events events = {
    .data = on_data, .end = on_end, .drain = on_drain, .error = on_error, .close = on_close, .secure = on_secure};

/* What an end does. */

static void
was_written(tr_socket *socket, void *number, tr_status status)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, status == TR_OK);
    CHECK(side, (uintptr_t)number == side->told_writes);
    side->told_writes++;
}

static size_t
some_size(struct side *side)
{
    static const unsigned limits[] = {1, 100, 17000, LARGEST};
    return below(side, limits[below(side, 4)] + 1);
}

static void
write_some(struct side *side)
{
    size_t size = some_size(side);
    tr_status status =
        tr_socket_write_then(side->socket, next_bytes(side, size), was_written, (void *)(uintptr_t)side->writes);
    CHECK(side, status >= TR_OK);
    side->writes++;
    side->written += size;
}

static void
write_slices(struct side *side)
{
    tr_slice slices[5];
    for (unsigned i = 0; i < 5; i++) {
        slices[i] = next_bytes(side, some_size(side) / 5);
        side->written += slices[i].size;
    }
    CHECK(side, tr_socket_write_slices(side->socket, slices, 5) >= TR_OK);
}

static void
write_file(struct side *side)
{
    size_t size = 1 + some_size(side);
    tr_status status = tr_socket_write_file(side->socket, side->program->file, side->written, size, was_written,
                                            (void *)(uintptr_t)side->writes);
    CHECK(side, status >= TR_OK);
    side->writes++;
    side->written += size;
}

static void
toggle_cork(struct side *side)
{
    if (side->is_corked)
        CHECK(side, tr_socket_uncork(side->socket) >= TR_OK);
    else
        tr_socket_cork(side->socket);
    side->is_corked = !side->is_corked;
}

static bool
is_open(const struct side *side)
{
    const struct tri_record_layer *layer = tri_socket_layer(side->socket);
    return layer != NULL && layer->state == TRI_LAYER_OPEN;
}

static void
renew(struct side *side)
{
    if (!is_open(side) || tri_socket_layer(side->socket)->leaves || side->peer->has_ended)
        return;
    side->asked_renewals++;
    toy_renew(side->socket);
}

static void
do_something(struct side *side)
{
    switch (below(side, 10)) {
    case 0:
    case 1:
    case 2: write_some(side); break;
    case 3: write_slices(side); break;
    case 4: write_file(side); break;
    case 5: toggle_cork(side); break;
    case 6: renew(side); break;
    case 7: tr_socket_pause(side->socket); break;
    default: tr_socket_resume(side->socket); break;
    }
}

static void
take_step(struct side *side)
{
    if (side->socket == NULL)
        return;
    if (!side->has_ended && side->program->steps < STEPS && tri_socket_is_secure(side->socket))
        do_something(side);
    else
        tr_socket_resume(side->socket);
    if (side->is_corked && side->program->steps >= STEPS)
        toggle_cork(side); /* what was plain waits for that, too, and the handshake with it */
}

static void
finish(struct side *side)
{
    if (side->has_ended || side->socket == NULL || !is_open(side))
        return;
    side->has_ended = true;
    CHECK(side, tr_socket_end(side->socket) == TR_OK);
}

/* A program. */

static void
begin(unsigned number, uint64_t seed)
{
    struct program *program = &programs[number];
    int fds[2];
    *program = (struct program){.seed = seed, .random = seed, .file = programs[0].file};
    stage_pair(seed % 8 == 0 ? AF_INET : AF_UNIX, fds);
    for (int i = 0; i < 2; i++) {
        struct side *side = &program->sides[i];
        struct tr_socket_options options = {.events = &events, .data = side, .allow_half_open = true};
        side->program = program;
        side->peer = &program->sides[1 - i];
        if (seed % 8 == 2 || seed % 8 == 5) /* a unix socket: TCP would wait for late acknowledgements */
            assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)), 0);
        assert_int_equal(tr_socket_adopt(director, fds[i], TR_READABLE | TR_WRITABLE, &options, &side->socket), TR_OK);
    }
    struct side *first = &program->sides[0];
    program->plain = 1 + below(first, seed % 3 == 0 ? 200000 : 20);
    CHECK(first, tr_socket_write_slice(first->socket, next_bytes(first, program->plain)) >= TR_OK);
    first->written = program->plain;
    turn_to_records(first, false, tr_slice_constant(NULL, 0));
}

static bool
is_over(const struct program *program)
{
    return program->sides[0].closes == 1 && program->sides[1].closes == 1;
}

/* What stands still, so that the seed tells more than that it hangs. */
static void
give_up(struct program *program)
{
    for (int i = 0; i < 2; i++) {
        struct side *side = &program->sides[i];
        const struct tri_record_layer *layer = side->socket != NULL ? tri_socket_layer(side->socket) : NULL;
        fprintf(stderr, "seed %llu: wrote %llu, received %llu, ends %u, has ended %d",
                (unsigned long long)program->seed, (unsigned long long)side->written,
                (unsigned long long)side->received, side->ends, side->has_ended);
        if (layer != NULL)
            fprintf(stderr,
                    ", flags %x, due %x, polled %d, state %d, inner %d, owes %d, committed %d, buffered %llu, out %zu, "
                    "held %zu",
                    side->socket->flags, side->socket->due, side->socket->polled, layer->state, layer->inner,
                    layer->owes, layer->committed, (unsigned long long)tr_socket_buffered(side->socket),
                    toy_of(side->socket)->out_size - toy_of(side->socket)->out_first,
                    side->socket->extra ? side->socket->extra->held.bytes : 0);
        fprintf(stderr, "\n");
    }
    abort();
}

static bool
go_on(unsigned number)
{
    struct program *program = &programs[number];
    if (program->over)
        return true;
    if (program->steps > STEPS_AT_MOST)
        give_up(program);
    struct side *side = &program->sides[below(&program->sides[0], 2)];
    take_step(side);
    if (++program->steps > STEPS) {
        finish(side);
        take_step(side->peer);
    }
    program->over = is_over(program);
    return program->over;
}

static const struct stage_seeds seeds = {.at_once = AT_ONCE, .begin = begin, .go_on = go_on};

static int
make_file(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    tr_slice bytes = pattern(STREAM);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    assert_int_equal(fflush(file), 0);
    return dup(fileno(file)); /* the stream itself is kept open to the end of the program */
}

static void
what_is_written_arrives_once_in_order_and_whole_in_a_thousand_random_programs(void **state)
{
    (void)state;
    int file = make_file();
    for (uint64_t first = 1; first < SEEDS * tests_stress(); first += AT_ONCE) {
        programs[0].file = file;
        stage_play_seeds(&seeds, first);
    }
    assert_int_equal(toys, 0);
    close(file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_arrives_once_in_order_and_whole_in_a_thousand_random_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
