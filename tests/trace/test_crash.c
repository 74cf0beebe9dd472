/*
 * What a worker that dies by a signal leaves in the trace, and that it dies as it would have.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/tracing.h>

enum { FAULT = 1, BUS, TRAP, ABORT, SEND, PASS, DEEP, CAUGHT = 77 };

static char base[256];
static struct tally handled;

static void
read_behind_a_file(void)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/empty", base);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    volatile char *bytes = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    unlink(path);
    (void)bytes[0];
}

/* Needs more stack than there is. */
static unsigned
go_deeper(unsigned depth)
{
    volatile char room[4096];
    room[depth % sizeof(room)] = 1;
    return depth > 0 ? go_deeper(depth - 1) + (unsigned)room[0] : 0;
}

static void
die(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tally_add(&handled, 1);
    switch (message->tag) {
    case FAULT: *(volatile int *)(uintptr_t)4096 = 1; break;
    case BUS: read_behind_a_file(); break;
    case TRAP: __builtin_trap(); break;
    case ABORT: abort(); break;
    case SEND: raise(SIGFPE); break;
    case DEEP: (void)go_deeper(UINT32_MAX); break;
    default: (void)tr_tell(self, tr_self(self), PASS, NULL, 0); break;
    }
}

static const char *
name_of(uint32_t tag)
{
    return tag == FAULT ? "FAULT" : NULL;
}

static const struct tr_behavior mortal = {.name = "mortal", .receive = die, .tag_name = name_of};

static tr_runtime *
start(const struct traces *traces)
{
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .watchdog_ms = -1};
    tr_runtime *runtime;
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    handled = (struct tally){0};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return runtime;
}

/* As in a program of its own: cmocka has handlers, and a core would be of no use. */
static void
forget_cmocka(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    const struct rlimit none = {0};
    for (unsigned i = 0; i < 5; i++)
        signal(fatal[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &none);
    dup2(open("/dev/null", O_WRONLY), 2);
}

/* A child whose actor gets such a message. */
static pid_t
start_child(const struct traces *traces, uint32_t tag, void (*prepare)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    forget_cmocka();
    if (prepare != NULL)
        prepare();
    tr_runtime *runtime = start(traces);
    stage_send(runtime, stage_spawn(runtime, &mortal, 0, NULL), tag, NULL, 0);
    for (;;)
        pause();
}

static int
end_of(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void
expect_crash(const struct traces *traces, unsigned times, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", "--event", "crash", NULL, NULL);
    if (outcome.status != 0 || traces_count(outcome.text, part) != times)
        fail_msg("there are not %u times \"%s\" in:\n%s", times, part, outcome.text);
    free(outcome.text);
}

static void
the_actor_and_the_message_at_which_a_program_died_are_in_the_trace(void **state)
{
    static const struct {
        uint32_t tag;
        int signal;
        const char *word;
    } deaths[] = {
        {FAULT, SIGSEGV, "signal sigsegv"}, {BUS, SIGBUS, "signal sigbus"},  {TRAP, SIGILL, "signal sigill"},
        {ABORT, SIGABRT, "signal sigabrt"}, {SEND, SIGFPE, "signal sigfpe"},
    };
    struct traces *traces = *state;
    strcpy(base, traces->base);
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        int status = end_of(start_child(traces, deaths[i].tag, NULL));
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == deaths[i].signal);
        expect_crash(traces, 1, deaths[i].word);
        expect_crash(traces, 1, "(mortal)");
        traces_expect(traces, "check", 0, "the trace was cut off");
        tests_directory_remove(traces->directory);
    }
}

static void
explain_says_in_whose_handler_of_what_the_program_died(void **state)
{
    struct traces *traces = *state;
    end_of(start_child(traces, FAULT, NULL));
    expect_crash(traces, 1, "tag FAULT");
    expect_crash(traces, 1, "address 4096");
    traces_expect(traces, "explain", 0, "SIGSEGV hit 0:");
    traces_expect(traces, "explain", 0, "(mortal) in its handler of FAULT");
}

