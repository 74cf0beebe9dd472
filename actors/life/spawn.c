/*
 * Spawning: on the own worker at once, on another one by an order that travels like a message.
 *
 * The name is known at once in both cases: on another worker the spawner reserves a slot there (slots.h). The order
 * goes through the same lane as what the spawner sends afterwards, so it comes first; mail of third parties that
 * overtakes it is held (deliver.c). A thread that waits for an order is told, too, when the order is dropped on the
 * way because the runtime ends.
 *
 * Placing by load counts the actors that live on each worker and those that are on their way to it: `coming` is raised
 * by the spawner, so a burst of spawns is spread although none has arrived yet.
 */
#include "spawning.h"

#include "body.h"
#include "dead_letters.h"
#include "extra.h"
#include "life.h"
#include "memory.h"
#include "outsider.h"
#include "parent.h"
#include "post.h"
#include "ward.h"

#include <ck_pr.h>

#include <stdlib.h>
#include <string.h>

/* Is the first one's tag the tag of another? */
static bool
is_repeated(const struct tr_tag_limit *limits, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (limits[i].tag == limits[0].tag)
            return true;
    return false;
}

static tr_status
check_tags(const struct tr_mailbox_limits *limits)
{
    if (limits->tag_count > TR_TAG_LIMITS_MAX)
        return TR_EBADLIMIT;
    if (limits->tag_count > 0 && limits->tags == NULL)
        return TR_EINVAL;
    for (size_t i = 0; i < limits->tag_count; i++) {
        const struct tr_tag_limit *limit = &limits->tags[i];
        if (limit->tag >= TR_TAG_RESERVED || is_repeated(limit, limits->tag_count - i))
            return TR_EBADTAG;
        if (limit->policy > TR_TAG_REFUSE)
            return TR_EBADPOLICY;
        if (limit->most == 0)
            return TR_EBADLIMIT;
    }
    return TR_OK;
}

tr_status
tri_spawn_check(const struct tri_runtime *runtime, const struct tr_behavior *behavior,
                const struct tr_spawn_options *options)
{
    if (behavior->name == NULL || behavior->name[0] == '\0')
        return TR_ENONAME;
    if (behavior->receive == NULL)
        return TR_EBADBEHAVIOR;
    if (behavior->state_size > TRI_STATE_LIMIT)
        return TR_EBADSTATE;
    if (behavior->mailbox.policy > TR_MAILBOX_MUTE)
        return TR_EBADPOLICY;
    if (TRI_UNLIKELY(behavior->mailbox.tag_count > 0)) {
        tr_status status = check_tags(&behavior->mailbox);
        if (status != TR_OK)
            return status;
    }
    if (options == NULL)
        return TR_OK;
    if (options->placement > TR_PLACE_BY_KEY || (options->argument == NULL && options->argument_size > 0))
        return TR_EINVAL;
    if (options->argument_size > TRI_STATE_LIMIT)
        return TR_EBADLIMIT;
    if (options->placement == TR_PLACE_WORKER && options->worker >= runtime->count)
        return TR_EBADWORKER;
    if (options->placement == TR_PLACE_WITH &&
        (options->with == TR_NOBODY || tri_ref_worker(options->with) >= runtime->count))
        return TR_EBADREF;
    return TR_OK;
}

/* Actors on a worker or on their way to it; near enough from any thread. */
static uint64_t
load_of(const struct tri_worker *worker)
{
    uint64_t ended = ck_pr_load_64(&worker->counters.ended); /* first: it is never ahead of the other */
    ck_pr_fence_load();
    return ck_pr_load_64(&worker->counters.spawned) - ended + ck_pr_load_32(&worker->coming);
}

static unsigned
least_loaded(const struct tri_runtime *runtime, unsigned here)
{
    unsigned best = here;
    uint64_t least = load_of(runtime->workers[here]);
    for (unsigned i = 0; i < runtime->count; i++) {
        uint64_t load = load_of(runtime->workers[i]);
        if (load < least) {
            least = load;
            best = i;
        }
    }
    return best;
}

