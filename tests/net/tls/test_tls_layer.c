/*
 * TLS as a layer of records: handshakes, bytes, and the end of either side.
 */
#include "connection.h"
#include "layer_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LITTLE_ROOM 4608
#define MUCH 300000u

static const enum tr_tls_version versions[] = {TR_TLS_1_2, TR_TLS_1_3};

#define EACH_VERSION(v) for (unsigned v = 0; v < 2; v++)

/* A pair of that version. */
static void
agree(struct layer_duo *duo, enum tr_tls_version version, int room)
{
    struct tr_tls_context_options server = layer_of_version(tls_server("server"), version);
    layer_agree(duo, &(struct layer_plan){.server = &server, .room = room});
}

static void
handshakes_of_both_versions_end_secure_with_a_verified_peer(void **state)
{
    (void)state;
    EACH_VERSION(v)
    {
        struct layer_duo duo;
        struct tr_tls_info info;
        const char *code = "";
        agree(&duo, versions[v], 0);
        tri_tls_info(duo.client.layer, &info);
        assert_int_equal(info.version, versions[v]);
        assert_string_equal(info.server_name, "server.example");
        assert_true(strncmp(info.cipher, "TLS_", 4) == 0 && !info.resumed && info.alpn[0] == '\0');
        assert_true(info.wire_read > 500 && info.wire_written > 200);
        assert_int_equal(duo.client.layer->kind->moved(duo.client.layer), info.wire_read + info.wire_written);
        assert_int_equal(tri_tls_verify_result(duo.client.layer, &code), TR_OK);
        assert_null(code);
        assert_int_equal(tri_tls_verify_result(duo.server.layer, &code), TR_ENOENT);
        layer_end(&duo);
    }
}

static void
bytes_come_both_ways_as_they_were_written(void **state)
{
    (void)state;
    EACH_VERSION(v)
    {
        struct layer_duo duo;
        agree(&duo, versions[v], 0);
        layer_carry(&duo.client, &duo.server, MUCH, TRI_RECORD_BYTES);
        layer_carry(&duo.server, &duo.client, MUCH, TRI_RECORD_BYTES);
        layer_carry(&duo.client, &duo.server, 300, 1);
        assert_int_equal(duo.client.last, -EAGAIN);
        layer_end(&duo);
    }
}

static void
a_kernel_without_room_takes_records_in_parts_and_none_is_lost(void **state)
{
    static const size_t sizes[] = {1, 100, 1000, 4000, 16000, TRI_RECORD_BYTES};
    (void)state;
    EACH_VERSION(v)
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct layer_duo duo;
        agree(&duo, versions[v], LITTLE_ROOM);
        layer_carry(&duo.client, &duo.server, 100 * sizes[i] < MUCH ? 100 * sizes[i] : MUCH, sizes[i]);
        layer_carry(&duo.server, &duo.client, 20 * sizes[i], sizes[i]);
        layer_end(&duo);
    }
}

static void
a_record_that_the_kernel_has_in_part_is_counted_when_all_of_it_has_gone(void **state)
{
    static char record[TRI_RECORD_BYTES];
    struct layer_duo duo;
    (void)state;
    agree(&duo, TR_TLS_1_3, LITTLE_ROOM);
    assert_int_equal(layer_write(&duo.client, record, sizeof(record)), 0);
    assert_int_equal(layer_write(&duo.client, record, sizeof(record)), 0); /* still no room */
    unsigned writes = 1;
    while (layer_write(&duo.client, record, sizeof(record)) == 0 && writes++ < 100)
        layer_read(&duo.server, 5000);
    layer_read(&duo.server, 5000);
    assert_true(writes > 1);
    assert_int_equal(duo.server.got_size, sizeof(record));
    layer_end(&duo);
}

static void
small_reads_leave_the_rest_of_a_record_inside(void **state)
{
    struct layer_duo duo;
    char one;
    (void)state;
    agree(&duo, TR_TLS_1_3, 0);
    assert_int_equal(layer_write(&duo.client, "three", 5), 5);
    assert_int_equal(layer_write(&duo.client, "more", 4), 4);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(duo.server.layer->kind->read_plain(duo.server.layer, duo.server.fd, &one, 1), 1);
        assert_int_equal(one, "threemore"[i]);
    }
    assert_int_equal(duo.server.layer->kind->read_plain(duo.server.layer, duo.server.fd, &one, 1), -EAGAIN);
    layer_end(&duo);
}

/* Ends. */

static ssize_t
say_goodbye(struct layer_end *end)
{
    return end->layer->kind->goodbye(end->layer, end->fd);
}

