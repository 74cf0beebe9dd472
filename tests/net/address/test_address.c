/*
 * Addresses between text and the system: what ipaddr takes, the network takes, with the same meaning, and nothing else.
 */
#include "address_text.h"
#include "cast.h"
#include "helpers.h"
#include "random.h"

#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <troupe/ipaddr/ip.h>

#include "address_internal.h"

#define ROUNDS 200000u
#define PORT 8124

/* Text for a zone; each is as likely as no zone at all. */
static const char *const zones[] = {
    "",
    "",
    "%lo",
    "%1",
    "%0",
    "%4294967295",
    "%4294967296",
    "%nosuch",
    "%a-b.c:d",
    "%longer-than-any-interface-is",
    "%",
    "%a b",
    "%%",
    "%_",
};

static const unsigned zone_count = sizeof(zones) / sizeof(zones[0]);

/* The scope that a zone means: none where there is no such interface. */
static uint32_t
scope_of(const char *text)
{
    struct tr_ip ip;
    struct sockaddr_storage address;
    return tr_ip_parse(text, &ip) == TR_OK && tr_ip_to_sockaddr(&ip, &address) == TR_OK
               ? ((const struct sockaddr_in6 *)&address)->sin6_scope_id
               : 0;
}

static void
expect_same(const char *text)
{
    struct sockaddr_storage address;
    struct tr_ip ip, bare;
    char before_zone[2 * ADDRESS_TEXT];
    int family = tr_is_ip(text);
    if (tri_address_parse(text, PORT, &address) != (family != 0))
        fail_msg("\"%s\" is %d", text, family);
    if (family == 0)
        return;
    assert_int_equal(tr_ip_from_sockaddr((const struct sockaddr *)&address, &ip), TR_OK);
    snprintf(before_zone, sizeof(before_zone), "%.*s", (int)strcspn(text, "%"), text);
    assert_int_equal(tr_ip_parse(before_zone, &bare), TR_OK);
    ip.zone[0] = '\0';
    assert_true(tr_ip_equal(&ip, &bare));
    if (family == 4) {
        assert_int_equal(((const struct sockaddr_in *)&address)->sin_port, htons(PORT));
        return;
    }
    assert_int_equal(((const struct sockaddr_in6 *)&address)->sin6_port, htons(PORT));
    assert_int_equal(((const struct sockaddr_in6 *)&address)->sin6_scope_id, scope_of(text));
}

static void
the_network_takes_the_texts_that_ipaddr_takes_with_the_same_meaning(void **state)
{
    (void)state;
    uint64_t seed = 4;
    unsigned found[7] = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[2 * ADDRESS_TEXT];
        address_text(&seed, text);
        unsigned zone = random_below(&seed, 2 * zone_count);
        if (zone < zone_count)
            strcat(text, zones[zone]);
        expect_same(text);
        found[tr_is_ip(text)]++;
    }
    assert_true(found[0] > ROUNDS / 10 && found[4] > ROUNDS / 10 && found[6] > ROUNDS / 10);
}

static void
long_texts_are_read_to_their_end(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0000:0000:0000:0000:0000:ffff:127.0.0.123",
        "0000:0000:0000:0000:0000:ffff:127.0.0.123%lo",
        "0000:0000:0000:0000:0000:ffff:255.255.255.255%lo",
        "0000:0000:0000:0000:0000:0000:0000:0001%lo",
        "0000:0000:0000:0000:0000:0000:0000:0001.no-address.example%x",
        "0000:0000:0000:0000:0000:0000:0000:00011%lo",
        "127.0.0.1.example",
        "127.0.0.1%lo",
        "::1.example%lo",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_same(texts[i]);
}

static void
what_the_system_says_is_written_as_ipaddr_writes_it_and_read_again(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (unsigned i = 0; i < 20000; i++) {
        struct sockaddr_storage address = {.ss_family = AF_INET6}, again;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
        for (unsigned k = 0; k < 16; k++)
            v6->sin6_addr.s6_addr[k] = random_below(&seed, 2) ? 0 : (uint8_t)random_next(&seed);
        if (random_below(&seed, 4) == 0) /* link-local */
            memcpy(v6->sin6_addr.s6_addr, random_below(&seed, 2) ? "\xfe\x80" : "\xff\x02", 2);
        v6->sin6_port = htons(PORT);
        bool needs_zone = IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&v6->sin6_addr);
        v6->sin6_scope_id = needs_zone ? random_below(&seed, 3) : 0; /* lo, and one that there may not be */

        struct tr_address ours;
        struct tr_ip ip;
        char text[TR_IP_TEXT];
        tri_address_from((const struct sockaddr *)&address, &ours);
        assert_int_equal(tr_ip_from_sockaddr((const struct sockaddr *)&address, &ip), TR_OK);
        tr_ip_format(&ip, text, sizeof(text));
        assert_string_equal(ours.text, text);
        assert_int_equal(ours.port, PORT);
        assert_int_equal(ours.family, TR_FAMILY_IPV6);
        assert_true(tri_address_parse(ours.text, ours.port, &again));
        assert_memory_equal(&again, &address, sizeof(address));
    }
}

