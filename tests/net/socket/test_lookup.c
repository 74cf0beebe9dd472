/*
 * Look-ups: the user's own, which may answer when it likes, and races over what they found.
 */
#include "cast.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

static const char *code_of_lookup; /* as the lookup event has it */

static void
ends(struct endpoint *self, const char *event)
{
    if (is(event, "lookup"))
        code_of_lookup = self->code;
    if (is(event, "ready"))
        tr_socket_end(self->socket);
}

static const struct tr_address here = {.family = TR_FAMILY_IPV4, .port = 1, .text = "127.0.0.1"};
static const struct tr_address nobody_there = {.family = TR_FAMILY_IPV4, .text = "127.0.0.9"};
static const struct tr_address nobody_here = {.family = TR_FAMILY_IPV4, .text = "127.0.0.8"};
static const struct tr_address here6 = {.family = TR_FAMILY_IPV6, .text = "::1"};

typedef void (*lookup_function)(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data);

static unsigned asked;

static void
connect_by(lookup_function lookup, struct tr_connect_options options)
{
    asked = 0;
    if (client.hook == NULL)
        client.hook = ends;
    stage_serve((struct tr_server_options){0});
    options.lookup = lookup;
    options.lookup_data = &asked;
    if (options.host == NULL)
        options.host = "some.where";
    stage_connect_with(&client, options);
    assert_int_equal(asked, 0); /* not before the call has returned */
    end_when_closed();
}

static void
answers_at_once(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    ++*(unsigned *)lookup_data;
    assert_ptr_equal(tr_socket_data(socket), &client);
    assert_string_equal(host, "some.where");
    assert_int_equal(family, TR_FAMILY_NONE);
    assert_true(tr_socket_connecting(socket));
    assert_int_equal(tr_socket_looked_up(socket, NULL, NULL, 1), TR_EINVAL);
    assert_int_equal(tr_socket_looked_up(socket, NULL, NULL, 0), TR_EINVAL);
    assert_int_equal(tr_socket_looked_up(NULL, NULL, &here, 1), TR_EINVAL);
    struct tr_error no_error = {.status = TR_OK}, error = {.status = TR_EIO};
    struct tr_address no_address = {.family = TR_FAMILY_IPV4, .text = "somewhere"};
    assert_int_equal(tr_socket_looked_up(socket, &no_error, NULL, 0), TR_EINVAL);
    assert_int_equal(tr_socket_looked_up(socket, &error, &here, 1), TR_EINVAL);
    assert_int_equal(tr_socket_looked_up(socket, NULL, &no_address, 1), TR_EBADADDRESS);
    assert_int_equal(tr_socket_looked_up(socket, NULL, &here, 1), TR_OK); /* its port is ignored */
    assert_int_equal(tr_socket_looked_up(socket, NULL, &nobody_there, 1), TR_EGONE);
    assert_string_equal(client.log, "");
}

static void
play_at_once(void)
{
    connect_by(answers_at_once, (struct tr_connect_options){0});
}

static void
a_lookup_may_answer_at_once_and_only_once(void **state)
{
    (void)state;
    stage_play(1, play_at_once);
    assert_string_equal(client.log, "lookup:some.where:127.0.0.1 connect ready end close");
    assert_int_equal(asked, 1);
}

static void
answer(void *argument)
{
    (void)argument;
    assert_int_equal(tr_socket_looked_up(client.socket, NULL, &here, 1), TR_OK);
    assert_string_equal(client.log, ""); /* the event comes after the call has returned */
    assert_int_equal(tr_socket_looked_up(client.socket, NULL, &here, 1), TR_EGONE);
}

static void
answers_later(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    (void)socket;
    (void)host;
    assert_int_equal(family, TR_FAMILY_IPV4);
    ++*(unsigned *)lookup_data;
    stage_settled(answer, NULL);
}

static void
play_later(void)
{
    connect_by(answers_later, (struct tr_connect_options){.family = TR_FAMILY_IPV4});
}

static void
a_lookup_may_answer_later(void **state)
{
    (void)state;
    stage_play(1, play_later);
    assert_string_equal(client.log, "lookup:some.where:127.0.0.1 connect ready end close");
}

static void
destroy(void *argument)
{
    (void)argument;
    tr_socket_destroy(client.socket, TR_OK);
    assert_int_equal(tr_socket_looked_up(client.socket, NULL, &here, 1), TR_EGONE);
}

static void
never_answers(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    (void)socket;
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
    stage_settled(destroy, NULL);
}

static void
play_never(void)
{
    connect_by(never_answers, (struct tr_connect_options){0});
}

static void
a_lookup_that_never_answers_ends_with_its_socket(void **state)
{
    (void)state;
    stage_play(1, play_never);
    assert_string_equal(client.log, "close");
    assert_int_equal(asked, 1);
}

