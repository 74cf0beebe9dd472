#include "inbox.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <string.h>

ck_stack_entry_t tri_inbox_sealed; /* the top of a sealed inbox */

struct tri_inbox *
tri_inbox_new(void)
{
    struct tri_inbox *inbox = aligned_alloc(alignof(struct tri_inbox), sizeof(*inbox));
    if (inbox == NULL)
        return NULL;
    memset(inbox, 0, sizeof(*inbox));
    ck_stack_init(&inbox->stack);
    return inbox;
}

void
tri_inbox_free(struct tri_inbox *inbox)
{
    free(inbox);
}

/*
 * ck_stack_push_upmc(), spelt out so that ThreadSanitizer sees the link written before the entry is published, and so
 * that a sealed stack refuses. false: it did.
 */
static bool
push(ck_stack_t *stack, ck_stack_entry_t *entry)
{
    ck_stack_entry_t *top = ck_pr_load_ptr(&stack->head);
    do {
        if (top == &tri_inbox_sealed)
            return false;
        entry->next = top;
        TRI_RELEASE(stack);
        ck_pr_fence_store(); /* I1: the entry is whole before it is seen; pairs with I2 in tri_inbox_take() */
    } while (!ck_pr_cas_ptr_value(&stack->head, top, entry, &top));
    return true;
}

static bool
is_sealed(const struct tri_inbox *inbox)
{
    return ck_pr_load_ptr(&inbox->stack.head) == &tri_inbox_sealed;
}

/* Counts one more, unless the limit is reached. Exact, since the count is shown to users too. */
static bool
count_in(struct tri_inbox *inbox, unsigned limit)
{
    uint64_t pushed = ck_pr_load_64(&inbox->pushed);
    do {
        /* read later, so it may be ahead of what was pushed by then */
        if ((int64_t)(pushed - ck_pr_load_64(&inbox->read)) >= (int64_t)limit)
            return false;
    } while (!ck_pr_cas_64_value(&inbox->pushed, pushed, pushed + 1, &pushed));
    return true;
}

static struct tri_inbox_entry *
entry_new(tr_ref to, const tr_message *message)
{
    struct tri_inbox_entry *entry = malloc(sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->to = to;
    entry->message = *message;
    return entry;
}

tr_status
tri_inbox_push_urgent(struct tri_inbox *inbox, tr_ref to, const tr_message *message)
{
    struct tri_inbox_entry *entry = entry_new(to, message);
    if (entry == NULL)
        return TR_ENOMEM;
    if (push(&inbox->stack, &entry->link))
        return TR_OK;
    free(entry);
    return TR_ESTOPPING;
}

tr_status
tri_inbox_prepare(struct tri_inbox *inbox, unsigned limit, struct tri_inbox_entry **out)
{
    struct tri_inbox_entry *entry = malloc(sizeof(*entry));
    if (entry == NULL)
        return TR_ENOMEM;
    if (!count_in(inbox, limit)) {
        free(entry);
        return is_sealed(inbox) ? TR_ESTOPPING : TR_EFULL;
    }
    *out = entry;
    return TR_OK;
}

tr_status
tri_inbox_push_prepared(struct tri_inbox *inbox, struct tri_inbox_entry *entry, tr_ref to, const tr_message *message)
{
    entry->to = to;
    entry->message = *message;
    return push(&inbox->stack, &entry->link) ? TR_OK : TR_ESTOPPING;
}

void
tri_inbox_let_go(struct tri_inbox *inbox, struct tri_inbox_entry *entry)
{
    ck_pr_dec_64(&inbox->pushed);
    free(entry);
}

tr_status
tri_inbox_push(struct tri_inbox *inbox, tr_ref to, const tr_message *message, unsigned limit)
{
    struct tri_inbox_entry *entry;
    tr_status status = tri_inbox_prepare(inbox, limit, &entry);
    if (status != TR_OK)
        return status;
    status = tri_inbox_push_prepared(inbox, entry, to, message);
    if (status != TR_OK)
        tri_inbox_let_go(inbox, entry);
    return status;
}

void
tri_inbox_recount(struct tri_inbox *inbox, uint64_t count)
{
    ck_pr_add_64(&inbox->pushed, count - 1);
}

void
tri_inbox_read(struct tri_inbox *inbox)
{
    ck_pr_store_64(&inbox->read, inbox->read + 1);
}

uint64_t
tri_inbox_pushed(const struct tri_inbox *inbox)
{
    return ck_pr_load_64(&inbox->pushed);
}

/* Turns a batch round. */
static struct tri_inbox_entry *
oldest_first(ck_stack_entry_t *newest)
{
    struct ck_stack_entry *oldest = NULL;
    while (newest != NULL) {
        struct ck_stack_entry *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return (struct tri_inbox_entry *)oldest;
}

struct tri_inbox_entry *
tri_inbox_take(struct tri_inbox *inbox)
{
    ck_stack_entry_t *newest = ck_stack_batch_pop_upmc(&inbox->stack); /* I2, pairs with I1 */
    TRI_ACQUIRE(&inbox->stack);
    return oldest_first(newest);
}

struct tri_inbox_entry *
tri_inbox_seal(struct tri_inbox *inbox)
{
    ck_stack_entry_t *newest = ck_pr_fas_ptr(&inbox->stack.head, &tri_inbox_sealed);
    ck_pr_fence_load(); /* I2, pairs with I1 */
    TRI_ACQUIRE(&inbox->stack);
    return oldest_first(newest);
}

struct tri_inbox_entry *
tri_inbox_next(struct tri_inbox_entry *entry)
{
    return (struct tri_inbox_entry *)entry->link.next;
}