unsigned
tri_spawn_place(const struct tri_runtime *runtime, const struct tr_spawn_options *options, unsigned here)
{
    switch (options != NULL ? options->placement : TR_PLACE_HERE) {
    case TR_PLACE_WORKER: return options->worker;
    case TR_PLACE_LEAST_LOADED: return least_loaded(runtime, here);
    case TR_PLACE_WITH: return tri_ref_worker(options->with);
    case TR_PLACE_BY_KEY: return tr_key_worker(options->key, runtime->count);
    default: return here;
    }
}

/* Here. */

/* With a watcher of the parent's; on failure nothing is left of that. */
static tr_status
begin_watched(tr_actor *actor, tr_ref ref, tr_actor *parent, struct tri_birth *birth, tr_monitor *out)
{
    birth->watcher = tri_watch_begin(parent, ref, TRI_WATCH_TELL);
    if (birth->watcher == NULL) {
        tri_slots_give(&actor->home->slots, ref);
        tri_actor_free(actor);
        parent->children--;
        return TR_ENOMEM;
    }
    tr_monitor monitor = birth->watcher->down.monitor;
    tr_status status = tri_actor_begin(actor, ref, birth);
    if (status == TR_OK)
        *out = monitor;
    else
        tr_monitor_stop(parent, monitor);
    return status;
}

static inline tr_status
begin_here(tr_actor *actor, tr_ref ref, tr_actor *parent, const struct tr_spawn_options *options)
{
    if (options == NULL)
        return tri_actor_begin(actor, ref, NULL);
    struct tri_birth birth = {.argument = options->argument, .ends_with_parent = options->ends_with_parent};
    if (options->monitor != NULL && parent != NULL)
        return begin_watched(actor, ref, parent, &birth, options->monitor);
    return tri_actor_begin(actor, ref, &birth);
}

/* Memory and a name for a new actor, which its parent counts. */
static inline tr_status
make_here(struct tri_actors *home, tr_actor *parent, const struct tr_behavior *behavior, tr_actor **actor, tr_ref *ref)
{
    if (TRI_UNLIKELY(home->draining))
        return TR_ESTOPPING;
    *actor = tri_actor_new(home, behavior, parent != NULL ? parent->ref : TR_NOBODY);
    if (*actor == NULL)
        return TR_ENOMEM;
    if (tri_slots_take(&home->slots, ref) != TR_OK) {
        tri_actor_free(*actor);
        return TR_ENOMEM;
    }
    if (parent != NULL)
        parent->children++; /* given back by its end, whenever that is */
    return TR_OK;
}

static tr_status
spawn_here(struct tri_worker *worker, tr_actor *parent, const struct tr_behavior *behavior,
           const struct tr_spawn_options *options, tr_ref *out)
{
    tr_actor *actor;
    tr_ref ref;
    tr_status status = make_here(tri_actors_of(worker), parent, behavior, &actor, &ref);
    if (status == TR_OK)
        status = begin_here(actor, ref, parent, options);
    if (status == TR_OK)
        *out = ref;
    return status;
}

/* What its init returns the ward tells. The name first: the child may have ended when it has begun. */
static tr_status
spawn_ward_here(tr_actor *self, const struct tr_behavior *behavior, struct tri_ward *ward, tr_ref *out)
{
    tr_actor *actor;
    tr_status status = make_here(self->home, self, behavior, &actor, out);
    if (status != TR_OK) {
        tri_ward_free(ward);
        return status;
    }
    struct tri_birth birth = {.argument = ward->argument, .ward = ward};
    tri_actor_begin(actor, *out, &birth);
    return TR_OK;
}

tr_status
tri_actor_spawn_here(struct tri_worker *worker, tr_actor *parent, const struct tr_behavior *behavior,
                     const void *argument, tr_actor **out)
{
    tr_ref ref;
    struct tr_spawn_options options = {.argument = argument};
    tr_status status = spawn_here(worker, parent, behavior, &options, &ref);
    if (status == TR_OK)
        *out = tri_slots_find(&tri_actors_of(worker)->slots, ref);
    return status;
}

