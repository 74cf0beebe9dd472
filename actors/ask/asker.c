/*
 * The asker's side: a question from the call to its outcome.
 *
 * A question is in a table of its worker by its number, attached to the actor that asks, and has a timer. Everything
 * that can become of it comes as a message into the asker's mailbox: the answer, a refusal of whoever buried the
 * question, and at the deadline a refusal of its own. The first that is handled takes the question out of the table;
 * what comes later finds none. So there is one outcome, and it has its place in the order of the mailbox.
 *
 *   tr_ask() -> asked -> the first answer or refusal comes up -> over
 *                     -> the asker ends, or cancels           -> over, without a word
 *
 * The deadline's refusal has its memory in the question, so a deadline is told without memory, too.
 *
 * Whom an actor waits for stands in a table beside its slot (slots.h) that every thread may read. A timeout follows it
 * from actor to actor, and so tells who waits for whom. It shows one question of each actor, the latest.
 */
#include "ask.h"

#include "dead_letters.h"
#include "deadlines.h"
#include "extra.h"
#include "interest.h"
#include "memory.h"
#include "mute.h"
#include "post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/delay.h>

#define CHAIN_MOST 16u /* actors that a timeout names */
#define TEXT_SIZE 512u
/* In the trace: beyond enum tr_outcome. */
#define CANCELLED 4u
#define ASKER_ENDED 5u
#define NOT_SENT 6u

struct tri_asking {
    struct tri_table_entry entry; /* first; its key is the question's number */
    uint64_t message;             /* the question's, in the trace */
    struct tri_attachment attachment;
    struct tri_deadline deadline;
    struct tri_word word; /* the deadline's refusal */
    bool word_is_out;     /* it is owed: its memory is in use beyond the question's end */
    bool over;            /* then it is freed by `done` */
    char *text;           /* after the deadline: who waits for whom, as it was then; or NULL */
    struct tri_actors *home;
    tr_actor *actor; /* gone, if it is over */
    tr_ref asked;
    uint64_t timeout_ms;
    uint64_t work_ms; /* the deadline of what the asker works at: of what it does with the outcome, too */
    void (*done)(tr_actor *self, void *context, const struct tr_answer *answer);
    void *context;
    void (*destroy)(void *context);         /* NULL: nothing to do */
    bool (*fits)(const tr_message *answer); /* NULL: whatever it is */
};

static inline struct tri_asking *
asking_of(struct tri_actors *home, const tr_actor *actor, tr_ask_id id)
{
    struct tri_asking *asking = (struct tri_asking *)tri_table_find(&home->askings, id);
    return asking != NULL && asking->actor == actor ? asking : NULL;
}

/* Whom the actor waits for now: another question's, if it has one among its latest. */
static void
show_another(const struct tri_asking *over)
{
    const tr_actor *actor = over->actor;
    tr_ref shown = TR_NOBODY;
    const struct tri_attachment *attachment = actor->attachments;
    for (unsigned i = 0; attachment != NULL && i < CHAIN_MOST && shown == TR_NOBODY; i++, attachment = attachment->next)
        if (attachment->end == over->attachment.end)
            shown = TRI_CONTAINER_OF(attachment, struct tri_asking, attachment)->asked;
    tri_slots_wait(&actor->home->slots, actor->ref, shown);
}

/* The question is over; its memory is free when its word is home. */
static TRI_INLINE void
free_asking(struct tri_asking *asking)
{
    struct tri_actors *home = asking->home;
    tri_deadline_end(&asking->deadline);
    tri_detach(&asking->attachment);
    tri_table_remove(&home->askings, &asking->entry);
    if (tri_slots_waits_for(&home->slots, asking->actor->ref) == asking->asked)
        show_another(asking);
    if (TRI_UNLIKELY(asking->text != NULL))
        free(asking->text);
    asking->over = true;
    if (!asking->word_is_out)
        tri_pool_give(&home->asking_pool, asking);
}

/* The same of one whose callback is not called. */
static void
drop_asking(struct tri_asking *asking)
{
    void (*destroy)(void *) = asking->destroy;
    void *context = asking->context;
    free_asking(asking);
    if (destroy != NULL)
        destroy(context);
}

static void
on_asker_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_asking *asking = TRI_CONTAINER_OF(attachment, struct tri_asking, attachment);
    (void)death;
    tri_trace_ask_over(asking->home->worker->trace, asking->actor->ref, ASKER_ENDED, asking->message);
    drop_asking(asking);
}

