#include "scout.h"
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"

#define WORD 64u /* bits */

void
scout_init(struct scout *scout, const struct trace *trace, const struct scouted *scouted, uint64_t ahead)
{
    memset(scout, 0, sizeof(*scout));
    scout->scouted = scouted;
    scout->ahead = ahead;
    scout->bits = must_calloc((size_t)(ahead / WORD), sizeof(*scout->bits));
    order_init(&scout->order, trace);
    holders_init(&scout->holders);
}

void
scout_fini(struct scout *scout)
{
    free(scout->bits);
    order_fini(&scout->order);
    holders_fini(&scout->holders);
}

bool
scouted_in_time(const struct scouted *scouted, uint64_t timestamp)
{
    return timestamp >= scouted->since && timestamp < scouted->until;
}

static uint64_t *
word_of(const struct scout *scout, uint64_t place, uint64_t *bit)
{
    uint64_t at = place % scout->ahead;
    *bit = UINT64_C(1) << at % WORD;
    return &scout->bits[at / WORD];
}

/* Its bit is that of a place before it, too, where the pass has been. */
static void
note_send(struct scout *scout, uint64_t place)
{
    uint64_t bit, *word = word_of(scout, place, &bit);
    if (place >= scout->passed && scout->seen - place <= scout->ahead)
        *word |= bit;
    else
        scout->late++;
}

static bool
ends_message(const struct step *step)
{
    return (step->role == ROLE_receive || step->role == ROLE_dead_letter) && step->ending == ENDING_RIGHT;
}

/* Of a message that is marked the pass knows without a scout. */
static void
see_chosen(struct scout *scout, const struct step *step)
{
    const struct scouted *scouted = scout->scouted;
    scout->found = true;
    if (step->role == ROLE_send || step->role == ROLE_stash)
        order_mark(&scout->order, step);
    else if (ends_message(step) && !step->sending.marked && scouted_in_time(scouted, step->record->timestamp) &&
             scouted_in_time(scouted, step->sending.timestamp))
        note_send(scout, step->sending.place);
}

static void
go_on(struct scout *scout)
{
    struct step step;
    scout->through = !order_next(&scout->order, &step);
    if (scout->through)
        return;
    scout->seen++;
    holders_see(&scout->holders, &step);
    if (who_has(scout->scouted->who, scout->order.trace, &scout->holders, step.record->actor))
        see_chosen(scout, &step);
}

bool
scout_find(struct scout *scout)
{
    while (!scout->found && !scout->through)
        go_on(scout);
    return scout->found;
}

/* A scout that had to look for the first event of a chosen actor may be further ahead. */
bool
scout_pass(struct scout *scout)
{
    while (!scout->through && scout->seen - scout->passed < scout->ahead)
        go_on(scout);
    uint64_t place = scout->passed++, bit, *word = word_of(scout, place, &bit);
    bool noted = scout->seen - place <= scout->ahead && (*word & bit) != 0;
    if (noted)
        *word &= ~bit;
    return noted;
}
