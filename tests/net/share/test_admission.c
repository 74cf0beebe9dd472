#include "address_limits.h"
#include "helpers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/ipaddr/block_list.h>
#include <troupe/net/server.h>

/* Keys. */

static bool
key(const char *text, unsigned prefix, struct tri_limit_key *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(1)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(2), .sin6_scope_id = 3};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return tri_limit_key_of((struct sockaddr *)&v4, prefix, out);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return tri_limit_key_of((struct sockaddr *)&v6, prefix, out);
}

static bool
are_one(const char *a, const char *b, unsigned prefix)
{
    struct tri_limit_key first, second;
    assert_true(key(a, prefix, &first) && key(b, prefix, &second));
    return memcmp(&first, &second, sizeof(first)) == 0;
}

static void
addresses_are_told_apart_by_what_counts(void **state)
{
    (void)state;
    assert_true(are_one("192.0.2.1", "192.0.2.1", 64));
    assert_false(are_one("192.0.2.1", "192.0.2.2", 64));
    assert_true(are_one("192.0.2.1", "::ffff:192.0.2.1", 64));
    assert_false(are_one("::ffff:192.0.2.1", "::ffff:192.0.2.2", 0));
    assert_true(are_one("2001:db8::1", "2001:db8::ffff:2", 64));
    assert_false(are_one("2001:db8:0:1::1", "2001:db8:0:2::1", 64));
    assert_true(are_one("2001:db8:0:1::1", "2001:db8:0:2::1", 48));
    assert_false(are_one("2001:db8::1", "2001:db8::2", 128));
    assert_true(are_one("2001:db8::2", "2001:db8::3", 127));
    assert_true(are_one("2001:db8::1", "fe80::1", 0));
    assert_false(are_one("2001:db8:0:1::", "2001:db8:0:3::", 63));
    assert_true(are_one("2001:db8:0:2::", "2001:db8:0:3::", 63));
    struct tri_limit_key none;
    assert_false(tri_limit_key_of(&(struct sockaddr){.sa_family = AF_UNIX}, 64, &none));
}

/* The table against a plain array: as many keys as collide often, taken and given back in any order. */
static void
counts_are_those_of_a_plain_array(void **state)
{
    enum { KEYS = 300, STEPS = 60000, LIMIT = 3 };
    (void)state;
    struct tri_limits limits = {0};
    unsigned counts[KEYS] = {0}, seed = 7;
    for (int step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)rand_r(&seed) % KEYS;
        struct tri_limit_key each = {{i % 17, i}};
        bool fills = (step / 5000) % 2 == 0; /* grows, then empties, then grows... */
        if ((unsigned)rand_r(&seed) % 4 == 0 ? !fills : fills) {
            assert_int_equal(tri_limits_take(&limits, &each, LIMIT), counts[i] < LIMIT ? TR_OK : TR_EFULL);
            counts[i] += counts[i] < LIMIT;
        } else {
            tri_limits_give(&limits, &each);
            counts[i] -= counts[i] > 0;
        }
    }
    size_t used = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        struct tri_limit_key each = {{i % 17, i}};
        assert_int_equal(tri_limits_count(&limits, &each), counts[i]);
        used += counts[i] > 0;
    }
    assert_int_equal(limits.used, used);
    tri_limits_fini(&limits);
    struct tri_limit_key any = {{1, 1}};
    tri_limits_give(&limits, &any); /* an empty one has nothing to take back */
    assert_int_equal(tri_limits_count(&limits, &any), 0);
}

/* Whoever knew where an address lands could make all of his land in one place. */
static void
each_table_has_places_of_its_own(void **state)
{
    (void)state;
    struct tri_limits tables[3] = {{0}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(tri_limits_take(&tables[i], &(struct tri_limit_key){{1, 2}}, 1), TR_OK);
    assert_true(tables[0].seed != tables[1].seed || tables[0].seed != tables[2].seed);
    for (int i = 0; i < 3; i++)
        tri_limits_fini(&tables[i]);
}

/* Servers: connections say "hi" at once and stay until their peer ends. */

static tr_runtime *runtime;
static uint16_t port;
static tr_ref server;
static unsigned served, ended;

static void
say_hi(tr_socket *socket)
{
    ck_pr_inc_uint(&served);
    tr_socket_write(socket, "hi", 2);
}

static void
count_end(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    ck_pr_inc_uint(&ended);
}

static const struct tr_socket_events socket_events = {.close = count_end};

static void
serve(struct tr_server_options options, const char *host, unsigned workers)
{
    struct tr_listen_options listen = {.host = host};
    struct tr_address bound;
    served = ended = 0;
    options.connection = say_hi;
    options.socket.events = &socket_events;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = workers}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, &server, &bound), TR_OK);
    port = bound.port;
}

