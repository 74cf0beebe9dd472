#include "answer.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "colour.h"
#include "width.h"

#define INDENT 15u        /* of the text: the mark, the topic */
#define LEAST 20u         /* columns of text, however narrow the terminal is */
#define WORTH_CUTTING 14u /* columns that are free: the beginning of another part goes there */

static void
append(char *text, size_t room, size_t at, const char *format, va_list arguments)
{
    if (at < room)
        vsnprintf(text + at, room - at, format, arguments);
}

static size_t
length_of(const struct answer *answer)
{
    return answer->parts > 0 ? answer->ends[answer->parts - 1] : 0;
}

void
answer_say(struct answer *answer, const char *format, ...)
{
    va_list arguments;
    size_t begin = length_of(answer);
    if (answer->parts == ANSWER_PARTS)
        return;
    va_start(arguments, format);
    append(answer->text, ANSWER_SIZE, begin, format, arguments);
    va_end(arguments);
    answer->ends[answer->parts++] = begin + strlen(answer->text + begin);
}

void
answer_more(struct answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(answer->more, sizeof(answer->more), 0, format, arguments);
    va_end(arguments);
}

/* Prints what fits and returns its columns. */
static unsigned
print_parts(const struct answer *answer, unsigned room)
{
    size_t part = answer->parts;
    while (part > 0 && width_of(answer->text, answer->ends[part - 1]) > room)
        part--;
    size_t bytes = part > 0 ? answer->ends[part - 1] : 0;
    unsigned columns = width_of(answer->text, bytes);
    bool is_cut = part < answer->parts && room - columns >= WORTH_CUTTING;
    if (is_cut) {
        bytes = width_fitting(answer->text, length_of(answer), room - 3);
        columns = width_of(answer->text, bytes) + 3;
    }
    printf("%.*s%s", (int)bytes, answer->text, is_cut ? "..." : "");
    return columns;
}

static void
print_topic(const struct answer *answer)
{
    printf("%s%c %-13s%s", answer->bad ? colour_begin(COLOUR_BAD) : "", answer->bad ? '!' : ' ', answer->topic,
           answer->bad ? colour_end() : "");
}

/* The command stands at the right end of a terminal. */
void
answer_print(const struct answer *answer, unsigned columns)
{
    unsigned beside = INDENT + (unsigned)strlen(answer->more) + 4; /* "  [", "]" */
    unsigned room = ANSWER_SIZE;
    if (columns > 0)
        room = columns > beside + LEAST ? columns - beside : LEAST;
    print_topic(answer);
    unsigned used = print_parts(answer, room);
    int gap = columns > beside + used ? (int)(columns - beside - used) : 0;
    printf("%*s  %s[%s]%s\n", gap, "", colour_begin(COLOUR_FAINT), answer->more, colour_end());
}
