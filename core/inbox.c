#include "inbox.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <troupe/core/order.h>

static ck_stack_entry_t sealed; /* the top of a sealed inbox */

struct tri_inbox *
tri_inbox_new(void)
{
    struct tri_inbox *inbox = calloc(1, sizeof(*inbox));
    if (inbox != NULL)
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
        if (top == &sealed)
            return false;
        entry->next = top;
        TRI_RELEASE(stack);
        ck_pr_fence_store(); /* I1: the entry is whole before it is seen; pairs with I2 in tri_inbox_take() */
    } while (!ck_pr_cas_ptr_value(&stack->head, top, entry, &top));
    return true;
}

tr_status
tri_inbox_push(struct tri_inbox *inbox, tr_ref to, const tr_message *message, unsigned limit)
{
    if (ck_pr_faa_uint(&inbox->waiting, 1) >= limit) {
        ck_pr_dec_uint(&inbox->waiting);
        return TR_EFULL;
    }
    struct tri_inbox_entry *entry = malloc(sizeof(*entry));
    if (entry == NULL) {
        ck_pr_dec_uint(&inbox->waiting);
        return TR_ENOMEM;
    }
    entry->to = to;
    entry->message = *message;
    if (push(&inbox->stack, &entry->link))
        return TR_OK;
    ck_pr_dec_uint(&inbox->waiting);
    free(entry);
    return TR_ESTOPPING;
}

/* Turns a batch round. */
static struct tri_inbox_entry *
oldest_first(struct tri_inbox *inbox, ck_stack_entry_t *newest)
{
    TRI_ACQUIRE(&inbox->stack);
    struct ck_stack_entry *oldest = NULL;
    unsigned taken = 0;
    while (newest != NULL) {
        struct ck_stack_entry *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
        taken++;
    }
    if (taken > 0)
        ck_pr_sub_uint(&inbox->waiting, taken);
    return (struct tri_inbox_entry *)oldest;
}

struct tri_inbox_entry *
tri_inbox_take(struct tri_inbox *inbox)
{
    return oldest_first(inbox, ck_stack_batch_pop_upmc(&inbox->stack)); /* I2, pairs with I1 */
}

struct tri_inbox_entry *
tri_inbox_seal(struct tri_inbox *inbox)
{
    ck_stack_entry_t *newest = ck_pr_fas_ptr(&inbox->stack.head, &sealed);
    ck_pr_fence_load(); /* I2, pairs with I1 */
    return oldest_first(inbox, newest);
}

struct tri_inbox_entry *
tri_inbox_next(struct tri_inbox_entry *entry)
{
    return (struct tri_inbox_entry *)entry->link.next;
}

bool
tri_inbox_empty(const struct tri_inbox *inbox)
{
    const ck_stack_entry_t *top = ck_pr_load_ptr(&inbox->stack.head);
    return top == NULL || top == &sealed;
}
