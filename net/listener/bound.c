/*
 * The bound addresses of a runtime, and the servers that listen there.
 *
 * As in Node's cluster, where a process is what a worker is here: servers of different workers share an address, and a
 * port that the system has chosen, unless one of them wants it for itself; one worker does not listen twice. What a
 * server has are the workers on which its connections live. So two servers share if these differ.
 *
 * A bound is found by what was asked for, until its last member has left. The listener closes the descriptor as soon as
 * it sees that. If somebody joins before it looks, it stays.
 */
#include "bound.h"

#include "address_internal.h"
#include "bind.h"
#include "descriptor.h"
#include "listener.h"
#include "opening.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/core/refcount.h>
#include <troupe/core/status_from.h>

tr_status (*tri_bound_source)(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error);

struct tri_bounds {
    uv_mutex_t lock;
    struct tri_bound *first; /* those that can be joined */
    struct tri_bound *all;   /* that are held by anybody */
};

/* The list. */

static void
close_bounds(struct tri_runtime *runtime)
{
    struct tri_bounds *all = runtime->guest;
    for (struct tri_bound *bound; (bound = all->all) != NULL; free(bound))
        all->all = bound->next_of_all; /* a branch that was never born held it */
    uv_mutex_destroy(&all->lock);
    free(all);
    runtime->guest = NULL;
}

/* NULL without memory. */
static struct tri_bounds *
bounds_of(struct tri_runtime *runtime)
{
    uv_mutex_lock(&runtime->lock);
    struct tri_bounds *all = runtime->guest;
    if (all == NULL && (all = calloc(1, sizeof(*all))) != NULL && uv_mutex_init(&all->lock) != 0) {
        free(all);
        all = NULL;
    }
    if (all != NULL) {
        runtime->guest = all;
        runtime->guest_close = close_bounds;
    }
    uv_mutex_unlock(&runtime->lock);
    return all;
}

void
tri_bound_lock(struct tri_bound *bound)
{
    uv_mutex_lock(&bound->all->lock);
}

void
tri_bound_unlock(struct tri_bound *bound)
{
    uv_mutex_unlock(&bound->all->lock);
}

void
tri_bound_end(struct tri_bound *bound)
{
    struct tri_bound **link = &bound->all->first;
    if (bound->over)
        return;
    bound->over = true;
    while (*link != bound)
        link = &(*link)->next;
    *link = bound->next;
}

void
tri_bound_hold(struct tri_bound *bound)
{
    tri_refcount_hold(&bound->holds);
}

static void
take_out_of_all(struct tri_bound *bound)
{
    if (bound->prev_of_all != NULL)
        bound->prev_of_all->next_of_all = bound->next_of_all;
    else
        bound->all->all = bound->next_of_all;
    if (bound->next_of_all != NULL)
        bound->next_of_all->prev_of_all = bound->prev_of_all;
}

static void
put_into_all(struct tri_bound *bound)
{
    bound->next_of_all = bound->all->all;
    if (bound->next_of_all != NULL)
        bound->next_of_all->prev_of_all = bound;
    bound->all->all = bound;
}

void
tri_bound_release(struct tri_bound *bound)
{
    if (!tri_refcount_release(&bound->holds))
        return;
    tri_bound_lock(bound);
    take_out_of_all(bound);
    tri_bound_unlock(bound);
    free(bound);
}

struct tri_deal *
tri_bound_taker(const struct tri_bound *bound, unsigned worker)
{
    for (const struct tri_member *member = bound->members; member != NULL; member = member->next) {
        if (member->above != NULL || !member->deal->places[worker].wanted)
            continue;
        tri_deal_hold(member->deal);
        return member->deal;
    }
    return NULL;
}

static bool
is_stuck(const struct tri_deal *deal, unsigned worker, uint64_t now_ms)
{
    const struct tri_worker *there = deal->home->worker->runtime->workers[worker];
    return tri_activity_behind_ms(&there->activity, now_ms) >= TR_BALANCE_STUCK_MS;
}

/* Of one server; returns of how many workers. Those that take nothing now are not waited for. */
static unsigned
add_loads(struct tri_deal *deal, unsigned worker, uint64_t *own, uint64_t *sum)
{
    uint64_t now_ms = tri_clock_ms();
    unsigned count = 0;
    tri_deal_lock(deal);
    for (unsigned i = 0; i < deal->workers && !deal->paused; i++) {
        if (!deal->places[i].wanted || !tri_deal_takes(deal, i) || (i != worker && is_stuck(deal, i, now_ms)))
            continue;
        uint32_t load = tri_deal_load(deal, i);
        *own += i == worker ? load : 0;
        *sum += load;
        count++;
    }
    tri_deal_unlock(deal);
    return count;
}

