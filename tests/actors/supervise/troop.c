#include "troop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LOG_SIZE 65536u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* Under the lock. */
static char events[LOG_SIZE], numbers[LOG_SIZE];
static unsigned spoiled[256];
static bool gate_is_open;

struct tally troop_at_gate;
unsigned troop_bystanders;

struct state {
    char letter;
    bool begun;
};

/* The lock is held. */
static void
append(char *log, const char *text)
{
    size_t length = strlen(log);
    snprintf(log + length, LOG_SIZE - length, "%s", text);
    pthread_cond_broadcast(&changed);
}

static void
note(char what, char letter)
{
    char text[3] = {what, letter, '\0'};
    pthread_mutex_lock(&lock);
    append(events, text);
    pthread_mutex_unlock(&lock);
}

static bool
is_spoiled(char letter)
{
    pthread_mutex_lock(&lock);
    bool now = spoiled[(unsigned char)letter] > 0;
    spoiled[(unsigned char)letter] -= now;
    pthread_mutex_unlock(&lock);
    return now;
}

static tr_status
begin(tr_actor *self, void *address, const void *argument)
{
    struct state *state = address;
    (void)self;
    assert_false(state->begun); /* the state is zero before each life */
    state->begun = true;
    state->letter = *(const char *)argument;
    bool bad = is_spoiled(state->letter);
    note(bad ? '?' : '+', state->letter);
    return bad ? TR_EINIT : TR_OK;
}

static void
wait_at_gate(void)
{
    tally_add(&troop_at_gate, 1);
    pthread_mutex_lock(&lock);
    while (!gate_is_open)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    char text[24];
    (void)state;
    switch (message->tag) {
    case TROOP_EXIT: tr_exit(self); break;
    case TROOP_FAIL: tr_fail(self, TR_EUSER, "as told"); break;
    case TROOP_GATE: wait_at_gate(); break;
    case TROOP_NUMBER:
        snprintf(text, sizeof(text), "%d ", *(const int *)tr_message_data(message));
        pthread_mutex_lock(&lock);
        append(numbers, text);
        pthread_mutex_unlock(&lock);
        break;
    default: break;
    }
}

static void
end(tr_actor *self, void *address)
{
    const struct state *state = address;
    (void)self;
    note('-', state->letter);
}

const struct tr_behavior troop_child = {
    .name = "child", .state_size = sizeof(struct state), .init = begin, .receive = receive, .stopped = end};

tr_runtime *
troop_open(unsigned workers)
{
    pthread_mutex_lock(&lock);
    events[0] = numbers[0] = '\0';
    memset(spoiled, 0, sizeof(spoiled));
    gate_is_open = false;
    pthread_mutex_unlock(&lock);
    troop_at_gate = (struct tally){0};
    troop_bystanders = 0;
    return stage_open(workers);
}

static bool
is_empty(void *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.actors == troop_bystanders;
}

void
troop_close(tr_runtime *runtime, tr_ref supervisor)
{
    assert_int_equal(tr_runtime_stop_actor(runtime, supervisor, TR_STOP_NOW), TR_OK);
    assert_true(tests_wait_until(is_empty, runtime, TESTS_LIMIT_MS));
    tests_counters_add_up(runtime);
    stage_close(runtime);
}

struct tr_child_spec
troop_spec(const char *name, unsigned worker)
{
    return (struct tr_child_spec){.name = name,
                                  .behavior = &troop_child,
                                  .argument = name,
                                  .argument_size = 1,
                                  .placement = TR_PLACE_WORKER,
                                  .worker = worker};
}

tr_ref
troop_spawn(tr_runtime *runtime, struct tr_supervisor_options options)
{
    tr_ref ref = TR_NOBODY;
    options.spawn = (struct tr_spawn_options){.placement = TR_PLACE_WORKER, .worker = 0};
    assert_int_equal(tr_runtime_spawn_supervisor(runtime, &options, &ref), TR_OK);
    return ref;
}

struct tr_supervisor_answer
troop_find(tr_runtime *runtime, tr_ref supervisor, const char *name)
{
    struct tr_supervisor_answer answer;
    assert_int_equal(tr_runtime_supervisor_child(runtime, supervisor, name, &answer), TR_OK);
    return answer;
}

void
troop_die(tr_runtime *runtime, tr_ref child, char letter, enum troop_way way)
{
    if (way == TROOP_BY_BAD_INIT)
        troop_spoil(letter, 1);
    if (way == TROOP_BY_KILL || way == TROOP_BY_STOP)
        assert_int_equal(tr_runtime_stop_actor(runtime, child, way == TROOP_BY_KILL ? TR_STOP_KILL : TR_STOP_NOW),
                         TR_OK);
    else
        stage_send(runtime, child, way == TROOP_BY_EXIT ? TROOP_EXIT : TROOP_FAIL, NULL, 0);
}

void
troop_spoil(char letter, unsigned times)
{
    pthread_mutex_lock(&lock);
    spoiled[(unsigned char)letter] = times;
    pthread_mutex_unlock(&lock);
}

struct expectation {
    const char *log, *expected;
};

static bool
is_written(void *argument)
{
    const struct expectation *look = argument;
    pthread_mutex_lock(&lock);
    bool over = strlen(look->log) >= strlen(look->expected);
    pthread_mutex_unlock(&lock);
    return over;
}

static void
await(const char *log, const char *expected)
{
    struct expectation look = {log, expected};
    tests_wait_until(is_written, &look, TESTS_LIMIT_MS);
    char copy[LOG_SIZE];
    pthread_mutex_lock(&lock);
    memcpy(copy, log, LOG_SIZE);
    pthread_mutex_unlock(&lock);
    assert_string_equal(copy, expected);
}

void
troop_await(const char *log)
{
    await(events, log);
}

void
troop_await_numbers(const char *text)
{
    await(numbers, text);
}

void
troop_open_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_is_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}
