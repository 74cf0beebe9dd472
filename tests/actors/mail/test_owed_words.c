/*
 * Whom a word that is owed keeps waiting, and whom it doesn't; and what is refused, or bounces, without memory.
 */
#include "actor_internal.h"
#include "body.h"
#include "counting.h"
#include "fault.h"
#include "helpers.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { GO = 1, NUMBER };

#define TOLD (TRI_TAG_TOLD + 1)

static struct tally said;

static int
reset(void **state)
{
    (void)state;
    fault_spare_me(true);
    said = received = stopped = (struct tally){0};
    return 0;
}

/* -- Words that fail so many times, and are written down when they are said. -- */

struct trial {
    struct tri_owed owed; /* first */
    unsigned failures;    /* that are left */
    unsigned tried;
};

static struct trial trials[3];
static unsigned order[3]; /* in which they were said */

static bool
try_to_say(struct tri_worker *worker, struct tri_owed *owed)
{
    struct trial *trial = (struct trial *)owed;
    (void)worker;
    trial->tried++;
    if (trial->failures > 0) {
        trial->failures--;
        return false;
    }
    order[tally_read(&said)] = (unsigned)(trial - trials);
    tally_add(&said, 1);
    return true;
}

static void
owe(tr_actor *self, unsigned i, unsigned failures, tr_ref to)
{
    trials[i] = (struct trial){.owed = {.send = try_to_say, .to = to}, .failures = failures};
    tri_owe(tri_actor_worker(self), &trials[i].owed);
}

/* The first two go to another worker, the third stays here. */
static tr_status
owes_three_init(tr_actor *self, void *state, const void *argument)
{
    tr_ref far = *(const tr_ref *)argument;
    (void)state;
    owe(self, 0, 3, far);
    owe(self, 1, 0, far);
    owe(self, 2, 0, tr_self(self));
    return TR_OK;
}

static void
a_word_waits_for_one_that_is_owed_to_the_same_worker_and_for_no_other(void **state)
{
    static const struct tr_behavior far = {.name = "far", .receive = ignore};
    static const struct tr_behavior owes = {.name = "owes", .init = owes_three_init, .receive = ignore};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref to = stage_spawn(runtime, &far, 1, NULL);
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .worker = 0, .argument = &to, .argument_size = sizeof(to)};
    tr_ref ref;
    assert_int_equal(tr_runtime_spawn(runtime, &owes, &options, &ref), TR_OK);
    tally_await(&said, 3);
    stage_close(runtime);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 0);
    assert_int_equal(order[2], 1);
}

/* A worker that kills what is left says what it has to say at once: nothing that is owed will be said any more. */

static tr_status killed_tells;
static unsigned tried_before, tried_after;

static tr_status
owes_for_ever_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    owe(self, 0, UINT_MAX, tr_self(self));
    return TR_OK;
}

static bool
tells_when_killed(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)state;
    if (how != TR_STOP_KILL)
        return false;
    tried_before = trials[0].tried;
    killed_tells = tr_tell(self, tr_self(self) + 7, NUMBER, NULL, 0); /* there is nobody */
    tried_after = trials[0].tried;
    tally_add(&stopped, 1);
    return true;
}

static void
what_is_owed_blocks_nothing_while_the_worker_kills(void **state)
{
    static const struct tr_behavior owes = {
        .name = "owes", .init = owes_for_ever_init, .receive = ignore, .stopping = tells_when_killed};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    stage_spawn(runtime, &owes, 0, NULL);
    assert_int_equal(tr_runtime_stop(runtime, 0, NULL), TR_ETIMEDOUT_STOP);
    assert_int_equal(tally_read(&stopped), 1);
    assert_int_equal(killed_tells, TR_EGONE);
    assert_int_equal(tried_before, tried_after);
}

/* -- One that is on its way is not gone, although there is no memory for its mail. -- */

#define BODIES 4096u

static tr_ref coming;
static tr_status without_memory, with_memory;
static tr_actor *bodies[BODIES];

