/*
 * A supervisor and its children. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_SUPERVISING_H
#define TROUPE_ACTORS_SUPERVISING_H

#include "plan.h"
#include "request.h"
#include "strategy.h"
#include "ward.h"

#include <troupe/actors/send.h>

extern const struct tr_behavior tri_supervisor_behavior;

struct tri_supervisor;

/* A child; of those that every worker has, one of them. */
struct tri_child {
    struct tri_child *next, *previous; /* in the order of their start */
    struct tri_supervisor *supervisor;
    struct tri_plan *owner; /* a hold on what `plan` is in */
    const struct tri_child_plan *plan;
    char name[TRI_CHILD_NAME_SIZE];
    unsigned worker;
    struct tri_table_entry entry; /* of one that has a name: among the supervisor's children, by that name */
    tr_ref ref;                   /* TR_NOBODY: it has none */

    enum tr_child_state state;
    struct tri_ward *ward;    /* of one that rests; NULL: the actor has it, or it is to be made */
    struct tri_word *release; /* the word that its end is final */
    bool wanted;              /* it is to run */
    bool down;                /* it is to be stopped first */
    bool born;                /* it has begun once */
    bool kill_owed;           /* it is to be killed, and there was no memory to say so */
    uint64_t due_ms;          /* of one that rests: when it is to begin */
    uint64_t begun_ms, waited_ms;
    uint64_t restarts;
    tr_status reason; /* of its last end */
    tr_timer deadline;
    struct tri_request *adding, *removing;
};

enum tri_supervisor_phase { TRI_SUPERVISOR_STARTING, TRI_SUPERVISOR_RUNNING, TRI_SUPERVISOR_ENDING };

/* The state of the actor. */
struct tri_supervisor {
    struct tri_attachment attachment; /* whatever ends it */
    tr_actor *self;
    struct tri_plan *plan;
    struct tri_child *first, *last;
    struct tri_table by_ref;
    struct tri_intensity intensity;
    enum tri_supervisor_phase phase;
    tr_timer due; /* for the next child that is to begin */
    struct tri_outsider *waiter;
    tr_status failure; /* of one that ends: why; TR_OK, it was asked to */
    char text[256];
    bool advancing, again;
};

/* What the supervisor's timers send to it. */
enum { TRI_CHILD_LATE = 1, TRI_CHILD_DUE }; /* LATE: words[0] is the ref */

/* A new child at the end; it rests. The worker is for one of those that each has. NULL without memory. */
struct tri_child *tri_child_new(struct tri_supervisor *supervisor, struct tri_plan *owner,
                                const struct tri_child_plan *plan, unsigned worker);

/* All children of a plan: one, or one for each worker. The request may be NULL. false: without memory, and some are
 * there. */
bool tri_children_new(struct tri_supervisor *supervisor, struct tri_plan *owner, const struct tri_child_plan *plan,
                      struct tri_request *request);

/* The child of that ref; NULL: it is none. */
struct tri_child *tri_child_of(struct tri_supervisor *supervisor, tr_ref ref);

/* Starts a child that rests. */
void tri_child_start(struct tri_child *child);

/* Asks a child that lives to stop. */
void tri_child_stop(struct tri_child *child);

/* Its time to stop is over. */
void tri_child_kill(struct tri_child *child);

/* The child has ended; takes the ward. */
void tri_child_ended(struct tri_child *child, struct tri_ward *ward);

/* The child is no more the supervisor's: if it rests its name ends, if it lives it is killed. Frees it. */
void tri_child_forget(struct tri_child *child);

/* The request for which the child was added, or is removed, has its outcome as far as this child goes. */
void tri_child_added(struct tri_child *child, tr_status status);
void tri_child_removed(struct tri_child *child);

/* Fills in an answer about the child. */
void tri_child_describe(const struct tri_child *child, struct tr_supervisor_answer *answer);

/* Does the next step, as the marks of the children say: advance.c. */
void tri_supervisor_advance(struct tri_supervisor *supervisor);

/* A child rests that was not asked to: marks what the supervisor makes of that. verdict.c */
void tri_child_failed(struct tri_child *child);

/* All children are to go, and then the supervisor. */
void tri_supervisor_end_all(struct tri_supervisor *supervisor);

/* Does what is asked for, as far as marks go, or answers: answer.c. Takes the request. */
void tri_supervisor_serve(struct tri_supervisor *supervisor, struct tri_request *request);

/* All children have started, or never will: a thread outside that waits for that hears it. start.c */
void tri_supervisor_started(struct tri_supervisor *supervisor, tr_status status);

#endif