static void
stop(void)
{
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_int_equal(served, ended);
}

static int
connect_from(const char *source)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, source, &from.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Is it let in? Otherwise it is closed without a word, with an end or a reset. */
static bool
is_let_in(int fd)
{
    char word[2];
    return tests_peer_receive(fd, word, 2) == 2;
}

static bool
tries(const char *source)
{
    int fd = connect_from(source);
    bool let_in = is_let_in(fd);
    close(fd);
    return let_in;
}

/* A place is free as soon as the server has heard of the end. */
static bool
gets_in(void *source)
{
    return tries(source);
}

static bool
gets_in_and_stays(void *out)
{
    int *fd = out;
    *fd = connect_from("127.0.0.1");
    if (is_let_in(*fd))
        return true;
    close(*fd);
    return false;
}

static tr_block_list *
list_of(const char *rule)
{
    tr_block_list *list;
    assert_int_equal(tr_block_list_new(&list), TR_OK);
    assert_int_equal(tr_block_list_add_text(list, rule), TR_OK);
    assert_int_equal(tr_block_list_freeze(list), TR_OK);
    return list;
}

static void
blocked_addresses_are_closed_before_connection(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", NULL};
    for (int i = 0; i < 2; i++) { /* the second takes IPv4 as mapped addresses, where there is IPv6 */
        tr_block_list *list = list_of("127.0.0.2");
        struct tr_listen_options listen = {.host = hosts[i], .any_port = true};
        struct tr_server_options options = {
            .connection = say_hi, .block_list = list, .socket = {.events = &socket_events}};
        struct tr_address bound;
        served = ended = 0;
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 2}, &runtime), TR_OK);
        assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &bound), TR_OK);
        tr_block_list_release(list); /* the server has a hold of its own */
        port = bound.port;
        assert_false(tries("127.0.0.2"));
        assert_true(tries("127.0.0.1"));
        assert_true(tries("127.0.0.3"));
        assert_false(tries("127.0.0.2"));
        stop();
        assert_int_equal(served, 2);
    }
}

/* Changes the list when it is told to. */

enum { TAG_LIST = 1 };

/* A change is seen by the test together with all that was done before it. */
static unsigned changed;

static void
note_change(void)
{
    __atomic_fetch_add(&changed, 1, __ATOMIC_RELEASE);
}

static void
change_list(tr_server *self, tr_message *message)
{
    tr_block_list *list = tr_message_take_pointer(message);
    tr_server_set_block_list(self, list);
    tr_block_list_release(list);
    note_change();
}

static bool
has_changed(void *argument)
{
    return __atomic_load_n(&changed, __ATOMIC_ACQUIRE) >= *(unsigned *)argument;
}

static void
drop_list(void *list)
{
    tr_block_list_release(list);
}

static void
set_list(tr_block_list *list)
{
    unsigned wanted = __atomic_load_n(&changed, __ATOMIC_ACQUIRE) + 1;
    tr_message message = tr_message_pointer(TAG_LIST, list, 0, drop_list);
    assert_int_equal(tr_runtime_send(runtime, server, &message), TR_OK);
    assert_true(tests_wait_until(has_changed, &wanted, TESTS_LIMIT_MS));
}

static void
another_list_holds_for_connections_from_then_on(void **state)
{
    (void)state;
    static const struct tr_server_events events = {.message = change_list};
    changed = 0;
    serve((struct tr_server_options){.events = &events}, "127.0.0.1", 1);
    int before = connect_from("127.0.0.2");
    assert_true(is_let_in(before));
    set_list(list_of("127.0.0.0/30"));
    assert_false(tries("127.0.0.2"));
    assert_true(tries("127.0.0.4"));
    set_list(list_of("127.0.0.4"));
    assert_true(tries("127.0.0.2"));
    assert_false(tries("127.0.0.4"));
    set_list(NULL);
    assert_true(tries("127.0.0.4"));
    close(before);
    stop();
}

static tr_block_list *
unfrozen_list_of(const char *rule)
{
    tr_block_list *list;
    assert_int_equal(tr_block_list_new(&list), TR_OK);
    assert_int_equal(tr_block_list_add_text(list, rule), TR_OK);
    return list;
}

/* In its options, when it is spawned by an actor; and later. */
static tr_block_list *spawned_with;
static tr_status spawned;

static void
spawner_receive(tr_actor *self, void *state, tr_message *message)
{
    struct tr_server_options own = {.block_list = spawned_with};
    tr_server *made;
    (void)state;
    (void)message;
    spawned = tr_server_spawn(self, &own, &made);
    note_change();
}

