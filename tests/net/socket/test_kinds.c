/*
 * Every kind of descriptor that can be polled, times what can happen to it; and that what a socket says to its peer it
 * says whoever else has the descriptor.
 */
#include "cast.h"
#include "fds.h"
#include "helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__linux__)
#include <linux/net_tstamp.h>
#endif

static int ours, theirs, duplicate;
static char heard[64]; /* what the peer has read, and how it ended */

/* Kinds: each makes two ends. */

static void
make_tcp4(void)
{
    int fds[2];
    stage_pair(AF_INET, fds);
    ours = fds[0];
    theirs = fds[1];
}

static void
make_tcp6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    ours = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ours, (struct sockaddr *)&address, size), 0);
    theirs = accept(listener, NULL, NULL);
    close(listener);
}

static void
make_pair(int type)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    ours = fds[0];
    theirs = fds[1];
}

static void
make_unix(void)
{
    make_pair(SOCK_STREAM);
}

static void
make_records(void)
{
    make_pair(SOCK_SEQPACKET);
}

static void
make_pipe(int end)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    ours = fds[end];
    theirs = fds[1 - end];
}

static void
make_pipe_to_read(void)
{
    make_pipe(0);
}

static void
make_pipe_to_write(void)
{
    make_pipe(1);
}

static void
make_fifo(void)
{
    char directory[128], name[160];
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(name, sizeof(name), "%s/fifo", directory);
    assert_int_equal(mkfifo(name, 0600), 0);
    ours = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    theirs = open(name, O_WRONLY | O_CLOEXEC);
    tests_directory_remove(directory);
}

static void
make_terminal(void)
{
    struct termios raw;
    ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(ours >= 0 && grantpt(ours) == 0 && unlockpt(ours) == 0);
    theirs = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(tcgetattr(theirs, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(theirs, TCSANOW, &raw), 0);
}

struct kind {
    const char *name;
    void (*make)(void);
    unsigned sides;
    bool resets;           /* a reset can be sent on it */
    const char *after_end; /* the log, when the peer has written and closed */
    const char *lost;      /* the status of a write to a peer that is gone */
};

static const struct kind kinds[] = {
    {"TCP over IPv4", make_tcp4, 3, true, "data:in end close", NULL},
    {"TCP over IPv6", make_tcp6, 3, true, "data:in end close", NULL},
    {"unix stream", make_unix, 3, false, "data:in end close", "EPIPE"},
    {"unix records", make_records, 3, false, "data:in end close", "EPIPE"},
    {"pipe, reading", make_pipe_to_read, TR_READABLE, false, "data:in end close", NULL},
    {"pipe, writing", make_pipe_to_write, TR_WRITABLE, false, NULL, "EPIPE"},
    {"FIFO, reading", make_fifo, TR_READABLE, false, "data:in end close", NULL},
    {"terminal", make_terminal, 3, false, "data:in EIO close!", NULL}, /* the system's word for a hang-up */
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *kind;

static void
adopt(struct tr_socket_options options)
{
    kind->make();
    assert_true(ours >= 0 && theirs >= 0);
    options.events = &endpoint_events;
    options.data = &client;
    assert_int_equal(tr_socket_adopt(director, ours, kind->sides, &options, &client.socket), TR_OK);
}

static void
play(const struct kind *which, void (*script)(void))
{
    kind = which;
    client = (struct endpoint){.hook = client.hook};
    heard[0] = '\0';
    stage_play(1, script);
    client.hook = NULL;
}

static void
play_peer_closes(void)
{
    adopt((struct tr_socket_options){0});
    assert_int_equal(write(theirs, "in", 2), 2);
    if (strcmp(kind->name, "terminal") != 0) { /* hanging up takes away what was not read */
        close(theirs);
        theirs = -1;
    }
    end_when_closed();
}

static void
closes_terminal(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "data") && theirs >= 0)
        close(theirs);
}

static void
each_kind_is_read_to_its_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].after_end == NULL)
            continue;
        client.hook = closes_terminal;
        play(&kinds[i], play_peer_closes);
        if (strcmp(client.log, kinds[i].after_end) != 0)
            fail_msg("%s: %s", kinds[i].name, client.log);
    }
}

static void
play_write(void)
{
    adopt((struct tr_socket_options){0});
    assert_int_equal(say(client.socket, "out"), TR_OK);
    ssize_t size = read(theirs, heard, sizeof(heard) - 1);
    heard[size > 0 ? size : 0] = '\0';
    tr_socket_destroy(client.socket, TR_OK);
    close(theirs);
    end_when_closed();
}

static void
each_kind_that_can_be_written_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if ((kinds[i].sides & TR_WRITABLE) == 0)
            continue;
        play(&kinds[i], play_write);
        if (strcmp(heard, "out") != 0 || strcmp(client.log, "close") != 0)
            fail_msg("%s: %s, %s", kinds[i].name, heard, client.log);
    }
}

