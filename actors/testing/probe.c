/*
 * Probes: an actor that keeps its messages, and the test that asks for them.
 *
 * The two share a struct tr_probe under a lock, since in a runtime with threads they run at once. Each lets go of it
 * for itself, the actor when it ends and the test when it closes; the second frees it. So a probe may be closed before
 * or after its runtime has ended: once the actor is gone the test touches the runtime no more.
 *
 * What the test does as the probe is an order in a message of the library's own, with a semaphore in it. Its destructor
 * answers, too, so that the test is never left waiting.
 */
#include "simulation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/host.h>
#include <troupe/actors/send.h>
#include <troupe/core/delay.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/testing.h>

#define TAG_DO (TRI_TAG_NET + 0xe00u) /* a pointer to a struct order */
#define NS_PER_MS UINT64_C(1000000)
#define NAMED 4u /* messages that a failure tells of */

struct kept {
    struct kept *next;
    tr_message message;
};

struct tr_probe {
    tr_runtime *runtime; /* the test's; not to be touched when `gone` */
    tr_ref ref;
    char text[TR_PROBE_TEXT_SIZE]; /* the test's */

    /* Under the lock. */
    uv_mutex_t lock;
    uv_cond_t came;
    struct kept *first, **last;
    bool gone;   /* the actor has ended */
    bool closed; /* by the test */
};

/* The shared part. */

static tr_status
probe_new(tr_runtime *runtime, tr_probe **out)
{
    tr_probe *probe = calloc(1, sizeof(*probe));
    if (probe == NULL)
        return TR_ENOMEM;
    probe->runtime = runtime;
    probe->last = &probe->first;
    int err = uv_mutex_init(&probe->lock);
    if (err != 0)
        goto free_probe;
    err = uv_cond_init(&probe->came);
    if (err != 0)
        goto destroy_lock;
    *out = probe;
    return TR_OK;

destroy_lock:
    uv_mutex_destroy(&probe->lock);
free_probe:
    free(probe);
    return tri_status_from_uv(err);
}

static void
probe_free(tr_probe *probe)
{
    while (probe->first != NULL) {
        struct kept *kept = probe->first;
        probe->first = kept->next;
        tr_message_drop(&kept->message);
        free(kept);
    }
    uv_cond_destroy(&probe->came);
    uv_mutex_destroy(&probe->lock);
    free(probe);
}

/* One of the two lets go. */
static void
let_go(tr_probe *probe, bool *mine, const bool *other)
{
    uv_mutex_lock(&probe->lock);
    *mine = true;
    bool last = *other;
    uv_cond_signal(&probe->came); /* nothing will come any more */
    uv_mutex_unlock(&probe->lock);
    if (last)
        probe_free(probe);
}

/* The actor. */

struct order {
    void (*act)(tr_actor *self, void *argument);
    void *argument;
    bool *done;
    uv_sem_t *over;
};

struct state {
    tr_probe *probe;
};

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct state *own = state;
    (void)self;
    memcpy(&own->probe, argument, sizeof(own->probe));
    return TR_OK;
}

static void
obey(tr_actor *self, tr_message *message)
{
    struct order *order = tr_message_take_pointer(message);
    order->act(self, order->argument);
    *order->done = true;
    uv_sem_post(order->over);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    tr_probe *probe = ((struct state *)state)->probe;
    if (message->tag == TAG_DO) {
        obey(self, message);
        return;
    }
    struct kept *kept = malloc(sizeof(*kept));
    if (kept == NULL)
        abort(); /* a test that loses a message would say something wrong */
    *kept = (struct kept){.message = *message};
    *message = tr_message_signal(message->tag);
    uv_mutex_lock(&probe->lock);
    *probe->last = kept;
    probe->last = &kept->next;
    uv_mutex_unlock(&probe->lock);
    uv_cond_signal(&probe->came);
}

static void
stopped(tr_actor *self, void *state)
{
    tr_probe *probe = ((struct state *)state)->probe;
    (void)self;
    let_go(probe, &probe->gone, &probe->closed);
}

/* One that is killed is not told that it has stopped. */
static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    if (how == TR_STOP_KILL)
        stopped(self, state);
    return true;
}

