/*
 * A Debug build ends a program that holds or releases a slice after its last release, and says where the buffer came
 * from.
 */
#include "mistakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <troupe/core/buffer.h>

static tr_slice
released_copy(void)
{
    tr_slice slice;
    tr_slice_copy("hello", 5, &slice);
    tr_slice_release(slice);
    return slice;
}

static void
release_a_copy_twice(void)
{
    tr_slice_release(released_copy());
}

static void
hold_a_released_copy(void)
{
    tr_slice_hold(released_copy());
}

static void
release_memory_twice(void)
{
    tr_slice slice;
    tr_slice_adopt(malloc(7), 7, free, &slice);
    tr_slice_release(slice);
    tr_slice_release(slice);
}

static void
release_a_part_once_more_than_it_was_held(void)
{
    tr_slice slice;
    tr_slice_copy("hello", 5, &slice);
    tr_slice part = tr_slice_part(slice, 1, 2);
    tr_slice_hold(part);
    for (int i = 0; i < 3; i++)
        tr_slice_release(part);
}

/* The buffer is found although many others were freed since: its head is the last of those that are kept. */
static void
release_again_after_thousands_of_others(void)
{
    tr_slice early = released_copy();
    for (int i = 0; i < 4095; i++)
        released_copy();
    tr_slice_release(early);
}

#define RELEASED(function, size)                                                                                       \
    function "() on a slice whose buffer was released for the last time before; the buffer of " size                   \
             " bytes was made outside of actors"

static const struct mistake mistakes[] = {
    {"twice", release_a_copy_twice, RELEASED("tr_slice_release", "5")},
    {"held", hold_a_released_copy, RELEASED("tr_slice_hold", "5")},
    {"adopted", release_memory_twice, RELEASED("tr_slice_release", "7")},
    {"part", release_a_part_once_more_than_it_was_held, RELEASED("tr_slice_release", "5")},
    {"late", release_again_after_thousands_of_others, RELEASED("tr_slice_release", "5")},
};

#define MISTAKES (sizeof(mistakes) / sizeof(mistakes[0]))

static void
a_slice_that_is_used_after_its_last_release_ends_a_debug_build(void **state)
{
    (void)state;
    mistakes_all_speak(mistakes, MISTAKES);
}

int
main(int argc, char **argv)
{
    mistakes_main(argc, argv, mistakes, MISTAKES);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_that_is_used_after_its_last_release_ends_a_debug_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