/* The deadline. */

/* Whom that actor waits for, whatever worker it lives on. */
static tr_ref
waits_for(const struct tri_runtime *runtime, tr_ref actor)
{
    return tri_slots_waits_for(&tri_actors_of(runtime->workers[tri_ref_worker(actor)])->slots, actor);
}

static size_t
append(char text[TEXT_SIZE], size_t used, const char *word, tr_ref ref)
{
    char name[TR_REF_TEXT_SIZE];
    int written = snprintf(text + used, TEXT_SIZE - used, "%s%s", word, tr_ref_text(ref, name));
    return written > 0 && used + (size_t)written < TEXT_SIZE ? used + (size_t)written : TEXT_SIZE - 1;
}

/* "no answer from B within 500 ms: it waits for C, that waits for A" */
static void
tell_timeout(const struct tri_asking *asking, char text[TEXT_SIZE])
{
    char name[TR_REF_TEXT_SIZE];
    const struct tri_runtime *runtime = asking->actor->home->worker->runtime;
    int begun = snprintf(text, TEXT_SIZE, "no answer from %s within %llu ms", tr_ref_text(asking->asked, name),
                         (unsigned long long)asking->timeout_ms);
    size_t used = begun > 0 ? (size_t)begun : 0;
    tr_ref at = asking->asked, next;
    for (unsigned i = 0; i < CHAIN_MOST && (next = waits_for(runtime, at)) != TR_NOBODY; i++, at = next) {
        used = append(text, used, i == 0 ? ": it waits for " : ", that waits for ", next);
        if (next == asking->actor->ref) {
            snprintf(text + used, TEXT_SIZE - used, ", who asked: they wait in a circle");
            return;
        }
    }
}

static void
on_word_home(struct tri_word *word)
{
    struct tri_asking *asking = TRI_CONTAINER_OF(word, struct tri_asking, word);
    asking->word_is_out = false;
    if (asking->over)
        tri_pool_give(&asking->home->asking_pool, asking);
}

static void
on_deadline(struct tri_deadline *deadline)
{
    struct tri_asking *asking = TRI_CONTAINER_OF(deadline, struct tri_asking, deadline);
    tr_actor *actor = asking->actor;
    char text[TEXT_SIZE];
    tell_timeout(asking, text);
    asking->text = strdup(text); /* without memory it says less */
    asking->word_is_out = true;
    asking->word.done = on_word_home;
    tri_word_send(actor->home->worker, &asking->word, TR_NOBODY, actor->ref,
                  tri_refusal(asking->entry.key, TR_TIMED_OUT, TR_EDEADLINE, asking->asked));
}

/* Asking. */

/* What the worker needs for its first question. */
static bool
open_asks(struct tri_actors *home)
{
    if (TRI_LIKELY(home->deadlines != NULL))
        return true;
    tri_pool_init(&home->asking_pool, sizeof(struct tri_asking));
    if (home->counts)
        tri_pool_count_in(&home->asking_pool, &home->worker->level);
    home->deadlines = tri_deadlines_new(&home->worker->timers, on_deadline);
    return home->deadlines != NULL;
}

static struct tri_asking *
asking_new(tr_actor *actor, tr_ref to, const struct tr_ask_options *options)
{
    struct tri_actors *home = actor->home;
    struct tri_asking *asking = open_asks(home) ? tri_pool_take(&home->asking_pool) : NULL;
    if (asking == NULL)
        return NULL;
    asking->attachment.end = on_asker_end;
    asking->text = NULL;
    asking->word_is_out = asking->over = false;
    asking->home = home;
    asking->actor = actor;
    asking->asked = to;
    asking->done = options->done;
    asking->context = options->context;
    asking->destroy = options->destroy;
    asking->fits = options->fits;
    asking->work_ms = tri_work_deadline(actor);
    asking->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TR_ASK_TIMEOUT_MS;
    return asking;
}

/*
 * The deadline of what the actor works at holds for what it asks, too. It hears of it a millisecond later than who
 * asked him: so that one, whose timeout says who waits for whom, finds them still waiting.
 */
