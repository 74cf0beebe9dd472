/*
 * Supervisors.
 *
 * A supervisor is an actor whose children stand in the order of their start. Each child says what is to become of it:
 * `wanted`, it is to run; `down`, it is to be stopped first. Whatever happens - a child has ended, somebody asks for
 * something, a time is over - sets these marks; advance() then does the next step towards them, and is called again
 * with the next message:
 *
 *   1. the last child that is down and lives is asked to stop, and awaited: so they stop in reverse order;
 *   2. those that are down and not wanted are forgotten, and with none left a supervisor that is to end does so;
 *   3. the first child that is wanted and rests is started when its time has come, and awaited: so they start in order.
 *
 * With TR_ONE_FOR_ONE, once all have started, the steps of one child do not wait for those of another. A strategy is
 * then no more than who is marked when a child has ended: strategy.h, as all that is decided here.
 *
 * The end. Asked to stop, or giving up, it marks all as down and ends when none is left. Whatever else ends it, the end
 * of its attachment kills the children: they are told with memory that is there from the beginning (child.c).
 */
#include "supervising.h"

#include "life.h"
#include "outsider.h"
#include "spawning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/failure.h>

/* A thread outside waits until all children have started. */
static void
answer_waiter(struct tri_supervisor *supervisor, tr_status status)
{
    struct tri_outsider *waiter = supervisor->waiter;
    supervisor->waiter = NULL;
    if (waiter != NULL)
        tri_outsider_let_go(waiter, status);
}

/* The steps. */

/* true: a child is being stopped. */
static bool
stop_next(struct tri_supervisor *supervisor)
{
    for (struct tri_child *child = supervisor->last; child != NULL; child = child->previous) {
        if (!child->down || child->state == TR_CHILD_RESTING)
            continue;
        if (child->state == TR_CHILD_STOPPING) {
            if (child->kill_owed)
                tri_child_kill(child);
        } else if (child->ref != TR_NOBODY) {
            tri_child_stop(child);
        }
        return true;
    }
    return false;
}

/* Of those that are stopped: they are no more down. A child that is not wanted, but has not been stopped, stays. */
static void
settle_down(struct tri_supervisor *supervisor)
{
    for (struct tri_child *next, *child = supervisor->first; child != NULL; child = next) {
        next = child->next;
        if (child->state != TR_CHILD_RESTING)
            continue;
        child->down = false;
        if (!child->wanted)
            tri_child_forget(child);
    }
}

static bool
is_ordered(const struct tri_supervisor *supervisor)
{
    return supervisor->phase == TRI_SUPERVISOR_STARTING || supervisor->plan->strategy != TR_ONE_FOR_ONE;
}

/* Without memory for a clock the wait is over at once. */
static void
wait_until(struct tri_supervisor *supervisor, uint64_t due_ms, uint64_t now_ms)
{
    tr_actor *self = supervisor->self;
    tr_message message = tr_message_signal(TRI_CHILD_DUE);
    tr_timer_cancel(self, supervisor->due);
    supervisor->due = 0;
    if (tr_send_after(self, self->ref, due_ms - now_ms, &message, &supervisor->due) != TR_OK)
        tr_send(self, self->ref, &message);
}

static void
could_not_begin(struct tri_child *child)
{
    if (child->state != TR_CHILD_RESTING)
        return;
    tri_child_failed(child);
    child->supervisor->again = true;
}

/* Gives the child that is to be started now; NULL: none, *due_ms says when the next is, 0: none. */
static struct tri_child *
next_to_start(struct tri_supervisor *supervisor, uint64_t now_ms, uint64_t *due_ms)
{
    bool ordered = is_ordered(supervisor);
    *due_ms = 0;
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next) {
        bool waits = child->state == TR_CHILD_RESTING && child->wanted;
        if (waits && child->due_ms <= now_ms)
            return child;
        if (waits && (*due_ms == 0 || child->due_ms < *due_ms))
            *due_ms = child->due_ms;
        if (ordered && (waits || child->state == TR_CHILD_STARTING))
            return NULL;
    }
    return NULL;
}

