/*
 * Asking workers.
 *
 * An actor's numbers are its worker's, so the worker writes them down itself: it gets an order, a message of the
 * layer's own, which it obeys between two turns like all of them. An order is for a portion of the slots, which takes
 * some ten microseconds, and the next comes when the first is answered: so the worker's other work goes on in between.
 *
 * An order belongs to two, the one who asks and the message, and the last of them frees it. One who has waited long
 * enough goes away, and the worker may still write the answer. It is kept in mind that an answer is owed: until it
 * comes the worker counts as stuck at once, so that asking often neither waits often nor piles up orders.
 */
#include "inquiry.h"

#include "describe.h"
#include "post.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/core/delay.h>
#include <troupe/core/refcount.h>
#include <troupe/core/steps.h>

#define NS_PER_MS UINT64_C(1000000)

enum order_state { ASKED, ANSWERED, DROPPED };

struct tri_inquiry_order {
    struct tri_portion portion; /* first: the caller gets its address */
    uint32_t from;
    unsigned holds;
    uv_mutex_t lock;
    uv_cond_t changed;
    enum order_state state; /* under the lock */
};

/* -- An order's life. -- */

static struct tri_inquiry_order *
order_new(uint32_t from)
{
    struct tri_inquiry_order *order = malloc(sizeof(*order));
    if (order == NULL)
        return NULL;
    order->from = from;
    order->holds = 1;
    order->state = ASKED;
    if (uv_mutex_init(&order->lock) != 0)
        goto free_order;
    if (uv_cond_init(&order->changed) != 0)
        goto destroy_lock;
    return order;

destroy_lock:
    uv_mutex_destroy(&order->lock);
free_order:
    free(order);
    return NULL;
}

static void
let_go(struct tri_inquiry_order *order)
{
    if (!tri_refcount_release(&order->holds))
        return;
    uv_cond_destroy(&order->changed);
    uv_mutex_destroy(&order->lock);
    free(order);
}

/* The first word counts. */
static void
settle(struct tri_inquiry_order *order, enum order_state state)
{
    uv_mutex_lock(&order->lock);
    if (order->state == ASKED)
        order->state = state;
    uv_cond_signal(&order->changed);
    uv_mutex_unlock(&order->lock);
}

/* The destructor of the message: it was obeyed, or never will be. */
static void
drop_order(void *address)
{
    struct tri_inquiry_order *order = address;
    settle(order, DROPPED);
    let_go(order);
}

static enum order_state
await(struct tri_inquiry_order *order, uint64_t limit_ns)
{
    uint64_t ends_ns = tri_clock_now_ns() + limit_ns;
    uv_mutex_lock(&order->lock);
    for (uint64_t now_ns; order->state == ASKED && (now_ns = tri_clock_now_ns()) < ends_ns;)
        uv_cond_timedwait(&order->changed, &order->lock, ends_ns - now_ns);
    enum order_state state = order->state;
    uv_mutex_unlock(&order->lock);
    return state;
}

/* Where the workers have no threads they answer in steps. */
static void
step_until_answered(struct tri_runtime *runtime, const struct tri_inquiry_order *order)
{
    struct tri_stepper *stepper = runtime->stepper;
    while (order->state == ASKED && stepper->step(stepper, tri_clock_ms())) {
    }
}

/* -- Who asks. -- */

tr_status
tri_inquiry_init(struct tri_inquiry *inquiry, tr_runtime *runtime)
{
    inquiry->runtime = runtime;
    inquiry->unanswered = calloc(runtime->core->count, sizeof(*inquiry->unanswered));
    return inquiry->unanswered != NULL ? TR_OK : TR_ENOMEM;
}

void
tri_inquiry_fini(struct tri_inquiry *inquiry)
{
    for (unsigned i = 0; inquiry->unanswered != NULL && i < inquiry->runtime->core->count; i++)
        if (inquiry->unanswered[i] != NULL)
            let_go(inquiry->unanswered[i]);
    free(inquiry->unanswered);
    inquiry->unanswered = NULL;
}

static bool
still_owes(struct tri_inquiry *inquiry, unsigned worker)
{
    struct tri_inquiry_order *order = inquiry->unanswered[worker];
    if (order == NULL)
        return false;
    if (await(order, 0) == ASKED)
        return true;
    let_go(order);
    inquiry->unanswered[worker] = NULL;
    return false;
}

/* The message has its hold, whatever becomes of it. */
static tr_status
send_order(struct tri_inquiry *inquiry, unsigned worker, struct tri_inquiry_order *order)
{
    tri_refcount_hold(&order->holds);
    tr_message message = tr_message_pointer(TRI_TAG_INSPECT, order, sizeof(*order), drop_order);
    return tri_runtime_send_system(inquiry->runtime, tri_ref_of(worker, 0, 1), &message);
}

tr_status
tri_inquiry_ask(struct tri_inquiry *inquiry, unsigned worker, uint32_t from, struct tri_portion **out)
{
    if (still_owes(inquiry, worker))
        return TR_EDEADLINE;
    struct tri_inquiry_order *order = order_new(from);
    if (order == NULL)
        return TR_ENOMEM;
    tr_status status = send_order(inquiry, worker, order);
    if (status == TR_OK && tri_runtime_is_stepped(inquiry->runtime->core))
        step_until_answered(inquiry->runtime->core, order);
    enum order_state state = status == TR_OK ? await(order, TRI_ANSWER_MS * NS_PER_MS) : DROPPED;
    if (state == ANSWERED) {
        *out = &order->portion;
        return TR_OK;
    }
    if (state == ASKED) {
        inquiry->unanswered[worker] = order;
        return TR_EDEADLINE;
    }
    let_go(order);
    return status != TR_OK ? status : TR_ESTOPPING;
}

void
tri_portion_free(struct tri_portion *portion)
{
    let_go((struct tri_inquiry_order *)(void *)portion);
}

/* -- The worker's answer. -- */

/* The names may be gone when they are read. */
static void
keep_names(struct tri_portion *portion, struct tr_actor_info *info)
{
    for (unsigned i = 0; i < TR_REGISTERED_TOLD && info->registered[i] != NULL; i++) {
        size_t size = strlen(info->registered[i]) + 1;
        info->registered[i] = memcpy(portion->text + portion->text_size, info->registered[i], size);
        portion->text_size += (uint32_t)size;
    }
}

static bool
has_room_for_names(const struct tri_portion *portion)
{
    return TRI_PORTION_TEXT - portion->text_size >= TR_REGISTERED_TOLD * TR_NAME_SIZE;
}

static void
fill(struct tri_actors *home, uint32_t from, struct tri_portion *portion)
{
    uint32_t made = tri_slots_made(&home->slots), end = made - from > TRI_PORTION ? from + TRI_PORTION : made;
    uint32_t slot = from;
    portion->count = portion->text_size = 0;
    for (; slot < end && has_room_for_names(portion); slot++) {
        const tr_actor *actor = home->slots.table[slot].actor;
        if (actor == NULL)
            continue;
        struct tr_actor_info *info = &portion->actors[portion->count++];
        *info = tri_actor_describe(actor);
        keep_names(portion, info);
    }
    portion->next = slot < made ? slot : 0;
}

bool
tri_inquiry_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct tri_inquiry_order *order = message->payload.pointer.address;
    (void)to;
    fill(home, order->from, &order->portion);
    settle(order, ANSWERED);
    return true;
}
