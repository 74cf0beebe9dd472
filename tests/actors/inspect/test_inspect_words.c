/*
 * What the socket answers: words, JSON, metrics, HTTP.
 */
#include "helpers.h"
#include "stage.h"
#include "visitor.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/version.h>

enum { GO = 1, HOLD = 7 };

static tr_runtime *runtime;
static char directory[64], path[100];
static struct tally done, holding, released;

static int
open_runtime(void **state)
{
    (void)state;
    done = holding = released = (struct tally){0};
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/inspect", directory);
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .inspect = path};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return 0;
}

static int
close_runtime(void **state)
{
    (void)state;
    stage_close(runtime);
    return rmdir(directory); /* which nothing is left in */
}

static void
count_done(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&done, 1);
}

static void
hold_until_released(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&holding, 1);
    tally_await(&released, 1);
}

static const struct tr_behavior clerk = {.name = "clerk", .receive = count_done};
static const struct tr_behavior holder = {.name = "holder", .receive = hold_until_released};

/* Names that no form may stumble over. */
static const struct tr_behavior odd[] = {
    {.name = "a \"quoted\\ name\"", .receive = count_done},
    {.name = "two\nlines\ttab\x01", .receive = count_done},
    {.name = "gr\xc3\xbc\xc3\x9f dich", .receive = count_done},
    {.name = "no utf-8: \xff\xc3(\xe2\x82", .receive = count_done},
    {.name = "{worker=\"9\"} 1", .receive = count_done},
};
#define ODD (sizeof(odd) / sizeof(odd[0]))

static void
spawn_odd_ones(void)
{
    for (size_t i = 0; i < ODD; i++)
        stage_spawn(runtime, &odd[i], i % 2, NULL);
}

static unsigned
lines_with(const char *text, const char *part)
{
    unsigned count = 0;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL)) {
        const char *found = strstr(line, part);
        count += found != NULL && found < line + strcspn(line, "\n");
    }
    return count;
}

/* Words. */

static void
help_names_each_word_that_is_answered(void **state)
{
    static const char *const words[] = {"actors", "workers", "json", "metrics", "help", "quit"};
    (void)state;
    char *help = visitor_ask(path, "help\n");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char line[20], *answer;
        snprintf(line, sizeof(line), "\n%s\r\n", words[i]);
        assert_true(lines_with(help, words[i]) > 0);
        answer = visitor_ask(path, line);
        assert_null(strstr(answer, "no such word"));
        free(answer);
    }
    free(help);
    char *answer = visitor_ask(path, "nonsense\n");
    assert_non_null(strstr(answer, "no such word"));
    free(answer);
}

static void
the_table_of_actors_has_a_line_for_each(void **state)
{
    (void)state;
    spawn_odd_ones();
    char text[TR_REF_TEXT_SIZE];
    tr_ref ref = stage_spawn(runtime, &clerk, 1, NULL);
    for (unsigned i = 0; i < 3; i++)
        stage_send(runtime, ref, GO, NULL, 0);
    tally_await(&done, 3);
    char *table = visitor_ask(path, "actors\n");
    assert_int_equal(lines_with(table, ""), 1 + ODD + 1); /* with the heads */
    assert_int_equal(lines_with(table, "clerk"), 1);
    assert_int_equal(lines_with(table, tr_ref_text(ref, text)), 1);
    assert_null(strchr(table, '\x01'));
    free(table);
}

static void
words_are_answered_one_after_the_other_until_the_last(void **state)
{
    (void)state;
    int fd = visitor_connect(path);
    assert_true(visitor_say(fd, "workers\n"));
    char *answer = visitor_hear(fd, "\n\n");
    assert_non_null(strstr(answer, "WORKER"));
    free(answer);
    assert_true(visitor_say(fd, "actors\nnonsense\nhel"));
    assert_true(visitor_say(fd, "p\nquit\nactors\n"));
    answer = visitor_hear(fd, NULL);
    char *actors = strstr(answer, "ACTOR"), *nonsense = strstr(answer, "no such"), *help = strstr(answer, "Prometheus");
    assert_true(actors != NULL && nonsense > actors && help > nonsense);
    assert_null(strstr(help, "ACTOR"));
    free(answer);
    close(fd);
    answer = visitor_ask(path, "actors"); /* the last line needs no end */
    assert_non_null(strstr(answer, "ACTOR"));
    free(answer);
}

static void
workers_that_hang_are_told_while_they_do(void **state)
{
    char text[TR_REF_TEXT_SIZE];
    (void)state;
    tr_ref refs[2];
    for (unsigned i = 0; i < 2; i++) {
        refs[i] = stage_spawn(runtime, &holder, i, NULL);
        stage_send(runtime, refs[i], HOLD, NULL, 0);
    }
    tally_await(&holding, 2);
    char *actors = visitor_ask(path, "actors\n"), *workers = visitor_ask(path, "workers\n");
    for (unsigned i = 0; i < 2; i++) {
        char expected[100];
        snprintf(expected, sizeof(expected), "worker %u is stuck", i);
        assert_int_equal(lines_with(actors, expected), 1);
        snprintf(expected, sizeof(expected), "STUCK: holder %s tag %d", tr_ref_text(refs[i], text), HOLD);
        assert_int_equal(lines_with(workers, expected), 1);
    }
    free(actors);
    free(workers);
    char *metrics = visitor_ask(path, "metrics\n");
    assert_int_equal(lines_with(metrics, "troupe_worker_stuck{worker=\"1\"} 1"), 1);
    assert_int_equal(lines_with(metrics, "troupe_mailbox_messages{"), 0);
    free(metrics);
    tally_add(&released, 1);
}

