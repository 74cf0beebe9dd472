/*
 * Messages between the processes of a cluster, the descriptors that come with them, and what is no message.
 */
#include "crew.h"
#include "helpers.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
start(struct crew *crew, unsigned children)
{
    crew_start(crew, (struct tr_cluster_options){
                         .children = children, .backoff_min_ms = 1, .backoff_max_ms = 1, .tries = 1000});
}

static void
a_child_tells_its_parent(void **state)
{
    struct crew crew;
    (void)state;
    start(&crew, 2);
    assert_string_equal(crew_ask(&crew, 1, "send parent hello"), "ok");
    assert_string_equal(crew_word(&crew), "message 1 hello 5");
    assert_string_equal(crew_ask(&crew, 0, "send parent "), "ok"); /* nothing is a message, too */
    assert_string_equal(crew_word(&crew), "message 0  0");
    assert_string_equal(crew_ask(&crew, 0, "pass parent with"), "ok");
    assert_string_equal(crew_word(&crew), "message 0 with fd 4");
    crew_end(&crew, "OK");
}

static void
a_parent_answers(void **state)
{
    struct crew crew;
    (void)state;
    start(&crew, 2);
    assert_string_equal(crew_ask(&crew, 0, "take"), "ok");
    assert_string_equal(crew_ask(&crew, 0, "send parent echo yes"), "ok");
    assert_string_equal(crew_word(&crew), "echo OK");
    assert_string_equal(crew_ask(&crew, 0, "message"), "parent yes");
    assert_string_equal(crew_ask(&crew, 0, "pass parent echo back"), "ok");
    assert_string_equal(crew_word(&crew), "echo OK");
    assert_string_equal(crew_ask(&crew, 0, "message"), "parent back fd:echo back");
    crew_end(&crew, "OK");
}

static void
children_tell_each_other_in_order(void **state)
{
    struct crew crew;
    char text[64];
    (void)state;
    start(&crew, 3);
    for (int i = 0; i < 20; i++) /* before it asks for them, too */
        assert_string_equal(crew_ask(&crew, 0, "send 2 %d", i), "ok");
    assert_string_equal(crew_ask(&crew, 2, "take"), "ok");
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof(text), "0 %d", i);
        assert_string_equal(crew_ask(&crew, 2, "message"), text);
    }
    assert_string_equal(crew_ask(&crew, 2, "send 2 me"), "ok");
    assert_string_equal(crew_ask(&crew, 2, "message"), "2 me");
    crew_end(&crew, "OK");
}

static void
files_and_sockets_go_with_them(void **state)
{
    struct crew crew;
    (void)state;
    start(&crew, 2);
    assert_string_equal(crew_ask(&crew, 1, "take"), "ok");
    assert_string_equal(crew_ask(&crew, 0, "pass 1 text"), "ok");
    assert_string_equal(crew_ask(&crew, 1, "message"), "0 text fd:text");
    assert_string_equal(crew_ask(&crew, 0, "lend 1"), "ok"); /* the other child echoes on it */
    assert_string_equal(crew_ask(&crew, 1, "message"), "0 adopt");
    crew_end(&crew, "OK");
}

static void
a_connection_goes_on_in_another_child(void **state)
{
    struct crew crew;
    char line[64];
    unsigned child;
    (void)state;
    start(&crew, 2);
    uint16_t port = crew_listen(&crew, 0);
    assert_string_equal(crew_ask(&crew, 1, "take"), "ok");
    int fd = crew_connect(port, &child, NULL);
    assert_int_equal(child, 0);
    for (int i = 0; i < 2; i++)
        assert_true(crew_is_alive(fd));
    assert_true(tests_peer_send(fd, "give 1", 6));
    assert_true(crew_read_line(fd, line, sizeof(line)));
    assert_int_equal(strncmp(line, "1 ", 2), 0);
    assert_true(crew_is_alive(fd));
    close(fd);
    crew_end(&crew, "OK");
}