static void
destroys(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
    tr_socket_destroy(socket, TR_EIO);
}

static void
play_destroy_in_lookup(void)
{
    connect_by(destroys, (struct tr_connect_options){0});
}

static void
a_lookup_may_destroy_its_socket(void **state)
{
    (void)state;
    stage_play(1, play_destroy_in_lookup);
    assert_string_equal(client.log, "EIO close!");
}

static void
waits_for_timeout(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    (void)socket;
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
}

static void
play_timeout(void)
{
    client.hook = gives_up;
    connect_by(waits_for_timeout, (struct tr_connect_options){.timeout_ms = 30});
}

static void
the_timeout_covers_the_lookup(void **state)
{
    (void)state;
    stage_play(1, play_timeout);
    assert_string_equal(client.log, "timeout ETIMEDOUT close!");
}

static void
fails(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    struct tr_error error = {.status = TR_EAI_AGAIN, .call = "mine", .code = "ignored"};
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
    assert_int_equal(tr_socket_looked_up(socket, &error, NULL, 0), TR_OK);
}

static void
play_failure(void)
{
    connect_by(fails, (struct tr_connect_options){0});
}

static void
a_failed_lookup_is_told_and_then_the_error(void **state)
{
    (void)state;
    stage_play(1, play_failure);
    assert_string_equal(client.log, "lookup:some.where:EAI_AGAIN EAI_AGAIN close!");
    assert_string_equal(client.call, "getaddrinfo");
    assert_string_equal(code_of_lookup, "EAI_AGAIN"); /* a code is taken with TR_EUSER only */
}

static void
fails_in_its_own_words(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    struct tr_error error = {.status = TR_EUSER, .code = "ENOTINMYBOOK"};
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
    assert_int_equal(tr_socket_looked_up(socket, &error, NULL, 0), TR_OK);
}

static void
play_own_code(void)
{
    connect_by(fails_in_its_own_words, (struct tr_connect_options){0});
}

static void
a_lookup_may_fail_with_a_code_of_its_own(void **state)
{
    (void)state;
    stage_play(1, play_own_code);
    assert_string_equal(client.log, "lookup:some.where:ERR_USER ENOTINMYBOOK close!");
    assert_int_equal(client.error, TR_EUSER);
}

static void
must_not_be_asked(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    (void)socket;
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
}

static void
play_address(void)
{
    connect_by(must_not_be_asked, (struct tr_connect_options){.host = "127.0.0.1"});
}

static void
an_address_is_not_looked_up(void **state)
{
    (void)state;
    stage_play(1, play_address);
    assert_string_equal(client.log, "connect ready end close");
    assert_int_equal(asked, 0);
}

static void
play_hints(void)
{
    client.hook = ends;
    stage_connect_with(&client, (struct tr_connect_options){.host = "localhost", .port = 1, .hints = AI_NUMERICHOST});
    end_when_closed();
}

static void
hints_go_to_the_systems_lookup(void **state)
{
    (void)state;
    stage_play(1, play_hints);
    assert_string_equal(client.log, "lookup:localhost:ENOTFOUND ENOTFOUND close!"); /* it is no address */
}

static void
play_timeout_from_before(void)
{
    client.hook = gives_up;
    assert_int_equal(tr_socket_spawn(director, &(struct tr_socket_options){.events = &endpoint_events, .data = &client},
                                     &client.socket),
                     TR_OK);
    assert_int_equal(tr_socket_set_timeout(client.socket, 30), TR_OK);
    struct tr_connect_options options = {.host = "some.where", .port = 1, .lookup = waits_for_timeout};
    options.lookup_data = &asked;
    assert_int_equal(tr_socket_connect(client.socket, &options), TR_OK);
    end_when_closed();
}

static void
without_a_timeout_of_its_own_connecting_has_the_sockets(void **state)
{
    (void)state;
    stage_play(1, play_timeout_from_before);
    assert_string_equal(client.log, "timeout ETIMEDOUT close!");
}

/* Several addresses. */

static void
finds_two(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    struct tr_address both[] = {nobody_there, here};
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
    assert_int_equal(tr_socket_looked_up(socket, NULL, both, 2), TR_OK);
}

static void
play_race(void)
{
    connect_by(finds_two, (struct tr_connect_options){.race = true});
}

static void
a_race_goes_on_after_an_address_where_nobody_is(void **state)
{
    (void)state;
    stage_play(1, play_race);
    assert_string_equal(client.log, "lookup:some.where:127.0.0.9 lookup:some.where:127.0.0.1 connect ready end close");
}