static void
a_goodbye_ends_the_stream_whole_and_the_other_side_goes_on(void **state)
{
    (void)state;
    EACH_VERSION(v)
    {
        struct layer_duo duo;
        agree(&duo, versions[v], 0);
        assert_int_equal(layer_write(&duo.client, "last", 4), 4);
        assert_int_equal(say_goodbye(&duo.client), 1);
        shutdown(duo.client.fd, SHUT_WR);
        layer_read(&duo.server, 100);
        assert_string_equal(duo.server.first, "last");
        assert_true(duo.server.last == 0 && duo.server.layer->whole);
        layer_read(&duo.server, 100);
        assert_true(duo.server.last == 0 && duo.server.layer->whole);
        layer_carry(&duo.server, &duo.client, MUCH, TRI_RECORD_BYTES);
        assert_int_equal(say_goodbye(&duo.server), 1);
        layer_read(&duo.client, 100);
        assert_true(duo.client.last == 0 && duo.client.layer->whole && !duo.client.layer->owes);
        layer_end(&duo);
    }
}

static void
a_fin_without_goodbye_ends_the_stream_cut_also_in_the_middle_of_a_record(void **state)
{
    static char record[TRI_RECORD_BYTES];
    (void)state;
    EACH_VERSION(v)
    for (unsigned in_the_middle = 0; in_the_middle < 2; in_the_middle++) {
        struct layer_duo duo;
        agree(&duo, versions[v], LITTLE_ROOM);
        assert_int_equal(layer_write(&duo.client, "some", 4), 4);
        if (in_the_middle)
            assert_int_equal(layer_write(&duo.client, record, sizeof(record)), 0);
        shutdown(duo.client.fd, SHUT_WR);
        layer_read(&duo.server, 100);
        assert_string_equal(duo.server.first, "some");
        assert_int_equal(duo.server.got_size, 4);
        assert_true(duo.server.last == 0 && !duo.server.layer->whole);
        layer_read(&duo.server, 100);
        assert_true(duo.server.last == 0 && !duo.server.layer->whole);
        assert_int_equal(layer_write(&duo.server, "answer", 6), 6);
        layer_read(&duo.client, 100);
        assert_string_equal(duo.client.first, "answer");
        layer_end(&duo);
    }
}

/* Fills the kernel to the last byte, with no record in part. */
static void
fill(struct layer_end *end)
{
    char byte = 0;
    while (write(end->fd, &byte, 1) == 1)
        ;
    assert_int_equal(errno, EAGAIN);
}

static void
a_goodbye_without_room_is_said_when_there_is_room(void **state)
{
    struct layer_duo duo;
    char junk[256];
    (void)state;
    agree(&duo, TR_TLS_1_3, LITTLE_ROOM);
    fill(&duo.client);
    assert_int_equal(say_goodbye(&duo.client), 0);
    assert_int_equal(say_goodbye(&duo.client), 0);
    assert_false(duo.client.layer->owes);
    while (read(duo.server.fd, junk, sizeof(junk)) > 0)
        ;
    assert_int_equal(say_goodbye(&duo.client), 1);
    assert_int_equal(say_goodbye(&duo.client), 1);
    assert_int_equal(read(duo.server.fd, junk, sizeof(junk)), 24); /* one alert of 1.3, once */
    layer_end(&duo);
}

static void
a_write_to_a_connection_that_is_gone_fails_and_what_came_before_is_read(void **state)
{
    struct layer_duo duo;
    (void)state;
    agree(&duo, TR_TLS_1_3, 0);
    assert_int_equal(layer_write(&duo.server, "word", 4), 4);
    shutdown(duo.server.fd, SHUT_RDWR);
    assert_int_equal(layer_write(&duo.client, "lost", 4), -EPIPE);
    layer_read(&duo.client, 100);
    assert_string_equal(duo.client.first, "word");
    assert_int_equal(duo.client.last, 0);
    layer_end(&duo);
}

/* Wishes. */

