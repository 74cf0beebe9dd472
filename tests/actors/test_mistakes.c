/*
 * A Debug build ends a program that makes one of these mistakes, with a line that names it.
 */
#include "mistakes.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/become.h>
#include <troupe/actors/failure.h>
#include <troupe/actors/group.h>
#include <troupe/actors/local.h>
#include <troupe/actors/names.h>
#include <troupe/actors/router.h>
#include <troupe/actors/supervisor.h>
#include <troupe/actors/tracing.h>
#include <troupe/actors/watch.h>
#include <troupe/core/compiler.h>
#include <uv.h>

/* An actor that shows its `self` to everybody, which no program should do. */

static tr_actor *volatile shown;
static uv_sem_t is_shown;

static tr_status
show_self(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    shown = self;
    uv_sem_post(&is_shown);
    return TR_OK;
}

static const struct tr_behavior shows_itself = {.name = "exhibitionist", .init = show_self, .receive = ignore};

/* Starts two workers with the actor on worker 1, and returns its self to this thread, which is no worker. */
static tr_actor *
self_of_another(void)
{
    tr_runtime *runtime = stage_open(2);
    uv_sem_init(&is_shown, 0);
    stage_spawn(runtime, &shows_itself, 1, NULL);
    uv_sem_wait(&is_shown);
    return shown;
}

#define FROM_OUTSIDE " was called on a thread that is no worker, but what it was called for lives on worker 1"
#define MISUSE(function, ...)                                                                                          \
    static void misuse_##function(void)                                                                                \
    {                                                                                                                  \
        tr_actor *self = self_of_another();                                                                            \
        tr_message message = tr_message_signal(1);                                                                     \
        (void)message;                                                                                                 \
        (void)function(__VA_ARGS__);                                                                                   \
    }
#define ROW(function)                                                                                                  \
    {                                                                                                                  \
#function, misuse_##function, #function "()" FROM_OUTSIDE                                                      \
    }

static void *
work(void *argument)
{
    return argument;
}

MISUSE(tr_send, self, TR_NOBODY, &message)
MISUSE(tr_backlog, self, TR_NOBODY)
MISUSE(tr_send_after, self, TR_NOBODY, 1, &message, NULL)
MISUSE(tr_send_every, self, TR_NOBODY, 1, &message, NULL)
MISUSE(tr_timer_cancel, self, 0)
MISUSE(tr_reject, self, &message)
MISUSE(tr_offload, self, work, NULL, 1, NULL)
MISUSE(tr_offload_job, self, &(struct tr_job){.work = work})
MISUSE(tr_spawn, self, &shows_itself, NULL, NULL)
MISUSE(tr_exit, self)
MISUSE(tr_stop, self, TR_NOBODY, TR_STOP_NOW)
MISUSE(tr_self, self)
MISUSE(tr_parent, self)
MISUSE(tr_state, self)
MISUSE(tr_actor_runtime, self)
MISUSE(tr_actor_loop, self)
MISUSE(tr_now, self)
MISUSE(tr_local, self, &(struct tr_local_kind){.name = "local"})
MISUSE(tr_local_open, self, &(struct tr_local_kind){.name = "local"}, &(void *){NULL})
MISUSE(tr_ask, self, TR_NOBODY, &message, NULL)
MISUSE(tr_ask_cancel, self, 1)
MISUSE(tr_answers, self)
MISUSE(tr_reply, self, &message)
MISUSE(tr_question_keep, self, &(tr_question){0})
MISUSE(tr_question_reply, self, &(tr_question){0}, &message)
MISUSE(tr_refuse, self, TR_EIO)
MISUSE(tr_question_refuse, self, &(tr_question){0}, TR_EIO)
MISUSE(tr_forward, self, TR_NOBODY, &message)
MISUSE(tr_question_forward, self, &(tr_question){0}, TR_NOBODY, &message)
MISUSE(tr_time_left, self)
MISUSE(tr_become, self, &shows_itself)
MISUSE(tr_stash, self, &message)
MISUSE(tr_unstash, self)
MISUSE(tr_stash_limit, self, 1)
MISUSE(tr_receive_timeout, self, 1)
MISUSE(tr_fail, self, TR_EIO, NULL)
MISUSE(tr_alloc, self, 1)
MISUSE(tr_monitor_start, self, TR_NOBODY, NULL)
MISUSE(tr_monitor_stop, self, 1)
MISUSE(tr_link, self, TR_NOBODY)
MISUSE(tr_unlink, self, TR_NOBODY)
MISUSE(tr_link_trap, self, true)
MISUSE(tr_name_register, self, "name")
MISUSE(tr_name_release, self, "name")
MISUSE(tr_name_watch, self, "name")
MISUSE(tr_name_unwatch, self, "name")
MISUSE(tr_whereis, self, "name")
MISUSE(tr_name_of, self)
MISUSE(tr_group_join, self, NULL)
MISUSE(tr_group_leave, self, NULL)
MISUSE(tr_group_add, self, TR_NOBODY, NULL)
MISUSE(tr_group_remove, self, TR_NOBODY, NULL)
MISUSE(tr_group_publish, self, NULL, &message)
MISUSE(tr_group_publish_to_others, self, NULL, &message)
MISUSE(tr_group_local, self, NULL, NULL, 0)
MISUSE(tr_group_list, self, NULL, 0)
MISUSE(tr_group_watch_start, self, NULL, &(tr_group_watch){0})
MISUSE(tr_group_watch_stop, self, 1)
MISUSE(tr_route, self, NULL, 0, &message)
MISUSE(tr_route_choose, self, NULL, 0)
MISUSE(tr_supervisor_spawn, self, &(struct tr_supervisor_options){0}, NULL)
MISUSE(tr_supervisor_add, self, TR_NOBODY, &(struct tr_child_spec){0}, NULL)
MISUSE(tr_supervisor_remove, self, TR_NOBODY, "name", NULL)
MISUSE(tr_supervisor_child, self, TR_NOBODY, "name", NULL)
MISUSE(tr_bequeath, self, NULL, NULL)
MISUSE(tr_inheritance, self)
MISUSE(tr_trace_mark, self, "mark", 1)

