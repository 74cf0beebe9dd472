#include "tls_gate.h"

#include "context.h"
#include "helpers.h"
#include "tls_play.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <troupe/actors/send.h>

tr_runtime *gate_runtime;
uint16_t gate_port;
tr_ref gate_server;
tr_tls_context *gate_serving, *gate_calling;
unsigned gate_accepted, gate_ended, gate_erred, gate_closed, gate_failed;
struct tr_handshake_failure gate_failures[GATE_TOLD];
unsigned gate_failed_at_close;

void
gate_count(unsigned *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELEASE);
}

unsigned
gate_counted(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

int
gate_setup(void **state)
{
    if (tls_setup(state) != 0)
        return -1;
    struct tr_tls_context_options server = tls_server("server"), client = tls_client("ca");
    gate_serving = tls_make(&server);
    gate_calling = tls_make(&client);
    return 0;
}

int
gate_teardown(void **state)
{
    (void)state;
    tr_tls_context_release(gate_serving);
    tr_tls_context_release(gate_calling);
    return 0;
}

/* Connections. */

static void
on_connection(tr_socket *socket)
{
    if (!tr_socket_secure(socket))
        abort();
    gate_count(&gate_accepted);
}

static void
echo(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
}

static void
count_end(tr_socket *socket, bool had_error)
{
    (void)socket, (void)had_error;
    gate_count(&gate_ended);
}

static const struct tr_socket_events socket_events = {.data = echo, .close = count_end};

/* The server. */

static void
count_error(tr_server *self, const struct tr_error *error)
{
    (void)self, (void)error;
    gate_count(&gate_erred);
}

static void
count_close(tr_server *self)
{
    gate_failed_at_close = gate_counted(&gate_failed);
    tr_server_drained(self, &gate_drained);
    gate_count(&gate_closed);
}

static void
note_failure(tr_server *self, const struct tr_handshake_failure *failure)
{
    struct tr_server_refusals refusals;
    unsigned count = gate_failed;
    tr_server_refusals(self, &refusals);
    if (count == GATE_TOLD || refusals.bad_tls <= count)
        abort(); /* it is counted before it is told */
    gate_failures[count] = *failure;
    gate_count(&gate_failed);
}

struct tr_server_refusals gate_refusals;
uint32_t gate_connections, gate_handshakes;
struct tr_server_drained gate_drained;
unsigned gate_held;
tr_server *gate_self;
static unsigned looked;
static tr_status answer;

/* While it looks nobody else has its worker. */
static void
await_bad(const tr_server *self, uint64_t count)
{
    struct tr_server_refusals refusals;
    gate_count(&gate_held);
    do
        tr_server_refusals(self, &refusals);
    while (refusals.bad_tls < count);
}

static tr_status
obey(tr_server *self, enum gate_word word, uint64_t argument)
{
    switch (word) {
    case GATE_CLOSE: return tr_server_close(self);
    case GATE_DRAIN: return tr_server_drain(self, argument);
    case GATE_SET_TLS: return tr_server_set_tls(self, (tr_tls_context *)(uintptr_t)argument);
    case GATE_AWAIT_BAD: await_bad(self, argument); break;
    case GATE_LOOK: break;
    }
    return TR_OK;
}

static void
on_message(tr_server *self, tr_message *message)
{
    uint64_t argument;
    gate_self = self;
    memcpy(&argument, tr_message_data(message), sizeof(argument));
    answer = obey(self, (enum gate_word)message->tag, argument);
    tr_server_refusals(self, &gate_refusals);
    gate_connections = tr_server_connections(self);
    gate_handshakes = tr_server_handshakes(self);
    __atomic_fetch_add(&looked, 1, __ATOMIC_RELEASE);
}

static bool
has_looked(void *wanted)
{
    return __atomic_load_n(&looked, __ATOMIC_ACQUIRE) >= *(unsigned *)wanted;
}

tr_status
gate_tell(enum gate_word word, uint64_t argument)
{
    unsigned wanted = __atomic_load_n(&looked, __ATOMIC_ACQUIRE) + 1;
    tr_message message = tr_message_copy((uint32_t)word, &argument, sizeof(argument));
    assert_int_equal(tr_runtime_send(gate_runtime, gate_server, &message), TR_OK);
    assert_true(tests_wait_until(has_looked, &wanted, TESTS_LIMIT_MS));
    return answer;
}

static bool
has_connections(void *count)
{
    gate_tell(GATE_LOOK, 0);
    return gate_connections == *(uint32_t *)count;
}

void
gate_await_connections(uint32_t count)
{
    assert_true(tests_wait_until(has_connections, &count, TESTS_LIMIT_MS));
}

static bool
has_handshakes(void *count)
{
    gate_tell(GATE_LOOK, 0);
    return gate_handshakes == *(uint32_t *)count;
}

void
gate_await_handshakes(uint32_t count)
{
    assert_true(tests_wait_until(has_handshakes, &count, TESTS_LIMIT_MS));
}

static bool
is_count(void *argument)
{
    const unsigned **pair = argument;
    return gate_counted(pair[0]) == *pair[1];
}

void
gate_await(const unsigned *counter, unsigned count)
{
    const unsigned *pair[2] = {counter, &count};
    assert_true(tests_wait_until(is_count, pair, TESTS_LIMIT_MS));
}

void
gate_serve_at(struct tr_listen_options listen, struct tr_server_options options, unsigned workers)
{
    static const struct tr_server_events events = {
        .message = on_message, .error = count_error, .close = count_close, .handshake_failed = note_failure};
    struct tr_address bound;
    gate_accepted = gate_ended = gate_erred = gate_closed = gate_failed = gate_failed_at_close = 0;
    options.events = &events;
    if (options.connection == NULL)
        options.connection = on_connection;
    if (options.socket.events == NULL)
        options.socket.events = &socket_events;
    if (options.tls.context == NULL)
        options.tls.context = gate_serving;
    if (options.balance == NULL)
        options.balance = tr_balance_round_robin;
    if (gate_runtime == NULL)
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = workers}, &gate_runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(gate_runtime, &options, &listen, &gate_server, &bound), TR_OK);
    gate_port = bound.port;
}

