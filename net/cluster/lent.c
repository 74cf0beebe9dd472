/*
 * Descriptors that listen, as the parent keeps them.
 *
 *   asked for --bind--> lent --the last lease has left--> over
 *                        |  ^
 *                        |  +-- a child asks for it
 *                        +--the last lease has died--> kept --its time is over--> over
 *
 * One is found by what was asked for, and of port 0 by the number of such wishes of the child besides: Node's `index`.
 * It begins again when the child has none of them any more.
 *
 * A connection that came back is given away before new ones are accepted, which wait in the system's backlog as long as
 * nobody has room.
 */
#include "cluster_state.h"

#include "bind.h"
#include "descriptor.h"
#include "opening.h"
#include "verdict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/status_from.h>

#define ACCEPTS_PER_TURN 16
#define RETRY_MS 50

/* Finding. */

static bool
has_lease_of(const struct tri_lent *lent, const struct tri_slot *slot)
{
    for (const struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next)
        if (lease->fd >= 0 && lease->slot == slot)
            return true;
    return false;
}

static bool
has_any_of(const struct tr_cluster *cluster, const struct tri_slot *slot, const struct tri_bound_key *key)
{
    for (const struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next)
        if (!lent->over && tri_bound_is_same(&lent->key, key) && has_lease_of(lent, slot))
            return true;
    return false;
}

/* How many of that key the child has asked for; NULL without memory. */
static struct tri_order_count *
count_of(const struct tr_cluster *cluster, struct tri_slot *slot, const struct tri_bound_key *key)
{
    struct tri_order_count *count = slot->counts;
    while (count != NULL && !tri_bound_is_same(&count->key, key))
        count = count->next;
    if (count != NULL) {
        if (!has_any_of(cluster, slot, key))
            count->asked = 0;
        return count;
    }
    count = calloc(1, sizeof(*count));
    if (count == NULL)
        return NULL;
    count->key = *key;
    count->next = slot->counts;
    slot->counts = count;
    return count;
}

/* A port that the system has chosen can be named, too. */
static struct tri_lent *
find(const struct tr_cluster *cluster, const struct tri_bound_key *key, unsigned order)
{
    for (struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next) {
        if (lent->over)
            continue;
        if (tri_bound_is_same(&lent->key, key) && lent->order == order)
            return lent;
        if (!key->any_port && tri_bound_is_same(&lent->chosen, key))
            return lent;
    }
    return NULL;
}

/* Opening. */

/* A path is shown as the child gave it. */
static void
learn_address(struct tri_lent *lent)
{
    lent->opened.own = lent->key.address;
    if (lent->key.kind == TRI_BOUND_TCP)
        tri_descriptor_own_name(lent->opened.fd, &lent->opened.own);
    lent->chosen = lent->key;
    lent->chosen.any_port = false;
    lent->chosen.address = lent->opened.own;
}

/* NULL: error says why. */
static struct tri_lent *
open_lent(struct tr_cluster *cluster, const struct tri_bound_wish *wish, unsigned order, struct tr_error *error)
{
    struct tri_lent *lent = calloc(1, sizeof(*lent));
    *error = (struct tr_error){.status = TR_ENOMEM, .call = "listen"};
    if (lent == NULL || !tri_cluster_reserve(cluster))
        goto free_lent;
    lent->key = wish->key;
    lent->order = order;
    lent->terms = wish->terms;
    tr_status status = tri_opened_open(wish, &lent->opened, error);
    if (status != TR_OK)
        goto free_lent;
    learn_address(lent);
    lent->next = cluster->lents;
    cluster->lents = lent;
    cluster->lent_count++;
    return lent;

free_lent:
    free(lent);
    return NULL;
}

/* Answering. */

/* Gives an errno, negative: it has no answer. */
static int
answer(const struct tri_slot *slot, const struct tri_lend_answer *answer, const int *fds, unsigned count)
{
    return tri_channel_send(slot->orders, answer, sizeof(*answer), NULL, 0, fds, count);
}

/* A child that cannot even be told this is not to wait: it finds the parent gone. */
static void
answer_error(struct tri_slot *slot, const struct tr_error *error)
{
    struct tri_lend_answer no = {.status = error->status, .system = error->system};
    snprintf(no.call, sizeof(no.call), "%s", error->call);
    if (slot->orders < 0 || answer(slot, &no, NULL, 0) == 0)
        return;
    tri_close(slot->orders);
    slot->orders = -1;
}

