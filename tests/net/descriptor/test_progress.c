/*
 * A timeout does not come while the peer takes bytes that the kernel holds for it, even if we have nothing to do.
 */
#include "cast.h"
#include "helpers.h"

#include <linux/sockios.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "progress.h"

#define NS_PER_MS UINT64_C(1000000)
#define TIMEOUT_MS 300u /* the timeout: far more than TCP may delay an acknowledgement */
#define TAKE_EVERY_MS 50u
#define MUCH_BYTES (1u << 20)
#define PIECE_BYTES (64u << 10)

static int ours, theirs;
static int held; /* by the kernel, when the timeout came */
static uint64_t took_ns, came_ns;

static void
take_a_piece(void *argument)
{
    static char bytes[PIECE_BYTES];
    (void)argument;
    if (came_ns != 0)
        return;
    recv(theirs, bytes, sizeof(bytes), MSG_DONTWAIT);
    took_ns = tests_now_ns();
    stage_after(TAKE_EVERY_MS, take_a_piece, NULL);
}

static void
timeout_while_taking(struct endpoint *self, const char *event)
{
    if (strcmp(event, "timeout") != 0)
        return;
    came_ns = tests_now_ns();
    assert_int_equal(ioctl(ours, SIOCOUTQ, &held), 0);
    tr_socket_destroy(self->socket, TR_OK);
    close(theirs);
    stage_end();
}

static void
write_much_to(int family)
{
    int fds[2], room = PIECE_BYTES;
    stage_pair(family, fds);
    ours = fds[0];
    theirs = fds[1];
    assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    memset(&client, 0, sizeof(client));
    came_ns = 0;
    client.hook = timeout_while_taking;
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.timeout_ms = TIMEOUT_MS});
    tr_socket_write_slice(client.socket, pattern(MUCH_BYTES));
    take_a_piece(NULL);
}

static void
write_much_by_tcp(void)
{
    write_much_to(AF_INET);
}

static void
write_much_by_unix(void)
{
    write_much_to(AF_UNIX);
}

/* What has left the kernel's hands is not ours to see. And on a machine that stood still the peer may not have read. */
static void
a_timeout_waits_while_the_peer_takes_what_the_kernel_holds(void **state)
{
    static void (*const plays[])(void) = {write_much_by_tcp, write_much_by_unix};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        stage_play(1, plays[i]);
        assert_true(held == 0 || came_ns - took_ns >= TIMEOUT_MS / 2 * NS_PER_MS);
    }
}

static void
fill(int fd)
{
    static char bytes[65536];
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
}

static void
drain(int fd)
{
    static char bytes[65536];
    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
}

static uint64_t
now_ms(void)
{
    return tests_now_ns() / NS_PER_MS;
}

static bool
has_moved(struct tri_progress *progress, int fd, uint64_t *moved_ms)
{
    return tri_progress_look(progress, fd, now_ms(), moved_ms);
}

struct waiting {
    struct tri_progress *progress;
    int fd, theirs;
    uint64_t *moved_ms;
};

static bool
moves_when_drained(void *argument)
{
    const struct waiting *w = argument;
    drain(w->theirs);
    return has_moved(w->progress, w->fd, w->moved_ms);
}

/* Looks until there is no news: what the kernel does by itself after the last bytes were given is over. */
static bool
stands_still(void *argument)
{
    const struct waiting *w = argument;
    return !has_moved(w->progress, w->fd, w->moved_ms);
}

static void
what_the_peer_takes_is_progress_and_nothing_else_is(void **state)
{
    static const int families[] = {AF_INET, AF_UNIX};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int fds[2];
        stage_pair(families[i], fds);
        struct tri_progress progress = {0};
        uint64_t moved = 0; /* long ago */
        fill(fds[0]);
        struct waiting w = {&progress, fds[0], fds[1], &moved};
        assert_true(tests_wait_until(stands_still, &w, TESTS_LIMIT_MS));
        moved = progress.moved_ms = 0;
        assert_true(tests_wait_until(moves_when_drained, &w, TESTS_LIMIT_MS));
        assert_in_range(moved, 1, now_ms());
        close(fds[0]);
        close(fds[1]);
    }
}

/* TCP tells when it last heard of the peer, so the time of a movement is right whenever it is looked at. */

#define LATE_MS 60u
#define TICKS_MS 20u /* of the kernel's clock and of ours */

static bool
has_gone(void *argument)
{
    int left = 0;
    return ioctl(*(const int *)argument, SIOCOUTQ, &left) == 0 && left == 0;
}

static void
what_the_peer_took_was_taken_when_tcp_heard_of_it(void **state)
{
    (void)state;
    int fds[2];
    char bytes[1000] = {0};
    stage_pair(AF_INET, fds);
    struct tri_progress progress = {0};
    uint64_t moved = 0;
    assert_int_equal(send(fds[0], bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(bytes));
    assert_true(tests_wait_until(has_gone, &fds[0], TESTS_LIMIT_MS));
    uint64_t acknowledged_ms = now_ms();
    tests_let_pass(LATE_MS * NS_PER_MS);
    assert_true(has_moved(&progress, fds[0], &moved));
    assert_in_range(moved, 1, acknowledged_ms + TICKS_MS);
    close(fds[0]);
    close(fds[1]);
}

static void
the_first_look_at_a_unix_socket_after_a_movement_gives_it_the_time_again(void **state)
{
    (void)state;
    int fds[2];
    stage_pair(AF_UNIX, fds);
    struct tri_progress progress = {0};
    uint64_t moved = 5; /* of which the look knows nothing */
    assert_false(has_moved(&progress, fds[0], &moved));
    fill(fds[0]);
    moved = 6;
    assert_true(has_moved(&progress, fds[0], &moved));
    assert_false(has_moved(&progress, fds[0], &moved));
    close(fds[0]);
    close(fds[1]);
}

static void
what_is_no_connection_makes_no_progress(void **state)
{
    (void)state;
    struct tri_progress progress = {0};
    uint64_t moved = 5;
    assert_false(has_moved(&progress, -1, &moved));
    assert_int_equal(moved, 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeout_waits_while_the_peer_takes_what_the_kernel_holds),
        cmocka_unit_test(what_the_peer_takes_is_progress_and_nothing_else_is),
        cmocka_unit_test(what_the_peer_took_was_taken_when_tcp_heard_of_it),
        cmocka_unit_test(the_first_look_at_a_unix_socket_after_a_movement_gives_it_the_time_again),
        cmocka_unit_test(what_is_no_connection_makes_no_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