void
gate_serve(struct tr_server_options options, unsigned workers)
{
    gate_serve_at((struct tr_listen_options){.host = "127.0.0.1"}, options, workers);
}

void
gate_stop(void)
{
    assert_int_equal(tr_runtime_stop(gate_runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    gate_runtime = NULL;
    assert_int_equal(gate_accepted, gate_ended);
    assert_int_equal(gate_erred, 0);
}

/* Raw clients. */

int
gate_connect(void)
{
    int fd = tests_peer_connect(gate_port);
    assert_true(fd >= 0);
    return fd;
}

uint16_t
gate_port_of(int fd)
{
    struct sockaddr_in name;
    socklen_t size = sizeof(name);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    return ntohs(name.sin_port);
}

void
gate_must_turn_away(int fd)
{
    char byte;
    assert_true(tests_peer_receive(fd, &byte, 1) <= 0);
    assert_false(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN); /* it was not waited for in vain */
    close(fd);
}

/* OpenSSL's. */

void
caller_open(struct caller *caller, tr_tls_context *context, const char *name)
{
    *caller = (struct caller){.fd = gate_connect(), .ssl = tri_context_connection(context, false)};
    caller->in = BIO_new(BIO_s_mem());
    caller->out = BIO_new(BIO_s_mem());
    assert_true(caller->ssl != NULL && caller->in != NULL && caller->out != NULL);
    BIO_set_mem_eof_return(caller->in, -1);
    SSL_set_bio(caller->ssl, caller->in, caller->out);
    if (name != NULL)
        assert_int_equal(SSL_set_tlsext_host_name(caller->ssl, name), 1);
}

size_t
caller_hello(struct caller *caller, char *bytes, size_t room)
{
    ERR_clear_error();
    SSL_do_handshake(caller->ssl);
    int size = BIO_read(caller->out, bytes, (int)room);
    assert_true(size > 0 && (size_t)size < room);
    return (size_t)size;
}

static bool
sends(struct caller *caller)
{
    char bytes[16384];
    int size;
    while ((size = BIO_read(caller->out, bytes, sizeof(bytes))) > 0)
        if (!tests_peer_send(caller->fd, bytes, (size_t)size))
            return false;
    return true;
}

static bool
receives(struct caller *caller)
{
    char bytes[16384];
    ssize_t size = recv(caller->fd, bytes, sizeof(bytes), 0);
    return size > 0 && BIO_write(caller->in, bytes, (int)size) == size;
}

/* done: what a call has answered. false: it is of no use to go on. */
static bool
waits(struct caller *caller, int done)
{
    bool wants_more = SSL_get_error(caller->ssl, done) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return sends(caller) && wants_more && receives(caller);
}

/* Its last words are not sent yet. */
static bool
shake(struct caller *caller)
{
    int done;
    ERR_clear_error();
    while ((done = SSL_do_handshake(caller->ssl)) != 1)
        if (!waits(caller, done))
            return false;
    return true;
}

bool
caller_shake(struct caller *caller)
{
    return shake(caller) && sends(caller);
}

bool
caller_hears(struct caller *caller, const char *word)
{
    char heard[64];
    int got;
    ERR_clear_error();
    while ((got = SSL_read(caller->ssl, heard, sizeof(heard))) <= 0)
        if (!waits(caller, got))
            return false;
    return (size_t)got == strlen(word) && memcmp(heard, word, (size_t)got) == 0;
}

bool
caller_echoes(struct caller *caller)
{
    ERR_clear_error();
    return SSL_write(caller->ssl, "hello", 5) == 5 && sends(caller) && caller_hears(caller, "hello");
}

void
caller_must_echo_at_once(struct caller *caller)
{
    assert_true(shake(caller));
    assert_true(caller_echoes(caller));
}

void
caller_must_echo(struct caller *caller)
{
    assert_true(caller_shake(caller));
    assert_true(caller_echoes(caller));
}

void
caller_close(struct caller *caller)
{
    tri_context_connection_free(caller->ssl);
    close(caller->fd);
    ERR_clear_error();
}

const char *
caller_was_shown(const struct caller *caller)
{
    static char name[64];
    X509 *shown = SSL_get0_peer_certificate(caller->ssl);
    assert_non_null(shown);
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof(name));
    return name;
}