/* JSON. */

static json_t *
json_answer(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (json == NULL)
        fail_msg("%s at %d", error.text, error.position);
    return json;
}

static json_int_t
number_in(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void
everything_is_one_json_document(void **state)
{
    char text[TR_REF_TEXT_SIZE];
    (void)state;
    spawn_odd_ones();
    tr_ref ref = stage_spawn(runtime, &clerk, 1, NULL);
    stage_send(runtime, ref, GO, NULL, 0);
    tally_await(&done, 1);
    char *answer = visitor_ask(path, "json\n");
    json_t *json = json_answer(answer), *actors = json_object_get(json, "actors"), *clerks = NULL;
    assert_string_equal(json_string_value(json_object_get(json, "version")), tr_version_text());
    assert_int_equal(number_in(json, "pid"), getpid());
    assert_int_equal(json_array_size(actors), ODD + 1);
    for (size_t i = 0; i <= ODD; i++) {
        json_t *actor = json_array_get(actors, i);
        const char *class = json_string_value(json_object_get(actor, "class"));
        assert_non_null(class);
        if (strcmp(class, "clerk") == 0)
            clerks = actor;
    }
    assert_non_null(clerks);
    assert_string_equal(json_string_value(json_object_get(clerks, "ref")), tr_ref_text(ref, text));
    assert_true(json_is_null(json_object_get(clerks, "parent")));
    assert_true(json_is_null(json_object_get(clerks, "waits_for")));
    assert_int_equal(number_in(clerks, "handled"), 1);
    assert_int_equal(number_in(clerks, "waiting"), 0);
    assert_int_equal(number_in(clerks, "worker"), 1);
    assert_true(number_in(clerks, "busy_ns") >= 0 && number_in(clerks, "age_ms") >= 0);
    assert_true(json_is_array(json_object_get(clerks, "state")));
    json_t *workers = json_object_get(json, "workers");
    assert_int_equal(json_array_size(workers), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(number_in(json_array_get(workers, i), "worker"), i);
        assert_true(json_is_false(json_object_get(json_array_get(workers, i), "stuck")));
        assert_int_equal(number_in(json_array_get(workers, i), "actors"), 3);
    }
    json_decref(json);
    free(answer);
}

/* Metrics: a reader of the text format 0.0.4, which is stricter than the format. */

static size_t
metric_name(const char *at)
{
    size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
    assert_true(length > 0);
    return length;
}

/* After a label's value, which ends with a quotation mark. */
static const char *
skip_value(const char *at)
{
    for (; *at != '"'; at++) {
        assert_true((unsigned char)*at >= ' ');
        if (*at == '\\') {
            at++;
            assert_true(*at == '\\' || *at == '"' || *at == 'n');
        }
    }
    return at + 1;
}

/* name{label="value"} number, with one label at most. */
static void
check_sample(const char *line, const char *family)
{
    size_t length = metric_name(line);
    assert_int_equal(length, strlen(family));
    assert_memory_equal(line, family, length); /* it stands below its own head */
    line += length;
    if (*line == '{') {
        line += 1 + metric_name(line + 1);
        assert_memory_equal(line, "=\"", 2);
        line = skip_value(line + 2);
        assert_int_equal(*line++, '}');
    }
    assert_int_equal(*line++, ' ');
    char *end;
    double value = strtod(line, &end);
    assert_true(end != line && *end == '\0' && value >= 0);
}

static unsigned
check_metrics(char *text)
{
    char family[64] = "", rest[200];
    unsigned families = 0;
    char seen[64][64];
    assert_true(strlen(text) > 0 && text[strlen(text) - 1] == '\n');
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (line[0] != '#') {
            check_sample(line, family);
        } else if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %63s %199[^\n]", family, rest), 2);
            for (unsigned i = 0; i < families; i++)
                assert_string_not_equal(seen[i], family);
            strcpy(seen[families++], family);
        } else {
            char typed[64];
            assert_int_equal(sscanf(line, "# TYPE %63s %199s", typed, rest), 2);
            assert_string_equal(typed, family);
            bool counts = strcmp(rest, "counter") == 0, total = strstr(family, "_total") != NULL;
            assert_true(counts || strcmp(rest, "gauge") == 0);
            assert_int_equal(counts, total);
        }
    }
    return families;
}

