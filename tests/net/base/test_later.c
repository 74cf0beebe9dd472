/*
 * Later work of a worker: what is due when the callback that asked for it has returned.
 */
#include "play.h"
#include "server_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct tri_net *net;
static struct tri_later works[5];
static char order[32];

static void
work(struct tri_later *later)
{
    order[strlen(order)] = (char)('0' + (later - works));
}

static void
add(unsigned i)
{
    tri_later_add(net, &works[i], work);
}

/* The first of a turn: takes one out that would come next, one that comes last, and asks for itself and another. */
static void
first_work(struct tri_later *later)
{
    work(later);
    tri_later_remove(net, &works[1]);
    tri_later_remove(net, &works[3]);
    tri_later_remove(net, &works[3]); /* it is not due any more */
    add(0);
    add(4);
    tri_later_remove(net, &works[4]); /* of the next turn */
    add(3);
}

static void
script(void)
{
    net = tri_net_of(tri_actor_worker(director));
    memset(works, 0, sizeof(works));
    memset(order, 0, sizeof(order));
    tri_later_add(net, &works[0], first_work);
    for (unsigned i = 1; i < 4; i++)
        add(i);
    add(2); /* once, however often it is asked for */
    assert_string_equal(order, "");
    stage_settled(end_play, NULL);
}

static void
what_is_due_later_comes_once_in_its_order_unless_it_is_removed(void **state)
{
    (void)state;
    stage_play(1, script);
    assert_string_equal(order, "0203"); /* 0 and 2, and in the next turn 0 and 3 */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_later_comes_once_in_its_order_unless_it_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
