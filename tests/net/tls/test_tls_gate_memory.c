/*
 * Secure servers without memory: on their workers each allocation of OpenSSL's fails once. What becomes of a connection
 * is one of three: it is served, its handshake has failed, or it was lost for lack of memory.
 *
 * OpenSSL's functions for memory can be replaced only before it has used them, so this program does that first.
 */
#include "helpers.h"
#include "tls_gate.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <troupe/core/worker.h>

#define NEVER 1000000u

static unsigned seen, failing; /* the nth of the workers' */

static bool
fails(void)
{
    if (tri_worker_current() == NULL)
        return false;
    return __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST) == __atomic_load_n(&failing, __ATOMIC_SEQ_CST);
}

static void *
give(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : malloc(size);
}

static void
take(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

static void *
give_again(void *memory, size_t size, const char *file, int line)
{
    if (memory == NULL)
        return give(size, file, line);
    if (size > 0)
        return fails() ? NULL : realloc(memory, size);
    free(memory);
    return NULL;
}

/* One connection. false: there are not so many allocations. */
static bool
connect_without(unsigned nth)
{
    struct caller caller;
    __atomic_store_n(&seen, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&failing, nth, __ATOMIC_SEQ_CST);
    caller_open(&caller, gate_calling, "server.example");
    bool served = caller_shake(&caller) && caller_echoes(&caller);
    caller_close(&caller);
    gate_await_connections(0);
    bool met = __atomic_load_n(&seen, __ATOMIC_SEQ_CST) >= nth;
    assert_true(met || served);
    return met;
}

static void
whatever_openssl_gets_no_memory_for_a_connection_is_served_failed_or_lost(void **state)
{
    unsigned nth = 1;
    (void)state;
    gate_serve((struct tr_server_options){0}, 1);
    (void)connect_without(NEVER); /* what OpenSSL keeps for ever is there then */
    while (connect_without(nth))
        nth++;
    uint64_t total = nth + 1;
    assert_int_equal(gate_counted(&gate_accepted) + gate_refusals.bad_tls + gate_refusals.lost, total);
    assert_true(nth > 50 && gate_refusals.lost > 10);
    assert_true(gate_counted(&gate_erred) > 0); /* of the lost, as of plain ones */
    gate_await(&gate_failed, (unsigned)gate_refusals.bad_tls);
    __atomic_store_n(&gate_erred, 0, __ATOMIC_SEQ_CST);
    gate_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(whatever_openssl_gets_no_memory_for_a_connection_is_served_failed_or_lost),
    };
    if (!CRYPTO_set_mem_functions(give, give_again, take))
        return 1;
    return cmocka_run_group_tests(tests, gate_setup, gate_teardown);
}
