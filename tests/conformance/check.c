#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
text_of(const json_t *value)
{
    return value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("nothing");
}

static bool
differ(char *difference, size_t size, const char *place, const json_t *expected, const json_t *got)
{
    char *expected_text = text_of(expected), *got_text = text_of(got);
    snprintf(difference, size, "%s: expected %s, got %s", place, expected_text, got_text);
    free(expected_text);
    free(got_text);
    return false;
}

static bool
compare_lists(const json_t *expected, const json_t *got, const char *name, const char *what, char *difference,
              size_t size)
{
    size_t n = json_array_size(expected) > json_array_size(got) ? json_array_size(expected) : json_array_size(got);
    for (size_t i = 0; i < n; i++) {
        const json_t *a = json_array_get(expected, i), *b = json_array_get(got, i);
        char place[400];
        if (a != NULL && b != NULL && json_equal(a, b))
            continue;
        snprintf(place, sizeof(place), "%s, %s%zu", name, what, i);
        return differ(difference, size, place, a, b);
    }
    return true;
}

static bool
is_answer(const json_t *entry)
{
    static const char *const answers[] = {"ret", "throw", "get"};
    const char *word = json_string_value(json_array_get(entry, 0));
    for (size_t i = 0; word != NULL && i < sizeof(answers) / sizeof(answers[0]); i++)
        if (strcmp(word, answers[i]) == 0)
            return true;
    return false;
}

static json_t *
filter(const json_t *log, bool answers)
{
    json_t *entries = json_array(), *entry;
    size_t i;
    json_array_foreach(log, i, entry)
    {
        if (is_answer(entry) == answers)
            json_array_append(entries, entry);
    }
    return entries;
}

static bool
compare_part(const json_t *expected, const json_t *got, bool answers, const char *name, char *difference, size_t size)
{
    json_t *a = filter(expected, answers), *b = filter(got, answers);
    bool equal = compare_lists(a, b, name, answers ? "answer " : "event ", difference, size);
    json_decref(a);
    json_decref(b);
    return equal;
}

static bool
compare_logs(const json_t *expected, const json_t *got, const char *name, bool apart, char *difference, size_t size)
{
    if (expected == NULL || got == NULL)
        return differ(difference, size, name, expected, got);
    if (!apart)
        return compare_lists(expected, got, name, "entry ", difference, size);
    return compare_part(expected, got, false, name, difference, size) &&
           compare_part(expected, got, true, name, difference, size);
}

bool
check_results(const json_t *expected, const json_t *got, bool apart, char *difference, size_t size)
{
    const char *name;
    json_t *log, *expected_logs = json_object_get(expected, "logs"), *got_logs = json_object_get(got, "logs");
    json_object_foreach(expected_logs, name, log)
    {
        if (!compare_logs(log, json_object_get(got_logs, name), name, apart, difference, size))
            return false;
    }
    json_object_foreach(got_logs, name, log)
    {
        if (json_object_get(expected_logs, name) == NULL)
            return differ(difference, size, name, NULL, log);
    }
    const json_t *a = json_object_get(expected, "ended"), *b = json_object_get(got, "ended");
    return json_equal(a, b) || differ(difference, size, "ended", a, b);
}
