/*
 * Every kind of descriptor that can be polled, times what can happen to it.
 */
#include "cast.h"
#include "fds.h"
#include "helpers.h"
#include "kinds_play.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/net_tstamp.h>

static void
play_peer_closes(void)
{
    adopt_kind((struct tr_socket_options){0});
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
        play_kind(&kinds[i], play_peer_closes);
        if (strcmp(client.log, kinds[i].after_end) != 0)
            fail_msg("%s: %s", kinds[i].name, client.log);
    }
}

static void
play_write(void)
{
    adopt_kind((struct tr_socket_options){0});
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
        play_kind(&kinds[i], play_write);
        if (strcmp(heard, "out") != 0 || strcmp(client.log, "close") != 0)
            fail_msg("%s: %s, %s", kinds[i].name, heard, client.log);
    }
}

static void
play_lost_write(void)
{
    adopt_kind((struct tr_socket_options){0});
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
        play_kind(&kinds[i], play_lost_write);
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
    adopt_kind((struct tr_socket_options){0});
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
        play_kind(&kinds[i], play_pause);
        if (strcmp(client.log, "data:inmore close") != 0)
            fail_msg("%s: %s", kinds[i].name, client.log);
    }
}

static void
play_options_of_tcp(void)
{
    adopt_kind((struct tr_socket_options){.no_delay = true, .keep_alive = true});
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
            play_kind(&kinds[i], play_options_of_tcp);
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
    adopt_kind((struct tr_socket_options){.receive_fds = receives});
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
        play_kind(kind_named("unix records"), play_record);
        assert_int_equal(client.bytes, 65536);
        record_size = 65537;
        play_kind(kind_named("unix records"), play_record);
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
    adopt_kind((struct tr_socket_options){.receive_fds = true});
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
    play_kind(&kinds[2], play_many);
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
    adopt_kind((struct tr_socket_options){.receive_fds = true});
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
    play_kind(&kinds[2], play_no_number_free);
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
#if defined(__linux__)
#endif
        cmocka_unit_test(a_descriptor_that_has_no_number_to_come_to_ends_the_stream_before_its_bytes),
        cmocka_unit_test(as_many_descriptors_as_the_system_sends_at_once_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
