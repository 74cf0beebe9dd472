#include "forms.h"

#include <stddef.h>

static const struct {
    unsigned bit;
    const char *word;
} state_words[] = {
    {TR_ACTOR_SLOW, "slow"},       {TR_ACTOR_CROWDED, "crowded"},
    {TR_ACTOR_ASKED, "asked"},     {TR_ACTOR_CLOSED, "closed"},
    {TR_ACTOR_ENDING, "ending"},   {TR_ACTOR_COMING, "coming"},
    {TR_ACTOR_RESTING, "resting"}, {TR_ACTOR_MUTES, "mutes"},
    {TR_ACTOR_MUTED, "muted"}, /* by whom comes after it */
};
#define STATE_WORDS (sizeof(state_words) / sizeof(state_words[0]))

void
tri_form_states(struct tri_page *page, unsigned state, const char *mark)
{
    const char *before = "";
    for (size_t i = 0; i < STATE_WORDS; i++) {
        if ((state & state_words[i].bit) == 0)
            continue;
        tri_page_add(page, "%s%s%s%s", before, mark, state_words[i].word, mark);
        before = ",";
    }
}
