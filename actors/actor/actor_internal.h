/*
 * Actors as their own layer sees them: one struct for each actor, one for each worker's actors, and who calls whom.
 *
 *   send.c, post.c, deliver.c  ->  mailbox.h  ->  dispatch.c  ->  the behavior
 *   spawn.c makes actors, life.c ends them; dead_letters.c takes what nobody receives.
 */
#ifndef TROUPE_ACTORS_ACTOR_INTERNAL_H
#define TROUPE_ACTORS_ACTOR_INTERNAL_H

#include "attachment.h"
#include "local.h"
#include "mail_list.h"
#include "named.h"
#include "slots.h"
#include "table.h"

#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/host.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/actors/trace.h>
#include <troupe/core/worker.h>

/* The layer's own tags: the functions of struct tri_actors handle them when they arrive, and no behavior sees them. */
enum {
    TRI_TAG_SPAWN = TR_TAG_RESERVED + 0x100, /* a pointer to a struct tri_spawn_order */
    TRI_TAG_STOP,                            /* words[0] is the enum tr_stop_mode */
    TRI_TAG_CHILD_GONE,                      /* to the parent: a child of other workers has ended */
    TRI_TAG_PROBE,                           /* words[0] wants to know if the actor is gone */
    TRI_TAG_WATCH,                           /* a pointer to a struct tri_watcher: somebody watches the actor */
    TRI_TAG_UNWATCH,                         /* words[0] is the number of the watch that is over */
    TRI_TAG_LINK,                            /* words[0] links itself with the actor */
    TRI_TAG_UNLINK,                          /* words[0] has ended that */
    TRI_TAG_LINK_DOWN,                       /* a pointer to a struct tri_link_down: who is linked has ended */
    TRI_TAG_NAME_NEWS,                       /* news of names wait on this worker */
    TRI_TAG_INSPECT,                         /* a pointer to a struct tri_inquiry_order: somebody inspects the worker */
    TRI_TAG_GROUP_JOIN,                      /* a pointer to a struct tri_member: the actor is to be one */
    TRI_TAG_GROUP_LEAVE,                     /* a pointer to the group that the actor is to leave */
    TRI_TAG_PUBLISH,                         /* to a worker: a pointer to a struct tri_fan */
    TRI_TAG_GROUP_NEWS,                      /* to a worker: words are a group, a member, what it did and the count */
    TRI_TAG_GROUP_GATHER,                    /* to a worker: a pointer to a list of members that it goes on with */
    TRI_TAG_RELIEF_ASK,   /* a pointer to what waits until the actor's mailbox is relieved: relief.c */
    TRI_TAG_RELIEF_PROBE, /* words[0] waits, words[1] is the number of that: does it come round? */
    TRI_TAG_RELIEF_HELD,  /* words[0] is the number of a wait: it has begun */
    TRI_TAG_RELIEVED,     /* words[0] is the number of a wait: it is over */
    TRI_TAG_RESTART,      /* a pointer to a struct tri_ward: the actor that rests lives again */
    TRI_TAG_RELEASE,      /* its next end is final: it stops; words[0] is the enum tr_stop_mode */
    TRI_TAG_SUPERVISE,    /* a pointer to a request to a supervisor */
    TRI_TAG_RECORD,       /* a pointer to an order to begin or to end recording: recording.c */
    TRI_TAG_OWN_END,
};

struct tri_actors;

/* Does what a message to `to` says. It may take the payload. false: without memory, and nothing has happened. */
typedef bool (*tri_system_function)(struct tri_actors *home, tr_ref to, tr_message *message);