/* Hosts, and names of unix sockets. */

static void
a_host_has_neither_spaces_nor_control_characters_and_255_bytes_at_most(void **state)
{
    (void)state;
    static const char *const unsound[] = {"", " ", "a b", "a\x7f", "\037a", "a\n"};
    char longest[257];
    assert_false(tri_host_is_sound(NULL));
    for (size_t i = 0; i < sizeof(unsound) / sizeof(unsound[0]); i++)
        assert_false(tri_host_is_sound(unsound[i]));
    assert_true(tri_host_is_sound("a~b\x80"));
    memset(longest, 'a', sizeof(longest));
    longest[256] = '\0';
    assert_false(tri_host_is_sound(longest));
    longest[255] = '\0';
    assert_true(tri_host_is_sound(longest));
}

static void
an_abstract_name_fills_its_room_and_a_path_leaves_a_nul(void **state)
{
    (void)state;
    enum { ROOM = sizeof(((struct sockaddr_un *)0)->sun_path) };
    struct sockaddr_un address;
    socklen_t size;
    char name[ROOM + 2];
    for (unsigned kind = 0; kind < 2; kind++) { /* a path, an abstract name */
        size_t most = kind == 0 ? ROOM - 1 : ROOM;
        memset(name, 'x', sizeof(name));
        name[0] = kind == 0 ? '/' : '@';
        name[most + 1] = '\0';
        assert_int_equal(tri_address_of_path(name, false, &address, &size), TR_ENAMETOOLONG);
        for (unsigned cut = 0; cut < 2; cut++) {
            assert_int_equal(tri_address_of_path(name, cut == 0, &address, &size), TR_OK);
            assert_int_equal(size, sizeof(address));
            assert_int_equal(address.sun_path[0], kind == 0 ? '/' : '\0');
            assert_memory_equal(address.sun_path + 1, name + 1, most - 1);
            name[most] = '\0';
        }
    }
}

/* The public ways. */

static const char *host;
static bool asked;

static void
is_asked(tr_socket *socket, const char *name, enum tr_family family, void *lookup_data)
{
    (void)family;
    (void)lookup_data;
    assert_string_equal(name, host);
    asked = true;
    tr_socket_destroy(socket, TR_OK);
}

static void
play_connect(void)
{
    struct tr_connect_options options = {.host = host, .port = 1, .lookup = is_asked};
    asked = false;
    stage_connect_with(&client, options);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
play_local_address(void)
{
    struct tr_connect_options options = {.host = "127.0.0.1", .port = 1, .local_address = host};
    tr_socket *socket;
    tr_status status = tr_connect(director, NULL, &options, &socket);
    assert_int_equal(status, tr_is_ip(host) != 0 ? TR_OK : TR_EBADADDRESS);
    if (status == TR_OK)
        tr_socket_destroy(socket, TR_OK);
    stage_end();
}

static void
answers_with_the_text(tr_socket *socket, const char *name, enum tr_family family, void *lookup_data)
{
    struct tr_address address = {.family = TR_FAMILY_IPV6};
    (void)name;
    (void)family;
    (void)lookup_data;
    snprintf(address.text, sizeof(address.text), "%s", host);
    tr_status status = tr_socket_looked_up(socket, NULL, &address, 1);
    assert_int_equal(status, tr_is_ip(host) != 0 ? TR_OK : TR_EBADADDRESS);
    tr_socket_destroy(socket, TR_OK);
}

static void
play_answer(void)
{
    stage_connect_with(&client,
                       (struct tr_connect_options){.host = "a.name", .port = 1, .lookup = answers_with_the_text});
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
every_public_way_takes_an_address_exactly_if_ipaddr_does(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "127.0.0.1",
        "127.0.0.01",
        "127.1",
        "0x7f.1",
        "::1",
        "::1%lo",
        "::1%1",
        "::1%nosuch",
        "::1%",
        "::ffff:127.0.0.1%lo",
        "fe80::1%lo",
        "fe80::1%nosuch",
        "fe80::1",
        "127.0.0.1%lo",
        "0000:0000:0000:0000:0000:ffff:127.0.0.123%lo",
        "0000:0000:0000:0000:0000:0000:0000:0001.no-address.example%x",
        "::1%longer-than-any-interface-is",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        memset(&client, 0, sizeof(client));
        host = texts[i];
        stage_play(1, play_connect);
        assert_int_equal(asked, tr_is_ip(host) == 0);
        stage_play(1, play_local_address);
        memset(&client, 0, sizeof(client));
        stage_play(1, play_answer);
    }
}

static void
play_long_address(void)
{
    struct tr_server_options options = {0};
    struct tr_listen_options listen = {.host = "0000:0000:0000:0000:0000:ffff:127.0.0.123%lo", .any_port = true};
    struct tr_address address;
    tr_server *server;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_OK);
    assert_string_equal(address.text, "::ffff:127.0.0.123");
    stage_end();
}

