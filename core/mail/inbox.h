/*
 * The inbox: the way in for threads that are no workers.
 *
 * Any number of them push onto one ck_stack; the worker takes all of it with one exchange and turns it round, so what
 * one thread sent keeps its order. A thread may be interrupted anywhere without holding up another (a ring with tickets
 * would stall them all).
 *
 * The limit is for what was pushed and is not read yet, and reading is the receiver's, not the taking out of the inbox:
 * a worker files its mail whatever else it does, so a limit on what lies here would bound nothing.
 *
 * The last reading seals it: the exchange that takes what is there leaves a mark in its place. A push is either in that
 * batch or finds the mark and is refused, so nothing can come between the last reading and the end.
 */
#ifndef TROUPE_CORE_INBOX_H
#define TROUPE_CORE_INBOX_H

#include <ck_stack.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <troupe/core/compiler.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

struct tri_inbox_entry {
    ck_stack_entry_t link;
    tr_ref to;
    tr_message message;
};

struct tri_inbox {
    /* Any thread. */
    alignas(TRI_CACHE_PAIR) ck_stack_t stack;
    uint64_t pushed; /* ever, without the urgent; may be ahead of the stack, never behind */

    /* Owner writes, others read. */
    alignas(TRI_CACHE_PAIR) uint64_t read; /* of those that were pushed */
};

struct tri_inbox *tri_inbox_new(void);

/* Frees the inbox; it is empty. */
void tri_inbox_free(struct tri_inbox *inbox);

/* TR_OK, TR_EFULL (limit messages are not read yet), TR_ESTOPPING (it is sealed), TR_ENOMEM. The message moves. Thread:
 * any. */
tr_status tri_inbox_push(struct tri_inbox *inbox, tr_ref to, const tr_message *message, unsigned limit);

/* The same without a limit, and uncounted. */
tr_status tri_inbox_push_urgent(struct tri_inbox *inbox, tr_ref to, const tr_message *message);

/*
 * The same in two steps: what is prepared is counted, and is pushed or let go. So several are pushed, or none.
 * Returns TR_OK, TR_EFULL, TR_ESTOPPING, TR_ENOMEM. A push is refused with TR_ESTOPPING alone; then the entry is still
 * the caller's to let go. Thread: any.
 */
tr_status tri_inbox_prepare(struct tri_inbox *inbox, unsigned limit, struct tri_inbox_entry **out);
tr_status tri_inbox_push_prepared(struct tri_inbox *inbox, struct tri_inbox_entry *entry, tr_ref to,
                                  const tr_message *message);
void tri_inbox_let_go(struct tri_inbox *inbox, struct tri_inbox_entry *entry);

/* What was counted as one is so many from now on. Thread: any. */
void tri_inbox_recount(struct tri_inbox *inbox, uint64_t count);

/* One of those that tri_inbox_push() counted has been read. Thread: owner. */
void tri_inbox_read(struct tri_inbox *inbox);

/* How many were ever counted. Thread: any. */
uint64_t tri_inbox_pushed(const struct tri_inbox *inbox);

/* All entries, first in first, linked by tri_inbox_next(); each is the caller's to free(). Thread: owner. */
struct tri_inbox_entry *tri_inbox_take(struct tri_inbox *inbox);

/* The same for the last time: from now on pushing is refused and the inbox is empty. Thread: owner. */
struct tri_inbox_entry *tri_inbox_seal(struct tri_inbox *inbox);

struct tri_inbox_entry *tri_inbox_next(struct tri_inbox_entry *entry);

/* What lies on a sealed stack instead of entries. */
extern ck_stack_entry_t tri_inbox_sealed;

/* Thread: owner. */
static inline bool
tri_inbox_empty(const struct tri_inbox *inbox)
{
    const ck_stack_entry_t *top = ck_pr_load_ptr(&inbox->stack.head);
    return top == NULL || top == &tri_inbox_sealed;
}

#endif
