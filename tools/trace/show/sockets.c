/*
 * The sockets and servers of a trace, each with its events in order: what its callbacks were told, in Node's words.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clocks.h"
#include "colour.h"
#include "escape.h"
#include "progress.h"
#include "show.h"
#include "text.h"
#include "text_of_time.h"
#include "told.h"
#include "words.h"

static struct {
    bool json;
    const char *name; /* of those that are shown; NULL: any */
} wanted;

/* The code of an error; NULL: it is none. */
static const char *
code_of(const struct told *told, const struct telling *telling)
{
    const char *own = names_find(told->trace->names, (uint32_t)telling->other);
    const char *code = metadata_status(told->trace->metadata, telling->value);
    if (telling->value == 0)
        return NULL;
    return own != NULL ? own : code != NULL ? code : "?";
}

static const char *
reason_of(const struct telling *telling)
{
    const char *word = word_of_value(&role_shapes[ROLE_listener_reject].flags, telling->value);
    return word != NULL ? word : "?";
}

/* -- For people. -- */

static void
print_name(const struct told *told, uint64_t ref)
{
    char text[TEXT_SIZE];
    const char *name = told_name(told, ref);
    fputs(text_of_ref(ref, text), stdout);
    if (name == NULL)
        return;
    putchar(' ');
    print_escaped(stdout, name);
}

/* How many there are from here on that are data, as one line tells them. */
static size_t
count_run(const struct endpoint *endpoint, size_t from)
{
    size_t count = 0;
    while (from + count < endpoint->count && endpoint->tellings[from + count].kind == TOLD_data)
        count++;
    return count > 0 ? count : 1;
}

static void
print_data(const struct telling *tellings, size_t count)
{
    char text[TEXT_SIZE];
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += tellings[i].value;
    printf("  %s bytes", text_of_count(bytes, text));
    if (count > 1)
        printf(" in %s events", text_of_count(count, text));
}

static void
print_code(const struct told *told, const struct telling *telling)
{
    const char *code = code_of(told, telling);
    if (code == NULL)
        return;
    fputs("  ", stdout);
    print_escaped(stdout, code);
}

static void
print_mark(const struct told *told, const struct telling *telling)
{
    const char *text = names_find(told->trace->names, telling->value);
    fputs("  ", stdout);
    print_escaped(stdout, text != NULL ? text : "?");
    printf(" %" PRIu64, telling->other);
}

static void
print_luggage(const struct told *told, const struct telling *telling, size_t count)
{
    switch (telling_luggage(telling->kind)) {
    case WITH_NOTHING: break;
    case WITH_BYTES: print_data(telling, count); break;
    case WITH_CODE: print_code(told, telling); break;
    case WITH_HAD_ERROR: fputs(telling->value != 0 ? "  after an error" : "", stdout); break;
    case WITH_MS: printf("  %" PRIu32 " ms", telling->value); break;
    case WITH_REASON: printf("  %s", reason_of(telling)); break;
    case WITH_OTHER:
        fputs("  ", stdout);
        print_name(told, telling->other);
        break;
    case WITH_MARK: print_mark(told, telling); break;
    }
}

static bool
is_trouble(enum telling_kind kind)
{
    return kind == TOLD_error || kind == TOLD_drop || kind == TOLD_handshake_failed;
}

static void
print_telling(const struct told *told, const struct telling *telling, size_t count)
{
    char time[TEXT_SIZE];
    const char *begin = is_trouble(telling->kind) ? colour_begin(COLOUR_BAD) : "";
    printf("  %s  %s%s%s", text_of_time(told->trace->metadata, telling->time, time), begin, telling_word(telling->kind),
           begin[0] != '\0' ? colour_end() : "");
    print_luggage(told, telling, count);
    putchar('\n');
}

static void
print_endpoint(const struct told *told, const struct endpoint *endpoint)
{
    printf("%s%s ", colour_begin(COLOUR_TITLE), endpoint->is_server ? "server" : "socket");
    print_name(told, endpoint->ref);
    printf("%s%s\n", endpoint->continues ? ", continued" : "", colour_end());
    for (size_t i = 0, count; i < endpoint->count; i += count) {
        count = count_run(endpoint, i);
        print_telling(told, &endpoint->tellings[i], count);
    }
    puts(endpoint->goes_on ? "  ...\n" : "");
}

/* -- For programs. -- */

