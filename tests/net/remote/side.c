#include "side.h"

#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

const struct tr_socket_events side_events = {.error = note_error, .close = note_close};

void
note_error(tr_socket *socket, const struct tr_error *error)
{
    struct side *side = tr_socket_data(socket);
    side->error = error->status;
}

void
note_close(tr_socket *socket, bool had_error)
{
    struct side *side = tr_socket_data(socket);
    (void)had_error;
    __atomic_store_n(&side->closed, true, __ATOMIC_SEQ_CST);
}

static void
adopt(tr_actor *self, void *argument)
{
    struct side *side = argument;
    if (side->options.events == NULL)
        side->options.events = &side_events;
    side->options.data = side;
    assert_int_equal(tr_socket_adopt(self, side->fd, TR_READABLE | TR_WRITABLE, &side->options, &side->socket), TR_OK);
    side->ref = tr_socket_ref(side->socket);
}

void
open_side(struct side *side, unsigned worker)
{
    int fds[2];
    hands_pair(fds);
    side->worker = worker;
    side->fd = fds[0];
    side->peer = fds[1];
    on_worker(worker, adopt, side);
}

bool
is_closed(void *side)
{
    return __atomic_load_n(&((struct side *)side)->closed, __ATOMIC_SEQ_CST);
}

void
await_closed(struct side *side)
{
    assert_true(tests_wait_until(is_closed, side, TESTS_LIMIT_MS));
}

void
destroy_side(tr_actor *self, void *side)
{
    (void)self;
    tr_socket_destroy(((struct side *)side)->socket, TR_OK);
}