static void
who_does_not_keep_up_is_not_sent_more_and_loses_nothing(void **state)
{
    struct crew crew;
    char code[64];
    unsigned sent = 0;
    (void)state;
    start(&crew, 2);
    assert_int_equal(sscanf(crew_ask(&crew, 0, "fill 1"), "%u %63s", &sent, code), 2);
    assert_string_equal(code, "ERR_MAILBOX_FULL");
    assert_true(sent > 1);
    assert_string_equal(crew_ask(&crew, 1, "take"), "ok");
    for (unsigned i = 0; i < sent; i++)
        assert_non_null(strstr(crew_ask(&crew, 1, "message"), " 65536"));
    assert_string_equal(crew_ask(&crew, 0, "send 1 last"), "ok");
    assert_string_equal(crew_ask(&crew, 1, "message"), "0 last");
    crew_end(&crew, "OK");
}

/* More than all channels on the way hold: the sender is not done before the other one reads. */
static void
what_finds_no_room_on_its_way_waits_in_order(void **state)
{
    struct crew crew;
    char text[64];
    (void)state;
    start(&crew, 2);
    crew_tell(&crew, 0, "flood 1 40");
    for (int i = 0; i < 200; i++) { /* the parent has time to pass on what it can */
        assert_string_equal(crew_ask(&crew, 1, "send parent turn"), "ok");
        crew_await(&crew, "message 1 turn 4");
    }
    assert_string_equal(crew_ask(&crew, 1, "take"), "ok");
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof(text), "0 %d 65536", i);
        assert_string_equal(crew_ask(&crew, 1, "message"), text);
    }
    assert_string_equal(crew_answer(&crew, 0), "ok");
    crew_end(&crew, "OK");
}

static void
what_waits_for_a_child_that_dies_is_lost_and_holds_nobody_up(void **state)
{
    struct crew crew;
    (void)state;
    start(&crew, 2);
    crew_ask(&crew, 0, "fill 1");
    assert_int_equal(kill(crew_child(&crew, 1), SIGKILL), 0);
    crew_await(&crew, "started 1");
    assert_string_equal(crew_ask(&crew, 1, "take"), "ok");
    assert_string_equal(crew_ask(&crew, 1, "send 0 x"), "ok");
    assert_string_equal(crew_ask(&crew, 0, "take"), "ok");
    assert_string_equal(crew_ask(&crew, 0, "message"), "1 x");
    crew_end(&crew, "OK");
}

/* And nobody has waited for it. */
static bool
has_ended(void *process)
{
    char path[64], state = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", *(int *)process);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    int found = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return found == 1 && state == 'Z';
}

static void
the_last_words_of_a_child_are_heard(void **state)
{
    struct crew crew;
    (void)state;
    start(&crew, 1);
    int child = crew_child(&crew, 0), status;
    assert_int_equal(kill(crew.process, SIGSTOP), 0); /* so that it finds the words and the end at once */
    assert_int_equal(waitpid(crew.process, &status, WUNTRACED), crew.process);
    crew_tell(&crew, 0, "words 100");
    assert_true(tests_wait_until(has_ended, &child, TESTS_LIMIT_MS));
    assert_int_equal(kill(crew.process, SIGCONT), 0);
    for (int i = 0; i < 100; i++)
        assert_string_equal(crew_word(&crew), "message 0 word 4");
    assert_string_equal(crew_word(&crew), "ended 0 signal 9");
    crew_await(&crew, "started 0");
    crew_end(&crew, "OK");
}

static void
what_cannot_be_sent_is_refused(void **state)
{
    struct crew crew;
    (void)state;
    start(&crew, 2);
    assert_string_equal(crew_ask(&crew, 0, "send 2 x"), "EINVAL");
    assert_string_equal(crew_ask(&crew, 0, "oversize"), "EMSGSIZE EBADF EBADF ok");
    crew_end(&crew, "OK");
}

/* The parent has as many descriptors as before: asked twice, since those of a dead child go at the end of a turn. */
static int
fds_of_parent(struct crew *crew)
{
    int count = 0;
    assert_string_equal(crew_ask(crew, 0, "send parent fds"), "ok");
    while (sscanf(crew_word(crew), "fds %d", &count) != 1)
        assert_string_not_equal(crew->word, "");
    return count;
}