static void
a_server_listens_on_the_whole_of_a_long_address(void **state)
{
    (void)state;
    stage_play(1, play_long_address);
}

/* The peer's address. */

static int theirs;
static bool in_the_queue;
static uint16_t peer_port;
static struct tr_address peer_address;

static void
asks_for_the_peer(struct endpoint *self, const char *event)
{
    if (strcmp(event, "accepted") != 0)
        return;
    if (!in_the_queue)
        tests_peer_reset(theirs);
    tr_socket_remote_address(self->socket, &peer_address);
    tr_socket_destroy(self->socket, TR_OK);
    stage_end();
}

static void
accepts(void *server)
{
    assert_int_equal(tr_server_resume(server), TR_OK);
}

static void
play_reset(void)
{
    struct sockaddr_in name;
    socklen_t size = sizeof(name);
    memset(accepted, 0, sizeof(accepted));
    accepted[0].hook = asks_for_the_peer;
    tr_server *server = stage_serve((struct tr_server_options){0});
    assert_int_equal(tr_server_pause(server, 0), TR_OK);
    theirs = tests_peer_connect(stage_port);
    assert_int_equal(getsockname(theirs, (struct sockaddr *)&name, &size), 0);
    peer_port = ntohs(name.sin_port);
    if (in_the_queue)
        tests_peer_reset(theirs);
    stage_settled(accepts, server);
}

static void
a_connection_that_the_peer_has_reset_has_its_address_until_it_is_closed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        in_the_queue = i == 0;
        peer_address = (struct tr_address){0};
        stage_play(1, play_reset);
        assert_int_equal(peer_address.family, TR_FAMILY_IPV4);
        assert_string_equal(peer_address.text, "127.0.0.1");
        assert_int_equal(peer_address.port, peer_port);
    }
}

/* Ports. */

static void
a_port_is_read_or_its_mistake_has_a_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        tr_status status;
        uint16_t port;
    } rows[] = {
        {"0", TR_OK, 0},
        {"1", TR_OK, 1},
        {"8124", TR_OK, 8124},
        {"65535", TR_OK, 65535},
        {"00080", TR_OK, 80},
        {"", TR_EMISSING, 0},
        {"65536", TR_EBADPORT, 0},
        {"99999", TR_EBADPORT, 0},
        {"4294967297", TR_EBADPORT, 0},
        {"18446744073709551617", TR_EBADPORT, 0},
        {"-1", TR_ENOTANUMBER, 0},
        {"+1", TR_ENOTANUMBER, 0},
        {" 80", TR_ENOTANUMBER, 0},
        {"http", TR_ENOTANUMBER, 0},
        {"80 ", TR_ETRAILING, 0},
        {"0x50", TR_ETRAILING, 0},
        {"80.5", TR_ETRAILING, 0},
        {"99999x", TR_ETRAILING, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint16_t port = 4711;
        tr_status status = tr_port_parse(rows[i].text, &port);
        if (status != rows[i].status)
            fail_msg("\"%s\" is %s", rows[i].text, tr_status_code(status));
        assert_int_equal(port, status == TR_OK ? rows[i].port : 4711);
    }
    uint16_t port;
    assert_int_equal(tr_port_parse(NULL, &port), TR_EINVAL);
    assert_int_equal(tr_port_parse("1", NULL), TR_EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_network_takes_the_texts_that_ipaddr_takes_with_the_same_meaning),
        cmocka_unit_test(long_texts_are_read_to_their_end),
        cmocka_unit_test(what_the_system_says_is_written_as_ipaddr_writes_it_and_read_again),
        cmocka_unit_test(a_host_has_neither_spaces_nor_control_characters_and_255_bytes_at_most),
        cmocka_unit_test(an_abstract_name_fills_its_room_and_a_path_leaves_a_nul),
        cmocka_unit_test(every_public_way_takes_an_address_exactly_if_ipaddr_does),
        cmocka_unit_test(a_server_listens_on_the_whole_of_a_long_address),
        cmocka_unit_test(a_connection_that_the_peer_has_reset_has_its_address_until_it_is_closed),
        cmocka_unit_test(a_port_is_read_or_its_mistake_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