static void
finds_both_families(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    struct tr_address both[] = {here6, here};
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
    assert_int_equal(tr_socket_looked_up(socket, NULL, both, 2), TR_OK);
}

/* No family is asked for: what fails at one address is tried at the next. */

static struct tr_connect_options asks;
static lookup_function finds;

static void
play_several(void)
{
    connect_by(finds, asks);
}

static void
expect_log_of(void **state, lookup_function lookup, struct tr_connect_options options, const char *log)
{
    cast_reset(state);
    finds = lookup;
    asks = options;
    stage_play(1, play_several);
    assert_string_equal(client.log, log);
}

#define BOTH "lookup:some.where:127.0.0.9 lookup:some.where:127.0.0.1 "
#define BOTH_FAMILIES "lookup:some.where:::1 lookup:some.where:127.0.0.1 "

static void
where_the_first_address_refuses_the_next_is_tried(void **state)
{
    expect_log_of(state, finds_two, (struct tr_connect_options){0}, BOTH "connect ready end close");
    expect_log_of(state, finds_both_families, (struct tr_connect_options){0}, BOTH_FAMILIES "connect ready end close");
}

static void
finds_nobody(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    struct tr_address both[] = {nobody_there, nobody_here};
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
    assert_int_equal(tr_socket_looked_up(socket, NULL, both, 2), TR_OK);
}

static void
where_all_addresses_refuse_there_is_one_error(void **state)
{
    expect_log_of(state, finds_nobody, (struct tr_connect_options){0},
                  "lookup:some.where:127.0.0.9 lookup:some.where:127.0.0.8 ECONNREFUSED close!");
    assert_string_equal(client.call, "connect");
}

static void
where_a_family_is_asked_for_its_first_address_decides(void **state)
{
    struct tr_connect_options by_family = {.family = TR_FAMILY_IPV4}, by_address = {.local_address = "127.0.0.1"};
    expect_log_of(state, finds_two, by_family, "lookup:some.where:127.0.0.9 ECONNREFUSED close!");
    assert_string_equal(client.call, "connect");
    expect_log_of(state, finds_two, by_address, "lookup:some.where:127.0.0.9 ECONNREFUSED close!");
    expect_log_of(state, finds_both_families, by_address, "lookup:some.where:127.0.0.1 connect ready end close");
}

static void
destroys_in_lookup(struct endpoint *self, const char *event)
{
    if (strncmp(event, "lookup", 6) == 0)
        tr_socket_destroy(self->socket, TR_OK);
}

static void
a_socket_that_is_destroyed_in_a_lookup_event_hears_of_no_other_address(void **state)
{
    cast_reset(state);
    finds = finds_two;
    asks = (struct tr_connect_options){0};
    client.hook = destroys_in_lookup;
    stage_play(1, play_several);
    assert_string_equal(client.log, "lookup:some.where:127.0.0.9 close");
}

static void
connect_of_type(enum tr_socket_type type, lookup_function lookup)
{
    client.hook = ends;
    stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, (struct tr_socket_options){.type = type},
                     (struct tr_connect_options){.host = "some.where", .lookup = lookup, .lookup_data = &asked});
    end_when_closed();
}

static void
play_type(void)
{
    connect_of_type(TR_SOCKET_TCP4, finds_both_families);
}

static void
addresses_that_are_not_of_the_sockets_type_are_passed_over(void **state)
{
    (void)state;
    stage_play(1, play_type);
    assert_string_equal(client.log, "lookup:some.where:127.0.0.1 connect ready end close");
}

static void
play_no_such_type(void)
{
    connect_of_type(TR_SOCKET_TCP6, finds_two);
}

static void
without_an_address_of_the_type_nothing_was_found(void **state)
{
    (void)state;
    stage_play(1, play_no_such_type);
    assert_string_equal(client.log, "lookup:some.where:ENOTFOUND ENOTFOUND close!");
}

/* The system's. */

static void
play_localhost(void)
{
    client.hook = ends;
    stage_serve((struct tr_server_options){0});
    struct tr_socket_options socket = {.events = &endpoint_events, .data = &client};
    struct tr_connect_options options = {.port = stage_port}; /* no host: it is localhost */
    assert_int_equal(tr_connect(director, &socket, &options, &client.socket), TR_OK);
    end_when_closed();
}

static void
localhost_is_the_default_and_its_listening_family_is_found(void **state)
{
    (void)state;
    stage_play(1, play_localhost);
    assert_non_null(strstr(client.log, "lookup:localhost:"));
    assert_non_null(strstr(client.log, " connect ready end close"));
}

/* What a callback was given stays its own until it returns, though it destroys the socket. */

static void
destroys_and_looks(tr_socket *socket, const struct tr_error *error, const struct tr_address *address, const char *host)
{
    tr_socket_destroy(socket, TR_OK);
    note(&client, "%s:%s", host, error != NULL ? error->code : address->text);
}