static void
a_server_freezes_the_list_that_it_is_given(void **state)
{
    (void)state;
    static const struct tr_server_events events = {.message = change_list};
    static const struct tr_behavior spawner = {.name = "spawner", .receive = spawner_receive};
    changed = 0;
    serve((struct tr_server_options){.events = &events}, "127.0.0.1", 1);
    tr_block_list *list = unfrozen_list_of("127.0.0.2");
    tr_block_list_hold(list);
    set_list(list);
    assert_true(tr_block_list_is_frozen(list));
    assert_false(tries("127.0.0.2"));
    assert_true(tries("127.0.0.4"));
    tr_block_list_release(list);

    tr_ref actor;
    spawned_with = unfrozen_list_of("127.0.0.2");
    assert_int_equal(tr_runtime_spawn(runtime, &spawner, NULL, &actor), TR_OK);
    tr_message message = tr_message_signal(1);
    unsigned wanted = __atomic_load_n(&changed, __ATOMIC_ACQUIRE) + 1;
    assert_int_equal(tr_runtime_send(runtime, actor, &message), TR_OK);
    assert_true(tests_wait_until(has_changed, &wanted, TESTS_LIMIT_MS));
    assert_int_equal(spawned, TR_OK);
    assert_true(tr_block_list_is_frozen(spawned_with));
    tr_block_list_release(spawned_with);
    stop();
}

/* Limits. */

static void
an_address_has_so_many_connections_and_no_more(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        serve((struct tr_server_options){.max_per_address = 2, .balance = tr_balance_round_robin}, "127.0.0.1",
              workers);
        int first = connect_from("127.0.0.1"), second = connect_from("127.0.0.1");
        assert_true(is_let_in(first) && is_let_in(second));
        assert_false(tries("127.0.0.1"));
        int other = connect_from("127.0.0.2");
        assert_true(is_let_in(other));
        assert_false(tries("127.0.0.1"));
        close(second);
        assert_true(tests_wait_until(gets_in, "127.0.0.1", TESTS_LIMIT_MS));
        close(first);
        close(other);
        stop();
    }
}

/* What the server has counted, as it says itself. */

static struct tr_server_refusals refusals;

static void
look_at_refusals(tr_server *self, tr_message *message)
{
    (void)message;
    tr_server_refusals(self, &refusals);
    note_change();
}

static void
expect_refusals(struct tr_server_refusals expected)
{
    unsigned wanted = __atomic_load_n(&changed, __ATOMIC_ACQUIRE) + 1;
    tr_message message = tr_message_signal(1);
    assert_int_equal(tr_runtime_send(runtime, server, &message), TR_OK);
    assert_true(tests_wait_until(has_changed, &wanted, TESTS_LIMIT_MS));
    assert_memory_equal(&refusals, &expected, sizeof(expected));
}

static void
what_is_refused_is_counted_by_its_reason(void **state)
{
    static const struct tr_server_events events = {.message = look_at_refusals};
    struct tr_server_options options = {
        .events = &events, .block_list = list_of("127.0.0.2"), .max_connections = 2, .max_per_address = 1};
    (void)state;
    serve(options, "127.0.0.1", 2);
    tr_block_list_release(options.block_list);
    expect_refusals((struct tr_server_refusals){0});
    for (int i = 0; i < 3; i++)
        assert_false(tries("127.0.0.2"));
    int first = connect_from("127.0.0.1");
    assert_true(is_let_in(first));
    for (int i = 0; i < 2; i++)
        assert_false(tries("127.0.0.1"));
    int second = connect_from("127.0.0.3");
    assert_true(is_let_in(second));
    assert_false(tries("127.0.0.4"));
    assert_false(tries("127.0.0.2")); /* the list is asked before the limit */
    expect_refusals((struct tr_server_refusals){.blocked = 4, .over_limit = 1, .over_address = 2});
    tr_server_refusals(NULL, &refusals);
    assert_int_equal(refusals.blocked, 0);
    close(first);
    close(second);
    stop();
}

static void
ipv4_counts_the_same_through_an_ipv6_socket(void **state)
{
    (void)state;
    serve((struct tr_server_options){.max_per_address = 1, .prefix_ipv6 = 1}, "::ffff:127.0.0.1", 1);
    int first = connect_from("127.0.0.1"), other = connect_from("127.0.0.2");
    assert_true(is_let_in(first) && is_let_in(other));
    assert_false(tries("127.0.0.1"));
    assert_false(tries("127.0.0.2"));
    close(first);
    close(other);
    stop();
}