static void
answer_errno(struct tri_slot *slot, int error)
{
    struct tr_error why = {.status = tri_status_from_errno(error), .system = error, .call = "listen"};
    answer_error(slot, &why);
}

static void
lend(struct tr_cluster *cluster, struct tri_slot *slot, struct tri_lent *lent)
{
    bool dealt = cluster->options.scheduling != TR_CLUSTER_BY_KERNEL;
    int end, error;
    struct tri_lease *lease = tri_lease_new(cluster, lent, slot, &end, &error);
    if (lease == NULL) {
        lent->over = lent->over || lent->leases == NULL;
        answer_errno(slot, -error);
        return;
    }
    struct tri_lend_answer yes = {.dealt = dealt, .no_delay = lent->opened.no_delay, .own = lent->opened.own};
    error = answer(slot, &yes, (const int[]){end, lent->opened.fd}, dealt ? 1 : 2);
    tri_close(end);
    slot->ready = slot->ready || error == 0;
    if (error != 0)
        answer_errno(slot, -error);
}

/* What other children have said before this one asked may not have been read yet. */
static void
catch_up(struct tr_cluster *cluster)
{
    for (struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next)
        for (struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next)
            tri_lease_read(cluster, lease);
    tri_lents_sweep(cluster);
}

static void
serve(struct tr_cluster *cluster, struct tri_slot *slot, const struct tri_bound_wish *wish)
{
    struct tr_error error = {.status = TR_ENOMEM, .call = "listen"};
    struct tri_order_count *count = NULL;
    if (cluster->stopping) {
        answer_error(slot, &(struct tr_error){.status = TR_ESTOPPING, .call = "listen"});
        return;
    }
    catch_up(cluster);
    if (wish->key.any_port && (count = count_of(cluster, slot, &wish->key)) == NULL) {
        answer_error(slot, &error);
        return;
    }
    unsigned order = count != NULL ? count->asked : 0;
    struct tri_lent *lent = find(cluster, &wish->key, order);
    if (lent != NULL)
        error.status = tri_bound_compare(&lent->terms, &wish->terms);
    else if ((lent = open_lent(cluster, wish, order, &error)) != NULL)
        error.status = TR_OK;
    if (error.status != TR_OK) {
        answer_error(slot, &error);
        return;
    }
    if (count != NULL)
        count->asked++;
    lend(cluster, slot, lent);
}

void
tri_lent_serve(struct tr_cluster *cluster, struct tri_slot *slot)
{
    struct tri_lend_ask ask;
    struct tri_bound_wish wish;
    struct tri_channel_record record;
    ssize_t got = tri_channel_receive(slot->orders, &ask, sizeof(ask), &record);
    if (got == -EAGAIN)
        return;
    bool has_fds = record.count > 0;
    tri_channel_drop(&record);
    if (got == 0 && !has_fds) { /* it has ended, or closed it by itself */
        tri_close(slot->orders);
        slot->orders = -1;
    } else if (got != (ssize_t)sizeof(ask) || has_fds || !tri_lend_wish_of(&ask, &wish)) {
        tri_slot_refuse(cluster, slot, "what is no wish to listen");
    } else {
        serve(cluster, slot, &wish);
    }
}

/* Dealing. */

bool
tri_lent_is_polled(const struct tr_cluster *cluster, const struct tri_lent *lent)
{
    return cluster->options.scheduling != TR_CLUSTER_BY_KERNEL && !cluster->stopping && !lent->over &&
           cluster->now_ns >= lent->retry_ns && tri_lease_choose(cluster, lent) != NULL;
}

/* false: nobody has room. */
static bool
give(struct tr_cluster *cluster, struct tri_lent *lent, int fd)
{
    struct tri_lease *lease;
    while ((lease = tri_lease_choose(cluster, lent)) != NULL)
        if (tri_lease_give(cluster, lease, fd))
            return true;
    return false;
}