enum tri_actor_flag {
    TRI_ACTOR_ASKED = 1 << 0,   /* somebody asked it to stop with DRAIN */
    TRI_ACTOR_CLOSED = 1 << 1,  /* it takes nothing new and ends when its mailbox is empty */
    TRI_ACTOR_ENDING = 1 << 2,  /* it ends when no callback of it runs any more */
    TRI_ACTOR_KILLED = 1 << 3,  /* without its stopped callback */
    TRI_ACTOR_GONE = 1 << 4,    /* ended, only the memory waits: for mail in the queue, or for tr_exit() */
    TRI_ACTOR_LINGERS = 1 << 5, /* killed while its state was in use: tr_exit() frees it */
    TRI_ACTOR_UNBORN = 1 << 6,  /* holds the mail of a reserved slot until its actor comes */
    TRI_ACTOR_LIMITED = 1 << 7, /* its behavior sets limits to the mailbox, or drops */
    TRI_ACTOR_SLOW = 1 << 8,    /* its last message took long: dispatch.c */
    TRI_ACTOR_HOSTED = 1 << 9,  /* the layer above says when it has ended */
    TRI_ACTOR_DONE = 1 << 10,   /* said so while it was being killed: nothing lingers */
    TRI_ACTOR_OWES = 1 << 11,   /* gone, but its parent could not be told yet: parent.c */
    TRI_ACTOR_LOOK = 1 << 12,   /* of what waits something may need a look before it is handled: tri_mail_is_plain() */
    TRI_ACTOR_WARD = 1 << 13,   /* a supervisor keeps its name when it ends: life/rest.c */
    TRI_ACTOR_MUTED = 1 << 14,  /* it is given no messages: mute.c */
    TRI_ACTOR_AWAITED = 1 << 15 /* somebody waits until its mailbox is relieved: relief.c */
};

/*
 * Both together: it rests. It has ended, its name has not, and its mail is held until it lives again, or ends for good.
 * What is written about either holds: nobody acts in its name, and nobody else of it is there but its mailbox.
 */
#define TRI_ACTOR_RESTS (TRI_ACTOR_GONE | TRI_ACTOR_UNBORN)

/* Flags of actors that the fast path must not serve when a message is put. */
#define TRI_ACTOR_SLOW_PATH                                                                                            \
    (TRI_ACTOR_CLOSED | TRI_ACTOR_ENDING | TRI_ACTOR_LIMITED | TRI_ACTOR_UNBORN | TRI_ACTOR_SLOW | TRI_ACTOR_MUTED)

/* The same when one of its messages is handled. */
#define TRI_ACTOR_UNUSUAL (TRI_ACTOR_GONE | TRI_ACTOR_LIMITED | TRI_ACTOR_SLOW | TRI_ACTOR_LOOK | TRI_ACTOR_MUTED)

/* The state follows the struct. Everything is the owner's. */
struct tr_actor {
    const struct tr_behavior *behavior;
    struct tri_actors *home;
    tr_ref ref;
    tr_ref parent;
    union {
        struct tri_mail_list overflow; /* mailbox.h */
        struct {
            tr_actor *next, *previous;
        } lingering; /* of one that is gone and lingers: in the list of its worker */
    };
    union {
        struct tri_mail *head;       /* of a limited mailbox: the one that stands in the queue */
        struct tri_mail **put_aside; /* slow, or at rest: where the next that is put aside goes in the overflow */
    };
    struct tri_attachment *attachments; /* what ends with it */
    uint32_t waiting;                   /* messages in the mailbox */
    uint32_t handled;                   /* messages, the low half: ledger.h */
    uint32_t children;
    uint16_t flags;
    uint8_t depth;   /* callbacks of it on the stack */
    uint8_t strayed; /* of a slow actor, and of one that rests: messages in the queue that are to be put aside */
};

static inline bool
tri_actor_rests(const tr_actor *actor)
{
    return (actor->flags & TRI_ACTOR_RESTS) == TRI_ACTOR_RESTS;
}

/* A supervised actor is a child of its supervisor. TR_NOBODY: nobody supervises it. */
static inline tr_ref
tri_actor_supervisor(const tr_actor *actor)
{
    return (actor->flags & TRI_ACTOR_WARD) != 0 ? actor->parent : TR_NOBODY;
}

#define TRI_ACTOR_ALIGN 16u
#define TRI_ACTOR_HEAD ((sizeof(tr_actor) + TRI_ACTOR_ALIGN - 1) / TRI_ACTOR_ALIGN * TRI_ACTOR_ALIGN)
#define TRI_POOLED_BYTES 2048u /* larger actors come from malloc */
#define TRI_BODY_POOLS (TRI_POOLED_BYTES / TRI_ACTOR_ALIGN + 1)

static inline void *
tri_actor_state(tr_actor *actor)
{
    return (char *)actor + TRI_ACTOR_HEAD;
}

/* The question that an actor is handling: ask/asked.c. */
struct tri_asked {
    struct tri_attachment attachment;
    tr_actor *actor; /* NULL: none, or it was answered, kept or forwarded */
    tr_ref from;
    uint64_t id;
    uint64_t deadline_ms; /* UINT64_MAX: none that is known here */
    tr_ref who;
    tr_status refusal; /* what the asker hears if nothing else becomes of it */
    bool unsaid;       /* its actor has ended, and there was no memory to say so */
};