/* There. */

/* The destructor of a message that carries an order. */
static void
drop_order(void *address)
{
    struct tri_spawn_order *order = address;
    if (order->waiter != NULL)
        tri_outsider_let_go(order->waiter, TR_ESTOPPING);
    tri_spawn_order_free(order);
}

static struct tri_spawn_order *
order_new(const struct tr_behavior *behavior, const struct tr_spawn_options *options, tr_ref parent)
{
    size_t size = options != NULL ? options->argument_size : 0;
    struct tri_spawn_order *order = malloc(sizeof(*order) + size);
    if (order == NULL)
        return NULL;
    *order = (struct tri_spawn_order){.behavior = behavior, .parent = parent};
    order->ends_with_parent = options != NULL && options->ends_with_parent;
    order->argument = options != NULL ? options->argument : NULL;
    if (size > 0)
        order->argument = memcpy(order->copy, options->argument, size);
    return order;
}

/* Takes the order. TR_OK; TR_ENOMEM; TR_ESTOPPING. */
static tr_status
send_order(tr_actor *self, struct tri_spawn_order *order, tr_ref ref, tr_monitor *out)
{
    struct tri_worker *other = self->home->worker->runtime->workers[tri_ref_worker(ref)];
    tr_monitor monitor = 0;
    if (out != NULL) {
        order->watcher = tri_watch_begin(self, ref, TRI_WATCH_TELL);
        if (order->watcher == NULL) {
            tri_spawn_order_free(order);
            return TR_ENOMEM;
        }
        monitor = order->watcher->down.monitor;
    }
    ck_pr_inc_32(&other->coming);
    tr_message message = tr_message_pointer(TRI_TAG_SPAWN, order, sizeof(*order), drop_order);
    tr_status status = tri_send_system(self->home->worker, self, ref, &message);
    if (status != TR_OK)
        ck_pr_dec_32(&other->coming);
    if (status != TR_OK && out != NULL)
        tr_monitor_stop(self, monitor);
    if (status == TR_OK && out != NULL)
        *out = monitor;
    return status;
}

/* Takes the order. */
static tr_status
order_there(tr_actor *self, unsigned target, struct tri_spawn_order *order, tr_monitor *monitor, tr_ref *out)
{
    struct tri_worker *other = self->home->worker->runtime->workers[target];
    tr_ref ref;
    tr_status status = tri_slots_reserve(&tri_actors_of(other)->slots, &ref);
    if (status != TR_OK) {
        tri_spawn_order_free(order);
        return status;
    }
    status = send_order(self, order, ref, monitor);
    if (status != TR_OK)
        return status; /* the slot stays reserved, since only its owner may give it back */
    self->children++;
    *out = ref;
    return TR_OK;
}

static tr_status
spawn_there(tr_actor *self, unsigned target, const struct tr_behavior *behavior, const struct tr_spawn_options *options,
            void (*release)(void *argument), tr_ref *out)
{
    bool room = tri_worker_has_room(self->home->worker, target);
    struct tri_spawn_order *order = room ? order_new(behavior, options, self->ref) : NULL;
    if (order == NULL) {
        if (release != NULL)
            release((void *)(uintptr_t)options->argument);
        return room ? TR_ENOMEM : TR_EFULL;
    }
    order->release = release;
    return order_there(self, target, order, options != NULL ? options->monitor : NULL, out);
}

static tr_status
spawn_ward_there(tr_actor *self, const struct tr_behavior *behavior, unsigned target, struct tri_ward *ward,
                 tr_ref *out)
{
    struct tri_spawn_order *order = order_new(behavior, NULL, self->ref);
    if (order == NULL) {
        tri_ward_free(ward);
        return TR_ENOMEM;
    }
    order->argument = ward->argument;
    order->ward = ward;
    return order_there(self, target, order, NULL, out);
}