static void
play_lost_write(void)
{
    adopt((struct tr_socket_options){0});
    close(theirs);
    assert_string_equal(tr_status_code(say(client.socket, "out")), kind->lost);
    end_when_closed();
}

static void
each_kind_says_that_nobody_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].lost == NULL)
            continue;
        play(&kinds[i], play_lost_write);
        if (strcmp(client.log, "EPIPE close!") != 0)
            fail_msg("%s: %s", kinds[i].name, client.log);
    }
}

static void
resumes(void *argument)
{
    (void)argument;
    tr_socket_resume(client.socket);
}

static void
pauses_once(struct endpoint *self, const char *event)
{
    if (!is(event, "data") || self->bytes != 2)
        return;
    tr_socket_pause(self->socket);
    assert_int_equal(write(theirs, "more", 4), 4);
    stage_settled(resumes, NULL);
}

static void
play_pause(void)
{
    adopt((struct tr_socket_options){0});
    assert_int_equal(write(theirs, "in", 2), 2);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
closes_after_more(struct endpoint *self, const char *event)
{
    pauses_once(self, event);
    if (is(event, "data") && self->bytes == 6) {
        close(theirs);
        tr_socket_destroy(self->socket, TR_OK);
    }
}

static void
each_kind_that_can_be_read_is_paused_and_resumed(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if ((kinds[i].sides & TR_READABLE) == 0)
            continue;
        client.hook = closes_after_more;
        play(&kinds[i], play_pause);
        if (strcmp(client.log, "data:inmore close") != 0)
            fail_msg("%s: %s", kinds[i].name, client.log);
    }
}

static void
play_options_of_tcp(void)
{
    adopt((struct tr_socket_options){.no_delay = true, .keep_alive = true});
    assert_int_equal(tr_socket_set_no_delay(client.socket, true), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(client.socket, true, 1000), TR_OK);
    assert_int_equal(tr_socket_reset(client.socket), TR_EBADHANDLE);
    assert_false(tr_socket_destroyed(client.socket));
    tr_socket_destroy(client.socket, TR_OK);
    close(theirs);
    end_when_closed();
}

static void
on_what_is_not_tcp_its_options_do_nothing_and_a_reset_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        if (!kinds[i].resets) {
            play(&kinds[i], play_options_of_tcp);
            assert_string_equal(client.log, "close");
        }
}

/* Records: what is offered to a read is 64 KiB. */

static const struct kind *
kind_named(const char *name)
{
    size_t i = 0;
    while (strcmp(kinds[i].name, name) != 0)
        i++;
    return &kinds[i];
}

static size_t record_size;
static bool receives;

static void
play_record(void)
{
    static char record[100000];
    adopt((struct tr_socket_options){.receive_fds = receives});
    assert_int_equal(write(theirs, record, record_size), (ssize_t)record_size);
    close(theirs);
    end_when_closed();
}

static void
a_record_comes_whole_or_is_an_error(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        receives = way == 1;
        record_size = 65536;
        play(kind_named("unix records"), play_record);
        assert_int_equal(client.bytes, 65536);
        record_size = 65537;
        play(kind_named("unix records"), play_record);
        assert_string_equal(client.log, "EMSGSIZE close!");
    }
}

/* What is none. */

static void
refuse(int fd, tr_status expected)
{
    tr_socket *socket = NULL;
    assert_true(fd >= 0);
    tr_status status = tr_socket_adopt(director, fd, TR_READABLE | TR_WRITABLE, NULL, &socket);
    assert_string_equal(tr_status_code(status), tr_status_code(expected));
    assert_int_equal(close(fd), 0);
}

static void
play_refusals(void)
{
    uint16_t port;
    int records[2];
    refuse(open("/dev/null", O_RDWR | O_CLOEXEC), TR_EBADFD);
    refuse(open("/", O_RDONLY | O_CLOEXEC), TR_EBADFD);
    refuse(tests_peer_listen(&port), TR_EBADFD);
    refuse(socket(AF_INET, SOCK_DGRAM, 0), TR_EBADFD);
    refuse(socket(AF_INET, SOCK_STREAM, 0), TR_ENOTCONN);
    refuse(socket(AF_UNIX, SOCK_STREAM, 0), TR_ENOTCONN);
    refuse(socket(AF_UNIX, SOCK_SEQPACKET, 0), TR_ENOTCONN);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, records), 0);
    refuse(records[0], TR_EBADFD); /* an empty one would be taken for the end */
    close(records[1]);
    stage_end();
}

static void
what_is_no_connection_is_refused(void **state)
{
    (void)state;
    stage_play(1, play_refusals);
}

/* Errors in the descriptor. */

