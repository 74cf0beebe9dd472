/*
 * Monitors and links under seeds: a crowd whose members monitor each other, link and unlink, trap, and end in all ways,
 * some of them at the same moment, and some before they are born.
 *
 * What must hold
 *   - A monitor that was not stopped has told exactly once when everything rests, if the other is gone; never else.
 *   - A monitor is over when its notice was handled or it was stopped: then, and only then, stopping it says TR_EGONE.
 *   - A notice comes after all that the dead one has sent to the watcher.
 *   - The reason is one that the dead one had: its own, that of a kill, or that of somebody it was linked with; and all
 *     who hear of one end hear the same.
 *   - Each link tells each of its two ends once if they trap, and nobody who is unlinked. Who does not trap is gone
 *     when one that it is linked with has failed.
 */
#include "crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>
#include <troupe/actors/watch.h>

#define MONITORS_MOST 1024u

enum monitor_state { RUNS, STOPPED, TOLD };

struct monitored {
    unsigned watcher, whom;
    tr_monitor monitor;
    enum monitor_state state;
};

struct reason {
    bool known;
    tr_status status;
    char text[64];
};

/* What one end of a pair has done, and heard of the other. */
struct tie {
    unsigned links; /* that it has begun, and nobody has ended */
    bool ever;      /* it has begun one */
    bool fresh;     /* since the latest rest: it may be on its way */
    bool is_vague;  /* it has unlinked what may have been on its way */
    unsigned heard;
};

static struct monitored monitors[MONITORS_MOST];
static unsigned monitor_count;
static struct reason reasons[CROWD_MOST];
static struct tie ties[CROWD_MOST][CROWD_MOST]; /* [of whom][with whom] */
static bool traps[CROWD_MOST], fails_at_birth[CROWD_MOST];

static void
forget(tr_runtime *runtime)
{
    (void)runtime;
    monitor_count = 0;
    memset(reasons, 0, sizeof(reasons));
    memset(ties, 0, sizeof(ties));
    memset(traps, 0, sizeof(traps));
    memset(fails_at_birth, 0, sizeof(fails_at_birth));
}

/* Turns. */

static void
remember(unsigned watcher, unsigned whom, tr_monitor monitor)
{
    assert_true(monitor_count < MONITORS_MOST);
    monitors[monitor_count++] = (struct monitored){watcher, whom, monitor, RUNS};
}

static void
monitor_one(tr_actor *self, unsigned who, unsigned whom)
{
    tr_monitor monitor;
    tr_status status = tr_monitor_start(self, crowd[whom].ref, &monitor);
    assert_int_equal(status, who == whom ? TR_ESELF : TR_OK);
    if (status == TR_OK)
        remember(who, whom, monitor);
}

static void
stop_one(tr_actor *self, unsigned who)
{
    for (unsigned i = 0; i < monitor_count; i++) {
        struct monitored *one = &monitors[i];
        if (one->watcher != who || !crowd_once_in(3))
            continue;
        assert_int_equal(tr_monitor_stop(self, one->monitor), one->state == RUNS ? TR_OK : TR_EGONE);
        if (one->state == RUNS)
            one->state = STOPPED;
    }
}

static void
bear_one(tr_actor *self, unsigned who)
{
    tr_monitor monitor;
    bool fails = crowd_once_in(2);
    unsigned number = crowd_bear(self, fails, &monitor);
    if (number == CROWD_NOBODY)
        return;
    fails_at_birth[number] = fails;
    remember(who, number, monitor);
}

static void
link_one(tr_actor *self, unsigned who, unsigned whom)
{
    tr_status status = tr_link(self, crowd[whom].ref);
    assert_int_equal(status, who == whom ? TR_ESELF : TR_OK);
    if (status != TR_OK)
        return;
    ties[who][whom].links++;
    ties[who][whom].ever = ties[who][whom].fresh = true;
    crowd[who].may_be_gone |= !traps[who];
    crowd[whom].may_be_gone |= !traps[whom];
}

static void
unlink_one(tr_actor *self, unsigned who, unsigned whom)
{
    assert_int_equal(tr_unlink(self, crowd[whom].ref), TR_OK);
    struct tie *mine = &ties[who][whom], *others = &ties[whom][who];
    if (mine->heard > 0)
        return; /* there is nobody any more */
    mine->links = 0;
    if (others->fresh)
        mine->is_vague = true;
    else
        others->links = 0;
}

static void
trap(tr_actor *self, unsigned who)
{
    for (unsigned other = 0; other < crowd_born; other++)
        if (ties[who][other].ever || ties[other][who].ever)
            return; /* it is for all of its links, or for none */
    assert_int_equal(tr_link_trap(self, true), TR_OK);
    traps[who] = true;
}