static const struct tr_behavior behavior = {
    .name = "probe",
    .state_size = sizeof(struct state),
    .init = init,
    .receive = receive,
    .stopping = stopping,
    .stopped = stopped,
};

/* The test. */

tr_status
tr_probe_open(tr_runtime *runtime, tr_probe **out)
{
    if (runtime == NULL || out == NULL)
        return TR_EINVAL;
    tr_probe *probe;
    tr_status status = probe_new(runtime, &probe);
    if (status != TR_OK)
        return status;
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .argument = &probe, .argument_size = sizeof(probe)};
    status = tr_runtime_spawn(runtime, &behavior, &options, &probe->ref);
    if (status == TR_OK)
        *out = probe;
    else
        probe_free(probe);
    return status;
}

static bool
is_gone(tr_probe *probe)
{
    uv_mutex_lock(&probe->lock);
    bool gone = probe->gone;
    uv_mutex_unlock(&probe->lock);
    return gone;
}

void
tr_probe_close(tr_probe *probe)
{
    if (probe == NULL)
        return;
    if (!is_gone(probe))
        tr_runtime_stop_actor(probe->runtime, probe->ref, TR_STOP_NOW);
    let_go(probe, &probe->closed, &probe->gone);
}

tr_ref
tr_probe_ref(const tr_probe *probe)
{
    return probe != NULL ? probe->ref : TR_NOBODY;
}

const char *
tr_probe_text(const tr_probe *probe)
{
    return probe != NULL ? probe->text : "";
}

/* Waiting. */

/* Under the lock, in a runtime with threads. */
static void
wait_for_first(tr_probe *probe, uint64_t within_ms)
{
    uint64_t now = tri_clock_system_ns(), longest_ms = (UINT64_MAX - now) / NS_PER_MS;
    uint64_t end = now + (within_ms < longest_ms ? within_ms : longest_ms) * NS_PER_MS;
    while (probe->first == NULL && !probe->gone && (now = tri_clock_system_ns()) < end)
        uv_cond_timedwait(&probe->came, &probe->lock, end - now);
}

static bool
has_first(tr_probe *probe)
{
    uv_mutex_lock(&probe->lock);
    bool has = probe->first != NULL;
    uv_mutex_unlock(&probe->lock);
    return has;
}

static void
step_to_first(tr_probe *probe, struct tri_simulation *simulation, uint64_t within_ms)
{
    uint64_t now_ms = tr_testing_now(probe->runtime);
    uint64_t until_ms = within_ms < TRI_CLOCK_NEVER - 1 - now_ms ? now_ms + within_ms : TRI_CLOCK_NEVER;
    while (!has_first(probe) && tri_simulation_step(simulation, until_ms)) {
    }
}

/* The first that was kept, once it is there or the time is over; NULL: it is over. */
static struct kept *
await_first(tr_probe *probe, uint64_t within_ms)
{
    struct tri_simulation *simulation = is_gone(probe) ? NULL : tri_simulation_of(probe->runtime);
    if (simulation != NULL)
        step_to_first(probe, simulation, within_ms);
    uv_mutex_lock(&probe->lock);
    if (simulation == NULL)
        wait_for_first(probe, within_ms);
    struct kept *first = probe->first;
    uv_mutex_unlock(&probe->lock);
    return first;
}

static struct kept *
take_first(tr_probe *probe)
{
    uv_mutex_lock(&probe->lock);
    struct kept *kept = probe->first;
    probe->first = kept->next;
    if (probe->first == NULL)
        probe->last = &probe->first;
    uv_mutex_unlock(&probe->lock);
    return kept;
}

/* What a failure says. */

