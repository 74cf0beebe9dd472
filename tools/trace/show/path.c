/*
 * The chain of messages that led to one, from the first on.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "chain.h"
#include "clocks.h"
#include "escape.h"
#include "merge.h"
#include "progress.h"
#include "show.h"
#include "text.h"
#include "words.h"

#define MOST_LINKS 1000u

struct path {
    const struct trace *trace;
    struct chain chain;
    struct table classes; /* uint32_t: names, by the refs of those who had to do with it */
};

/* -- Who is of which class. -- */

static void
want_class(struct path *path, uint64_t actor)
{
    if (actor != 0)
        table_put(&path->classes, actor, 0);
}

/* The class that an actor had last. */
static void
find_classes(struct path *path)
{
    struct merge merge;
    const struct tri_trace_record *record;
    const struct stream *stream;
    for (size_t i = 0; i < path->chain.count; i++) {
        want_class(path, path->chain.links[i].sender);
        want_class(path, path->chain.links[i].receiver);
    }
    want_class(path, path->chain.event.actor);
    merge_init(&merge, path->trace);
    while ((record = merge_next(&merge, &stream)) != NULL) {
        enum role role = (enum role)path->trace->metadata->roles[record->id];
        if (!role_tells_class(role))
            continue;
        uint32_t *class = table_get(&path->classes, record->actor, 0);
        if (class != NULL)
            *class = record->arg;
    }
    merge_fini(&merge);
}

static uint32_t
class_of(const struct path *path, uint64_t actor)
{
    const uint32_t *class = table_get(&path->classes, actor, 0);
    return class != NULL ? *class : 0;
}

/* -- For people. -- */

static void
print_who(const struct path *path, uint64_t actor)
{
    char text[TEXT_SIZE], class[WORD_SIZE];
    if (actor == 0)
        fputs("a thread outside", stdout); /* or a cluster's parent, which has no actors */
    else
        printf("%s (%s)", text_of_ref(actor, text), word_of_class(path->trace, class_of(path, actor), class));
}

static void
print_ticks(const struct path *path, const char *what, uint64_t from, uint64_t until)
{
    char word[WORD_SIZE];
    uint64_t ticks = until > from ? until - from : 0;
    printf("  %s %s", what, word_of_duration(metadata_duration_ns(path->trace->metadata, ticks), word));
}

static void
print_origin(const struct path *path)
{
    const struct chain *chain = &path->chain;
    switch (chain->origin) {
    case ORIGIN_unknown: fputs("begins without a cause in the trace, such as a timer, in ", stdout); break;
    case ORIGIN_outside: fputs("begins in ", stdout); break;
    case ORIGIN_event: printf("begins with %s of ", path->trace->metadata->names[chain->event.id]); break;
    case ORIGIN_unsent: fputs("begins earlier: the send of the first is not in the trace\n", stdout); return;
    case ORIGIN_far: printf("begins earlier: only the last %zu are shown\n", chain->count); return;
    }
    print_who(path, chain->origin == ORIGIN_event ? chain->event.actor : chain->links[chain->count - 1].sender);
    putchar('\n');
}

static void
print_end(const struct path *path, const struct link *link)
{
    char reason[WORD_SIZE];
    if (!link->received) {
        fputs("  is on its way when the trace ends", stdout);
        return;
    }
    fputs(link->dead ? "  dies on its way to " : "  to ", stdout);
    print_who(path, link->receiver);
    if (link->sent)
        print_ticks(path, "waited", link->send_time, link->receive_time);
    if (link->dead && !link->parcel)
        printf("  (%s)", word_of_reason(link->reason, reason));
    else if (link->done)
        print_ticks(path, "worked", link->receive_time, link->done_time);
}

static const char *
text_of_link(const struct link *link, char text[TEXT_SIZE])
{
    return link->parcel ? text_of_parcel(link->message, text) : text_of_message(link->message, text);
}

static void
print_link(const struct path *path, size_t number)
{
    const struct link *link = &path->chain.links[number];
    char message[TEXT_SIZE], tag[WORD_SIZE];
    printf("%4zu  %-14s ", path->chain.count - number, text_of_link(link, message));
    if (link->parcel)
        printf("%-16s", "between processes");
    else
        printf("tag %-12s", word_of_tag(path->trace, class_of(path, link->receiver), link->tag, tag));
    print_end(path, link);
    fputs(number > 0 ? ", then sent\n" : "\n", stdout);
}