unsigned
tri_bound_loads(struct tri_bound *bound, unsigned worker, uint64_t *own, uint64_t *sum)
{
    unsigned count = 0;
    *own = *sum = 0;
    tri_bound_lock(bound);
    for (const struct tri_member *member = bound->members; member != NULL; member = member->next)
        if (member->above == NULL)
            count += add_loads(member->deal, worker, own, sum);
    tri_bound_unlock(bound);
    return count;
}

struct tri_member *
tri_bound_take_leavers(struct tri_bound *bound)
{
    struct tri_member *leavers = bound->leavers;
    bound->leavers = NULL;
    return leavers;
}

struct tri_member *
tri_bound_listener_ends(struct tri_bound *bound)
{
    tri_bound_lock(bound);
    tri_bound_end(bound);
    bound->listener = TR_NOBODY;
    struct tri_member *leavers = tri_bound_take_leavers(bound);
    tri_bound_unlock(bound);
    return leavers;
}

/* Members. */

struct tri_member *
tri_member_new(struct tri_deal *deal)
{
    struct tri_member *member = calloc(1, sizeof(*member));
    if (member == NULL)
        return NULL;
    tri_deal_hold(deal);
    member->deal = deal;
    member->holds = 1;
    return member;
}

void
tri_member_release(struct tri_member *member)
{
    if (!tri_refcount_release(&member->holds))
        return;
    if (member->bound != NULL)
        tri_bound_release(member->bound);
    tri_deal_release(member->deal);
    free(member);
}

static void
rang(struct tri_word *word)
{
    struct tri_member *member = TRI_CONTAINER_OF(word, struct tri_member, ring);
    member->rings = false;
    tri_member_release(member);
}

static void
ring(struct tri_member *member, struct tri_net *net, tr_ref listener)
{
    tr_actor *actor = tri_actor_reach(net->worker, listener, &tri_listener_behavior);
    if (actor != NULL) {
        tri_listener_look(actor);
    } else if (!member->rings) {
        member->rings = true;
        tri_refcount_hold(&member->holds);
        member->ring.done = rang;
        tri_word_send(net->worker, &member->ring, TR_NOBODY, listener, tr_message_signal(TRI_TAG_LISTENER_LOOK));
    }
}

void
tri_member_ring(struct tri_member *member, struct tri_net *net)
{
    tri_bound_lock(member->bound);
    tr_ref listener = member->bound->listener;
    tri_bound_unlock(member->bound);
    if (listener != TR_NOBODY)
        ring(member, net, listener);
}

/* It takes connections from now on, or none any more. */
static void
set_open(struct tri_deal *deal, bool open)
{
    tri_deal_lock(deal);
    deal->open = open;
    deal->paused = false;
    tri_deal_unlock(deal);
}

static void
note_turn(struct tri_bound *bound, const struct tri_deal *deal, bool had)
{
    for (unsigned worker = 0; worker < deal->workers; worker++)
        if (deal->places[worker].wanted)
            bound->had[worker] = had;
}

/* Under the lock. */
static void
enter(struct tri_member *member, struct tri_bound *bound)
{
    member->bound = bound;
    member->listener = bound->listener;
    member->next = bound->members;
    bound->members = member;
    ck_pr_store_uint(&bound->changes, bound->changes + 1);
    tri_refcount_hold(&bound->holds);
    note_turn(bound, member->deal, true);
}

void
tri_member_open(struct tri_member *member, struct tri_net *net)
{
    set_open(member->deal, true);
    tri_member_ring(member, net);
}

void
tri_member_leave(struct tri_member *member, struct tri_net *net, void *server)
{
    struct tri_bound *bound = member->bound;
    tri_bound_lock(bound);
    struct tri_member **link = &bound->members;
    while (*link != member)
        link = &(*link)->next;
    *link = member->next;
    if (member->above != NULL)
        member->above->below = member->below;
    if (member->below != NULL)
        member->below->above = member->above;
    ck_pr_store_uint(&bound->changes, bound->changes + 1);
    set_open(member->deal, false);
    tr_ref listener = bound->listener;
    if (listener != TR_NOBODY) {
        member->next = bound->leavers;
        bound->leavers = member;
    }
    tri_bound_unlock(bound);
    if (listener != TR_NOBODY)
        ring(member, net, listener);
    else
        member->deal->calls->left(server, member);
}

/* Joining. */