static void
play_pending_error(void)
{
    adopt((struct tr_socket_options){0});
    tests_peer_reset(theirs);
    end_when_closed();
}

static void
a_reset_that_waits_in_the_descriptor_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].resets) {
            play(&kinds[i], play_pending_error);
            assert_string_equal(client.log, "ECONNRESET close!");
        }
}

static bool reports;

static void
play_reset_after_bytes(void)
{
    adopt((struct tr_socket_options){.report_resets = reports});
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
        play(&kinds[i], play_reset_after_bytes);
        assert_string_equal(client.log, "data:in end close");
        reports = true;
        play(&kinds[i], play_reset_after_bytes);
        assert_string_equal(client.log, "data:in ECONNRESET close!");
    }
}

/* The peer ends in order, and resets afterwards: what was an end before it was read is none any more. */
static void
play_reset_after_end(void)
{
    adopt((struct tr_socket_options){.report_resets = reports});
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
        play(&kinds[i], play_reset_after_end);
        assert_string_equal(client.log, "data:in end close");
        reports = true;
        play(&kinds[i], play_reset_after_end);
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
    adopt((struct tr_socket_options){.report_resets = reports});
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
            play(&kinds[i], play_error_queue);
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
resets(struct endpoint *self, const char *event)
{
    if (is(event, "end") && way == PEER_FIRST_HALF_OPEN)
        tr_socket_end(self->socket);
}

static void
play_shared(void)
{
    adopt((struct tr_socket_options){.allow_half_open = way == PEER_FIRST_HALF_OPEN});
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
            client.hook = resets;
            play(&kinds[i], play_shared);
            if (strcmp(last_word, expected) != 0)
                fail_msg("%s, way %d: %s", kinds[i].name, (int)way, last_word);
        }
}

/* Descriptors that come. */

static int came;

static void
counts(struct endpoint *self, const char *event)
{
    if (is(event, "fd")) {
        came++;
        self->log[0] = '\0';
    }
}

static void
play_many(void)
{
    adopt((struct tr_socket_options){.receive_fds = true});
    send_fds(theirs, STDERR_FILENO, SEND_FDS_MOST, "m");
    close(theirs);
    end_when_closed();
}

static void
as_many_descriptors_as_the_system_sends_at_once_arrive(void **state)
{
    (void)state;
    came = 0;
    client.hook = counts;
    play(&kinds[2], play_many);
    assert_int_equal(came, SEND_FDS_MOST);
    assert_string_equal(client.log, "data:m end close");
}

/* The hogs go when the socket has failed. */
static int hogs[64], hog_count;
static struct rlimit limits_before;

static void
let_hogs_go(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "error"))
        return;
    while (hog_count > 0)
        close(hogs[--hog_count]);
    close(theirs);
}

static void
play_no_number_free(void)
{
    adopt((struct tr_socket_options){.receive_fds = true});
    struct rlimit before, few = {.rlim_cur = 64};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (hog_count < 64 && (hogs[hog_count] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
        hog_count++;
    assert_true(hog_count > 0 && errno == EMFILE);
    send_fds(theirs, STDERR_FILENO, 1, "x");
    limits_before = before;
    end_when_closed();
}

static void
a_descriptor_that_has_no_number_to_come_to_ends_the_stream_before_its_bytes(void **state)
{
    (void)state;
    client.hook = let_hogs_go;
    play(&kinds[2], play_no_number_free);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limits_before), 0);
    assert_string_equal(client.log, "EMFILE close!");
    assert_string_equal(client.call, "read");
    assert_int_equal(client.bytes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read_to_its_end),
        cmocka_unit_test(each_kind_that_can_be_written_is),
        cmocka_unit_test(each_kind_says_that_nobody_reads),
        cmocka_unit_test(each_kind_that_can_be_read_is_paused_and_resumed),
        cmocka_unit_test(on_what_is_not_tcp_its_options_do_nothing_and_a_reset_is_refused),
        cmocka_unit_test(a_record_comes_whole_or_is_an_error),
        cmocka_unit_test(what_is_no_connection_is_refused),
        cmocka_unit_test(a_reset_that_waits_in_the_descriptor_is_an_error),
        cmocka_unit_test(a_reset_together_with_the_last_bytes_is_an_end_unless_it_is_to_be_reported),
        cmocka_unit_test(a_reset_after_the_end_is_reported_too),
#if defined(__linux__)
        cmocka_unit_test(what_lies_in_the_error_queue_is_neither_an_end_nor_a_reason_to_spin),
#endif
        cmocka_unit_test(the_peer_learns_of_our_end_whoever_else_has_the_descriptor),
        cmocka_unit_test(a_descriptor_that_has_no_number_to_come_to_ends_the_stream_before_its_bytes),
        cmocka_unit_test(as_many_descriptors_as_the_system_sends_at_once_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