static bool
all_run(const struct tri_supervisor *supervisor)
{
    for (const struct tri_child *child = supervisor->first; child != NULL; child = child->next)
        if (child->state != TR_CHILD_RUNNING)
            return false;
    return true;
}

static void
start_next(struct tri_supervisor *supervisor)
{
    uint64_t due_ms, now_ms = tri_clock_ms();
    for (struct tri_child *child; (child = next_to_start(supervisor, now_ms, &due_ms)) != NULL;) {
        tri_child_start(child);
        could_not_begin(child);
    }
    if (due_ms != 0)
        wait_until(supervisor, due_ms, now_ms);
    if (supervisor->phase != TRI_SUPERVISOR_STARTING || !all_run(supervisor))
        return;
    supervisor->phase = TRI_SUPERVISOR_RUNNING;
    tri_ward_begun(supervisor->self);
    answer_waiter(supervisor, TR_OK);
}

static void
end(struct tri_supervisor *supervisor)
{
    if (supervisor->failure != TR_OK)
        tr_fail(supervisor->self, supervisor->failure, "%s", supervisor->text);
    else
        tr_exit(supervisor->self);
}

static void
step(struct tri_supervisor *supervisor)
{
    bool stopping = stop_next(supervisor);
    if (!stopping || !is_ordered(supervisor))
        settle_down(supervisor);
    if (supervisor->phase == TRI_SUPERVISOR_ENDING) {
        if (supervisor->first == NULL)
            end(supervisor);
    } else if (!stopping || !is_ordered(supervisor)) {
        start_next(supervisor);
    }
}

/* What is called here may call the supervisor again: that is done when it has returned. */
static void
advance(struct tri_supervisor *supervisor)
{
    supervisor->again = true;
    if (supervisor->advancing)
        return;
    supervisor->advancing = true;
    while (supervisor->again) {
        supervisor->again = false;
        step(supervisor);
    }
    supervisor->advancing = false;
}

/* What becomes of a child that has ended. */

static void
end_all(struct tri_supervisor *supervisor)
{
    supervisor->phase = TRI_SUPERVISOR_ENDING;
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next) {
        child->down = true;
        child->wanted = false;
    }
}

/* The reason stands first, so that its own text is what is cut off. */
static void
give_up(struct tri_supervisor *supervisor, const struct tri_child *child, tr_status status, const char *what)
{
    const struct tri_text *text = child->ward != NULL ? child->ward->text : NULL;
    supervisor->failure = status;
    snprintf(supervisor->text, sizeof(supervisor->text), "child \"%s\" %s: %s%s%s", child->name, what,
             tr_status_code(child->reason), text != NULL ? ": " : "", text != NULL ? text->text : "");
    end_all(supervisor);
}

static size_t
number_of(const struct tri_child *child)
{
    size_t number = 0;
    while ((child = child->previous) != NULL)
        number++;
    return number;
}

static void
concern(struct tri_child *child, uint64_t due_ms)
{
    bool has_begun = child->born || child->state != TR_CHILD_RESTING;
    if (!child->wanted || !has_begun)
        return;
    child->down = true;
    child->wanted = child->plan->restart != TR_RESTART_TEMPORARY;
    child->due_ms = due_ms;
}

static void
concern_others(struct tri_supervisor *supervisor, struct tri_child *ended)
{
    size_t other = 0, number = number_of(ended);
    enum tr_strategy strategy = ended->plan->one_each_worker ? TR_ONE_FOR_ONE : supervisor->plan->strategy;
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next, other++)
        if (child != ended && tri_strategy_concerns(strategy, number, other))
            concern(child, ended->due_ms);
}