static void
give_returned(struct tr_cluster *cluster, struct tri_lent *lent)
{
    struct tri_returned *returned;
    while ((returned = lent->returned) != NULL && give(cluster, lent, returned->fd)) {
        lent->returned = returned->next;
        free(returned);
    }
}

void
tri_lent_return(struct tri_lent *lent, int fd)
{
    struct tri_returned *returned = malloc(sizeof(*returned));
    if (returned == NULL) {
        tri_close(fd);
        return;
    }
    *returned = (struct tri_returned){.next = lent->returned, .fd = fd};
    lent->returned = returned;
}

/* false: it is of no use to go on. */
static bool
accept_one(struct tr_cluster *cluster, struct tri_lent *lent)
{
    int fd = tri_accept(lent->opened.fd, NULL);
    if (fd >= 0) {
        if (!give(cluster, lent, fd))
            tri_lent_return(lent, fd);
        return true;
    }
    enum tri_verdict verdict = tri_verdict(TRI_ON_ACCEPT, -fd);
    if (verdict == TRI_BROKEN)
        lent->over = true;
    if (verdict == TRI_SHORT)
        lent->retry_ns = cluster->now_ns + tri_ms(RETRY_MS);
    return verdict == TRI_REFUSED || verdict == TRI_AGAIN;
}

void
tri_lent_deal(struct tr_cluster *cluster, struct tri_lent *lent, bool readable)
{
    if (cluster->stopping || lent->over)
        return;
    give_returned(cluster, lent);
    for (unsigned i = 0; readable && i < ACCEPTS_PER_TURN && lent->returned == NULL; i++)
        if (!tri_lent_is_polled(cluster, lent) || !accept_one(cluster, lent))
            return;
}

/* The end. */

void
tri_lents_turn(struct tr_cluster *cluster)
{
    for (struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next) {
        if (lent->keep_ns != 0 && cluster->now_ns >= lent->keep_ns)
            lent->over = true;
        tri_lent_deal(cluster, lent, false);
    }
}

void
tri_lents_soonest(const struct tr_cluster *cluster, uint64_t *soonest_ns)
{
    for (const struct tri_lent *lent = cluster->lents; lent != NULL; lent = lent->next) {
        if (lent->keep_ns != 0)
            tri_sooner(soonest_ns, lent->keep_ns);
        if (lent->retry_ns > cluster->now_ns)
            tri_sooner(soonest_ns, lent->retry_ns);
        for (const struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next)
            if (lease->fd >= 0 && lease->back_until_ns > cluster->now_ns)
                tri_sooner(soonest_ns, lease->back_until_ns);
    }
}

static void
sweep_leases(struct tr_cluster *cluster, struct tri_lent *lent)
{
    struct tri_lease **link = &lent->leases;
    while (*link != NULL) {
        struct tri_lease *lease = *link;
        if (lease->fd >= 0) {
            link = &lease->next;
            continue;
        }
        *link = lease->next;
        cluster->lease_count--;
        free(lease);
    }
}

/* Closes what it has. A file goes before its socket: unix_path.c. */
static void
close_lent(struct tr_cluster *cluster, struct tri_lent *lent, bool remove)
{
    for (struct tri_lease *lease = lent->leases; lease != NULL; lease = lease->next)
        tri_lease_lost(cluster, lease);
    sweep_leases(cluster, lent);
    while (lent->returned != NULL) {
        struct tri_returned *returned = lent->returned;
        lent->returned = returned->next;
        tri_close(returned->fd);
        free(returned);
    }
    if (remove)
        tri_unix_path_remove(lent->opened.path);
    else
        free(lent->opened.path);
    tri_close(lent->opened.fd);
    cluster->lent_count--;
    free(lent);
}

void
tri_lents_sweep(struct tr_cluster *cluster)
{
    struct tri_lent **link = &cluster->lents;
    while (*link != NULL) {
        struct tri_lent *lent = *link;
        sweep_leases(cluster, lent);
        if (!lent->over) {
            link = &lent->next;
            continue;
        }
        *link = lent->next;
        close_lent(cluster, lent, true);
    }
}

void
tri_lents_close(struct tr_cluster *cluster, bool remove)
{
    while (cluster->lents != NULL) {
        struct tri_lent *lent = cluster->lents;
        cluster->lents = lent->next;
        close_lent(cluster, lent, remove);
    }
}