/* Takes the memory of all actors for which there is some; a message has its own. */
static unsigned
take_bodies(struct tri_actors *home)
{
    static const struct tr_behavior nothing = {.name = "nothing"};
    unsigned count = 0;
    while (count < BODIES && (bodies[count] = tri_actor_new(home, &nothing, TR_NOBODY)) != NULL)
        count++;
    assert_true(count < BODIES);
    return count;
}

static void
tells_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
    unsigned count = take_bodies(self->home);
    without_memory = tr_tell(self, coming, NUMBER, NULL, 0);
    fault_clear();
    while (count > 0)
        tri_actor_free(bodies[--count]);
    with_memory = tr_tell(self, coming, NUMBER, NULL, 0);
    tally_add(&said, 1);
}

static void
a_message_to_one_that_is_coming_fails_for_lack_of_memory_and_not_of_a_receiver(void **state)
{
    static const struct tr_behavior tells = {.name = "tells", .receive = tells_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(tri_slots_reserve(&tri_actors_of(runtime->core->workers[0])->slots, &coming), TR_OK);
    stage_send(runtime, stage_spawn(runtime, &tells, 0, NULL), GO, NULL, 0);
    tally_await(&said, 1);
    assert_int_equal(without_memory, TR_ENOMEM);
    assert_int_equal(with_memory, TR_OK);
    stage_close(runtime);
}

/* -- A message that bounces without memory for the word to its sender does so when its handler has returned. -- */

static unsigned reason;
static tr_ref never;

static void
undertaker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    const struct tr_dead_letter *letter = tr_message_data(message);
    if (message->tag != TR_TAG_DEAD_LETTER || letter->tag != TOLD)
        return;
    reason = letter->reason;
    tally_add(&said, 1);
}

static void
bouncer_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message fill = tr_message_signal(NUMBER);
    (void)state;
    if (message->tag != TOLD)
        return;
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
    while (tr_send(self, never, &fill) == TR_OK)
        fill = tr_message_signal(NUMBER);
    tri_actor_bounce(self, message);
    assert_int_equal(tally_read(&said), 0);
    fault_clear();
}

static const struct tr_behavior bouncer = {.name = "bouncer", .receive = bouncer_receive};

static void
sender_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_message told = tr_message_signal(TOLD);
    if (message->tag == TRI_TAG_UNDELIVERED)
        tally_add(&received, 1);
    else
        tri_send_system(tri_actor_worker(self), self, message->payload.words[0], &told);
}

static void
a_message_that_bounces_without_memory_has_met_one_that_takes_no_more(void **state)
{
    static const struct tr_behavior undertaker = {.name = "undertaker", .receive = undertaker_receive};
    static const struct tr_behavior sender = {.name = "sender", .receive = sender_receive};
    (void)state;
    reason = UINT_MAX;
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(tri_slots_reserve(&tri_actors_of(runtime->core->workers[0])->slots, &never), TR_OK);
    stage_send(runtime, never, NUMBER, NULL, 0); /* somebody holds its mail from now on */
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 0, NULL)), TR_OK);
    tr_ref to = stage_spawn(runtime, &bouncer, 0, NULL);
    stage_send(runtime, stage_spawn(runtime, &sender, 0, NULL), GO, &to, sizeof(to));
    tally_await(&said, 1);
    tally_await(&received, 1);
    stage_close(runtime);
    assert_int_equal(reason, TR_DEAD_STOPPED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_word_waits_for_one_that_is_owed_to_the_same_worker_and_for_no_other, reset),
        cmocka_unit_test_setup(what_is_owed_blocks_nothing_while_the_worker_kills, reset),
        cmocka_unit_test_setup(a_message_to_one_that_is_coming_fails_for_lack_of_memory_and_not_of_a_receiver, reset),
        cmocka_unit_test_setup(a_message_that_bounces_without_memory_has_met_one_that_takes_no_more, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