static void
restart(struct tri_supervisor *supervisor, struct tri_child *child)
{
    uint64_t now_ms = tri_clock_ms();
    if (!tri_intensity_allows(&supervisor->intensity, now_ms)) {
        give_up(supervisor, child, TR_EGIVENUP, "has ended too often, at last");
        return;
    }
    child->waited_ms = tri_backoff_ms(&supervisor->plan->backoff, child->waited_ms, now_ms - child->begun_ms);
    child->due_ms = now_ms + child->waited_ms;
    concern_others(supervisor, child);
}

/* Its first init has failed: who wanted the child hears that. */
static void
could_not_start(struct tri_supervisor *supervisor, struct tri_child *child)
{
    if (supervisor->phase == TRI_SUPERVISOR_STARTING && child->adding == NULL)
        give_up(supervisor, child, child->reason, "could not start");
    child->wanted = false;
    tri_child_added(child, child->reason);
}

/* Its worker ends. */
static bool
is_with_the_runtime(const struct tri_child *child)
{
    return child->reason == TR_ESTOPPING && child->ref == TR_NOBODY;
}

/* A child rests that was not asked to. */
void
tri_child_failed(struct tri_child *child)
{
    struct tri_supervisor *supervisor = child->supervisor;
    if (!child->born)
        could_not_start(supervisor, child);
    else if (is_with_the_runtime(child) || !tri_restart_wanted(child->plan->restart, child->reason))
        child->wanted = false;
    else
        restart(supervisor, child);
}

/* Messages. */

static void
on_begun(struct tri_supervisor *supervisor, const tr_message *message)
{
    struct tri_child *child = tri_child_of(supervisor, message->payload.words[0]);
    if (child == NULL)
        return;
    child->born = true;
    if (child->state == TR_CHILD_STARTING)
        child->state = TR_CHILD_RUNNING;
    tri_child_added(child, TR_OK);
}

/* A ward of a child of the supervisor's own last life is nobody's. */
static void
on_ended(struct tri_supervisor *supervisor, tr_message *message)
{
    struct tri_ward *ward = tr_message_take_pointer(message);
    struct tri_child *child = tri_child_of(supervisor, ward->actor);
    if (child == NULL) {
        tri_ward_free(ward);
        return;
    }
    bool was_asked = child->down || child->state == TR_CHILD_STOPPING;
    tri_child_ended(child, ward);
    if (!was_asked)
        tri_child_failed(child);
}

static void
on_late(struct tri_supervisor *supervisor, const tr_message *message)
{
    struct tri_child *child = tri_child_of(supervisor, message->payload.words[0]);
    if (child != NULL && child->state == TR_CHILD_STOPPING)
        tri_child_kill(child);
}

/* Requests. */

/* Is the child meant by that name? By one of those that every worker has, of a worker, or all of them. */
static bool
is_named(const struct tri_child *child, const char *name)
{
    return strcmp(child->name, name) == 0 || strcmp(child->plan->name, name) == 0;
}

static bool
is_leaving(const struct tri_child *child)
{
    return !child->wanted;
}

static struct tri_child *
find_named(struct tri_supervisor *supervisor, const char *name, unsigned worker)
{
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next)
        if (is_named(child, name) && !is_leaving(child) && (child->worker == worker || strcmp(child->name, name) == 0))
            return child;
    return NULL;
}

static void
describe(struct tri_supervisor *supervisor, struct tri_request *request)
{
    unsigned worker =
        request->asker != TR_NOBODY ? tr_ref_worker(request->asker) : supervisor->self->home->worker->index;
    const struct tri_child *child = find_named(supervisor, request->name, worker);
    if (child != NULL)
        tri_child_describe(child, &request->answer);
    tri_request_refuse(supervisor->self->home->worker, request, child != NULL ? TR_OK : TR_EGONE);
}

static void
remove_child(struct tri_supervisor *supervisor, struct tri_request *request)
{
    request->pending = 1; /* so that it is not answered before all are marked */
    request->answer.status = TR_EGONE;
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next) {
        if (!is_named(child, request->name) || is_leaving(child))
            continue;
        tri_child_describe(child, &request->answer);
        request->answer.status = TR_OK;
        request->pending++;
        child->removing = request;
        child->down = true;
        child->wanted = false;
    }
    if (--request->pending == 0)
        tri_request_answer(supervisor->self->home->worker, request);
}