/* What is worked at: while a question, or the outcome of one, is being handled. ask/work.h */
struct tri_work {
    const tr_actor *actor;     /* NULL: nothing */
    const tr_message *message; /* that is being handled; NULL: it was set aside, or came to a callback */
    uint64_t deadline_ms;      /* of what it asks in turn. UINT64_MAX: none that is known here */
};

/* What is being handled, if the worker records: run/record.c. */
struct tri_recorded {
    tr_ref actor;
    uint64_t message;
    uint32_t tag;
    bool returned; /* its handler has, and no event says so yet */
    uint64_t now;  /* the ticks, if nothing has happened since they were read; else 0 */
};

/* Is a send to an actor of this worker the plain case? */
enum tri_careful {
    TRI_CAREFUL_NOT,
    TRI_CAREFUL_RECORDS, /* but that the worker records it */
    TRI_CAREFUL_ALWAYS,  /* never: something is owed, or the memory limit is reached */
};

/* The actors of one worker. Everything is the owner's but what spawn.c says. */
struct tri_actors {
    struct tri_worker *worker;
    const tri_system_function *system; /* by tag - TRI_TAG_SPAWN */

    /* With each message, so close together. */
    struct tri_mail_list queue; /* mailbox.h */
    uint32_t until_look;        /* dispatch.c */
    bool slice_over;            /* likewise */
    uint8_t careful;            /* enum tri_careful */
    struct tri_pool mail;
    struct tri_slots slots;

    struct tri_pool pools[TRI_BODY_POOLS]; /* by size: body.c */
    uint64_t alive;
    bool draining, killing;
    bool counts;                                       /* its worker is limited */
    void (*pressed)(tr_actor *actor, bool is_pressed); /* of hosted actors: tri_actors_on_pressure() */
    void (*memory_free)(struct tri_worker *worker);    /* tri_actors_on_memory() */
    struct tri_attachment *confirming;                 /* relief.c: waits that are being confirmed */
    bool confirms;
    tr_actor *lingering;             /* gone, but their memory is in use until their tr_exit(), or the end */
    unsigned stops;                  /* stops on the stack, each asked for by a callback of the one before */
    struct tri_mail_list late_stops; /* asked for by the innermost: `from` says whom, words[0] how */

    /* offload.c */
    struct tri_offload *offloads; /* those that have not come home */
    uint64_t cancelled;

    /* The slice: dispatch.c. */
    uint32_t stride, dice;
    uint32_t looks_from; /* until_look when the clock was last read */
    uint64_t looked;
    uint64_t slice_ends; /* when its worker has received so many */

    /* ledger.h */
    uint64_t began_ms;  /* by the loop's clock */
    uint64_t busy_rest; /* ticks that have not counted for anybody */
    bool unsettled;     /* the end of the last slice has not counted for anybody */

    uint64_t numbers;           /* given: interest.h */
    struct tri_table interests; /* by number */
    struct tri_table watchers;  /* of actors of this worker, by the number of their interest: watch.c */
    struct tri_table wards;     /* by the name of their actor: life/rest.c */

    /* ask/asker.c, ask/asked.c. */
    uint64_t questions;       /* ever asked here */
    struct tri_table askings; /* by number: what actors of this worker have asked */
    struct tri_pool asking_pool;
    struct tri_deadlines *deadlines; /* NULL until somebody asks */
    struct tri_asked asked;
    struct tri_work work;
    uint64_t asked_ms,
        asked_read;        /* the clock, and the ticks when it was read, for deadlines of questions that begin */
    tr_ref forwarder;      /* who forwards the question that is being sent on */
    uint64_t answers;      /* the question that the message which is being handled answers, 0: none */
    struct tri_table kept; /* by number: what actors of this worker are to answer later */
    struct tri_kept *kept_oldest, *kept_youngest;

    struct tri_locals locals; /* what the worker has once: local.c */

    struct tri_timer_entry *timers; /* by number: timer.c */
    uint32_t timer_room, timer_free, timers_started, timers_running;

    /* What could not be sent yet: parent.c, owed.c. */
    tr_actor *owing_actors;
    struct {
        struct tri_owed *first, **last_next;
    } owed;
    uint64_t owing; /* bits of the workers that they are for */
    bool paying;