static void
metrics_are_in_the_text_format_of_prometheus(void **state)
{
    (void)state;
    spawn_odd_ones();
    stage_spawn(runtime, &clerk, 0, NULL);
    stage_spawn(runtime, &clerk, 1, NULL);
    char *answer = visitor_ask(path, "metrics\n");
    assert_int_equal(lines_with(answer, "troupe_class_actors{class=\"clerk\"} 2"), 1);
    assert_int_equal(lines_with(answer, "troupe_class_actors{"), ODD + 1);
    assert_int_equal(lines_with(answer, "troupe_actors{worker=\"0\"} 4"), 1);
    assert_int_equal(lines_with(answer, "troupe_spawned_total{"), 2);
    assert_true(check_metrics(answer) >= 20);
    free(answer);
}

static void
more_classes_than_metrics_show_are_put_together(void **state)
{
    enum { CLASSES = 400 };
    static char names[CLASSES][16];
    static struct tr_behavior many[CLASSES];
    (void)state;
    for (unsigned i = 0; i < CLASSES; i++) {
        snprintf(names[i], sizeof(names[i]), "class-%u", i);
        many[i] = (struct tr_behavior){.name = names[i], .receive = count_done};
        stage_spawn(runtime, &many[i], 0, NULL);
    }
    char *answer = visitor_ask(path, "metrics\n");
    assert_int_equal(lines_with(answer, "troupe_class_actors{"), 256);
    assert_int_equal(lines_with(answer, "troupe_class_actors{class=\"(others)\"} 145"), 1);
    check_metrics(answer);
    free(answer);
}

/* HTTP. */

static char *
http(const char *request, const char *status)
{
    int fd = visitor_connect(path);
    assert_true(visitor_say(fd, request)); /* and does not end its side */
    char *answer = visitor_hear(fd, NULL);
    close(fd);
    assert_memory_equal(answer, "HTTP/1.1 ", 9);
    assert_memory_equal(answer + 9, status, strlen(status));
    char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    memmove(answer, body + 4, strlen(body + 4) + 1);
    return answer;
}

static void
http_gets_metrics_and_json(void **state)
{
    (void)state;
    stage_spawn(runtime, &clerk, 0, NULL);
    char *body = http("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n", "200 OK\r\n");
    assert_true(check_metrics(body) >= 20);
    free(body);
    body = http("GET /json?x=1 HTTP/1.0\r\n\r\n", "200 OK\r\n");
    json_decref(json_answer(body));
    free(body);
    free(http("GET /metrics\r\n", "200 OK\r\n"));
    free(http("GET / HTTP/1.1\r\n\r\n", "404 Not Found\r\n"));
    free(http("GET /metricsx HTTP/1.1\r\n\r\n", "404 Not Found\r\n"));
    free(http("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed\r\nAllow: GET\r\n"));
}

static bool
is_at_its_limit(void *metrics)
{
    char **text = metrics;
    free(*text);
    *text = visitor_ask(path, "metrics\n");
    return strstr(*text, "\ntroupe_memory_at_limit 1\n") != NULL;
}

static void
a_memory_limit_is_in_every_form(void **state)
{
    static char claimed;
    uint64_t limit = TR_MEMORY_LIMIT_LEAST(2);
    tr_slice slice;
    char *text = NULL;
    (void)state;
    struct tr_runtime_options options = {
        .workers = 2, .pinning = TR_PINNING_NEVER, .inspect = path, .memory_limit = limit};
    stage_close(runtime);
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_slice_adopt(&claimed, limit, NULL, &slice), TR_OK);
    assert_true(tests_wait_until(is_at_its_limit, &text, TESTS_LIMIT_MS)); /* who looks at workers wakes them */
    assert_non_null(strstr(text, "\ntroupe_memory_limit_reached_total 1\n"));
    free(text);
    text = visitor_ask(path, "workers\n");
    assert_non_null(strstr(text, ", AT THE LIMIT; the limit was reached 1 times, 0 calls were refused\n"));
    free(text);
    text = visitor_ask(path, "json\n");
    json_t *json = json_answer(text), *memory = json_object_get(json, "memory");
    assert_int_equal(number_in(memory, "limit"), limit);
    assert_in_range(number_in(memory, "bytes"), limit, 2 * limit);
    assert_int_equal(number_in(memory, "reached"), 1);
    assert_true(json_is_true(json_object_get(memory, "at_limit")));
    json_decref(json);
    free(text);
    tr_slice_release(slice);
}

int
main(void)
{
#define WITH_RUNTIME(test) cmocka_unit_test_setup_teardown(test, open_runtime, close_runtime)
    const struct CMUnitTest tests[] = {
        WITH_RUNTIME(help_names_each_word_that_is_answered),
        WITH_RUNTIME(the_table_of_actors_has_a_line_for_each),
        WITH_RUNTIME(words_are_answered_one_after_the_other_until_the_last),
        WITH_RUNTIME(workers_that_hang_are_told_while_they_do),
        WITH_RUNTIME(everything_is_one_json_document),
        WITH_RUNTIME(metrics_are_in_the_text_format_of_prometheus),
        WITH_RUNTIME(more_classes_than_metrics_show_are_put_together),
        WITH_RUNTIME(http_gets_metrics_and_json),
        WITH_RUNTIME(a_memory_limit_is_in_every_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