static void
unix_sockets_have_no_limit(void **state)
{
    (void)state;
    struct tr_server_options options = {
        .connection = say_hi, .max_per_address = 1, .socket = {.events = &socket_events}};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[80];
    tr_block_list *list = list_of("0.0.0.0/0");
    options.block_list = list;
    served = ended = 0;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
    struct tr_listen_options listen = {.path = address.sun_path};
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_OK);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
        assert_true(is_let_in(fds[i]));
    }
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    tr_block_list_release(list);
    stop();
    tests_directory_remove(directory);
}

/*
 * Connections of a few addresses come and go, over two workers. Provokes: ends on the other worker that cross with new
 * connections of the same address.
 */

#define SOURCES 3
#define AT_ONCE 4
#define ROUNDS 60

static unsigned alive[SOURCES], most[SOURCES];

static void
count_in(tr_socket *socket)
{
    struct tr_address peer;
    tr_socket_remote_address(socket, &peer);
    tr_socket_set_data(socket, NULL);
    if (peer.family != TR_FAMILY_NONE) { /* otherwise it was reset already */
        unsigned source = (unsigned)(peer.text[strlen("127.0.0.")] - '1');
        unsigned now = ck_pr_faa_uint(&alive[source], 1) + 1;
        tr_socket_set_data(socket, &alive[source]);
        if (now > ck_pr_load_uint(&most[source]))
            ck_pr_store_uint(&most[source], now);
    }
    tr_socket_write(socket, "hi", 2);
}

/* At the close event its place may be taken again, so this counts the end or the reset that comes before. */
static void
count_out(tr_socket *socket)
{
    if (tr_socket_data(socket) != NULL)
        ck_pr_dec_uint(tr_socket_data(socket));
    tr_socket_set_data(socket, NULL);
}

static void
count_error(tr_socket *socket, const struct tr_error *error)
{
    (void)error;
    count_out(socket);
}

static void
the_limit_is_exact_while_connections_come_and_go(void **state)
{
    (void)state;
    static const struct tr_socket_events events = {.end = count_out, .error = count_error};
    static const char *const sources[SOURCES] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
    struct tr_server_options options = {
        .connection = count_in, .socket = {.events = &events}, .max_per_address = AT_ONCE};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    memset(alive, 0, sizeof(alive));
    memset(most, 0, sizeof(most));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 2}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &bound), TR_OK);
    port = bound.port;
    unsigned seed = 11;
    int fds[SOURCES * AT_ONCE * 2];
    for (int round = 0; round < ROUNDS; round++) {
        int count = (int)(sizeof(fds) / sizeof(fds[0]));
        for (int i = 0; i < count; i++)
            fds[i] = connect_from(sources[(unsigned)rand_r(&seed) % SOURCES]);
        for (int i = 0; i < count; i++)
            close(fds[i]);
    }
    for (int i = 0; i < SOURCES; i++) {
        assert_true(most[i] > 0 && most[i] <= AT_ONCE);
        /* Every place has come back: all of them can be had at once. */
        assert_true(tests_wait_until(gets_in, (void *)sources[i], TESTS_LIMIT_MS));
    }
    for (int i = 0; i < AT_ONCE; i++)
        assert_true(tests_wait_until(gets_in_and_stays, &fds[i], TESTS_LIMIT_MS));
    assert_false(tries(sources[0]));
    for (int i = 0; i < AT_ONCE; i++)
        close(fds[i]);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
wrong_options_are_refused_by_name(void **state)
{
    (void)state;
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_server_options options = {.prefix_ipv6 = 129};
    tr_block_list *list;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EBADLIMIT);
    assert_int_equal(tr_block_list_new(&list), TR_OK);
    options = (struct tr_server_options){.block_list = list}; /* it may still change, on this thread */
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_block_list_freeze(list), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_OK);
    tr_block_list_release(list);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_told_apart_by_what_counts),
        cmocka_unit_test(counts_are_those_of_a_plain_array),
        cmocka_unit_test(each_table_has_places_of_its_own),
        cmocka_unit_test(blocked_addresses_are_closed_before_connection),
        cmocka_unit_test(another_list_holds_for_connections_from_then_on),
        cmocka_unit_test(a_server_freezes_the_list_that_it_is_given),
        cmocka_unit_test(an_address_has_so_many_connections_and_no_more),
        cmocka_unit_test(what_is_refused_is_counted_by_its_reason),
        cmocka_unit_test(ipv4_counts_the_same_through_an_ipv6_socket),
        cmocka_unit_test(unix_sockets_have_no_limit),
        cmocka_unit_test(the_limit_is_exact_while_connections_come_and_go),
        cmocka_unit_test(wrong_options_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
