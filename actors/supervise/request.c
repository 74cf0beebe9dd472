#include "request.h"

#include "body.h"
#include "interest.h"
#include "outsider.h"
#include "post.h"
#include "supervising.h"

#include <stdlib.h>
#include <string.h>

/* A thread outside that waits for the answer. */
struct tri_request_waiter {
    struct tri_outsider waiter;
    struct tr_supervisor_answer answer;
};

static void
free_request(void *address)
{
    struct tri_request *request = address;
    if (request != NULL)
        tri_plan_release(request->plan);
    free(request);
}

static void
wake(struct tri_request *request)
{
    request->waiter->answer = request->answer;
    tri_outsider_let_go(&request->waiter->waiter, request->answer.status);
    free_request(request);
}

void
tri_request_answer(struct tri_worker *worker, struct tri_request *request)
{
    if (request->waiter != NULL)
        wake(request);
    else
        tri_word_send(worker, &request->word, TR_NOBODY, request->asker,
                      tr_message_pointer(TR_TAG_SUPERVISOR, request, sizeof(request->answer), free_request));
}

void
tri_request_refuse(struct tri_worker *worker, struct tri_request *request, tr_status status)
{
    request->answer.status = status;
    tri_request_answer(worker, request);
}

/* Where no worker runs any more only a thread may wait. */
void
tri_request_drop(void *address)
{
    struct tri_request *request = address;
    struct tri_worker *worker = tri_worker_current();
    request->answer.status = TR_EGONE;
    if (worker != NULL || request->waiter != NULL)
        tri_request_answer(worker, request);
    else
        free_request(request);
}

/* TR_OK: it may be one, or is on its way. */
static tr_status
check_supervisor(struct tri_actors *home, tr_ref to)
{
    tr_actor *actor = tri_actor_at(home, to);
    if (actor == NULL)
        return tri_actor_is_coming(home, to) ? TR_ENOMEM : TR_EGONE;
    bool on_its_way = (actor->flags & TRI_ACTOR_RESTS) == TRI_ACTOR_UNBORN;
    return on_its_way || actor->behavior == &tri_supervisor_behavior ? TR_OK : TR_ENOTSUPPORTED;
}

bool
tri_supervise_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    tr_status status = check_supervisor(home, to);
    struct tri_request *request = message->payload.pointer.address;
    tr_message mail = tr_message_pointer(TRI_TAG_SUPERVISOR_REQUEST, request, sizeof(*request), tri_request_drop);
    if (status == TR_OK)
        status = tri_post(home->worker, TR_NOBODY, to, &mail);
    if (status == TR_ENOMEM)
        return false;
    tr_message_take_pointer(message);
    if (status != TR_OK)
        tri_request_refuse(home->worker, request, status);
    return true;
}

/* Asking. */

static struct tri_request *
request_new(enum tri_request_kind kind, const char *name)
{
    struct tri_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->kind = kind;
    memcpy(request->name, name, strlen(name));
    return request;
}

static struct tri_request *
request_to_add(const struct tr_child_spec *spec)
{
    struct tr_supervisor_options options = {.children = spec, .child_count = 1};
    struct tri_request *request = request_new(TRI_REQUEST_ADD, spec->name);
    if (request == NULL)
        return NULL;
    request->plan = tri_plan_new(&options);
    if (request->plan != NULL)
        return request;
    free_request(request);
    return NULL;
}

static bool
is_name(const char *name)
{
    return name != NULL && name[0] != '\0' && strnlen(name, TRI_CHILD_NAME_SIZE) < TRI_CHILD_NAME_SIZE;
}