bool
tri_bound_is_same(const struct tri_bound_key *a, const struct tri_bound_key *b)
{
    return a->kind == b->kind && a->fd == b->fd && a->size == b->size &&
           memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

/* Do connections of both live on one worker? */
static bool
share_a_worker(const struct tri_deal *a, const struct tri_deal *b)
{
    for (unsigned worker = 0; worker < a->workers; worker++)
        if (a->places[worker].wanted && b->places[worker].wanted)
            return true;
    return false;
}

static bool
has_a_worker_of(const struct tri_bound *bound, const struct tri_deal *deal)
{
    for (const struct tri_member *member = bound->members; member != NULL; member = member->next)
        if (share_a_worker(member->deal, deal))
            return true;
    return false;
}

/* Is one of its workers taken, or does somebody want the address alone? */
static bool
is_in_use(const struct tri_bound *bound, const struct tri_deal *deal, bool exclusive)
{
    if (bound->members == NULL)
        return false;
    return exclusive || bound->exclusive || has_a_worker_of(bound, deal);
}

static tr_status
failed(struct tr_error *error, tr_status status, const char *call)
{
    *error = (struct tr_error){.status = status, .call = call};
    return status;
}

tr_status
tri_bound_compare(const struct tri_bound_terms *a, const struct tri_bound_terms *b)
{
    if (a->backlog != b->backlog)
        return TR_EBACKLOGDIFFERS;
    if (a->ipv6_only != b->ipv6_only)
        return TR_EIPV6ONLYDIFFERS;
    if (a->readable_all != b->readable_all || a->writable_all != b->writable_all)
        return TR_ERIGHTSDIFFER;
    if (a->accept != b->accept)
        return TR_EACCEPTDIFFERS;
    return TR_OK;
}

/* Which of the terms differs? */
static tr_status
compare_terms(const struct tri_bound_terms *a, const struct tri_bound_terms *b)
{
    tr_status status = tri_bound_compare(a, b);
    return status == TR_OK && a->balance != b->balance ? TR_EBALANCEDIFFERS : status;
}

/* A port that the system has chosen can be named, too. */
static bool
is_meant(const struct tri_bound *bound, const struct tri_bound_key *key)
{
    return tri_bound_is_same(&bound->key, key) || tri_bound_is_same(&bound->chosen, key);
}

static void
choose_key(struct tri_bound *bound)
{
    bound->chosen = bound->key;
    if (bound->key.any_port && bound->opened.whose != TRI_OPENED_HERE)
        bound->chosen.address = bound->opened.own;
    else if (bound->key.any_port)
        tri_descriptor_own_name(bound->opened.fd, &bound->chosen.address);
}

/* Does a server of one of these workers listen on a port that was asked for in this way? */
static bool
listens_already(const struct tri_bounds *all, const struct tri_bound_key *key, const struct tri_deal *deal)
{
    for (const struct tri_bound *bound = all->first; bound != NULL; bound = bound->next)
        if (tri_bound_is_same(&bound->key, key) && has_a_worker_of(bound, deal))
            return true;
    return false;
}

static bool
has_had_turn(const struct tri_bound *bound, const struct tri_deal *deal)
{
    for (unsigned worker = 0; worker < deal->workers; worker++)
        if (deal->places[worker].wanted && bound->had[worker])
            return true;
    return false;
}

/*
 * A port that the system chooses. As in Node's cluster the nth server of a worker shares it with the nth of the others,
 * and who has closed does not come back to the same one, unless it had no other. NULL: another port is to be chosen.
 */
static struct tri_bound *
find_chosen(const struct tri_bounds *all, const struct tri_bound_wish *wish, const struct tri_deal *deal)
{
    bool begins = !listens_already(all, &wish->key, deal);
    for (struct tri_bound *bound = all->first; bound != NULL; bound = bound->next) {
        if (!tri_bound_is_same(&bound->key, &wish->key) || bound->members == NULL)
            continue;
        if (begins)
            note_turn(bound, deal, false);
        if (!is_in_use(bound, deal, wish->exclusive) && !has_had_turn(bound, deal))
            return bound;
    }
    return NULL;
}

/* The bound that a server may join, or that keeps it out. */
static struct tri_bound *
find(const struct tri_bounds *all, const struct tri_bound_wish *wish, const struct tri_deal *deal)
{
    if (wish->key.any_port)
        return find_chosen(all, wish, deal);
    for (struct tri_bound *bound = all->first; bound != NULL; bound = bound->next)
        if (is_meant(bound, &wish->key))
            return bound;
    return NULL;
}

static tr_status
join_it(struct tri_member *member, struct tri_bound *bound, const struct tri_bound_wish *wish, struct tr_error *error)
{
    if (bound->key.kind == TRI_BOUND_FD && has_a_worker_of(bound, member->deal))
        return failed(error, TR_EEXIST, NULL);
    if (is_in_use(bound, member->deal, wish->exclusive))
        return failed(error, TR_EADDRINUSE, "bind");
    tr_status status = compare_terms(&bound->terms, &wish->terms);
    if (status != TR_OK && bound->members == NULL)
        return failed(error, TR_EADDRINUSE, "bind"); /* for a moment: the last one's close event has not come yet */
    if (status != TR_OK)
        return failed(error, status, "listen");
    bound->exclusive = wish->exclusive;
    enter(member, bound);
    return TR_OK;
}

/* The oldest comes first: the nth server of a worker on a port of the system's shares with the nth of the others. */
static void
append(struct tri_bounds *all, struct tri_bound *bound)
{
    struct tri_bound **link = &all->first;
    while (*link != NULL)
        link = &(*link)->next;
    *link = bound;
}

/* A process that wants the address alone, or a group, or has brought a descriptor, does so by itself. */
static tr_status
open_descriptor(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error)
{
    bool is_shared = tri_bound_source != NULL && !wish->exclusive && wish->key.kind != TRI_BOUND_FD &&
                     wish->terms.accept != TR_ACCEPT_REUSEPORT;
    return is_shared ? tri_bound_source(wish, out, error) : tri_opened_open(wish, out, error);
}

static void
learn_address(struct tri_bound *bound)
{
    if (bound->opened.whose == TRI_OPENED_HERE)
        tri_descriptor_own(bound->opened.fd, &bound->address);
    else
        tri_address_from((const struct sockaddr *)&bound->opened.own, &bound->address);
    choose_key(bound);
}

static tr_status
open_it(struct tri_member *member, struct tri_net *net, struct tri_bounds *all, const struct tri_bound_wish *wish,
        struct tr_error *error)
{
    struct tri_bound *bound = calloc(1, sizeof(*bound) + net->worker->runtime->count * sizeof(bound->had[0]));
    if (bound == NULL)
        return failed(error, TR_ENOMEM, NULL);
    bound->all = all;
    bound->key = wish->key;
    bound->terms = wish->terms;
    bound->exclusive = wish->exclusive;
    bound->holds = 1;
    tr_status status = open_descriptor(wish, &bound->opened, error);
    if (status != TR_OK) {
        free(bound);
        return status;
    }
    learn_address(bound);
    status = tri_listener_spawn(net, bound, &bound->listener);
    if (status != TR_OK) {
        bool is_callers = wish->key.kind == TRI_BOUND_FD;
        if (!is_callers) {
            tri_opened_unlink(&bound->opened);
            tri_opened_close(&bound->opened);
        }
        free(bound);
        return failed(error, status, is_callers ? NULL : "listen");
    }
    append(all, bound);
    put_into_all(bound);
    enter(member, bound);
    return TR_OK;
}

tr_status
tri_member_join(struct tri_member *member, struct tri_net *net, const struct tri_bound_wish *wish,
                struct tr_error *error)
{
    struct tri_bounds *all = bounds_of(net->worker->runtime);
    if (all == NULL)
        return failed(error, TR_ENOMEM, NULL);
    uv_mutex_lock(&all->lock);
    struct tri_bound *bound = find(all, wish, member->deal);
    tr_status status = bound != NULL ? join_it(member, bound, wish, error) : open_it(member, net, all, wish, error);
    uv_mutex_unlock(&all->lock);
    return status;
}

/* Under the lock: a bound that is over has no descriptor any more, and the other server is about to hear of that. */
static tr_status
cover(struct tri_member *member, struct tri_member *other, int backlog, struct tr_error *error)
{
    struct tri_bound *bound = other->bound;
    if (bound->over)
        return failed(error, TR_ENOADDRESS, NULL);
    bool listens = bound->terms.accept != TR_ACCEPT_REUSEPORT && bound->opened.whose != TRI_OPENED_DEALT;
    int system = listens ? tri_listen(bound->opened.fd, backlog) : 0;
    if (system != 0) {
        *error = (struct tr_error){.status = tri_status_from_errno(system), .system = system, .call = "listen"};
        return error->status;
    }
    struct tri_member *top = other;
    while (top->above != NULL)
        top = top->above;
    member->below = top;
    top->above = member;
    bound->terms.backlog = backlog;
    enter(member, bound);
    return TR_OK;
}

tr_status
tri_member_cover(struct tri_member *member, struct tri_member *other, int backlog, struct tr_error *error)
{
    tri_bound_lock(other->bound);
    tr_status status = cover(member, other, backlog, error);
    tri_bound_unlock(other->bound);
    return status;
}
