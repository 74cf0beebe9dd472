#include "choice.h"
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "command.h"
#include "filter.h"
#include "text.h"

#define BITS 512u           /* messages in a row of a table */
#define LIMIT 200000u       /* events that a browser draws without making one wait */
#define MOST_LIMIT 1000000u /* it opens these in some seconds */

/* Who has a place. */
struct named {
    uint64_t ref;
    uint32_t name;
};

/* Of the messages whose ids begin alike. */
struct row {
    uint64_t bits[BITS / 64];
};

void
choice_init(struct choice *choice)
{
    memset(choice, 0, sizeof(*choice));
    choice->limit = LIMIT;
    choice->most = MOST_LIMIT;
    choice->until = UINT64_MAX;
    table_init(&choice->names, sizeof(struct named));
    table_init(&choice->messages, sizeof(struct row));
}

void
choice_fini(struct choice *choice)
{
    free(choice->actors);
    free(choice->texts);
    free(choice->classes);
    table_fini(&choice->names);
    table_fini(&choice->messages);
}

static int
take_actor(struct choice *choice)
{
    choice->actors = must_realloc(choice->actors, choice->actor_count + 1, sizeof(*choice->actors));
    choice->texts = must_realloc(choice->texts, choice->actor_count + 1, sizeof(*choice->texts));
    choice->texts[choice->actor_count] = optarg;
    if (!parse_ref(optarg, &choice->actors[choice->actor_count]))
        return refuse("not the name of an actor", optarg);
    choice->actor_count++;
    return 0;
}

static int
take_limit(struct choice *choice)
{
    char *end;
    errno = 0;
    choice->limit = strtoull(optarg, &end, 10);
    bool number = isdigit((unsigned char)optarg[0]) && *end == '\0' && errno == 0 && choice->limit > 0;
    if (number && choice->limit > choice->most)
        return refuse("more events than a browser opens, which are 1000000", optarg);
    return number ? 0 : refuse("not a number of events", optarg);
}

int
choice_take(struct choice *choice, int option)
{
    switch (option) {
    case 'a': return take_actor(choice);
    case 'c':
        choice->classes = must_realloc(choice->classes, choice->class_count + 1, sizeof(*choice->classes));
        choice->classes[choice->class_count++] = optarg;
        return 0;
    case 'S': choice->since_text = optarg; return 0;
    case 'U': choice->until_text = optarg; return 0;
    case 'L': return take_limit(choice);
    case 'E': choice->last = true; return 0;
    case 'A': choice->around_text = optarg; return 0;
    default: return RUN_UNKNOWN_OPTION;
    }
}

/* -- Who is chosen. -- */

static void
note_name(struct choice *choice, const struct step *step)
{
    uint64_t ref = step->record->actor;
    if (step->role == ROLE_spawn || step->role == ROLE_restart || step->role == ROLE_present)
        *(struct named *)table_put(&choice->names, TRI_TRACE_REF_WORKER(ref), TRI_TRACE_REF_SLOT(ref)) =
            (struct named){ref, step->record->arg};
}

/* The next pass learns them again. */
static void
forget_names(struct choice *choice)
{
    table_fini(&choice->names);
    table_init(&choice->names, sizeof(struct named));
}

uint32_t
choice_name(const struct choice *choice, uint64_t ref)
{
    const struct named *named = table_get(&choice->names, TRI_TRACE_REF_WORKER(ref), TRI_TRACE_REF_SLOT(ref));
    return named != NULL && named->ref == ref ? named->name : 0;
}

static void
note_message(struct choice *choice, uint64_t message)
{
    struct row *row = table_put(&choice->messages, message / BITS, 0);
    row->bits[message % BITS / 64] |= UINT64_C(1) << message % 64;
}

static bool
has_message(const struct choice *choice, uint64_t message)
{
    const struct row *row = table_get(&choice->messages, message / BITS, 0);
    return row != NULL && (row->bits[message % BITS / 64] >> message % 64 & 1) != 0;
}

static bool
has_chosen_class(const struct choice *choice, const struct trace *trace, uint64_t ref)
{
    const char *name = choice->class_count > 0 ? names_find(trace->names, choice_name(choice, ref)) : NULL;
    for (size_t i = 0; name != NULL && i < choice->class_count; i++) {
        if (strcmp(choice->classes[i], name) == 0)
            return true;
    }
    return false;
}

static bool
is_of_chosen(const struct choice *choice, const struct trace *trace, const struct step *step)
{
    for (size_t i = 0; i < choice->actor_count; i++) {
        if (choice->actors[i] == step->record->actor)
            return true;
    }
    return has_chosen_class(choice, trace, step->record->actor);
}

static bool
is_of_message(enum role role)
{
    return role == ROLE_send || role == ROLE_receive || role == ROLE_dead_letter;
}

static bool
chooses_actors(const struct choice *choice)
{
    return choice->actor_count + choice->class_count > 0;
}

