/*
 * Names under seeds: a crowd whose members register, release, watch and look up a few names, and end in all ways.
 *
 * What must hold
 *   - A name has one owner at any time: who has it keeps it until it releases it or is gone, and nobody else gets it
 *     before.
 *   - A look-up finds the owner, and nobody else, and nobody once the owner's end was told.
 *   - Who watches a name hears who has it when the watch begins, and then of every change, each once, in the order in
 *     which they happened; and nothing after it has stopped the watch.
 *   - A change is heard of before what the actor that caused it sends afterwards.
 *
 * All that happened to a name is a list. Of an owner that was killed nobody knows when it went: it is taken from the
 * list when that is first seen, and the test fails if that could not be.
 */
#include "crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/names.h>
#include <troupe/actors/watch.h>

#define NAMES 3u
#define CHANGES_MOST 512u

struct watcher {
    bool watches, is_told_first; /* the owner, when the watch begins */
    unsigned from, heard;        /* changes */
};

static struct {
    unsigned owners[CHANGES_MOST]; /* after each change */
    unsigned changes;
    struct watcher watchers[CROWD_MOST];
} names[NAMES];

static const char *const texts[NAMES] = {"db", "room/42", "a name of more than two words of the table"};

static unsigned
owner_of(unsigned name)
{
    return names[name].changes > 0 ? names[name].owners[names[name].changes - 1] : CROWD_NOBODY;
}

static void
change(unsigned name, unsigned owner)
{
    assert_true(names[name].changes < CHANGES_MOST);
    names[name].owners[names[name].changes++] = owner;
}

/* Somebody has seen that nobody has the name. */
static void
has_no_owner(unsigned name)
{
    if (owner_of(name) == CROWD_NOBODY)
        return;
    crowd_is_gone(owner_of(name));
    change(name, CROWD_NOBODY);
}

static void
has_owner(unsigned name, tr_ref ref)
{
    if (ref == TR_NOBODY)
        has_no_owner(name);
    else
        assert_int_equal(crowd_number(ref), owner_of(name));
}

/* Turns. */

/* It has agreed to end, and begins nothing any more. */
static bool
is_refused(unsigned who, tr_status status)
{
    if (status == TR_EGONE)
        assert_true(crowd[who].may_be_gone);
    return status == TR_EGONE;
}

static void
take(tr_actor *self, unsigned who, unsigned name)
{
    unsigned before = owner_of(name);
    tr_status status = tr_name_register(self, texts[name]);
    if (status == TR_ENAMETAKEN) {
        assert_int_not_equal(before, who);
        has_owner(name, tr_whereis(self, texts[name]));
        assert_int_equal(owner_of(name), before);
        assert_int_not_equal(before, CROWD_NOBODY);
        return;
    }
    if (is_refused(who, status))
        return;
    assert_int_equal(status, TR_OK);
    if (before == who)
        return;
    has_no_owner(name);
    change(name, who);
    assert_int_equal(tr_whereis(self, texts[name]), tr_self(self));
}

static void
release(tr_actor *self, unsigned who, unsigned name)
{
    bool mine = owner_of(name) == who;
    assert_int_equal(tr_name_release(self, texts[name]), mine ? TR_OK : TR_ENOTNAMED);
    if (mine)
        change(name, CROWD_NOBODY);
}

static void
watch(tr_actor *self, unsigned who, unsigned name)
{
    struct watcher *mine = &names[name].watchers[who];
    has_owner(name, tr_whereis(self, texts[name]));
    tr_status status = tr_name_watch(self, texts[name]);
    if (is_refused(who, status))
        return;
    assert_int_equal(status, TR_OK);
    if (mine->watches)
        return;
    unsigned changes = names[name].changes;
    *mine = (struct watcher){true, owner_of(name) != CROWD_NOBODY, changes, changes};
}

static void
unwatch(tr_actor *self, unsigned who, unsigned name)
{
    struct watcher *mine = &names[name].watchers[who];
    assert_int_equal(tr_name_unwatch(self, texts[name]), mine->watches ? TR_OK : TR_ENOTWATCHED);
    mine->watches = false;
}

