#include "choice.h"
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "filter.h"
#include "progress.h"
#include "text.h"

#define LIMIT 200000u       /* events that a browser draws without making one wait */
#define MOST_LIMIT 1000000u /* it opens these in some seconds */
#define AHEAD (1u << 24)    /* events: 2 MiB of bits for some 600 MB of a trace */

void
choice_init(struct choice *choice)
{
    memset(choice, 0, sizeof(*choice));
    choice->limit = LIMIT;
    choice->most = MOST_LIMIT;
    choice->ahead = AHEAD;
    choice->scouted = (struct scouted){.who = &choice->who, .until = UINT64_MAX};
}

void
choice_fini(struct choice *choice)
{
    who_fini(&choice->who);
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
    case 'a': return who_take_actor(&choice->who, optarg);
    case 'c': return who_take_class(&choice->who, optarg);
    case 'S': choice->since_text = optarg; return 0;
    case 'U': choice->until_text = optarg; return 0;
    case 'L': return take_limit(choice);
    case 'E': choice->last = true; return 0;
    case 'A': choice->around_text = optarg; return 0;
    default: return RUN_UNKNOWN_OPTION;
    }
}

/* -- A pass over the trace. -- */

static void
begin_pass(struct choice *choice)
{
    choice->seen = 0;
    order_init(&choice->order, choice->trace);
    holders_init(&choice->holders);
    table_init(&choice->received, sizeof(uint64_t));
    if (who_chooses(&choice->who))
        scout_init(&choice->scout, choice->trace, &choice->scouted, choice->ahead);
}

void
choice_end(struct choice *choice)
{
    order_fini(&choice->order);
    holders_fini(&choice->holders);
    table_fini(&choice->received);
    if (who_chooses(&choice->who))
        scout_fini(&choice->scout);
}

/* A message that a chosen actor sends, or sets aside, is marked. */
static void
see_chosen(struct choice *choice, const struct step *step)
{
    if (step->role == ROLE_send || step->role == ROLE_stash)
        order_mark(&choice->order, step);
}

/* Does a marked message come to its end there? If its receiver sets it aside it has another end, and stays marked. */
static bool
ends_marked(struct choice *choice, const struct step *step)
{
    uint32_t stream = step->stream->number;
    const uint64_t *received = table_get(&choice->received, stream, 0);
    if (step->role == ROLE_stash && received != NULL && *received == step->record->message)
        order_mark(&choice->order, step);
    if (step->role != ROLE_receive && step->role != ROLE_dead_letter)
        return false;
    bool marked = step->ending == ENDING_RIGHT && step->sending.marked;
    if (marked && step->role == ROLE_receive)
        *(uint64_t *)table_put(&choice->received, stream, 0) = step->record->message;
    return marked;
}

/* Would it be drawn, if there were no limit? */
static bool
is_chosen(struct choice *choice, const struct step *step)
{
    bool in_time = scouted_in_time(&choice->scouted, step->record->timestamp);
    holders_see(&choice->holders, step);
    if (!who_chooses(&choice->who))
        return in_time;
    bool goes_to_chosen = scout_pass(&choice->scout) && step->role == ROLE_send;
    if (who_has(&choice->who, choice->trace, &choice->holders, step->record->actor)) {
        if (in_time)
            see_chosen(choice, step);
        return in_time;
    }
    bool comes_from_chosen = ends_marked(choice, step);
    return in_time && (comes_from_chosen || goes_to_chosen);
}

/* Before the first event that may be drawn, if not the first ones are wanted. */
static bool
is_before(const struct choice *choice, const struct step *step)
{
    return choice->last || (choice->around_text != NULL && step->record->timestamp < choice->around);
}

static bool
skips(const struct choice *choice)
{
    return choice->last || choice->around_text != NULL;
}

/* So many events are skipped that half of the limit, or all of it, is left. */
static void
find_skipped(struct choice *choice)
{
    struct step step;
    uint64_t before = 0, room = choice->last ? choice->limit : choice->limit / 2;
    begin_pass(choice);
    while (order_next(&choice->order, &step))
        before += is_chosen(choice, &step) && is_before(choice, &step);
    choice_end(choice);
    choice->skipped = before > room ? before - room : 0;
}

static int
find_times(struct choice *choice)
{
    const struct trace *trace = choice->trace;
    int status = choice->since_text != NULL ? filter_time(trace, choice->since_text, &choice->scouted.since) : 0;
    if (status == 0 && choice->until_text != NULL)
        status = filter_time(trace, choice->until_text, &choice->scouted.until);
    if (status == 0 && choice->around_text != NULL)
        status = filter_time(trace, choice->around_text, &choice->around);
    return status;
}

/* Each with a scout, if it needs one; and the last one is not of choice_begin(). */
unsigned
choice_passes(const struct choice *choice)
{
    return (who_chooses(&choice->who) ? 2 : 1) * (skips(choice) ? 2 : 1);
}

int
choice_begin(struct choice *choice, const struct trace *trace)
{
    choice->trace = trace;
    if (choice->last && choice->around_text != NULL)
        return refuse("--last and --around choose different events", "");
    int status = find_times(choice);
    if (status == 0)
        status = who_find(&choice->who);
    if (status != 0)
        return status;
    if (skips(choice))
        find_skipped(choice);
    begin_pass(choice);
    if (!who_chooses(&choice->who) || scout_find(&choice->scout))
        return 0;
    choice_end(choice);
    return refuse("the trace has no event of the actors that are chosen", "");
}

bool
choice_next(struct choice *choice, struct step *step)
{
    while (order_next(&choice->order, step)) {
        uint64_t place = choice->seen;
        if (!is_chosen(choice, step))
            continue;
        choice->seen++;
        if (place >= choice->skipped && place - choice->skipped < choice->limit)
            return true;
    }
    return false;
}

/* -- What is told of it. -- */

uint32_t
choice_name(const struct choice *choice, uint64_t ref)
{
    return holders_name(&choice->holders, ref);
}

uint64_t
choice_left_out(const struct choice *choice)
{
    uint64_t drawn = choice->seen > choice->skipped ? choice->seen - choice->skipped : 0;
    return choice->seen - (drawn < choice->limit ? drawn : choice->limit);
}

void
choice_mention_late(const struct choice *choice)
{
    char late[TEXT_SIZE], ahead[TEXT_SIZE];
    if (!who_chooses(&choice->who) || choice->scout.late == 0)
        return;
    progress_wipe();
    fprintf(
        stderr,
        "troupe-trace: the sends of %s messages are left out: chosen actors received them %s events later, or more\n",
        text_of_count(choice->scout.late, late), text_of_count(choice->ahead, ahead));
}