static void
act(tr_actor *self, unsigned who)
{
    unsigned whom = crowd_once_in(6) ? crowd_anybody() : crowd_somebody();
    switch (crowd_roll(16)) {
    case 0: crowd_leave(self, who); break;
    case 1: crowd_stop(self, whom); break;
    case 2: stop_one(self, who); break;
    case 3: bear_one(self, who); break;
    case 4: link_one(self, who, whom); break;
    case 5: unlink_one(self, who, whom); break;
    case 6:
    case 7: trap(self, who); break;
    case 8:
    case 9: crowd_write(self, who, whom, 0); break;
    default: monitor_one(self, who, whom); break;
    }
}

/* Notices. */

static bool
was_linked_with_one_that_had(unsigned who, tr_status status, const char *text)
{
    for (unsigned other = 0; other < crowd_born; other++) {
        bool linked = ties[who][other].ever || ties[other][who].ever;
        const struct reason *reason = &reasons[other];
        if (linked && other != who && crowd[other].may_be_gone &&
            (!reason->known || (reason->status == status && strcmp(reason->text, text) == 0)))
            return true;
    }
    return false;
}

static bool
could_be(unsigned who, tr_status status, const char *text)
{
    char own[64];
    snprintf(own, sizeof(own), "%u fails", who);
    return status == TR_OK || (status == TR_ESTOPPING && crowd_ends) ||
           (status == TR_EKILLED && crowd[who].was_killed) || (status == TR_EINIT && fails_at_birth[who]) ||
           (status == TR_EUSER && strcmp(own, text) == 0) || was_linked_with_one_that_had(who, status, text);
}

/* Who is gone when it is asked for has no reason any more. */
static void
compare_reason(unsigned who, const struct tr_down *down)
{
    struct reason *reason = &reasons[who];
    if (down->status == TR_EGONE)
        return;
    if (reason->known) {
        assert_int_equal(down->status, reason->status);
        assert_string_equal(down->text, reason->text);
        return;
    }
    if (!could_be(who, down->status, down->text))
        fail_msg("%u has ended with %s '%s'", who, tr_status_code(down->status), down->text);
    *reason = (struct reason){.known = true, .status = down->status};
    snprintf(reason->text, sizeof(reason->text), "%s", down->text);
}

static void
hear_of_end(unsigned who, const struct tr_down *down)
{
    for (unsigned i = 0; i < monitor_count; i++) {
        struct monitored *one = &monitors[i];
        if (one->watcher != who || one->monitor != down->monitor)
            continue;
        assert_int_equal(one->state, RUNS);
        assert_int_equal(down->actor, crowd[one->whom].ref);
        one->state = TOLD;
        return;
    }
    fail_msg("%u has heard of a monitor that it did not start", who);
}

static void
hear(tr_actor *self, unsigned who, tr_message *message)
{
    (void)self;
    if (message->tag == TR_TAG_SPAWN_FAILED)
        return;
    const struct tr_down *down = tr_message_data(message);
    unsigned whom = crowd_number(down->actor);
    crowd_is_gone(whom);
    assert_int_equal(crowd_read[whom][who], crowd_written[whom][who]);
    compare_reason(whom, down);
    if (message->tag == TR_TAG_DOWN) {
        hear_of_end(who, down);
        return;
    }
    assert_int_equal(message->tag, TR_TAG_LINK_DOWN);
    assert_true(traps[who]);
    ties[who][whom].heard++;
}

/* At rest. */

static void
each_monitor_has_told_once(void)
{
    for (unsigned i = 0; i < monitor_count; i++) {
        const struct monitored *one = &monitors[i];
        if (!crowd[one->watcher].gone && one->state != STOPPED)
            assert_int_equal(one->state, crowd[one->whom].gone ? TOLD : RUNS);
    }
}

/* Of somebody alive, with somebody gone. How many links acted is known unless one has begun some while the
 * other ended them. */
static void
compare_links(unsigned who, unsigned gone)
{
    const struct tie *mine = &ties[who][gone], *others = &ties[gone][who];
    unsigned links = mine->links + others->links;
    assert_in_range(mine->heard, 0, links);
    if (mine->is_vague || others->is_vague)
        return;
    if (traps[who])
        assert_int_equal(mine->heard, links);
    else if (reasons[gone].known && reasons[gone].status != TR_OK)
        assert_int_equal(links, 0);
}

static void
rest(tr_runtime *runtime)
{
    (void)runtime;
    each_monitor_has_told_once();
    for (unsigned who = 0; who < crowd_born; who++)
        for (unsigned gone = 0; gone < crowd_born; gone++)
            if (!crowd[who].gone && crowd[gone].gone)
                compare_links(who, gone);
            else
                ties[who][gone].fresh = false;
}

static void
whoever_ends_each_monitor_and_each_link_tells_once_under_every_seed(void **state)
{
    (void)state;
    crowd_under_seeds(
        &(struct crowd_play){.size = 9, .turns = 120, .begin = forget, .act = act, .hear = hear, .rest = rest});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_ends_each_monitor_and_each_link_tells_once_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