static uint64_t
begin_deadline(struct tri_asking *asking)
{
    struct tri_actors *home = asking->home;
    uint64_t due_ms = tri_deadlines_after(home->deadlines, home->worker->runtime->ticks_per_ms, asking->timeout_ms);
    bool inherited = asking->work_ms < due_ms;
    tri_deadline_begin(home->deadlines, &asking->deadline, inherited ? asking->work_ms + 1 : due_ms);
    if (inherited)
        return asking->work_ms;
    return asking->timeout_ms < TRI_DEADLINE_TRAVELS_MS / 2 ? due_ms : UINT64_MAX;
}

/* What the other, or the way to it, refuses is an outcome: it comes through the mailbox like all others. */
static tr_status
send_question(tr_actor *self, const struct tri_asking *asking, tr_message *question)
{
    struct tri_worker *worker = self->home->worker;
    if (TRI_LIKELY(tri_post_plain_looked_at(self->home, self->ref, asking->asked, question)))
        return TR_OK;
    tr_status status = tri_send_limited(worker, self->ref, asking->asked, question);
    if (status == TR_OK)
        tri_mute_after_send(self, asking->asked);
    if (status == TR_OK || status == TR_ENOMEM)
        return status;
    return tri_question_bury(worker, self->ref, asking->asked, question, status) ? TR_OK : TR_ENOMEM;
}

/* They come round, and 0 is none. */
static tr_ask_id
next_number(struct tri_actors *home)
{
    const uint64_t mask = (UINT64_C(1) << TRI_QUESTION_BITS) - 1;
    tr_ask_id number = ++home->questions & mask;
    return TRI_LIKELY(number != 0) ? number : ++home->questions & mask;
}

static tr_status
begin(tr_actor *self, struct tri_asking *asking, tr_message *question)
{
    struct tri_actors *home = self->home;
    struct tri_trace_stream *trace = home->worker->trace;
    tri_table_add(&home->askings, &asking->entry, next_number(home));
    tri_actor_attach(self, &asking->attachment);
    tri_slots_wait(&home->slots, self->ref, asking->asked);
    tri_question_mark(question, asking->entry.key, begin_deadline(asking));
    question->id = asking->message = TRI_UNLIKELY(trace != NULL) ? tri_trace_message_id(trace) : 0;
    tri_trace_ask(trace, self->ref, question->id);
    tr_status status = send_question(self, asking, question);
    if (status != TR_OK) {
        tri_trace_ask_over(trace, self->ref, NOT_SENT, asking->message);
        question->kind &= TR_PAYLOAD_KINDS;
        free_asking(asking);
    }
    return status;
}