static tr_status
check(const tr_actor *self, tr_ref supervisor)
{
    if (self == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    return tri_ref_is_of(self->home->worker->runtime, supervisor) ? TR_OK : TR_EBADREF;
}

/* Takes the request. What is not sent is freed, not answered. */
static tr_status
ask(tr_actor *self, tr_ref supervisor, struct tri_request *request, uint64_t *out)
{
    if (request == NULL)
        return TR_ENOMEM;
    uint64_t number = tri_actors_number(self->home);
    request->asker = self->ref;
    request->answer.request = number;
    tr_message message = tr_message_pointer(TRI_TAG_SUPERVISE, request, sizeof(*request), tri_request_drop);
    tr_status status = tri_send_system_or_keep(self->home->worker, self, supervisor, &message);
    if (status != TR_OK)
        free_request(tr_message_take_pointer(&message));
    else if (out != NULL)
        *out = number;
    return status;
}

tr_status
tr_supervisor_add(tr_actor *self, tr_ref supervisor, const struct tr_child_spec *spec, uint64_t *out)
{
    TRI_CHECK_SELF(self);
    tr_status status = spec != NULL ? check(self, supervisor) : TR_EINVAL;
    if (status == TR_OK)
        status = tri_plan_check_child(self->home->worker->runtime, spec);
    return status == TR_OK ? ask(self, supervisor, request_to_add(spec), out) : status;
}

static tr_status
ask_about(tr_actor *self, tr_ref supervisor, enum tri_request_kind kind, const char *name, uint64_t *out)
{
    tr_status status = check(self, supervisor);
    if (status == TR_OK && !is_name(name))
        status = TR_EBADNAME;
    return status == TR_OK ? ask(self, supervisor, request_new(kind, name), out) : status;
}

tr_status
tr_supervisor_remove(tr_actor *self, tr_ref supervisor, const char *name, uint64_t *out)
{
    TRI_CHECK_SELF(self);
    return ask_about(self, supervisor, TRI_REQUEST_REMOVE, name, out);
}

tr_status
tr_supervisor_child(tr_actor *self, tr_ref supervisor, const char *name, uint64_t *out)
{
    TRI_CHECK_SELF(self);
    return ask_about(self, supervisor, TRI_REQUEST_CHILD, name, out);
}

/* From outside. */

static tr_status
check_outside(const tr_runtime *runtime)
{
    if (runtime == NULL)
        return TR_EINVAL;
    if (tri_on_worker())
        return TR_EWRONGTHREAD;
    return tri_runtime_phase(runtime->core) == TRI_RUNNING ? TR_OK : TR_ESTOPPING;
}

/* Takes the request. */
static tr_status
wait_for_answer(tr_runtime *runtime, tr_ref supervisor, struct tri_request *request,
                struct tr_supervisor_answer *answer)
{
    struct tri_request_waiter waiter = {0};
    if (request == NULL)
        return TR_ENOMEM;
    tr_status status = tri_outsider_init(&waiter.waiter, runtime->core);
    if (status != TR_OK) {
        free_request(request);
        return status;
    }
    request->waiter = &waiter;
    tr_message message = tr_message_pointer(TRI_TAG_SUPERVISE, request, sizeof(*request), tri_request_drop);
    status = tri_runtime_send_system(runtime, supervisor, &message); /* dropped, it answers, too */
    tr_status answered = tri_outsider_wait(&waiter.waiter);
    tri_outsider_fini(&waiter.waiter);
    if (status == TR_OK && answer != NULL)
        *answer = waiter.answer;
    return status == TR_OK ? answered : status;
}

tr_status
tr_runtime_supervisor_add(tr_runtime *runtime, tr_ref supervisor, const struct tr_child_spec *spec,
                          struct tr_supervisor_answer *answer)
{
    tr_status status = spec != NULL ? check_outside(runtime) : TR_EINVAL;
    if (status == TR_OK)
        status = tri_plan_check_child(runtime->core, spec);
    return status == TR_OK ? wait_for_answer(runtime, supervisor, request_to_add(spec), answer) : status;
}

static tr_status
wait_about(tr_runtime *runtime, tr_ref supervisor, enum tri_request_kind kind, const char *name,
           struct tr_supervisor_answer *answer)
{
    tr_status status = check_outside(runtime);
    if (status == TR_OK && !is_name(name))
        status = TR_EBADNAME;
    return status == TR_OK ? wait_for_answer(runtime, supervisor, request_new(kind, name), answer) : status;
}

tr_status
tr_runtime_supervisor_remove(tr_runtime *runtime, tr_ref supervisor, const char *name,
                             struct tr_supervisor_answer *answer)
{
    return wait_about(runtime, supervisor, TRI_REQUEST_REMOVE, name, answer);
}

tr_status
tr_runtime_supervisor_child(tr_runtime *runtime, tr_ref supervisor, const char *name,
                            struct tr_supervisor_answer *answer)
{
    return wait_about(runtime, supervisor, TRI_REQUEST_CHILD, name, answer);
}
