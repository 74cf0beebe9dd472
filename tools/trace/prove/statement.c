#include "statement.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "escape.h"
#include "filter.h"

#define MOST_WORDS 64u

/* A line in words. */
struct sentence {
    const struct trace *trace;
    const char *file;
    unsigned line;
    char *words[MOST_WORDS];
    unsigned columns[MOST_WORDS]; /* where they begin, from 1 */
    size_t count, at;
    unsigned end; /* the column behind the last */
};

/* About the word that is next, or the end of the line. */
_Noreturn __attribute__((format(printf, 2, 3))) static void
refuse_word(const struct sentence *sentence, const char *format, ...)
{
    va_list arguments;
    bool there = sentence->at < sentence->count;
    fflush(stdout);
    print_escaped(stderr, sentence->file);
    fprintf(stderr, ":%u:%u: ", sentence->line, there ? sentence->columns[sentence->at] : sentence->end);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs(there ? ", not " : ", and the line ends", stderr);
    if (there)
        print_escaped(stderr, sentence->words[sentence->at]);
    fputc('\n', stderr);
    leave(EXIT_BAD_INPUT);
}

static char *
copy_of(const char *text, size_t length)
{
    char *copy = must_calloc(length + 1, 1);
    memcpy(copy, text, length);
    return copy;
}

/* -- Words. -- */

/* Where the word ends that begins at `at`; a colon is a word. */
static size_t
length_of_word(const char *at)
{
    if (at[0] == '"')
        return strcspn(at + 1, "\"") + 1;
    return at[0] == ':' ? 1 : strcspn(at, " \t:\"#");
}

static void
add_word(struct sentence *sentence, const char *line, const char *at, size_t length)
{
    bool quoted = at[0] == '"';
    sentence->end = (unsigned)(at - line) + 1;
    if (quoted && at[length] != '"')
        refuse_word(sentence, "a quotation mark is missing");
    if (sentence->count == MOST_WORDS)
        refuse_word(sentence, "fewer words are needed");
    sentence->columns[sentence->count] = sentence->end;
    sentence->words[sentence->count++] = copy_of(at + quoted, length - quoted);
}

static void
split(struct sentence *sentence, const char *line)
{
    sentence->at = MOST_WORDS; /* what is wrong with words is told at their end */
    for (const char *at = line + strspn(line, " \t"); *at != '\0' && *at != '#'; at += strspn(at, " \t")) {
        size_t length = length_of_word(at);
        add_word(sentence, line, at, length);
        at += length + (at[0] == '"');
        sentence->end = (unsigned)(at - line) + 1;
    }
    sentence->at = 0;
}

static const char *
next_word(const struct sentence *sentence)
{
    return sentence->at < sentence->count ? sentence->words[sentence->at] : NULL;
}

/* Takes a word if it is the next. */
static bool
take(struct sentence *sentence, const char *word)
{
    const char *next = next_word(sentence);
    if (next == NULL || strcmp(next, word) != 0)
        return false;
    sentence->at++;
    return true;
}

static char *
take_name(struct sentence *sentence, const char *what)
{
    const char *next = next_word(sentence);
    if (next == NULL || strcmp(next, ":") == 0)
        refuse_word(sentence, "%s is needed", what);
    sentence->at++;
    return copy_of(next, strlen(next));
}

/* -- Parts of a statement. -- */

/* A number, if all of it is one. */
static bool
find_number(const char *word, uint32_t *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(word, &end, 10);
    *value = (uint32_t)number;
    return end > word && *end == '\0' && word[0] != '-' && errno == 0 && number <= UINT32_MAX;
}

static bool
find_text(const struct table *texts, const char *word, uint32_t *value)
{
    struct table_entry text;
    for (size_t place = 0; table_next(texts, &place, &text);) {
        if (strcmp(*(char **)text.value, word) != 0)
            continue;
        *value = (uint32_t)text.key.a;
        return true;
    }
    return false;
}

static bool
find_word(const struct tri_trace_word *words, const char *word, uint32_t *value)
{
    for (; words != NULL && words->word != NULL; words++) {
        *value = words->value;
        if (strcmp(words->word, word) == 0)
            return true;
    }
    return false;
}

/* What an event may say in one of its fields. */
static bool
find_value(const struct trace *trace, const struct field *field, const char *word, uint32_t *value)
{
    switch (field->meaning) {
    case TAG: return find_number(word, value) || find_text(&trace->metadata->tags, word, value);
    case STATUS: return find_text(&trace->metadata->statuses, word, value);
    case NUMBER:
    case WORD: return find_word(field->words, word, value);
    default: return false;
    }
}

static bool
is_key(const char *word)
{
    static const char *const keys[] = {"of", "before", "after", "within", ":"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(word, keys[i]) == 0)
            return true;
    }
    return false;
}