static void
print_total(const struct path *path)
{
    const struct link *last = &path->chain.links[0], *first = &path->chain.links[path->chain.count - 1];
    uint64_t begin = path->chain.origin == ORIGIN_event ? path->chain.event.timestamp
                     : first->sent                      ? first->send_time
                                                        : first->receive_time;
    uint64_t end = last->done ? last->done_time : last->received ? last->receive_time : last->send_time;
    print_ticks(path, "from there to the end", begin, end);
    putchar('\n');
}

static void
print_text(const struct path *path)
{
    print_origin(path);
    for (size_t i = path->chain.count; i-- > 0;)
        print_link(path, i);
    print_total(path);
}

/* -- For programs. -- */

static void
print_json_who(const struct path *path, const char *key, uint64_t actor)
{
    char text[TEXT_SIZE];
    const char *class = names_find(path->trace->names, class_of(path, actor));
    if (actor == 0)
        printf(",\"%s\":null", key);
    else
        printf(",\"%s\":\"%s\"", key, text_of_ref(actor, text));
    if (actor == 0 || class == NULL)
        return;
    printf(",\"%s_class\":", key);
    print_json_string(stdout, class);
}

static void
print_json_ticks(const struct path *path, const char *key, bool known, uint64_t from, uint64_t until)
{
    if (known)
        printf(",\"%s_ns\":%" PRIu64, key,
               metadata_duration_ns(path->trace->metadata, until > from ? until - from : 0));
    else
        printf(",\"%s_ns\":null", key);
}

static void
print_json(const struct path *path)
{
    char message[TEXT_SIZE];
    for (size_t i = path->chain.count; i-- > 0;) {
        const struct link *link = &path->chain.links[i];
        printf("{\"%s\":\"%s\"", link->parcel ? "parcel" : "message", text_of_link(link, message));
        if (!link->parcel)
            printf(",\"tag\":%" PRIu32, link->tag);
        print_json_who(path, "sender", link->sender);
        print_json_who(path, "receiver", link->receiver);
        print_json_ticks(path, "waited", link->sent && link->received, link->send_time, link->receive_time);
        print_json_ticks(path, "worked", link->done && !link->dead, link->receive_time, link->done_time);
        printf(",\"dead\":%s}\n", link->dead ? "true" : "false");
    }
}

/* -- The command. -- */

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"json", NULL, "a JSON object for each step"},
    {NULL, NULL, NULL},
};

static int
show_path(const struct trace *trace, const char *text, bool json)
{
    struct path path = {.trace = trace};
    uint64_t message;
    bool parcel = parse_parcel(text, &message);
    if (!parcel && !parse_message(text, &message))
        return refuse("not the id of a message, such as 0:17, outside:3 or 2/0:17, nor of a parcel, such as p2:5",
                      text);
    if (!chain_find(&path.chain, trace, message, parcel, MOST_LINKS))
        return refuse("the trace holds no message of that id", text);
    table_init(&path.classes, sizeof(uint32_t));
    find_classes(&path);
    progress_give_way();
    if (json)
        print_json(&path);
    else
        print_text(&path);
    table_fini(&path.classes);
    chain_fini(&path.chain);
    return 0;
}

static int
run(int count, char **words)
{
    bool json = false;
    int status = take_options(&command_path, count, words, take_flag, &json);
    if (status != 0)
        return status;
    int directories = count_directories(count, words, 1);
    if (directories < 1)
        return refuse("a message and a directory are needed", "");
    progress_passes(2); /* for the message, and for the classes */
    struct trace *trace = trace_open_corrected((const char *const *)words + optind + 1, (size_t)directories);
    status = show_path(trace, words[optind], json);
    trace_close(trace);
    return status;
}

const struct command command_path = {
    .name = "path",
    .usage = "[--json] MESSAGE DIRECTORY...",
    .summary = "what led to a message, from the first cause on: how long each step waited and worked\n"
               "MESSAGE is stream:count as dump prints it, or what one process sent another, such as p2:5",
    .example = "troupe-trace path 0:17 dir      # why was message 0:17 sent, and what took so long?",
    .options = options,
    .texts = texts,
    .run = run,
};
