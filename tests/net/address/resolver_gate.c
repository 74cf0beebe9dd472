#include "resolver_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <time.h>

#include "helpers.h"

struct gate gate;

static void
wait_at_the_gate(const char *host)
{
    uv_mutex_lock(&gate.lock);
    pthread_getname_np(pthread_self(), gate.name, sizeof(gate.name));
    gate.slow++;
    gate.inside++;
    if (gate.inside > gate.most)
        gate.most = gate.inside;
    snprintf(gate.host, sizeof(gate.host), "%s", host);
    while (!gate.open && gate.tickets == 0)
        uv_cond_wait(&gate.changed, &gate.lock);
    gate.tickets -= gate.open ? 0 : 1;
    gate.inside--;
    uv_mutex_unlock(&gate.lock);
}

int
getaddrinfo(const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
            struct addrinfo **restrict out)
{
    union {
        void *address;
        int (*call)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    } real = {dlsym(RTLD_NEXT, "getaddrinfo")};
    if (strncmp(host, "error ", 6) == 0) {
        errno = EIO;
        return atoi(host + 6);
    }
    if (strcmp(host, "nothing") == 0)
        return 0;
    if (strncmp(host, "slow", 4) == 0) {
        wait_at_the_gate(host);
        host = "127.0.0.1";
    }
    return real.call(host, service, hints, out);
}

void
set_gate(bool open)
{
    uv_mutex_lock(&gate.lock);
    gate.open = open;
    uv_cond_broadcast(&gate.changed);
    uv_mutex_unlock(&gate.lock);
}

static bool
holds_inside(void *argument)
{
    uv_mutex_lock(&gate.lock);
    bool reached = gate.inside == *(unsigned *)argument;
    uv_mutex_unlock(&gate.lock);
    return reached;
}

void
await_inside(unsigned n)
{
    assert_true(tests_wait_until(holds_inside, &n, TESTS_LIMIT_MS));
}

_Thread_local bool clock_stands;
unsigned looks;

uint64_t
uv_hrtime(void)
{
    struct timespec now = {0};
    if (clock_stands)
        __atomic_fetch_add(&looks, 1, __ATOMIC_SEQ_CST);
    else
        clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct heard_of heard_of[TOKENS];
struct tally answers, cancels;

void
asker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == TAG_CANCELLED) {
        heard_of[message->payload.words[0]].cancelled = true;
        tally_add(&cancels, 1);
        return;
    }
    assert_int_equal(message->tag, TAG_ANSWER);
    const struct tri_resolver_answer *answer = tr_message_data(message);
    assert_true(answer->token < TOKENS);
    assert_true((answer->error == 0) == (answer->addresses != NULL));
    heard_of[answer->token].error = answer->error;
    heard_of[answer->token].family = answer->error == 0 ? answer->addresses->ai_addr->sa_family : AF_UNSPEC;
    heard_of[answer->token].times++;
    heard_of[answer->token].late |= heard_of[answer->token].cancelled;
    tally_add(&answers, 1);
}

const struct tr_behavior asker = {.name = "asker", .receive = asker_receive};

int
resolver_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    memset(heard_of, 0, sizeof(heard_of));
    answers.count = cancels.count = 0;
    memset(&gate, 0, sizeof(gate));
    uv_mutex_init(&gate.lock);
    uv_cond_init(&gate.changed);
    f->runtime = stage_open(2);
    f->asker = stage_spawn(f->runtime, &asker, 0, NULL);
    f->threads = tests_threads();
    tri_resolver_hold();
    *state = f;
    return 0;
}

bool
threads_are(void *argument)
{
    return tests_threads() == *(int *)argument;
}

void
release_resolver(struct fixture *f)
{
    set_gate(true);
    tri_resolver_release();
    await_inside(0);                                               /* at once, but for threads that were abandoned */
    assert_true(tests_wait_until(threads_are, &f->threads, 1000)); /* less than IDLE_MS: none leaves by itself */
    uint64_t before = tally_read(&cancels);
    stage_send(f->runtime, f->asker, TAG_CANCELLED, &(uint64_t){TOKENS - 1}, sizeof(uint64_t));
    tally_await(&cancels, before + 1);
}

int
resolver_tear_down(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < TOKENS; i++)
        tri_lookup_cancel(f->lookups[i]);
    release_resolver(f);
    stage_close(f->runtime);
    uv_cond_destroy(&gate.changed);
    uv_mutex_destroy(&gate.lock);
    free(f);
    return 0;
}

void
ask_about(struct fixture *f, uint64_t token, const char *host, int family, int hints)
{
    tri_lookup *lookup;
    assert_int_equal(tri_resolve(f->runtime, f->asker, TAG_ANSWER, token, host, family, hints, &lookup), TR_OK);
    f->lookups[token] = lookup;
}

void
ask(struct fixture *f, uint64_t token, const char *host)
{
    ask_about(f, token, host, AF_UNSPEC, 0);
}