static void
a_wish_that_cannot_be_is_refused_with_what_is_wrong(void **state)
{
    static const char *const empty[] = {""};
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    struct tri_record_layer *layer = NULL;
    (void)state;
    assert_int_equal(tri_tls_open(&(struct tri_tls_wish){.context = client, .serves = true}, &layer), TR_ETLSNOKEY);
    assert_int_equal(tri_tls_open(&(struct tri_tls_wish){.context = server}, &layer), TR_EINVAL);
    assert_int_equal(tri_tls_open(&(struct tri_tls_wish){.context = client, .server_name = ""}, &layer), TR_EBADHOST);
    assert_int_equal(tri_tls_open(&(struct tri_tls_wish){.context = client, .server_name = ".example"}, &layer),
                     TR_EBADHOST);
    assert_int_equal(tri_tls_open(&(struct tri_tls_wish){.context = client, .server_name = "a b"}, &layer),
                     TR_EBADHOST);
    assert_int_equal(tri_tls_open(&(struct tri_tls_wish){.context = client, .alpn = empty, .alpn_count = 1}, &layer),
                     TR_EBADALPN);
    assert_null(layer);
    assert_false(tri_is_tls(NULL));
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

static void
protocols_of_the_wish_are_offered_in_place_of_the_contexts(void **state)
{
    static const char *const of_context[] = {"h2"}, *const wished[] = {"http/1.1"},
                             *const served[] = {"h2", "http/1.1"};
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    int fds[2];
    struct layer_duo duo;
    struct tr_tls_info info;
    (void)state;
    client_options.alpn = of_context;
    client_options.alpn_count = 1;
    server_options.alpn = served;
    server_options.alpn_count = 2;
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    layer_begin_end(&duo.client, &(struct tri_tls_wish){.context = client, .alpn = wished, .alpn_count = 1}, fds[0]);
    layer_begin_end(&duo.server, &(struct tri_tls_wish){.context = server, .serves = true}, fds[1]);
    assert_true(layer_shake(&duo));
    tri_tls_info(duo.server.layer, &info);
    assert_string_equal(info.alpn, "http/1.1");
    tri_tls_info(duo.client.layer, &info);
    assert_string_equal(info.alpn, "http/1.1");
    layer_end(&duo);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

/* A client of OpenSSL's own, since ours sends no such name. */
static void
a_name_that_a_client_asks_for_has_no_character_that_a_terminal_obeys(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    tr_tls_context *server = tls_make(&options);
    struct layer_end end;
    struct tr_tls_info info;
    char name[256];
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    layer_begin_end(&end, &(struct tri_tls_wish){.context = server, .serves = true}, fds[1]);
    SSL_CTX *raw = SSL_CTX_new(TLS_method());
    SSL *client = SSL_new(raw);
    assert_int_equal(SSL_set_tlsext_host_name(client, "Evil\n\x1b[2J\xc3\xa9.example"), 1);
    SSL_set_connect_state(client);
    SSL_set_fd(client, fds[0]);
    for (unsigned round = 0; round < 3; round++) {
        (void)SSL_do_handshake(client);
        end.shook = end.layer->kind->advance(end.layer, fds[1]);
    }
    assert_int_equal(end.shook, TRI_LAYER_DONE);
    tri_tls_info(end.layer, &info);
    assert_string_equal(info.server_name, "Evil??[2J??.example");
    tri_tls_server_name(end.layer, name);
    assert_string_equal(name, "evil??[2j??.example");
    SSL_free(client);
    SSL_CTX_free(raw);
    close(fds[0]);
    layer_end_end(&end);
    tr_tls_context_release(server);
}

static void
both_ends_export_the_same_key(void **state)
{
    struct layer_duo duo;
    char one[32], other[32];
    (void)state;
    agree(&duo, TR_TLS_1_3, 0);
    assert_int_equal(tri_tls_export_key(duo.client.layer, "EXPORTER-test", "c", 1, one, sizeof(one)), TR_OK);
    assert_int_equal(tri_tls_export_key(duo.server.layer, "EXPORTER-test", "c", 1, other, sizeof(other)), TR_OK);
    assert_memory_equal(one, other, sizeof(one));
    assert_int_equal(tri_tls_export_key(duo.server.layer, "EXPORTER-test", NULL, 0, other, sizeof(other)), TR_OK);
    assert_true(memcmp(one, other, sizeof(one)) != 0);
    layer_end(&duo);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LAYER_TEST(handshakes_of_both_versions_end_secure_with_a_verified_peer),
        LAYER_TEST(bytes_come_both_ways_as_they_were_written),
        LAYER_TEST(a_kernel_without_room_takes_records_in_parts_and_none_is_lost),
        LAYER_TEST(a_record_that_the_kernel_has_in_part_is_counted_when_all_of_it_has_gone),
        LAYER_TEST(small_reads_leave_the_rest_of_a_record_inside),
        LAYER_TEST(a_goodbye_ends_the_stream_whole_and_the_other_side_goes_on),
        LAYER_TEST(a_fin_without_goodbye_ends_the_stream_cut_also_in_the_middle_of_a_record),
        LAYER_TEST(a_goodbye_without_room_is_said_when_there_is_room),
        LAYER_TEST(a_write_to_a_connection_that_is_gone_fails_and_what_came_before_is_read),
        LAYER_TEST(a_wish_that_cannot_be_is_refused_with_what_is_wrong),
        LAYER_TEST(protocols_of_the_wish_are_offered_in_place_of_the_contexts),
        LAYER_TEST(a_name_that_a_client_asks_for_has_no_character_that_a_terminal_obeys),
        LAYER_TEST(both_ends_export_the_same_key),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
