/*
 * A pool of workers that survives whatever happens to them: some fail in the middle of a job, others are killed.
 *
 *   pool [JOBS [KILLS]]     by default 2000 jobs and 50 kills
 *
 * A supervisor keeps one worker on every CPU and restarts each that ends. Its name stays the same, and what waits for
 * it waits for its next life; so the manager, which asks the workers, learns their names once. It asks again what a
 * worker was busy with when it failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/failure.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/actors/supervisor.h>

enum { JOB = 1, DONE };

#define UNDER_WAY 64u /* jobs that are asked for at one time */
#define WORKERS_MOST 256u

/* The length of the way from a number to 1. */
static uint64_t
count_steps(uint64_t number)
{
    uint64_t steps = 0;
    for (; number > 1; steps++)
        number = number % 2 == 0 ? number / 2 : 3 * number + 1;
    return steps;
}

/* A worker, which is not reliable: every so often it fails. */

struct worker {
    unsigned jobs;
};

static void
worker_receive(tr_actor *self, void *state, tr_message *message)
{
    struct worker *worker = state;
    if (message->tag != JOB)
        return;
    uint64_t number = *(const uint64_t *)tr_message_data(message);
    if (++worker->jobs % 100 == 0) {
        tr_fail(self, TR_EUSER, "tired after %u jobs", worker->jobs);
        return;
    }
    uint64_t answer[2] = {number, count_steps(number)};
    tr_message reply = tr_message_copy(DONE, answer, sizeof(answer));
    if (tr_reply(self, &reply) != TR_OK)
        tr_message_drop(&reply);
}

static const struct tr_behavior worker_behavior = {
    .name = "worker", .state_size = sizeof(struct worker), .receive = worker_receive};

/* The manager. */

struct plan {
    tr_ref supervisor;
    uint64_t jobs, kills;
};

struct manager {
    struct plan plan;
    unsigned workers, known, told;
    tr_ref names[WORKERS_MOST];
    uint64_t asked, answered, wrong, failures, killed, restarts;
};

static void on_answer(tr_actor *self, void *context, const struct tr_answer *answer);

static void
ask(tr_actor *self, struct manager *manager, uint64_t number)
{
    struct tr_ask_options options = {.timeout_ms = 60000, .done = on_answer, .context = (void *)(uintptr_t)number};
    tr_message job = tr_message_copy(JOB, &number, sizeof(number));
    if (tr_ask(self, manager->names[number % manager->workers], &job, &options) == TR_OK)
        return;
    tr_message_drop(&job);
    tr_fail(self, TR_ENOMEM, "no memory for job %llu", (unsigned long long)number);
}

static void
ask_for_all(tr_actor *self, struct manager *manager, const char *what)
{
    char name[TR_CHILD_NAME_SIZE];
    for (unsigned i = 0; i < manager->workers; i++) {
        snprintf(name, sizeof(name), "%s/%u", what, i);
        if (tr_supervisor_child(self, manager->plan.supervisor, name, NULL) != TR_OK)
            tr_fail(self, TR_ENOMEM, "no memory to look for %s", name);
    }
}

/* Whoever it is has a next life. */
static void
kill_somebody(tr_actor *self, struct manager *manager)
{
    if (tr_stop(self, manager->names[(unsigned)rand() % manager->workers], TR_STOP_KILL) == TR_OK)
        manager->killed++;
}

static void
on_answer(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct manager *manager = tr_state(self);
    if (answer->outcome != TR_ANSWERED) {
        manager->failures++;
        ask(self, manager, (uint64_t)(uintptr_t)context); /* again */
        return;
    }
    const uint64_t *numbers = tr_message_data(answer->message);
    manager->wrong += numbers[0] != (uint64_t)(uintptr_t)context || numbers[1] != count_steps(numbers[0]);
    manager->answered++;
    if (manager->answered * manager->plan.kills / manager->plan.jobs > manager->killed)
        kill_somebody(self, manager);
    if (manager->asked < manager->plan.jobs)
        ask(self, manager, ++manager->asked);
    else if (manager->answered == manager->plan.jobs)
        ask_for_all(self, manager, "worker"); /* how often each was restarted */
}

static void
begin(tr_actor *self, struct manager *manager)
{
    while (manager->asked < manager->plan.jobs && manager->asked < UNDER_WAY)
        ask(self, manager, ++manager->asked);
}

static void
report(tr_actor *self, const struct manager *manager)
{
    printf("pool: %llu jobs done, %llu wrong; %llu kills, %llu failures, %llu restarts\n",
           (unsigned long long)manager->answered, (unsigned long long)manager->wrong,
           (unsigned long long)manager->killed, (unsigned long long)manager->failures,
           (unsigned long long)manager->restarts);
    tr_runtime_quit(tr_actor_runtime(self));
}

static tr_status
manager_init(tr_actor *self, void *state, const void *argument)
{
    struct manager *manager = state;
    manager->plan = *(const struct plan *)argument;
    manager->workers = tr_runtime_workers(tr_actor_runtime(self));
    ask_for_all(self, manager, "worker");
    return TR_OK;
}

static void
manager_receive(tr_actor *self, void *state, tr_message *message)
{
    struct manager *manager = state;
    if (message->tag != TR_TAG_SUPERVISOR)
        return;
    const struct tr_supervisor_answer *answer = tr_message_data(message);
    if (manager->known < manager->workers) {
        manager->names[manager->known++] = answer->child;
        if (manager->known == manager->workers)
            begin(self, manager);
        return;
    }
    manager->restarts += answer->restarts;
    if (++manager->told == manager->workers)
        report(self, manager);
}

static const struct tr_behavior manager_behavior = {
    .name = "manager", .state_size = sizeof(struct manager), .init = manager_init, .receive = manager_receive};

static tr_status
spawn_pool(tr_runtime *runtime, tr_ref *out)
{
    struct tr_child_spec worker = {
        .name = "worker", .behavior = &worker_behavior, .one_each_worker = true, .keep_mailbox = true};
    struct tr_supervisor_options options = {
        .children = &worker, .child_count = 1, .limit = {.restarts = 1000, .within_ms = 1000}};
    return tr_runtime_spawn_supervisor(runtime, &options, out);
}

int
main(int argc, char **argv)
{
    struct plan plan = {.jobs = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000,
                        .kills = argc > 2 ? strtoull(argv[2], NULL, 10) : 50};
    struct tr_runtime_options options = {.workers = 0};
    tr_runtime *runtime = NULL;
    tr_status status = plan.jobs > 0 ? tr_runtime_start(&options, &runtime) : TR_EINVAL;
    if (status == TR_OK && tr_runtime_workers(runtime) > WORKERS_MOST)
        status = TR_ETOOMANYWORKERS;
    if (status == TR_OK)
        status = spawn_pool(runtime, &plan.supervisor);
    struct tr_spawn_options spawn = {.argument = &plan, .argument_size = sizeof(plan)};
    if (status == TR_OK)
        status = tr_runtime_spawn(runtime, &manager_behavior, &spawn, NULL);
    if (status == TR_OK)
        tr_runtime_wait(runtime); /* for Ctrl-C, or report() */
    tr_status stopped = tr_runtime_stop(runtime, 2000, NULL);
    if (status == TR_OK)
        status = stopped;
    if (status != TR_OK)
        fprintf(stderr, "pool: %s\n", tr_status_text(status));
    return status == TR_OK ? 0 : 1;
}
