/*
 * Errors that wait in a descriptor, and that what a socket says to its peer it says whoever else has the descriptor.
 */
#include "cast.h"
#include "helpers.h"
#include "kinds_play.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/net_tstamp.h>

/* Errors in the descriptor. */

static void
play_pending_error(void)
{
    adopt_kind((struct tr_socket_options){0});
    tests_peer_reset(theirs);
    end_when_closed();
}

static void
a_reset_that_waits_in_the_descriptor_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].resets) {
            play_kind(&kinds[i], play_pending_error);
            assert_string_equal(client.log, "ECONNRESET close!");
        }
}

static bool reports;

static void
play_reset_after_bytes(void)
{
    adopt_kind((struct tr_socket_options){.report_resets = reports});
    assert_int_equal(write(theirs, "in", 2), 2);
    tests_peer_reset(theirs);
    end_when_closed();
}

static void
a_reset_together_with_the_last_bytes_is_an_end_unless_it_is_to_be_reported(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if (!kinds[i].resets)
            continue;
        reports = false;
        play_kind(&kinds[i], play_reset_after_bytes);
        assert_string_equal(client.log, "data:in end close");
        reports = true;
        play_kind(&kinds[i], play_reset_after_bytes);
        assert_string_equal(client.log, "data:in ECONNRESET close!");
    }
}

/* The peer ends in order, and resets afterwards: what was an end before it was read is none any more. */
static void
play_reset_after_end(void)
{
    adopt_kind((struct tr_socket_options){.report_resets = reports});
    assert_int_equal(write(theirs, "in", 2), 2);
    shutdown(theirs, SHUT_WR);
    tests_peer_reset(theirs);
    end_when_closed();
}

static void
a_reset_after_the_end_is_reported_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if (!kinds[i].resets)
            continue;
        reports = false;
        play_kind(&kinds[i], play_reset_after_end);
        assert_string_equal(client.log, "data:in end close");
        reports = true;
        play_kind(&kinds[i], play_reset_after_end);
        assert_string_equal(client.log, "data:in ECONNRESET close!");
    }
}

#if defined(__linux__)

/* The kernel puts a note into the error queue for every packet that goes out. */
static void
ask_for_notes(void)
{
    int notes = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
    assert_int_equal(setsockopt(ours, SOL_SOCKET, SO_TIMESTAMPING, &notes, sizeof(notes)), 0);
}

static bool
has_error(void)
{
    struct pollfd look = {.fd = ours, .events = 0};
    return poll(&look, 1, 0) == 1 && (look.revents & POLLERR) != 0;
}

static void
ends_when_quiet(void *argument)
{
    (void)argument;
    if (has_error() || client.bytes < 3) {
        stage_after(1, ends_when_quiet, NULL);
        return;
    }
    close(theirs);
}

static void
play_error_queue(void)
{
    adopt_kind((struct tr_socket_options){.report_resets = reports});
    ask_for_notes();
    assert_int_equal(say(client.socket, "out"), TR_OK);
    assert_int_equal(write(theirs, "one", 3), 3);
    ends_when_quiet(NULL);
    end_when_closed();
}

static void
reads_heard(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "data"))
        heard[recv(theirs, heard, sizeof(heard) - 1, 0)] = '\0';
}

static void
what_lies_in_the_error_queue_is_neither_an_end_nor_a_reason_to_spin(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (reports = false;; reports = true) {
            client.hook = reads_heard;
            play_kind(&kinds[i], play_error_queue);
            assert_string_equal(client.log, "data:one end close");
            assert_string_equal(heard, "out");
            if (reports)
                break;
        }
}

#endif

/* Shared descriptors: a duplicate stands for a process that has the descriptor as well. */

static char last_word[64];

/* Reads what the peer gets until it ends, while the duplicate is open. */
static void
look_at_peer(void *argument)
{
    char bytes[64];
    (void)argument;
    ssize_t size = recv(theirs, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (size > 0 || (size < 0 && errno == EAGAIN)) {
        stage_after(1, look_at_peer, NULL);
        return;
    }
    snprintf(last_word, sizeof(last_word), "%s", size == 0 ? "end" : errno == ECONNRESET ? "reset" : strerror(errno));
    close(theirs);
    close(duplicate);
    end_when_closed();
}

enum way { END_FIRST, PEER_FIRST, PEER_FIRST_HALF_OPEN, DESTROY, DESTROY_UNREAD, RESET, STOP, WAYS };

static enum way way;

static void
resets_after(struct endpoint *self, const char *event)
{
    if (is(event, "end") && way == PEER_FIRST_HALF_OPEN)
        tr_socket_end(self->socket);
}

static void
play_shared(void)
{
    adopt_kind((struct tr_socket_options){.allow_half_open = way == PEER_FIRST_HALF_OPEN});
    duplicate = fcntl(ours, F_DUPFD_CLOEXEC, 0);
    switch (way) {
    case END_FIRST: tr_socket_end(client.socket); break;
    case PEER_FIRST:
    case PEER_FIRST_HALF_OPEN: shutdown(theirs, SHUT_WR); break;
    case DESTROY_UNREAD: assert_int_equal(write(theirs, "in", 2), 2); /* fall through */
    case DESTROY: tr_socket_destroy(client.socket, TR_OK); break;
    case RESET: assert_int_equal(tr_socket_reset(client.socket), TR_OK); break;
    default: tr_exit(tr_socket_actor(client.socket)); break;
    }
    look_at_peer(NULL);
}

static void
the_peer_learns_of_our_end_whoever_else_has_the_descriptor(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (way = 0; way < WAYS; way++) {
            bool is_tcp = kinds[i].resets;
            if (way == RESET && !is_tcp)
                continue;
            const char *expected = is_tcp && (way == RESET || way == DESTROY_UNREAD) ? "reset" : "end";
            client.hook = resets_after;
            play_kind(&kinds[i], play_shared);
            if (strcmp(last_word, expected) != 0)
                fail_msg("%s, way %d: %s", kinds[i].name, (int)way, last_word);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_that_waits_in_the_descriptor_is_an_error),
        cmocka_unit_test(a_reset_together_with_the_last_bytes_is_an_end_unless_it_is_to_be_reported),
        cmocka_unit_test(a_reset_after_the_end_is_reported_too),
#if defined(__linux__)
        cmocka_unit_test(what_lies_in_the_error_queue_is_neither_an_end_nor_a_reason_to_spin),
#endif
        cmocka_unit_test(the_peer_learns_of_our_end_whoever_else_has_the_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