static bool
is_in_time(const struct choice *choice, const struct step *step)
{
    return step->record->timestamp >= choice->since && step->record->timestamp < choice->until;
}

/* Before the first event that may be drawn, if not the first ones are wanted. */
static bool
is_before(const struct choice *choice, const struct step *step)
{
    return choice->last || (choice->around_text != NULL && step->record->timestamp < choice->around);
}

/* How many of so many events are skipped, so that half of the limit, or all of it, is left. */
static uint64_t
skipped_of(const struct choice *choice, uint64_t before)
{
    uint64_t room = choice->last ? choice->limit : choice->limit / 2;
    return before > room ? before - room : 0;
}

/* How many events of chosen actors are before those that may be drawn. */
static uint64_t
count_skipped(struct choice *choice, const struct trace *trace)
{
    struct order order;
    struct step step;
    uint64_t before = 0;
    order_init(&order, trace);
    while (order_next(&order, &step)) {
        note_name(choice, &step);
        before += is_in_time(choice, &step) && is_before(choice, &step) && is_of_chosen(choice, trace, &step);
    }
    order_fini(&order);
    forget_names(choice);
    return skipped_of(choice, before);
}

/*
 * The other ends of chosen actors' messages are drawn too, and a send is read before its end. Only messages of events
 * that may be drawn are remembered.
 */
static uint64_t
find_messages(struct choice *choice, const struct trace *trace)
{
    struct order order;
    struct step step;
    uint64_t found = 0, place = 0;
    uint64_t skipped = choice->last || choice->around_text != NULL ? count_skipped(choice, trace) : 0;
    order_init(&order, trace);
    while (order_next(&order, &step)) {
        note_name(choice, &step);
        if (!is_of_chosen(choice, trace, &step))
            continue;
        found++;
        if (!is_in_time(choice, &step) || place++ < skipped || place - skipped > choice->limit)
            continue;
        if (is_of_message(step.role) && step.record->message != 0)
            note_message(choice, step.record->message);
    }
    order_fini(&order);
    forget_names(choice);
    return found;
}

/* Would it be drawn, if there were no limit? */
static bool
is_chosen(struct choice *choice, const struct trace *trace, const struct step *step)
{
    note_name(choice, step);
    if (!is_in_time(choice, step))
        return false;
    if (!chooses_actors(choice) || is_of_chosen(choice, trace, step))
        return true;
    return is_of_message(step->role) && has_message(choice, step->record->message);
}

static void
find_skipped(struct choice *choice, const struct trace *trace)
{
    struct order order;
    struct step step;
    uint64_t before = 0;
    order_init(&order, trace);
    while (order_next(&order, &step))
        before += is_chosen(choice, trace, &step) && is_before(choice, &step);
    order_fini(&order);
    forget_names(choice);
    choice->skipped = skipped_of(choice, before);
}

static int
find_times(struct choice *choice, const struct trace *trace)
{
    int status = choice->since_text != NULL ? filter_time(trace, choice->since_text, &choice->since) : 0;
    if (status == 0 && choice->until_text != NULL)
        status = filter_time(trace, choice->until_text, &choice->until);
    if (status == 0 && choice->around_text != NULL)
        status = filter_time(trace, choice->around_text, &choice->around);
    return status;
}

/* Again, since now it is known which processes there are. */
static int
find_actors(struct choice *choice)
{
    for (size_t i = 0; i < choice->actor_count; i++)
        if (!parse_ref(choice->texts[i], &choice->actors[i]))
            return refuse("the traces have no such process or worker", choice->texts[i]);
    return 0;
}

unsigned
choice_passes(const struct choice *choice)
{
    bool skips = choice->last || choice->around_text != NULL, finds = chooses_actors(choice);
    return (unsigned)finds + (unsigned)skips + (unsigned)(finds && skips);
}

int
choice_prepare(struct choice *choice, const struct trace *trace)
{
    if (choice->last && choice->around_text != NULL)
        return refuse("--last and --around choose different events", "");
    int status = find_times(choice, trace);
    if (status == 0)
        status = find_actors(choice);
    if (status != 0)
        return status;
    if (chooses_actors(choice) && find_messages(choice, trace) == 0)
        return refuse("the trace has no event of the actors that are chosen", "");
    if (choice->last || choice->around_text != NULL)
        find_skipped(choice, trace);
    return 0;
}

bool
choice_wants(struct choice *choice, const struct trace *trace, const struct step *step)
{
    if (!is_chosen(choice, trace, step))
        return false;
    uint64_t place = choice->seen++;
    return place >= choice->skipped && place - choice->skipped < choice->limit;
}

uint64_t
choice_left_out(const struct choice *choice)
{
    uint64_t drawn = choice->seen > choice->skipped ? choice->seen - choice->skipped : 0;
    return choice->seen - (drawn < choice->limit ? drawn : choice->limit);
}