/* The names of children that every worker has begin with the name itself. */
static bool
is_taken(struct tri_supervisor *supervisor, const struct tri_child_plan *plan)
{
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next)
        if (!is_leaving(child) && (is_named(child, plan->name) || strcmp(child->plan->name, plan->name) == 0))
            return true;
    return false;
}

/* One child, or one for each worker. The request may be NULL. false: without memory, and some are there. */
static bool
make_children(struct tri_supervisor *supervisor, struct tri_plan *owner, const struct tri_child_plan *plan,
              struct tri_request *request)
{
    unsigned count = plan->one_each_worker ? supervisor->self->home->worker->runtime->count : 1;
    for (unsigned i = 0; i < count; i++) {
        struct tri_child *child = tri_child_new(supervisor, owner, plan, i);
        if (child == NULL)
            return false;
        child->adding = request;
        if (request != NULL)
            request->pending++;
    }
    return true;
}

/* Of a request that failed in the middle: none of them is to be. */
static void
withdraw(struct tri_supervisor *supervisor, struct tri_request *request)
{
    for (struct tri_child *child = supervisor->first; child != NULL; child = child->next)
        if (child->adding == request)
            child->wanted = false;
}

static void
add_child(struct tri_supervisor *supervisor, struct tri_request *request)
{
    const struct tri_child_plan *plan = &request->plan->children[0];
    struct tri_worker *worker = supervisor->self->home->worker;
    if (supervisor->phase == TRI_SUPERVISOR_ENDING || is_taken(supervisor, plan)) {
        tri_request_refuse(worker, request, supervisor->phase == TRI_SUPERVISOR_ENDING ? TR_ESTOPPING : TR_ENAMETAKEN);
        return;
    }
    request->pending = 1;
    if (!make_children(supervisor, request->plan, plan, request)) {
        request->answer.status = TR_ENOMEM;
        withdraw(supervisor, request);
    }
    if (--request->pending == 0)
        tri_request_answer(worker, request);
}

static void
on_request(struct tri_supervisor *supervisor, tr_message *message)
{
    struct tri_request *request = tr_message_take_pointer(message);
    switch (request->kind) {
    case TRI_REQUEST_ADD: add_child(supervisor, request); break;
    case TRI_REQUEST_REMOVE: remove_child(supervisor, request); break;
    case TRI_REQUEST_CHILD: describe(supervisor, request); break;
    }
}

/* The behavior. */

/* Its own word first: without memory its death seems to be of its own will. */
static tr_status
why_not_started(const struct tri_supervisor *supervisor, const struct tri_death *death)
{
    if (supervisor->failure != TR_OK)
        return supervisor->failure;
    return death->status != TR_OK ? death->status : TR_ESTOPPING;
}

static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_supervisor *supervisor = (struct tri_supervisor *)attachment;
    tri_detach(attachment);
    while (supervisor->last != NULL)
        tri_child_forget(supervisor->last);
    answer_waiter(supervisor, why_not_started(supervisor, death));
    tri_table_fini(&supervisor->by_ref);
    free(supervisor->intensity.times_ms);
    tri_plan_release(supervisor->plan);
}