static void
a_stack_that_runs_over_leaves_its_mark_and_ends_the_program_as_ever(void **state)
{
    struct traces *traces = *state;
    int status = end_of(start_child(traces, DEEP, NULL));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    expect_crash(traces, 1, "signal sigsegv");
    expect_crash(traces, 1, "tag 7");
    traces_expect(traces, "check", 0, "the trace was cut off");
}

/* A handler of the program's that asks for the stack for signals runs there. */
static void
leave_if_it_has_room(int signal)
{
    volatile char room[16384];
    (void)signal;
    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = 1;
    _exit(room[0] == 1 ? CAUGHT : 1);
}

static void
catch_it_apart(void)
{
    struct sigaction action = {.sa_handler = leave_if_it_has_room, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
}

static void
a_handler_that_the_program_had_can_see_a_stack_that_runs_over(void **state)
{
    struct traces *traces = *state;
    int status = end_of(start_child(traces, DEEP, catch_it_apart));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == CAUGHT);
    expect_crash(traces, 1, "signal sigsegv");
}

/* The stack for signals of the thread that runs the actor. */
static stack_t seen;
static char own_stack[64 * 1024];

enum { LOOK = 1, TAKE_OWN, TAKE_NONE };

static void
look_at_stack(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == TAKE_OWN)
        sigaltstack(&(stack_t){.ss_sp = own_stack, .ss_size = sizeof(own_stack)}, NULL);
    else if (message->tag == TAKE_NONE)
        sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    sigaltstack(NULL, &seen);
    tally_add(&handled, 1);
}

static const struct tr_behavior looker = {.name = "looker", .receive = look_at_stack};

static stack_t
stack_after(tr_runtime *runtime, tr_ref ref, uint32_t tag)
{
    uint64_t before = tally_read(&handled);
    stage_send(runtime, ref, tag, NULL, 0);
    tally_await(&handled, before + 1);
    return seen;
}

static void
end_trace(tr_runtime *runtime)
{
    tr_status status;
    while ((status = tr_trace_end(runtime)) == TR_EDEADLINE) {
    }
    assert_int_equal(status, TR_OK);
}

static tr_status
begin_trace(tr_runtime *runtime, struct traces *traces)
{
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory};
    return tr_trace_begin(runtime, &options);
}

static void
a_worker_has_a_stack_for_signals_while_it_records_and_one_that_its_thread_has_stays(void **state)
{
    struct traces *traces = *state;
    tr_runtime *runtime = start(traces);
    tr_ref ref = stage_spawn(runtime, &looker, 0, NULL);
    end_trace(runtime);
    stack_t none = stack_after(runtime, ref, TAKE_NONE);
    assert_true((none.ss_flags & SS_DISABLE) != 0);

    assert_int_equal(begin_trace(runtime, traces), TR_OK);
    stack_t ours = stack_after(runtime, ref, LOOK);
    assert_true((ours.ss_flags & SS_DISABLE) == 0 && ours.ss_size >= 64 * 1024);
    end_trace(runtime);
    assert_true((stack_after(runtime, ref, LOOK).ss_flags & SS_DISABLE) != 0);

    stack_after(runtime, ref, TAKE_OWN);
    assert_int_equal(begin_trace(runtime, traces), TR_OK);
    assert_ptr_equal(stack_after(runtime, ref, LOOK).ss_sp, own_stack);
    end_trace(runtime);
    stack_after(runtime, ref, TAKE_NONE);

    assert_int_equal(begin_trace(runtime, traces), TR_OK);
    stack_after(runtime, ref, TAKE_OWN); /* meanwhile */
    end_trace(runtime);
    assert_ptr_equal(stack_after(runtime, ref, LOOK).ss_sp, own_stack);
    stack_after(runtime, ref, TAKE_NONE);
    tr_runtime_stop(runtime, 0, NULL);
}

