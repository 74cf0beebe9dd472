#include "secure_play.h"

#include "cast.h"
#include "reading_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct toy_wire wire;

int
secure_reset(void **state)
{
    cast_reset(state);
    memset(&wire, 0, sizeof(wire));
    memset(&other, 0, sizeof(other));
    return 0;
}

int
expect_no_toys(void **state)
{
    (void)state;
    assert_int_equal(toys, 0);
    return 0;
}

struct toy *
serve_as(const struct tri_secure_options *options)
{
    struct toy *toy;
    assert_int_equal(toy_secure(client.socket, true, options, &toy), TR_OK);
    return toy;
}

void
open_secure_raw(struct tr_socket_options options)
{
    if (client.hook == NULL)
        client.hook = closes_peer;
    open_reader(options);
}

bool
both_are_secure(void)
{
    return strstr(client.log, "secure") != NULL && strstr(other.log, "secure") != NULL;
}

void
end_when_pair_is_closed(void)
{
    struct endpoint *both[] = {&client, &other};
    stage_end_when_closed(both, 2);
}
