#include "pace_play.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

const struct tr_socket_options pace_first_byte = {.first_byte_timeout_ms = LIMIT_MS};
const struct tr_socket_options pace_rate = {.min_rate = 1000, .min_rate_interval_ms = LIMIT_MS}; /* LIMIT_MS bytes */

struct endpoint pace_other;
int pace_peer, pace_other_peer;
uint64_t pace_began_ns, pace_ended_ns;

int
pace_reset(void **state)
{
    memset(&pace_other, 0, sizeof(pace_other));
    pace_peer = pace_other_peer = -1;
    pace_began_ns = pace_ended_ns = 0;
    return cast_reset(state);
}

void
pace_end(void *argument)
{
    (void)argument;
    if (client.socket != NULL)
        tr_socket_destroy(client.socket, TR_OK);
    if (pace_other.socket != NULL)
        tr_socket_destroy(pace_other.socket, TR_OK);
    if (pace_peer >= 0)
        close(pace_peer);
    if (pace_other_peer >= 0)
        close(pace_other_peer);
    pace_peer = pace_other_peer = -1;
    bool is_played = pace_other.socket != NULL || pace_other.closed;
    stage_end_when_closed((struct endpoint *[]){&client, &pace_other}, is_played ? 2 : 1);
}

void
ends_at_close(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "close"))
        return;
    pace_ended_ns = tests_now_ns();
    stage_settled(pace_end, NULL);
}

void
pace_open_client(struct tr_socket_options options)
{
    if (client.hook == NULL)
        client.hook = ends_at_close;
    pace_began_ns = tests_now_ns();
    cast_open_as(&client, AF_INET, &pace_peer, options);
}

void
pace_open_other(struct tr_socket_options options)
{
    cast_open_as(&pace_other, AF_INET, &pace_other_peer, options);
}

/* libuv closes what was destroyed in one turn in the other order: so it is the errors that are compared. */
void
comes_before_the_client(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "error"))
        assert_int_equal(client.error, TR_OK);
}

void (*pace_then)(void);

void
goes_on_with_the_client(struct endpoint *self, const char *event)
{
    comes_before_the_client(self, event);
    if (!is(event, "close"))
        return;
    pace_began_ns = tests_now_ns();
    pace_then();
}

void
assert_took(uint64_t ms)
{
    assert_true(pace_ended_ns - pace_began_ns >= ms * NS_PER_MS);
}

void
expect_too_slow(const char *log, const char *call)
{
    assert_string_equal(client.log, log);
    assert_int_equal(client.error, TR_ETOOSLOW);
    assert_string_equal(client.call, call);
    assert_int_equal(client.system, 0);
}

void
send_zeroes(int fd, size_t size)
{
    static const char bytes[4096];
    assert_true(tests_peer_send(fd, bytes, size));
}

void
let_it_be(void)
{
    stage_settled(pace_end, NULL);
}
