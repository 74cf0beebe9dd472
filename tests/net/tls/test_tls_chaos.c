/*
 * Two sockets of one connection, whose programs do at random what can be done, whether it makes sense or not, at any
 * time and in any callback: they become secure, twice, as both sides, before and after they have ended or are
 * destroyed; write, end, pause, cork, ask, renew keys, set times that are too short.
 *
 * What holds all the same: of what the peer has written a beginning arrives, in order; from a call that makes a socket
 * secure to `secure` nothing is data; each write is told once; one error at most, and then `close`, once and last.
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
#include <troupe/net/tls.h>

#define SEEDS 1000u
#define STEPS 80u /* of one program */
#define LARGEST 60000u
#define STREAM (8u << 20) /* more than a program writes */
#define AT_ONCE 50u       /* programs in one runtime */
#define DEEPEST 3u        /* callbacks within callbacks */

struct program;

struct side {
    struct program *program;
    struct side *peer;
    tr_socket *socket;
    uint64_t written, received;
    unsigned writes, told, errors, secured, closes;
    unsigned depth;
    bool asked; /* to be secure */
    bool destroyed;
    bool reads_records; /* the peer's, as they are, since it is plain itself: then what is data is not known */
};

struct program {
    uint64_t seed, random;
    struct side sides[2];
    unsigned steps;
    bool over;
};

static struct program programs[AT_ONCE];
static tr_tls_context *serving, *calling, *lonely;
static unsigned long both_secure;
static struct side *choosing; /* whose server is asked for a name */

#define CHECK(side, condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "seed %llu, side %d, step %u: %s\n", (unsigned long long)(side)->program->seed,            \
                    (int)((side) - (side)->program->sides), (side)->program->steps, #condition);                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static void act(struct side *side);

static unsigned
below(struct side *side, unsigned limit)
{
    return random_below(&side->program->random, limit);
}

static bool
is_first(const struct side *side)
{
    return side == side->program->sides;
}

/* Callbacks. */

static void
perhaps_act(struct side *side)
{
    if (side->depth >= DEEPEST || side->program->steps > STEPS)
        return;
    side->depth++;
    while (side->socket != NULL && below(side, 3) == 0)
        act(side);
    side->depth--;
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, !side->asked || side->secured == 1);
    side->reads_records |= !side->asked && side->peer->asked;
    if (!side->reads_records) {
        CHECK(side, side->received + data.size <= side->peer->written);
        CHECK(side, memcmp(data.data, pattern(STREAM).data + side->received, data.size) == 0);
        side->received += data.size;
    }
    perhaps_act(side);
}

static void
on_secure(tr_socket *socket)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, side->asked && tr_socket_secure(socket) && !side->destroyed && ++side->secured == 1);
    both_secure += side->peer->secured;
    perhaps_act(side);
}

static void
on_end(tr_socket *socket)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, !side->destroyed && (!side->asked || side->secured == 1));
    perhaps_act(side);
}

static void
on_plain(tr_socket *socket)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, !side->destroyed);
    perhaps_act(side);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, ++side->errors == 1 && error->status < TR_OK && error->code != NULL && error->call != NULL);
    perhaps_act(side);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct side *side = tr_socket_data(socket);
    CHECK(side, had_error == (side->errors == 1));
    perhaps_act(side);
    side->closes++;
    side->socket = NULL;
    (void)socket;
}

static const struct tr_socket_events events = {.data = on_data,
                                               .end = on_end,
                                               .drain = on_plain,
                                               .timeout = on_plain,
                                               .error = on_error,
                                               .close = on_close,
                                               .secure = on_secure};

static void
was_written(tr_socket *socket, void *argument, tr_status status)
{
    struct side *side = argument;
    (void)socket;
    (void)status;
    side->told++;
    CHECK(side, side->told <= side->writes);
    perhaps_act(side);
}

static tr_tls_context *
chooses(const char *name, void *data)
{
    (void)name, (void)data;
    return serving;
}

/* Acts. */

static void
become_secure(struct side *side)
{
    bool serves = is_first(side) != (below(side, 16) != 0);
    const struct tr_tls_options options = {
        .context = serves ? (below(side, 2) == 0 ? serving : lonely) : calling,
        .role = serves ? TR_TLS_SERVER : TR_TLS_CLIENT,
        .server_name = "server.example",
        .truncation_fails = below(side, 2) == 0,
        .handshake_timeout_ms = below(side, 8) == 0 ? 1 : 0,
    };
    bool was_asked = side->asked;
    choosing = side;
    side->asked = true; /* the call may not give data either */
    tr_status status = tr_socket_set_secure(side->socket, &options);
    CHECK(side, status != TR_OK || !was_asked);
    side->asked = was_asked || status == TR_OK;
}