static tr_status
check(const tr_actor *self, tr_ref to, const tr_message *question)
{
    if (self == NULL || question == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    if (!tri_ref_is_of(self->home->worker->runtime, to))
        return TR_EBADREF;
    if (question->tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    if (to == self->ref)
        return TR_ESELF;
    if (TRI_UNLIKELY(self->home->worker->at_limit) && tri_memory_is_used_up(self->home))
        return tri_memory_refuse(self->home->worker); /* the outcome would be new memory, too */
    return question->kind < TR_PAYLOAD_INVALID ? TR_OK : TR_ENOMEM;
}

tr_status
tr_ask(tr_actor *self, tr_ref to, tr_message *question, const struct tr_ask_options *options)
{
    static const struct tr_ask_options plain;
    TRI_CHECK_SELF(self);
    tr_status status = check(self, to, question);
    if (status != TR_OK)
        return status;
    if (options == NULL)
        options = &plain;
    struct tri_asking *asking = tri_message_spare_word(question) ? asking_new(self, to, options) : NULL;
    if (asking == NULL)
        return TR_ENOMEM;
    status = begin(self, asking, question);
    if (status == TR_OK && options->id != NULL)
        *options->id = asking->entry.key;
    return status;
}

tr_status
tr_ask_cancel(tr_actor *self, tr_ask_id question)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    struct tri_asking *asking = asking_of(self->home, self, question);
    if (asking == NULL)
        return TR_EGONE;
    tri_trace_ask_over(self->home->worker->trace, self->ref, CANCELLED, asking->message);
    drop_asking(asking);
    return TR_OK;
}

/* Outcomes. */

struct outcome {
    enum tr_outcome what;
    tr_status status;
};

static struct outcome
outcome_of(const tr_message *message)
{
    if (tri_is_refusal(message))
        return (struct outcome){(enum tr_outcome)message->payload.words[2],
                                (tr_status)(int64_t)message->payload.words[0]};
    return (struct outcome){TR_ANSWERED, TR_OK};
}

static void
tell_why(const struct tri_asking *asking, tr_status status, char text[TEXT_SIZE])
{
    char name[TR_REF_TEXT_SIZE];
    text[0] = '\0';
    if (asking->text != NULL)
        snprintf(text, TEXT_SIZE, "%s", asking->text);
    else if (status != TR_OK)
        snprintf(text, TEXT_SIZE, "no answer from %s: %s", tr_ref_text(asking->asked, name), tr_status_text(status));
}

/* An answer that is not as was asked for is a dead letter, and a refusal comes up in its place. */
static void
reject(struct tri_asking *asking, tr_message *message)
{
    struct tri_worker *worker = asking->home->worker;
    tr_message refusal = tri_refusal(asking->entry.key, TR_DOWN, TR_EBADMESSAGE, message->from);
    tri_dead_user_letter(asking->home, asking->actor->ref, message, TR_DEAD_BAD_MESSAGE);
    *message = refusal;
    message->kind &= TR_PAYLOAD_KINDS;
    message->from = TR_NOBODY;
    message->id = 0;
    if (worker->trace != NULL)
        tri_post_name(worker, message);
    worker->counters.sent++;
}

static inline enum tri_answer
way_of(const struct tri_asking *asking)
{
    return asking->done != NULL ? TRI_ANSWER_CALL : TRI_ANSWER_TO_MESSAGE;
}

TRI_NOINLINE static enum tri_answer
way_if_fits(struct tri_asking *asking, tr_message *message)
{
    if (!tri_is_refusal(message) && !asking->fits(message))
        reject(asking, message);
    return way_of(asking);
}

enum tri_answer
tri_answer_comes(struct tri_actors *home, tr_actor *actor, tr_message *message, struct tri_asking **out)
{
    struct tri_asking *asking = *out = asking_of(home, actor, message->payload.words[3]);
    if (asking == NULL)
        return TRI_ANSWER_LATE;
    message->kind &= TR_PAYLOAD_KINDS;
    return TRI_UNLIKELY(asking->fits != NULL) ? way_if_fits(asking, message) : way_of(asking);
}

void
tri_answer_call(struct tri_asking *asking, tr_actor *actor, tr_message *message)
{
    char text[TEXT_SIZE];
    struct outcome outcome = outcome_of(message);
    struct tr_answer answer = {.outcome = outcome.what, .status = outcome.status, .asked = asking->asked, .text = text};
    void (*done)(tr_actor *, void *, const struct tr_answer *) = asking->done;
    void *context = asking->context;
    answer.message = outcome.what == TR_ANSWERED ? message : NULL;
    tri_trace_ask_over(actor->home->worker->trace, actor->ref, answer.outcome, asking->message);
    tell_why(asking, outcome.status, text);
    if (asking->work_ms != UINT64_MAX)
        tri_work_begin(actor->home, actor, NULL, asking->work_ms);
    free_asking(asking);
    done(actor, context, &answer);
}

void
tri_answer_to_message(struct tri_asking *asking, tr_message *message)
{
    struct tri_actors *home = asking->home;
    struct outcome outcome = outcome_of(message);
    if (outcome.what != TR_ANSWERED) {
        struct tr_unanswered unanswered = {asking->entry.key, asking->asked, outcome.status, outcome.what};
        memcpy(message->payload.bytes, &unanswered, sizeof(unanswered));
        message->size = sizeof(unanswered);
    }
    home->answers = asking->entry.key;
    tri_work_begin(home, asking->actor, message, asking->work_ms);
    tri_trace_ask_over(home->worker->trace, asking->actor->ref, outcome.what, asking->message);
    drop_asking(asking);
}

void
tri_answer_again(struct tri_actors *home, const tr_actor *actor, tr_message *message)
{
    home->answers = tri_question_of(message);
    tri_work_begin(home, actor, message, tri_question_deadline(message, tri_clock_of_loop_ms(&home->worker->loop)));
    message->kind &= TR_PAYLOAD_KINDS;
}

tr_ask_id
tr_answers(const tr_actor *self)
{
    TRI_CHECK_SELF(self);
    return self != NULL && self->home->worker->activity.actor == self->ref ? self->home->answers : 0;
}
