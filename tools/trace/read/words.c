#include "words.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bad_input.h"
#include "escape.h"

/* As much of a name as there is room for, escaped. */
static const char *
escaped(const char *name, char word[WORD_SIZE])
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        give_up("not enough memory");
    print_escaped(out, name);
    if (fclose(out) != 0)
        give_up("not enough memory");
    int cut = size >= WORD_SIZE;
    while (cut && (text[WORD_SIZE - 4 - cut] & 0xc0) == 0x80)
        cut++; /* not within a character */
    snprintf(word, WORD_SIZE, "%.*s%s", cut ? WORD_SIZE - 4 - cut : WORD_SIZE - 1, text, cut ? "..." : "");
    (free)(text); /* of the C library */
    return word;
}

const char *
word_of_class(const struct trace *trace, uint32_t name, char word[WORD_SIZE])
{
    const char *text = name != 0 ? names_find(trace->names, name) : NULL;
    if (text != NULL)
        return escaped(text, word);
    snprintf(word, WORD_SIZE, name != 0 ? "#%" PRIu32 : "?", name);
    return word;
}

const char *
word_of_tag(const struct trace *trace, uint32_t class, uint32_t tag, char word[WORD_SIZE])
{
    const char *name = metadata_tag(trace->metadata, tag);
    if (name == NULL)
        name = names_tag(trace->names, class, tag);
    if (name != NULL)
        return escaped(name, word);
    snprintf(word, WORD_SIZE, "%" PRIu32, tag);
    return word;
}

const char *
word_of_status(const struct trace *trace, uint32_t status, char word[WORD_SIZE])
{
    const char *code = metadata_status(trace->metadata, status);
    if (code != NULL)
        return escaped(code, word);
    snprintf(word, WORD_SIZE, "%" PRId32, (int32_t)status);
    return word;
}

/* By enum tr_dead_reason. */
static const char *const reasons[] = {
    "no actor", "mailbox full", "dropped",  "stopped",     "init failed",
    "late",     "expired",      "replaced", "bad message", "memory limit",
};

const char *
word_of_reason(uint32_t reason, char word[WORD_SIZE])
{
    if (reason < sizeof(reasons) / sizeof(reasons[0]))
        snprintf(word, WORD_SIZE, "%s", reasons[reason]);
    else
        snprintf(word, WORD_SIZE, "reason %" PRIu32, reason);
    return word;
}

const char *
word_of_duration(uint64_t ns, char word[WORD_SIZE])
{
    static const char *const units[] = {"us", "ms", "s"};
    if (ns < 1000) {
        snprintf(word, WORD_SIZE, "%" PRIu64 " ns", ns);
        return word;
    }
    int unit = 0;
    double value = (double)ns / 1e3;
    for (; value >= 999.5 && unit < 2; unit++)
        value /= 1e3;
    snprintf(word, WORD_SIZE, "%.*f %s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[unit]);
    return word;
}