/* The word that is next is what an event of that role says. */
static void
take_value(struct sentence *sentence, enum role role, struct pattern *pattern)
{
    const char *word = next_word(sentence);
    const struct shape *shape = &role_shapes[role];
    if (shape->arg.meaning == NAME) {
        pattern->says = SAYS_NAME;
        pattern->name = copy_of(word, strlen(word));
    } else if (find_value(sentence->trace, &shape->arg, word, &pattern->value)) {
        pattern->says = SAYS_IN_ARG;
    } else if (find_value(sentence->trace, &shape->flags, word, &pattern->value)) {
        pattern->says = SAYS_IN_FLAGS;
    } else {
        bool has_tag = shape->arg.meaning == TAG;
        bool has_word = shape->arg.meaning == WORD || shape->flags.meaning == WORD;
        refuse_word(sentence, "%s`of`, `before`, `after` or `within` is needed",
                    has_tag                        ? "a tag, "
                    : shape->arg.meaning == STATUS ? "a status such as ECONNRESET, "
                    : has_word                     ? "a word of that event, "
                                                   : "");
    }
    sentence->at++;
}

static struct pattern
take_pattern(struct sentence *sentence)
{
    const char *word = next_word(sentence);
    struct pattern pattern = {.event = word != NULL ? metadata_find(sentence->trace->metadata, word) : -1};
    if (pattern.event < 0)
        refuse_word(sentence, "the name of an event is needed that the trace knows");
    sentence->at++;
    enum role role = (enum role)sentence->trace->metadata->roles[pattern.event];
    word = next_word(sentence);
    if (word != NULL && !is_key(word))
        take_value(sentence, role, &pattern);
    if (take(sentence, "of"))
        pattern.class = take_name(sentence, "the name of a class");
    return pattern;
}

/* One word, such as 5ms, or two. */
static uint64_t
take_duration(struct sentence *sentence)
{
    char text[64];
    uint64_t ns;
    const char *word = next_word(sentence);
    const char *unit = sentence->at + 1 < sentence->count ? sentence->words[sentence->at + 1] : "";
    if (word != NULL && parse_duration(word, &ns)) {
        sentence->at++;
        return ticks_of_ns(sentence->trace, ns);
    }
    snprintf(text, sizeof(text), "%.30s %.30s", word != NULL ? word : "", unit);
    if (word == NULL || !parse_duration(text, &ns))
        refuse_word(sentence, "a duration such as 5ms is needed");
    sentence->at += 2;
    return ticks_of_ns(sentence->trace, ns);
}

static void
take_each(struct sentence *sentence, struct statement *statement)
{
    if (!take(sentence, "for"))
        return;
    if (!take(sentence, "each"))
        refuse_word(sentence, "`each` is needed");
    statement->each = take_name(sentence, "the name of a class");
    if (!take(sentence, ":"))
        refuse_word(sentence, "a colon is needed");
}

static void
take_statement(struct sentence *sentence, struct statement *statement)
{
    take_each(sentence, statement);
    statement->first.event = -1;
    if (take(sentence, "never")) {
        statement->kind = STATEMENT_never;
        statement->second = take_pattern(sentence);
        if (take(sentence, "after"))
            statement->first = take_pattern(sentence);
        return;
    }
    struct pattern pattern = take_pattern(sentence);
    if (take(sentence, "before")) {
        statement->kind = STATEMENT_before;
        statement->first = pattern;
        statement->second = take_pattern(sentence);
    } else if (take(sentence, "within")) {
        statement->kind = STATEMENT_within;
        statement->second = pattern;
        statement->ticks = take_duration(sentence);
        if (!take(sentence, "of"))
            refuse_word(sentence, "`of` is needed");
        statement->first = take_pattern(sentence);
    } else {
        refuse_word(sentence, "`before` or `within` is needed");
    }
}

/* -- The file. -- */

static void
add_statement(struct statements *statements, struct sentence *sentence, const char *line)
{
    size_t count = statements->count++;
    statements->rows = must_realloc(statements->rows, count + 1, sizeof(*statements->rows));
    struct statement *statement = &statements->rows[count];
    *statement = (struct statement){.line = sentence->line, .text = copy_of(line, strlen(line))};
    take_statement(sentence, statement);
    if (sentence->at < sentence->count)
        refuse_word(sentence, "the end of the line is needed");
}

static void
read_line(struct statements *statements, struct sentence *sentence, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    sentence->count = 0;
    sentence->line++;
    split(sentence, line);
    if (sentence->count > 0)
        add_statement(statements, sentence, line);
    for (size_t i = 0; i < sentence->count; i++)
        free(sentence->words[i]);
}

void
statements_read(struct statements *statements, const struct trace *trace, const char *file)
{
    struct sentence sentence = {.trace = trace, .file = file};
    char *line = NULL;
    size_t room = 0;
    FILE *in = fopen(file, "r");
    if (in == NULL)
        give_up("%s cannot be opened: %s", file, strerror(errno));
    *statements = (struct statements){0};
    while (getline(&line, &room, in) >= 0)
        read_line(statements, &sentence, line);
    if (ferror(in))
        give_up("%s cannot be read: %s", file, strerror(errno));
    free(line);
    fclose(in);
}

void
statements_free(struct statements *statements)
{
    for (size_t i = 0; i < statements->count; i++) {
        struct statement *statement = &statements->rows[i];
        free(statement->text);
        free(statement->each);
        free(statement->first.class);
        free(statement->first.name);
        free(statement->second.class);
        free(statement->second.name);
    }
    free(statements->rows);
}