static void
read_own_name(tr_actor *self, unsigned who)
{
    const char *text = tr_name_of(self);
    bool has_one = false;
    for (unsigned name = 0; name < NAMES; name++)
        has_one |= owner_of(name) == who;
    assert_int_equal(text != NULL, has_one);
    if (text != NULL)
        assert_int_equal(tr_whereis(self, text), tr_self(self));
}

/* What it has changed is known to whoever reads the letter. */
static void
write_of_change(tr_actor *self, unsigned who, unsigned name)
{
    crowd_write(self, who, crowd_somebody(), (uint64_t)name << 32 | names[name].changes);
}

static void
act(tr_actor *self, unsigned who)
{
    unsigned name = crowd_roll(NAMES);
    switch (crowd_roll(20)) {
    case 0: crowd_leave(self, who); break;
    case 1: crowd_stop(self, crowd_somebody()); break;
    case 2:
    case 3:
    case 4: release(self, who, name); break;
    case 5:
    case 6:
    case 7: watch(self, who, name); break;
    case 8: unwatch(self, who, name); break;
    case 9: has_owner(name, tr_whereis(self, texts[name])); break;
    case 10: read_own_name(self, who); break;
    case 11: tr_monitor_start(self, crowd[crowd_somebody()].ref, NULL); break;
    default:
        take(self, who, name);
        if (owner_of(name) == who)
            write_of_change(self, who, name);
        break;
    }
}

/* News. */

static void
hear_of_change(unsigned who, const struct tr_name_change *news)
{
    unsigned name = 0;
    while (name < NAMES && strcmp(news->name, texts[name]) != 0)
        name++;
    assert_true(name < NAMES);
    struct watcher *mine = &names[name].watchers[who];
    assert_true(mine->watches);
    if (mine->is_told_first) {
        assert_int_equal(news->ref, crowd[names[name].owners[mine->from - 1]].ref);
        mine->is_told_first = false;
        return;
    }
    if (mine->heard == names[name].changes && news->ref == TR_NOBODY)
        has_no_owner(name);
    assert_true(mine->heard < names[name].changes);
    unsigned owner = names[name].owners[mine->heard++];
    assert_int_equal(news->ref, owner != CROWD_NOBODY ? crowd[owner].ref : TR_NOBODY);
}

static void
hear(tr_actor *self, unsigned who, tr_message *message)
{
    if (message->tag == TR_TAG_NAME) {
        hear_of_change(who, tr_message_data(message));
        return;
    }
    assert_int_equal(message->tag, TR_TAG_DOWN);
    tr_ref gone = ((const struct tr_down *)tr_message_data(message))->actor;
    for (unsigned name = 0; name < NAMES; name++)
        assert_int_not_equal(tr_whereis(self, texts[name]), gone);
}

static void
read_of_change(unsigned from, unsigned who, uint64_t word)
{
    unsigned name = (unsigned)(word >> 32), changes = (uint32_t)word;
    const struct watcher *mine = &names[name].watchers[who];
    (void)from;
    if (mine->watches && mine->from < changes)
        assert_true(mine->heard >= changes);
}

/* Before the names of who has ended are gone. */
static void
end(unsigned who)
{
    for (unsigned name = 0; name < NAMES; name++)
        names[name].watchers[who].watches = false;
}

static void
rest(tr_runtime *runtime)
{
    for (unsigned name = 0; name < NAMES; name++) {
        has_owner(name, tr_runtime_whereis(runtime, texts[name]));
        for (unsigned who = 0; who < crowd_born; who++) {
            const struct watcher *watcher = &names[name].watchers[who];
            if (crowd[who].gone || !watcher->watches)
                continue;
            assert_false(watcher->is_told_first);
            assert_int_equal(watcher->heard, names[name].changes);
        }
    }
}

static void
begin(tr_runtime *runtime)
{
    (void)runtime;
    memset(names, 0, sizeof(names));
}

static void
a_name_has_one_owner_and_each_watcher_hears_each_change_once_under_every_seed(void **state)
{
    (void)state;
    crowd_under_seeds(&(struct crowd_play){.size = 7,
                                           .turns = 120,
                                           .begin = begin,
                                           .act = act,
                                           .hear = hear,
                                           .read = read_of_change,
                                           .end = end,
                                           .rest = rest});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_one_owner_and_each_watcher_hears_each_change_once_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