static tr_status
fill(struct tri_supervisor *supervisor)
{
    struct tri_plan *plan = supervisor->plan;
    supervisor->intensity.limit = plan->limit;
    if (plan->limit.restarts > 0)
        supervisor->intensity.times_ms = calloc(plan->limit.restarts, sizeof(uint64_t));
    if (plan->limit.restarts > 0 && supervisor->intensity.times_ms == NULL)
        return TR_ENOMEM;
    for (size_t i = 0; i < plan->count; i++)
        if (!make_children(supervisor, plan, &plan->children[i], NULL))
            return TR_ENOMEM;
    return TR_OK;
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct tri_supervisor *supervisor = state;
    struct tri_plan *plan = (struct tri_plan *)(uintptr_t)argument;
    struct tri_ward *ward = tri_ward_of(self);
    if (ward != NULL)
        ward->begins_later = true;
    tri_plan_hold(plan);
    supervisor->self = self;
    supervisor->plan = plan;
    supervisor->waiter = plan->waiter;
    if (plan->waiter != NULL)
        plan->waiter = NULL;
    supervisor->attachment.end = on_end;
    tri_actor_attach(self, &supervisor->attachment);
    tr_status status = fill(supervisor);
    if (status == TR_OK)
        advance(supervisor);
    return status;
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct tri_supervisor *supervisor = state;
    bool from_clock = message->from == self->ref;
    if (message->tag == TRI_TAG_WARD_LIVES)
        on_begun(supervisor, message);
    else if (message->tag == TRI_TAG_WARD_ENDED)
        on_ended(supervisor, message);
    else if (message->tag == TRI_TAG_SUPERVISOR_REQUEST)
        on_request(supervisor, message);
    else if (message->tag == TRI_CHILD_LATE && from_clock)
        on_late(supervisor, message);
    else if (message->tag < TR_TAG_RESERVED && !from_clock)
        tri_actor_bounce(self, message);
    advance(supervisor);
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct tri_supervisor *supervisor = state;
    (void)self;
    if (how == TR_STOP_KILL)
        return true;
    if (supervisor->phase != TRI_SUPERVISOR_ENDING)
        end_all(supervisor);
    advance(supervisor);
    return false;
}

const struct tr_behavior tri_supervisor_behavior = {
    .name = "supervisor",
    .state_size = sizeof(struct tri_supervisor),
    .init = init,
    .receive = receive,
    .stopping = stopping,
};

/* The public ways. */

tr_status
tr_supervisor_spawn(tr_actor *self, const struct tr_supervisor_options *options, tr_ref *out)
{
    tr_ref ignored;
    TRI_CHECK_SELF(self);
    if (self == NULL || options == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    const struct tri_runtime *core = self->home->worker->runtime;
    tr_status status = tri_spawn_check(core, &tri_supervisor_behavior, &options->spawn);
    if (status == TR_OK)
        status = tri_plan_check(core, options);
    if (status != TR_OK)
        return status;
    struct tr_spawn_options spawn = options->spawn;
    spawn.argument = tri_plan_new(options);
    if (spawn.argument == NULL)
        return TR_ENOMEM;
    return tri_spawn_releasing(self, &tri_supervisor_behavior, &spawn, tri_plan_release, out != NULL ? out : &ignored);
}

/* The plan is the caller's. */
static tr_status
spawn_and_wait(tr_runtime *runtime, const struct tr_spawn_options *options, struct tri_plan *plan, tr_ref *out)
{
    struct tri_outsider waiter;
    struct tr_spawn_options spawn = *options;
    tr_status status = tri_outsider_init(&waiter);
    if (status != TR_OK)
        return status;
    spawn.argument = plan;
    plan->waiter = &waiter;
    tr_ref ref;
    status = tr_runtime_spawn(runtime, &tri_supervisor_behavior, &spawn, &ref);
    if (status == TR_OK)
        status = tri_outsider_wait(&waiter, runtime->core);
    tri_outsider_fini(&waiter);
    if (status == TR_OK && out != NULL)
        *out = ref;
    return status;
}

tr_status
tr_runtime_spawn_supervisor(tr_runtime *runtime, const struct tr_supervisor_options *options, tr_ref *out)
{
    if (runtime == NULL || options == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    tr_status status = tri_spawn_check(runtime->core, &tri_supervisor_behavior, &options->spawn);
    if (status == TR_OK)
        status = tri_plan_check(runtime->core, options);
    if (status != TR_OK)
        return status;
    struct tri_plan *plan = tri_plan_new(options);
    if (plan == NULL)
        return TR_ENOMEM;
    status = spawn_and_wait(runtime, &options->spawn, plan, out);
    tri_plan_release(plan);
    return status;
}