static void
nonsense_is_refused_and_its_child_replaced(void **state)
{
    static const char *const kinds[] = {"small", "large", "fds"};
    struct crew crew;
    (void)state;
    start(&crew, 2);
    uint16_t port = crew_listen(&crew, 0);
    crew_listen(&crew, 1);
    int before = fds_of_parent(&crew);
    for (size_t i = 0; i < 3; i++) {
        for (size_t channel = 0; channel < 3; channel++) {
            crew_tell(&crew, 1, "nonsense %s %zu", kinds[i], channel);
            crew_await(&crew, "ended 1 signal 9");
            crew_await(&crew, "started 1");
            close(crew_connect(port, NULL, NULL));
            assert_int_equal(crew_listen(&crew, 1), port);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        static const char *const forged[] = {"word", "peer", "size", "fds"};
        crew_tell(&crew, 1, "forge %s", forged[i]);
        crew_await(&crew, "ended 1 signal 9");
        crew_await(&crew, "started 1");
    }
    assert_int_equal(fds_of_parent(&crew), before - 1); /* without the lease of the one that listens no more */
    crew_end(&crew, "OK");
}

struct count {
    struct crew *crew;
    int fds;
    bool of_parent;
};

static bool
has_fds(void *argument)
{
    struct count *count = argument;
    return (count->of_parent ? fds_of_parent(count->crew) : atoi(crew_ask(count->crew, 0, "fds"))) == count->fds;
}

static void
neither_parent_nor_child_loses_descriptors(void **state)
{
    struct crew crew;
    (void)state;
    for (enum tr_cluster_scheduling how = TR_CLUSTER_ROUND_ROBIN; how <= TR_CLUSTER_BY_KERNEL; how++) {
        crew_start(&crew,
                   (struct tr_cluster_options){
                       .children = 2, .scheduling = how, .backoff_min_ms = 1, .backoff_max_ms = 1, .tries = 1000});
        assert_string_equal(crew_ask(&crew, 0, "take"), "ok");
        int before = fds_of_parent(&crew); /* later it may not have heard of a close yet */
        crew_listen(&crew, 0);
        assert_string_equal(crew_ask(&crew, 0, "close a"), "ok");
        int child = atoi(crew_ask(&crew, 0, "fds"));
        for (int i = 0; i < 10; i++) {
            uint16_t port = crew_listen(&crew, 0);
            crew_listen(&crew, 1);
            close(crew_connect(port, NULL, NULL));
            assert_string_equal(crew_ask(&crew, 0, "pass 0 x"), "ok");
            assert_string_equal(crew_ask(&crew, 0, "message"), "0 x fd:x");
            assert_string_equal(crew_ask(&crew, 0, "pass 0 leave"), "ok");
            assert_string_equal(crew_ask(&crew, 0, "message"), "0 leave");
            assert_string_equal(crew_ask(&crew, 0, "listen n 127.0.0.1 %u b 9", port), "EADDRINUSE"); /* it has it */
            assert_string_equal(crew_ask(&crew, 1, "listen n 1.2.3.4 1"), "EADDRNOTAVAIL");
            crew_tell(&crew, 1, i % 2 == 0 ? "exit 1" : "die");
            crew_await(&crew, "started 1");
            assert_string_equal(crew_ask(&crew, 0, "close a"), "ok");
        }
        crew_listen(&crew, 0); /* who asks for something has the parent look for those that have left */
        assert_string_equal(crew_ask(&crew, 0, "close a"), "ok");
        assert_true(tests_wait_until(has_fds, &(struct count){&crew, before, true}, TESTS_LIMIT_MS));
        assert_true(tests_wait_until(has_fds, &(struct count){&crew, child, false}, TESTS_LIMIT_MS));
        crew_end(&crew, "OK");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_tells_its_parent),
        cmocka_unit_test(a_parent_answers),
        cmocka_unit_test(children_tell_each_other_in_order),
        cmocka_unit_test(files_and_sockets_go_with_them),
        cmocka_unit_test(a_connection_goes_on_in_another_child),
        cmocka_unit_test(who_does_not_keep_up_is_not_sent_more_and_loses_nothing),
        cmocka_unit_test(what_finds_no_room_on_its_way_waits_in_order),
        cmocka_unit_test(what_waits_for_a_child_that_dies_is_lost_and_holds_nobody_up),
        cmocka_unit_test(the_last_words_of_a_child_are_heard),
        cmocka_unit_test(what_cannot_be_sent_is_refused),
        cmocka_unit_test(nonsense_is_refused_and_its_child_replaced),
        cmocka_unit_test(neither_parent_nor_child_loses_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