static void
print_json_text(const char *label, const char *text)
{
    printf(",\"%s\":", label);
    if (text != NULL)
        print_json_string(stdout, text);
    else
        fputs("null", stdout);
}

static void
print_json_luggage(const struct told *told, const struct telling *telling)
{
    char text[TEXT_SIZE];
    switch (telling_luggage(telling->kind)) {
    case WITH_NOTHING: break;
    case WITH_BYTES: printf(",\"bytes\":%" PRIu32, telling->value); break;
    case WITH_CODE: print_json_text("code", code_of(told, telling)); break;
    case WITH_HAD_ERROR: printf(",\"had_error\":%s", telling->value != 0 ? "true" : "false"); break;
    case WITH_MS: printf(",\"ms\":%" PRIu32, telling->value); break;
    case WITH_REASON: print_json_text("reason", reason_of(telling)); break;
    case WITH_OTHER:
        print_json_text("other", text_of_ref(telling->other, text));
        print_json_text("name", told_name(told, telling->other));
        break;
    case WITH_MARK:
        print_json_text("text", names_find(told->trace->names, telling->value));
        printf(",\"number\":%" PRIu64, telling->other);
        break;
    }
}

static void
print_json(const struct told *told, const struct endpoint *endpoint)
{
    char text[TEXT_SIZE];
    printf("{\"endpoint\":\"%s\",\"kind\":\"%s\"", text_of_ref(endpoint->ref, text),
           endpoint->is_server ? "server" : "socket");
    print_json_text("name", told_name(told, endpoint->ref));
    printf(",\"goes_on\":%s,\"events\":[", endpoint->goes_on ? "true" : "false");
    for (size_t i = 0; i < endpoint->count; i++) {
        const struct telling *telling = &endpoint->tellings[i];
        printf("%s{\"time\":\"%s\",\"event\":\"%s\"", i > 0 ? "," : "",
               text_of_time(told->trace->metadata, telling->time, text), telling_word(telling->kind));
        print_json_luggage(told, telling);
        putchar('}');
    }
    puts("]}");
}

/* -- The command. -- */

static void
print(const struct told *told, const struct endpoint *endpoint)
{
    const char *name = told_name(told, endpoint->ref);
    if (wanted.name != NULL && (name == NULL || strcmp(name, wanted.name) != 0))
        return;
    if (wanted.json)
        print_json(told, endpoint);
    else
        print_endpoint(told, endpoint);
}

static void
print_all(const struct trace *trace, const struct filter *filter)
{
    struct told told;
    struct order order;
    struct step step;
    told_init(&told, trace, filter, print);
    order_init(&order, trace);
    while (order_next(&order, &step))
        told_take(&told, &step);
    told_end(&told);
    order_fini(&order);
}

static const struct option options[] = {
    {"actor", required_argument, NULL, 'a'}, {"name", required_argument, NULL, 'n'},
    {"since", required_argument, NULL, 'S'}, {"until", required_argument, NULL, 'U'},
    {"json", no_argument, NULL, 'j'},        {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"actor", "REF", "this socket or server alone; REF is worker:slot.generation, as dump prints it"},
    {"name", "TEXT", "those that the program calls so: by a mark \"name TEXT\" whose number is the actor's"},
    {"since", "TIME", "from then on; TIME counts from the trace's begin, such as 250ms or 1.5s"},
    {"until", "TIME", "until then"},
    {"json", NULL, "a JSON object for each, with every event"},
    {NULL, NULL, NULL},
};

static int
take(void *filter, int option)
{
    switch (option) {
    case 'j': wanted.json = true; return 0;
    case 'n': wanted.name = optarg; return 0;
    default: return filter_take(filter, option);
    }
}

static int
run(int count, char **words)
{
    struct filter filter = {0};
    int status = take_options(&command_sockets, count, words, take, &filter);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    progress_passes(1);
    struct trace *trace = trace_open_corrected((const char *const *)words + optind, (size_t)directories);
    status = filter_prepare(&filter, trace);
    if (status == 0)
        print_all(trace, &filter);
    trace_close(trace);
    return status;
}

const struct command command_sockets = {
    .name = "sockets",
    .usage = "[--json] [--actor REF] [--name TEXT] [--since TIME] [--until TIME] DIRECTORY...",
    .summary = "each socket and server with its events in order, in the words of its callbacks",
    .example = "troupe-trace sockets --actor 1:3.1 dir      # connect, data, error ECONNRESET, close",
    .options = options,
    .texts = texts,
    .run = run,
};