static void
destroys_and_reads(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    (void)family;
    ++*(unsigned *)lookup_data;
    tr_socket_destroy(socket, TR_OK);
    note(&client, "%s", host);
}

static lookup_function way;

static void
play_destroy_and_look(void)
{
    static struct tr_socket_events looking;
    looking = endpoint_events;
    looking.lookup = destroys_and_looks;
    asked = 0;
    stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, (struct tr_socket_options){.events = &looking},
                     (struct tr_connect_options){.host = "some.where", .lookup = way, .lookup_data = &asked});
    end_when_closed();
}

static void
what_a_lookup_brings_outlives_the_socket_that_is_destroyed_in_it(void **state)
{
    static const struct {
        lookup_function way;
        const char *log;
    } cases[] = {
        {answers_at_once, "some.where:127.0.0.1 close"},
        {fails_in_its_own_words, "some.where:ENOTINMYBOOK close"},
        {destroys_and_reads, "some.where close"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cast_reset(state);
        way = cases[i].way;
        stage_play(1, play_destroy_and_look);
        assert_string_equal(client.log, cases[i].log);
    }
}

static void
finds_too_many(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    struct tr_address many[600], last_is_wrong[] = {here, {.family = TR_FAMILY_IPV4, .text = "nowhere"}};
    (void)host;
    (void)family;
    ++*(unsigned *)lookup_data;
    for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
        many[i] = here;
    tr_ref ref = tr_socket_ref(socket);
    assert_int_equal(tr_socket_looked_up(socket, NULL, many, sizeof(many) / sizeof(many[0])), TR_EINVAL);
    assert_int_equal(tr_remote_looked_up(director, ref, NULL, many, sizeof(many) / sizeof(many[0])), TR_EINVAL);
    assert_int_equal(tr_socket_looked_up(socket, NULL, last_is_wrong, 2), TR_EBADADDRESS);
    assert_int_equal(tr_remote_looked_up(director, ref, NULL, last_is_wrong, 2), TR_EBADADDRESS);
    assert_int_equal(tr_remote_looked_up(director, ref, NULL, &here, 1), TR_OK);
}

static void
play_too_many(void)
{
    connect_by(finds_too_many, (struct tr_connect_options){0});
}

static void
an_answer_that_is_refused_is_refused_from_a_distance_too_and_changes_nothing(void **state)
{
    (void)state;
    stage_play(1, play_too_many);
    assert_string_equal(client.log, "lookup:some.where:127.0.0.1 connect ready end close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_lookup_may_answer_at_once_and_only_once, cast_reset),
        cmocka_unit_test_setup(a_lookup_may_answer_later, cast_reset),
        cmocka_unit_test_setup(a_lookup_that_never_answers_ends_with_its_socket, cast_reset),
        cmocka_unit_test_setup(a_lookup_may_destroy_its_socket, cast_reset),
        cmocka_unit_test_setup(the_timeout_covers_the_lookup, cast_reset),
        cmocka_unit_test_setup(a_failed_lookup_is_told_and_then_the_error, cast_reset),
        cmocka_unit_test_setup(a_lookup_may_fail_with_a_code_of_its_own, cast_reset),
        cmocka_unit_test_setup(an_address_is_not_looked_up, cast_reset),
        cmocka_unit_test_setup(hints_go_to_the_systems_lookup, cast_reset),
        cmocka_unit_test_setup(without_a_timeout_of_its_own_connecting_has_the_sockets, cast_reset),
        cmocka_unit_test_setup(a_race_goes_on_after_an_address_where_nobody_is, cast_reset),
        cmocka_unit_test_setup(where_the_first_address_refuses_the_next_is_tried, cast_reset),
        cmocka_unit_test_setup(where_all_addresses_refuse_there_is_one_error, cast_reset),
        cmocka_unit_test_setup(where_a_family_is_asked_for_its_first_address_decides, cast_reset),
        cmocka_unit_test_setup(a_socket_that_is_destroyed_in_a_lookup_event_hears_of_no_other_address, cast_reset),
        cmocka_unit_test_setup(addresses_that_are_not_of_the_sockets_type_are_passed_over, cast_reset),
        cmocka_unit_test_setup(without_an_address_of_the_type_nothing_was_found, cast_reset),
        cmocka_unit_test_setup(localhost_is_the_default_and_its_listening_family_is_found, cast_reset),
        cmocka_unit_test_setup(what_a_lookup_brings_outlives_the_socket_that_is_destroyed_in_it, cast_reset),
        cmocka_unit_test_setup(an_answer_that_is_refused_is_refused_from_a_distance_too_and_changes_nothing,
                               cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