static void
write_some(struct side *side)
{
    static const unsigned limits[] = {1, 100, 17000, LARGEST};
    size_t size = below(side, limits[below(side, 4)] + 1);
    tr_slice slice = tr_slice_constant(pattern(STREAM).data + side->written, size);
    uint64_t before = side->written;
    bool ends = below(side, 32) == 0;
    side->writes++;
    side->written += size;
    tr_status status = ends ? tr_socket_end_then(side->socket, slice, was_written, side)
                            : tr_socket_write_then(side->socket, slice, was_written, side);
    CHECK(side, status != TR_EINVAL);
    if (status == TR_EWRITEAFTEREND || status == TR_EDESTROYED)
        side->written = before; /* whether it is told is the callback's matter */
}

static void
ask(struct side *side)
{
    struct tr_tls_info info;
    struct tr_peer *peer_shown = NULL;
    tr_tls_session *session = NULL;
    char key[16];
    tr_socket *socket = side->socket;
    if (tr_socket_peer(socket, &peer_shown) == TR_OK)
        tr_peer_free(peer_shown);
    if (tr_socket_tls_session(socket, &session) == TR_OK)
        tr_tls_session_release(session);
    (void)tr_socket_tls_info(socket, &info);
    (void)tr_socket_export_key(socket, "EXPORTER-test", NULL, 0, key, sizeof(key));
    (void)tr_socket_verify_result(socket, NULL);
}

static void
destroy(struct side *side)
{
    side->destroyed = true;
    tr_socket_destroy(side->socket, below(side, 2) == 0 ? TR_OK : TR_EUSER);
}

static void
act(struct side *side)
{
    switch (below(side, 40)) {
    case 0:
    case 1:
    case 2: become_secure(side); break;
    case 3:
    case 4: tr_socket_cork(side->socket); break;
    case 5:
    case 6:
    case 7: (void)tr_socket_uncork(side->socket); break;
    case 8:
    case 9: tr_socket_pause(side->socket); break;
    case 10:
    case 11:
    case 12: tr_socket_resume(side->socket); break;
    case 13: ask(side); break;
    case 14:
    case 15:
    case 16: (void)tr_socket_update_keys(side->socket, below(side, 2) == 0); break;
    case 17: (void)tr_socket_set_timeout(side->socket, below(side, 3)); break;
    case 18:
        if (below(side, 3) == 0)
            (void)tr_socket_end(side->socket);
        break;
    case 19:
        if (below(side, 4) == 0)
            destroy(side);
        break;
    default: write_some(side); break;
    }
}

/* A program. */

static void
begin(unsigned number, uint64_t seed)
{
    struct program *program = &programs[number];
    int fds[2];
    *program = (struct program){.seed = seed, .random = seed};
    stage_pair(seed % 2 == 0 ? AF_INET : AF_UNIX, fds);
    for (int i = 0; i < 2; i++) {
        struct side *side = &program->sides[i];
        struct tr_socket_options options = {.events = &events, .data = side, .allow_half_open = seed % 3 != 0};
        side->program = program;
        side->peer = &program->sides[1 - i];
        if (seed % 4 == 1)
            assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)), 0);
        assert_int_equal(tr_socket_adopt(director, fds[i], TR_READABLE | TR_WRITABLE, &options, &side->socket), TR_OK);
    }
    for (int i = 0; i < 2 && seed % 8 != 0; i++)
        become_secure(&program->sides[i]);
}

static bool
go_on(unsigned number)
{
    struct program *program = &programs[number];
    struct side *side = &program->sides[random_below(&program->random, 2)];
    if (program->over)
        return true;
    program->steps++;
    if (side->socket != NULL && program->steps <= STEPS)
        act(side);
    else if (side->socket != NULL && !side->destroyed)
        destroy(side);
    program->over = program->sides[0].socket == NULL && program->sides[1].socket == NULL;
    return program->over;
}

static const struct stage_seeds seeds = {.at_once = AT_ONCE, .begin = begin, .go_on = go_on};

static void
whatever_programs_do_the_promises_of_a_secure_socket_hold(void **state)
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca"), of_chooser;
    (void)state;
    of_chooser = tls_server("a");
    of_chooser.choose = chooses;
    serving = tls_make(&of_server);
    lonely = tls_make(&of_chooser);
    calling = tls_make(&of_client);
    both_secure = 0;
    for (uint64_t first = 1; first < SEEDS * tests_stress(); first += AT_ONCE) {
        stage_play_seeds(&seeds, first);
        for (unsigned i = 0; i < AT_ONCE; i++)
            for (int k = 0; k < 2; k++) {
                struct side *side = &programs[i].sides[k];
                CHECK(side, side->closes == 1 && side->told == side->writes);
            }
    }
    assert_true(both_secure > SEEDS / 4);
    tr_tls_context_release(serving);
    tr_tls_context_release(lonely);
    tr_tls_context_release(calling);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(whatever_programs_do_the_promises_of_a_secure_socket_hold),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