static void
leave_with_the_address(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    _exit(info->si_addr == (void *)(uintptr_t)4096 ? CAUGHT : 1);
}

static void
catch_it(void)
{
    struct sigaction action = {.sa_sigaction = leave_with_the_address, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
}

static void
the_handler_that_the_program_had_is_called_with_the_fault(void **state)
{
    struct traces *traces = *state;
    int status = end_of(start_child(traces, FAULT, catch_it));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == CAUGHT);
    expect_crash(traces, 1, "signal sigsegv");
}

static void
switch_off(void)
{
    setenv("TR_TRACE_CRASH", "off", 1);
}

static void
without_the_mark_a_program_dies_without_it(void **state)
{
    struct traces *traces = *state;
    int status = end_of(start_child(traces, ABORT, switch_off));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    expect_crash(traces, 0, "crash");
    traces_expect(traces, "check", 0, "the trace was cut off");
}

static void
nothing(int signal)
{
    (void)signal;
}

static void
when_nothing_is_recorded_any_more_all_handlers_are_as_before_but_those_of_others(void **state)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct traces *traces = *state;
    struct sigaction before[5], now, own = {.sa_handler = nothing};
    for (unsigned i = 0; i < 5; i++)
        sigaction(fatal[i], NULL, &before[i]);
    tr_runtime *runtime = start(traces);
    stage_send(runtime, stage_spawn(runtime, &mortal, 0, NULL), PASS, NULL, 0);
    stage_send(runtime, stage_spawn(runtime, &mortal, 1, NULL), PASS, NULL, 0);
    tally_await(&handled, 4);
    sigaction(SIGSEGV, NULL, &now);
    assert_true(now.sa_sigaction != before[0].sa_sigaction);
    sigaction(SIGFPE, &own, NULL);
    tr_status status;
    while ((status = tr_trace_end(runtime)) == TR_EDEADLINE) {
    }
    assert_int_equal(status, TR_OK);
    for (unsigned i = 0; i < 5; i++) {
        sigaction(fatal[i], NULL, &now);
        assert_true(fatal[i] == SIGFPE ? now.sa_handler == nothing : now.sa_sigaction == before[i].sa_sigaction);
    }
    sigaction(SIGFPE, &before[2], NULL);
    tr_runtime_stop(runtime, 0, NULL);
}

static void
a_program_that_is_hit_at_any_moment_leaves_a_trace_that_keeps_the_rules(void **state)
{
    struct traces *traces = *state;
    uint32_t seed = 20261129;
    for (unsigned round = 0; round < 25; round++) {
        pid_t child = start_child(traces, PASS, NULL);
        assert_true(tests_wait_until(traces_have_begun, traces, TESTS_LIMIT_MS));
        seed = seed * 1664525u + 1013904223u;
        nanosleep(&(struct timespec){.tv_nsec = seed >> 11 & 0x1fffff}, NULL); /* the moment: up to 2 ms later */
        kill(child, SIGSEGV);
        int status = end_of(child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        traces_expect(traces, "check", 0, "the trace was cut off");
        tests_directory_remove(traces->directory);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_actor_and_the_message_at_which_a_program_died_are_in_the_trace),
        TEST(explain_says_in_whose_handler_of_what_the_program_died),
        TEST(a_stack_that_runs_over_leaves_its_mark_and_ends_the_program_as_ever),
        TEST(a_handler_that_the_program_had_can_see_a_stack_that_runs_over),
        TEST(a_worker_has_a_stack_for_signals_while_it_records_and_one_that_its_thread_has_stays),
        TEST(the_handler_that_the_program_had_is_called_with_the_fault),
        TEST(without_the_mark_a_program_dies_without_it),
        TEST(when_nothing_is_recorded_any_more_all_handlers_are_as_before_but_those_of_others),
        TEST(a_program_that_is_hit_at_any_moment_leaves_a_trace_that_keeps_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