tr_status
tri_spawn_ward(tr_actor *self, const struct tr_behavior *behavior, unsigned target, struct tri_ward *ward, tr_ref *out)
{
    if (target == self->home->worker->index)
        return spawn_ward_here(self, behavior, ward, out);
    if (!self->home->draining)
        return spawn_ward_there(self, behavior, target, ward, out);
    tri_ward_free(ward);
    return TR_ESTOPPING;
}

/* Somebody asked it to stop before it was there, or it failed with somebody whom it was linked with. */
static void
stop_as_asked(tr_actor *actor, uint16_t asked)
{
    const struct tri_extra *extra = tri_extra_of(actor);
    if (extra != NULL && extra->failed)
        tri_actor_end_failed(actor);
    else
        tri_actor_stop(actor, asked & TRI_ACTOR_KILLED   ? TR_STOP_KILL
                              : asked & TRI_ACTOR_ENDING ? TR_STOP_NOW
                                                         : TR_STOP_DRAIN);
}

/* The holder of the mail gives it to the actor; if that was not born, the mail becomes dead letters, and those who
 * watch are told why. */
static void
hand_over(struct tri_actors *home, tr_actor *holder, tr_ref ref, tr_status status)
{
    tr_actor *actor = tri_slots_find(&home->slots, ref);
    struct tri_death death = {.status = status};
    if (actor != NULL)
        actor->flags |= holder->flags & TRI_ACTOR_LOOK;
    tri_actor_end_attachments(holder, &death);
    while (!tri_mail_list_empty(&holder->overflow)) {
        struct tri_mail *mail = tri_mail_list_take(&holder->overflow);
        if (actor != NULL) {
            tri_mailbox_put(home, actor, mail);
        } else {
            tri_dead_mail(home, ref, mail, TR_DEAD_INIT_FAILED);
        }
    }
    uint16_t asked = holder->flags;
    tri_actor_free(holder);
    if (actor != NULL && (asked & TRI_ACTOR_CLOSED) != 0)
        stop_as_asked(actor, asked);
}

/* What was attached to the holder of its mail, NULL: there is none, is the actor's from the beginning on: so those who
 * watch are told how it ends, also if that is in its init. */
static tr_status
bring_to_life(struct tri_actors *home, tr_ref ref, struct tri_spawn_order *order, tr_actor *holder)
{
    tr_actor *actor = home->draining ? NULL : tri_actor_new(home, order->behavior, order->parent);
    struct tri_birth birth = {order->argument, order->watcher, order->ends_with_parent, order->ward};
    order->watcher = NULL;
    order->ward = NULL;
    if (actor != NULL && holder != NULL)
        tri_actor_hand_on(holder, actor);
    if (actor != NULL)
        return tri_actor_begin(actor, ref, &birth);
    struct tri_death death = {.status = home->draining ? TR_ESTOPPING : TR_ENOMEM};
    tri_slots_give(&home->slots, ref);
    if (birth.watcher != NULL)
        tri_watcher_tell(home->worker, birth.watcher, &death);
    if (birth.ward != NULL)
        tri_ward_never_begun(home->worker, birth.ward, ref, death.status);
    order->owes_end = true;
    return death.status;
}

bool
tri_spawn_arrived(struct tri_actors *home, tr_ref ref, tr_message *message)
{
    struct tri_spawn_order *order = tr_message_take_pointer(message);
    tr_actor *holder = tri_slots_find(&home->slots, ref);
    bool supervised = order->ward != NULL; /* then the ward tells the parent, but that nobody is to be counted */
    ck_pr_dec_32(&home->worker->coming);
    tr_status status = bring_to_life(home, ref, order, holder);
    if (holder != NULL)
        hand_over(home, holder, ref, status);
    if (order->waiter != NULL)
        tri_outsider_let_go(order->waiter, status);
    if (status == TR_OK || (supervised && !order->owes_end)) {
        tri_spawn_order_free(order);
        return true;
    }
    order->ref = ref;
    order->failure = status;
    tri_parent_tell_failure(home, order);
    return true;
}