static void
tell_from_outside(void)
{
    tr_tell(self_of_another(), TR_NOBODY, 1, NULL, 0);
}

/* From another worker. */

static void
send_as_the_other(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_send(shown, tr_self(self), message);
}

static void
send_from_another_worker(void)
{
    static const struct tr_behavior confused = {.name = "confused", .receive = send_as_the_other};
    tr_runtime *runtime = stage_open(2);
    uv_sem_init(&is_shown, 0);
    stage_spawn(runtime, &shows_itself, 1, NULL);
    uv_sem_wait(&is_shown);
    stage_send(runtime, stage_spawn(runtime, &confused, 0, NULL), 1, NULL, 0);
    tr_runtime_wait(runtime);
}

/* After the actor's end, which AddressSanitizer sees first, in its own words. */

#ifndef TRI_ASAN
static tr_actor *ended;

static void
use_the_ended(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state;
    tr_send(ended, TR_NOBODY, message);
}

static tr_status
spawn_and_end_a_child(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    tr_ref child;
    uv_sem_init(&is_shown, 0);
    tr_spawn(self, &shows_itself, NULL, &child);
    ended = shown;
    return tr_stop(self, child, TR_STOP_KILL);
}

static void
use_after_the_end(void)
{
    static const struct tr_behavior user = {.name = "user", .init = spawn_and_end_a_child, .receive = use_the_ended};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &user, 0, NULL), 1, NULL, 0);
    tr_runtime_wait(runtime);
}
#endif

/* A buffer says which actor made it, in which message. */

static void
release_twice(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
    tr_slice slice;
    tr_slice_copy("hello", 5, &slice);
    tr_slice_release(slice);
    tr_slice_release(slice);
}

static void
release_twice_in_an_actor(void)
{
    static const struct tr_behavior careless = {.name = "careless", .receive = release_twice};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &careless, 0, NULL), 7, NULL, 0);
    tr_runtime_wait(runtime);
}

static const struct mistake mistakes[] = {
    ROW(tr_send),
    ROW(tr_backlog),
    ROW(tr_send_after),
    ROW(tr_send_every),
    ROW(tr_timer_cancel),
    ROW(tr_reject),
    ROW(tr_offload),
    ROW(tr_offload_job),
    ROW(tr_spawn),
    ROW(tr_exit),
    ROW(tr_stop),
    ROW(tr_self),
    ROW(tr_parent),
    ROW(tr_state),
    ROW(tr_actor_runtime),
    ROW(tr_actor_loop),
    ROW(tr_now),
    ROW(tr_local),
    ROW(tr_local_open),
    ROW(tr_ask),
    ROW(tr_ask_cancel),
    ROW(tr_answers),
    ROW(tr_reply),
    ROW(tr_question_keep),
    ROW(tr_question_reply),
    ROW(tr_refuse),
    ROW(tr_question_refuse),
    ROW(tr_forward),
    ROW(tr_question_forward),
    ROW(tr_time_left),
    ROW(tr_become),
    ROW(tr_stash),
    ROW(tr_unstash),
    ROW(tr_stash_limit),
    ROW(tr_receive_timeout),
    ROW(tr_fail),
    ROW(tr_alloc),
    ROW(tr_monitor_start),
    ROW(tr_monitor_stop),
    ROW(tr_link),
    ROW(tr_unlink),
    ROW(tr_link_trap),
    ROW(tr_name_register),
    ROW(tr_name_release),
    ROW(tr_name_watch),
    ROW(tr_name_unwatch),
    ROW(tr_whereis),
    ROW(tr_name_of),
    ROW(tr_group_join),
    ROW(tr_group_leave),
    ROW(tr_group_add),
    ROW(tr_group_remove),
    ROW(tr_group_publish),
    ROW(tr_group_publish_to_others),
    ROW(tr_group_local),
    ROW(tr_group_list),
    ROW(tr_group_watch_start),
    ROW(tr_group_watch_stop),
    ROW(tr_route),
    ROW(tr_route_choose),
    ROW(tr_supervisor_spawn),
    ROW(tr_supervisor_add),
    ROW(tr_supervisor_remove),
    ROW(tr_supervisor_child),
    ROW(tr_bequeath),
    ROW(tr_inheritance),
    ROW(tr_trace_mark),
    {"tr_tell", tell_from_outside, "tr_send()" FROM_OUTSIDE},
    {"another worker", send_from_another_worker, "tr_send() was called on worker 0, but what it was called for lives"},
    {"release", release_twice_in_an_actor, "(careless) in tag 7"},
#ifndef TRI_ASAN
    {"after the end", use_after_the_end, "tr_send() was called with an actor that has ended"},
#endif
};

#define MISTAKES (sizeof(mistakes) / sizeof(mistakes[0]))

static void
what_is_used_on_the_wrong_thread_or_too_late_ends_a_debug_build_with_its_name(void **state)
{
    (void)state;
    mistakes_all_speak(mistakes, MISTAKES);
}

int
main(int argc, char **argv)
{
    mistakes_main(argc, argv, mistakes, MISTAKES);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_used_on_the_wrong_thread_or_too_late_ends_a_debug_build_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
