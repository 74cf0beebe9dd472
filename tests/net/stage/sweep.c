#include "sweep.h"

#include "fault.h"
#include "helpers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <uv.h>

#define STOP_MS 10000u
#define MOST 3000u

uv_sem_t sweep_over;
unsigned sweep_heard, sweep_finished;
static unsigned given_up; /* there is no program: it could not be started */
unsigned sweep_owed, sweep_paid;

void
count_up(unsigned *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

unsigned
read_count(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

void
finish_run(void)
{
    count_up(&sweep_finished);
    uv_sem_post(&sweep_over);
}

void
hear(tr_status status)
{
    if (status >= TR_OK)
        return;
    count_up(&sweep_heard);
    uv_sem_post(&sweep_over);
}

bool
goes(tr_status status)
{
    hear(status);
    return status >= TR_OK;
}

bool
begins(tr_status status)
{
    if (status < TR_OK)
        count_up(&given_up);
    return goes(status);
}

tr_runtime *sweep_runtime;

unsigned sweep_place;
struct tr_address sweep_bound;

unsigned
places_there(const struct tr_balance_view *view)
{
    (void)view;
    return sweep_place;
}

void
hears_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    hear(error->status);
}

static void
on_server_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    hear(error->status);
}

static void
echoes(tr_socket *socket, tr_slice data)
{
    hear(tr_socket_write_slice(socket, data));
}

void
says_word(tr_socket *socket)
{
    hear(tr_socket_write(socket, "word", 4));
}

void
ends_after_data(tr_socket *socket, tr_slice data)
{
    (void)data;
    hear(tr_socket_end(socket));
    finish_run();
}

const struct tr_socket_events echo_side = {.data = echoes, .error = hears_error};
const struct tr_server_events sweep_server_events = {.error = on_server_error};

int sweep_file;

const struct tr_socket_events file_server = {.error = hears_error};

tr_socket *
adopt_or_close(tr_actor *self, int fd, const struct tr_socket_events *events)
{
    struct tr_socket_options options = {.events = events, .receive_fds = true};
    tr_socket *socket;
    if (begins(tr_socket_adopt(self, fd, TR_READABLE | TR_WRITABLE, &options, &socket)))
        return socket;
    close(fd);
    return NULL;
}

static bool
is_over(void *argument)
{
    const struct program *program = argument;
    if (program->is_over == NULL)
        return uv_sem_trywait(&sweep_over) == 0;
    return read_count(&given_up) > 0 ? read_count(&sweep_paid) >= read_count(&sweep_owed) : program->is_over();
}

static void
stop(const char *name, unsigned n)
{
    struct tr_stop_report report = {0};
    uint64_t began = uv_hrtime();
    tr_status status = tr_runtime_stop(sweep_runtime, STOP_MS, &report);
    uint64_t took_ms = (uv_hrtime() - began) / 1000000;
    if (status != TR_OK || report.killed != 0)
        fail_msg("%s, allocation %u: stopped with %s after %u ms, %u killed", name, n, tr_status_code(status),
                 (unsigned)took_ms, (unsigned)report.killed);
}

static void
run_in_runtime(const struct program *program, unsigned n, unsigned times)
{
    if (!program->from_start)
        fault_plan(FAULT_MEMORY, n, times, ENOMEM);
    program->run();
    if (!tests_wait_until(is_over, (void *)program, TESTS_LIMIT_MS))
        fail_msg("%s, allocation %u and %u more: somebody waits in vain, %u of %u were told", program->name, n,
                 times - 1, sweep_paid, sweep_owed);
    stop(program->name, n);
}

/* false: there are fewer allocations than that. */
static bool
run(const struct program *program, unsigned n, unsigned times)
{
    int fds = tests_open_fds();
    sweep_heard = sweep_finished = given_up = sweep_owed = sweep_paid = 0;
    assert_int_equal(uv_sem_init(&sweep_over, 0), 0);
    if (program->open != NULL)
        program->open();
    if (program->from_start)
        fault_plan(FAULT_MEMORY, n, times, ENOMEM);
    tr_status status =
        tr_runtime_start(&(struct tr_runtime_options){.workers = 2, .pinning = TR_PINNING_NEVER}, &sweep_runtime);
    hear(status);
    if (status == TR_OK)
        run_in_runtime(program, n, times);
    bool met = fault_met(FAULT_MEMORY) > 0;
    fault_clear();
    uv_sem_destroy(&sweep_over);
    if (program->close != NULL)
        program->close();
    if (sweep_finished == 0 && sweep_heard == 0)
        fail_msg("%s, allocation %u: it failed without a word", program->name, n);
    assert_true(tests_wait_until(tests_has_open_fds, &fds, TESTS_LIMIT_MS));
    return met;
}

void
sweep(const struct program *program)
{
    static const unsigned bursts[] = {1, 50};
    for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
        unsigned n = 1;
        while (n < MOST && run(program, n, bursts[i]))
            n++;
        assert_true(n > 1 && n < MOST);
    }
}

/* libuv keeps what it makes with the first loop of a process. */
static void
warm_up(void)
{
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &sweep_runtime), TR_OK);
    assert_int_equal(tr_runtime_stop(sweep_runtime, STOP_MS, NULL), TR_OK);
}

int
sweep_set_up(void **state)
{
    (void)state;
    char path[] = "/tmp/troupe-sweep-XXXXXX";
    sweep_file = mkstemp(path);
    assert_true(sweep_file >= 0);
    unlink(path);
    assert_int_equal(write(sweep_file, "a file", 6), 6);
    warm_up();
    return 0;
}

int
sweep_tear_down(void **state)
{
    (void)state;
    close(sweep_file);
    return 0;
}