/* The public ways. */

tr_status
tr_spawn(tr_actor *self, const struct tr_behavior *behavior, const struct tr_spawn_options *options, tr_ref *out)
{
    tr_ref ignored;
    TRI_CHECK_SELF(self);
    if (self == NULL || behavior == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    if (out == NULL)
        out = &ignored;
    struct tri_worker *worker = self->home->worker;
    tr_status status = tri_spawn_check(worker->runtime, behavior, options);
    if (status == TR_OK)
        status = tri_memory_check(worker);
    if (status != TR_OK)
        return status;
    unsigned target = tri_spawn_place(worker->runtime, options, worker->index);
    if (target != worker->index)
        return self->home->draining ? TR_ESTOPPING : spawn_there(self, target, behavior, options, NULL, out);
    return spawn_here(worker, self, behavior, options, out);
}

tr_status
tri_spawn_releasing(tr_actor *self, const struct tr_behavior *behavior, const struct tr_spawn_options *options,
                    void (*release)(void *argument), tr_ref *out)
{
    struct tri_worker *worker = self->home->worker;
    unsigned target = tri_spawn_place(worker->runtime, options, worker->index);
    if (target != worker->index && !self->home->draining)
        return spawn_there(self, target, behavior, options, release, out);
    tr_status status = spawn_here(worker, self, behavior, options, out);
    release((void *)(uintptr_t)options->argument);
    return status;
}

/* Reserves the name of who comes; if that fails nobody waits. */
static tr_status
reserve(struct tri_runtime *core, unsigned target, struct tri_outsider *waiter, tr_ref *out)
{
    tr_status status = tri_slots_reserve(&tri_actors_of(core->workers[target])->slots, out);
    if (status != TR_OK)
        tri_outsider_fini(waiter);
    return status;
}

/* It waits until init has run there. */
static tr_status
spawn_and_wait(tr_runtime *runtime, unsigned target, struct tri_spawn_order *order, tr_ref *out)
{
    struct tri_runtime *core = runtime->core;
    struct tri_outsider waiter;
    tr_ref ref;
    tr_status status = tri_outsider_init(&waiter, core);
    if (status == TR_OK)
        status = reserve(core, target, &waiter, &ref);
    if (status != TR_OK) {
        free(order);
        return status;
    }
    order->waiter = &waiter;
    ck_pr_inc_32(&core->workers[target]->coming);
    tr_message message = tr_message_pointer(TRI_TAG_SPAWN, order, sizeof(*order), drop_order);
    status = tri_runtime_send_system(runtime, ref, &message); /* whatever becomes of it, the waiter is told */
    tr_status born = tri_outsider_wait(&waiter);
    tri_outsider_fini(&waiter);
    if (status != TR_OK)
        ck_pr_dec_32(&core->workers[target]->coming);
    else if (born == TR_OK && out != NULL)
        *out = ref;
    return status != TR_OK ? status : born;
}

tr_status
tr_runtime_spawn(tr_runtime *runtime, const struct tr_behavior *behavior, const struct tr_spawn_options *options,
                 tr_ref *out)
{
    if (runtime == NULL || behavior == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    struct tri_runtime *core = runtime->core;
    tr_status status = tri_spawn_check(core, behavior, options);
    if (status != TR_OK)
        return status;
    if (tri_runtime_phase(core) != TRI_RUNNING)
        return TR_ESTOPPING;
    status = tri_memory_check_outside(runtime);
    if (status != TR_OK)
        return status;

    struct tr_spawn_options placed = options != NULL ? *options : (struct tr_spawn_options){0};
    if (placed.placement == TR_PLACE_HERE)
        placed.placement = TR_PLACE_LEAST_LOADED;
    unsigned target = tri_spawn_place(core, &placed, 0);
    struct tri_spawn_order *order = order_new(behavior, options, TR_NOBODY);
    return order != NULL ? spawn_and_wait(runtime, target, order, out) : TR_ENOMEM;
}