static void __attribute__((format(printf, 2, 3))) add(tr_probe *probe, const char *format, ...)
{
    size_t used = strlen(probe->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(probe->text + used, sizeof(probe->text) - used, format, arguments);
    va_end(arguments);
}

/* Those that are there: of the first who sent it and how large it is, of some more their tags. */
static void
add_kept(tr_probe *probe)
{
    char from[TR_REF_TEXT_SIZE];
    uv_mutex_lock(&probe->lock);
    const struct kept *kept = probe->first;
    if (kept != NULL)
        add(probe, "tag %" PRIu32 " came, %zu bytes from %s", kept->message.tag, tr_message_size(&kept->message),
            tr_ref_text(kept->message.from, from));
    for (unsigned i = 1; kept != NULL && (kept = kept->next) != NULL && i < NAMED; i++)
        add(probe, ", then tag %" PRIu32, kept->message.tag);
    uv_mutex_unlock(&probe->lock);
}

static void
begin_text(tr_probe *probe, const char *what)
{
    char own[TR_REF_TEXT_SIZE];
    probe->text[0] = '\0';
    add(probe, "probe %s expected %s", tr_ref_text(probe->ref, own), what);
}

static tr_status
fail(tr_probe *probe, tr_status status, uint64_t within_ms)
{
    add(probe, " within %" PRIu64 " ms, but ", within_ms);
    if (status == TR_EBADMESSAGE)
        add_kept(probe);
    else
        add(probe, is_gone(probe) ? "nothing came, and it has ended" : "nothing came");
    tri_say("%s", probe->text);
    return status;
}

static tr_status
fail_tag(tr_probe *probe, tr_status status, uint32_t tag, uint64_t within_ms)
{
    begin_text(probe, tag == TR_PROBE_ANY ? "a message" : "tag ");
    if (tag != TR_PROBE_ANY)
        add(probe, "%" PRIu32, tag);
    return fail(probe, status, within_ms);
}

/* Expecting. */

tr_status
tr_probe_expect(tr_probe *probe, uint32_t tag, uint64_t within_ms, tr_message *out)
{
    if (probe == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    struct kept *first = await_first(probe, within_ms);
    if (first == NULL)
        return fail_tag(probe, TR_EDEADLINE, tag, within_ms);
    if (tag != TR_PROBE_ANY && first->message.tag != tag)
        return fail_tag(probe, TR_EBADMESSAGE, tag, within_ms);
    struct kept *kept = take_first(probe);
    if (out != NULL)
        *out = kept->message;
    else
        tr_message_drop(&kept->message);
    free(kept);
    return TR_OK;
}

tr_status
tr_probe_expect_none(tr_probe *probe, uint64_t within_ms)
{
    if (probe == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    if (await_first(probe, within_ms) == NULL)
        return TR_OK;
    begin_text(probe, "no message");
    return fail(probe, TR_EBADMESSAGE, within_ms);
}

/* Acting. */

/* The destructor of an order that nobody obeyed. */
static void
give_up(void *address)
{
    struct order *order = address;
    uv_sem_post(order->over);
}

tr_status
tr_probe_do(tr_probe *probe, void (*act)(tr_actor *self, void *argument), void *argument)
{
    if (probe == NULL || act == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    if (is_gone(probe))
        return TR_EGONE;
    uv_sem_t over;
    int err = uv_sem_init(&over, 0);
    if (err != 0)
        return tri_status_from_uv(err);
    bool done = false;
    struct order order = {.act = act, .argument = argument, .done = &done, .over = &over};
    tr_message message = tr_message_pointer(TAG_DO, &order, sizeof(order), give_up);
    tr_status status = tri_runtime_send_system(probe->runtime, probe->ref, &message);
    tri_steps_await(tri_actors_core(probe->runtime)->stepper, &over);
    uv_sem_destroy(&over);
    return done ? TR_OK : status == TR_ENOMEM ? TR_ENOMEM : TR_EGONE;
}

struct sending {
    tr_ref to;
    tr_message *message;
    tr_status status;
};

static void
send_as_probe(tr_actor *self, void *argument)
{
    struct sending *sending = argument;
    sending->status = tr_send(self, sending->to, sending->message);
}

tr_status
tr_probe_send(tr_probe *probe, tr_ref to, tr_message *message)
{
    if (message == NULL)
        return TR_EINVAL;
    struct sending sending = {.to = to, .message = message};
    tr_status status = tr_probe_do(probe, send_as_probe, &sending);
    return status == TR_OK ? sending.status : status;
}