    struct tri_recorded recorded;
    struct {
        uint8_t *met;                /* by slot, bits: its actor needs no introduction; NULL: none does */
        uint32_t next, end;          /* slots: which comes next; none from that one on was there */
        struct tri_timer pause;      /* until it fires nobody is introduced who need not be */
        unsigned pause_ms;           /* how long that takes; 0: the one before was not in a pause */
    } introducing;                   /* introductions.c */
    struct tri_tag_names *tag_names; /* that have been recorded: tracing/tag_names.c; NULL: none yet */

    /* Under the lock of the names: names/news.c. */
    struct {
        struct tri_name_news *first, *last;
        uint64_t kicked; /* the last change of which this worker is told */
    } news;
};

struct tr_runtime {
    struct tri_runtime *core;
    struct tri_names *names;         /* constant */
    struct tri_inspector *inspector; /* serve.c; NULL: there is none */

    /* Any thread. */
    uint64_t subscriber; /* of dead letters; TR_NOBODY: none */

    /* Any thread, and often: apart from what is only read. */
    alignas(TRI_CACHE_PAIR) uint64_t live; /* what keeps the program alive: workers with something open, and holds */
    uint64_t sent_outside;                 /* messages that the library sent from threads that are no workers */

    struct tri_named_all named;

    /* Who begins and ends traces: recording.c. */
    struct {
        uv_mutex_t lock;
        struct tri_recording_order *ending; /* some worker has not obeyed it yet; NULL: none is under way */
    } recording;

    /* Under the lock. */
    uv_mutex_t lock;
    pthread_t waiter;
    bool waiting, woken, quit; /* woken: its signal was sent */
    bool waits_for_idle;
};

/* actor.c: who runs now, as the watchdog sees it, is again who ran before. */
void tri_actor_restore(struct tri_worker_activity *activity, struct tri_actor_frame outer);

/* May it be the name of an actor of that runtime? */
static inline bool
tri_ref_is_of(const struct tri_runtime *runtime, tr_ref ref)
{
    return ref != TR_NOBODY && tri_ref_worker(ref) < runtime->count;
}

/* Is this a tag that the layer handles itself? */
static inline bool
tri_tag_is_own(uint32_t tag)
{
    return tag >= TRI_TAG_SPAWN && tag < TRI_TAG_OWN_END;
}

/* A message from nobody is given to its receiver, or never will be. From nobody are those from outside, and notices. */
static inline void
tri_outside_read(struct tri_worker *worker, const tr_message *message)
{
    if (message->tag < TR_TAG_RESERVED)
        tri_worker_outside_read(worker);
}

/* Bits in the kind of a message that waits or is on its way. */
#define TRI_MAIL_BOUNCED 0x80u  /* in its handler: it was bounced, which is done when that has returned */
#define TRI_MAIL_READ 0x80u     /* while it waits: it was read before, and counts no more: stash.c */
#define TRI_MAIL_QUESTION 0x40u /* question.h */
#define TRI_MAIL_REPLY 0x20u
#define TRI_MAIL_NOTICE 0x10u /* it is for an interest, whose number is words[3]: interest.h */
#define TRI_MAIL_ANSWERED (TRI_MAIL_REPLY | TRI_MAIL_NOTICE) /* an answer that was set aside: its question is over */
#define TRI_MAIL_PUBLISHED 0x08u /* a group's, for an actor on its way: TRI_TAG_PUBLISHED if that is a hosted one */

/* Those that a message may have which somebody else than the library began. */
#define TRI_MAIL_LIMITED_KINDS (TR_PAYLOAD_KINDS | TRI_MAIL_QUESTION | TRI_MAIL_READ)

/* May a message be handled as it is? What came from outside counts when it is read. */
static inline bool
tri_mail_is_plain(const tr_message *message)
{
    return message->from != TR_NOBODY && message->kind <= TR_PAYLOAD_KINDS;
}

/* Do limits hold for a message, so that a full mailbox may refuse or drop it? Not for what the library itself says, nor
 * for answers; but for notices of dead letters, which there are as many of as there is traffic. */
static inline bool
tri_mail_is_limited(const tr_message *message)
{
    return (message->tag < TR_TAG_RESERVED || message->tag == TR_TAG_DEAD_LETTER) &&
           (message->kind & ~TRI_MAIL_LIMITED_KINDS) == 0;
}

/* The actors of a worker. */
static inline struct tri_actors *
tri_actors_of(const struct tri_worker *worker)
{
    return worker->host;
}

static inline struct tr_runtime *
tri_runtime_of(const struct tri_actors *home)
{
    return home->worker->runtime->host;
}

#endif
