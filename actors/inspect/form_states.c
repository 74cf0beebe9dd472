#include "forms.h"

#include <stddef.h>

static const struct {
    unsigned bit;
    const char *word;
} state_words[] = {
    {TR_STATE_SLOW, "slow"},       {TR_STATE_CROWDED, "crowded"},
    {TR_STATE_ASKED, "asked"},     {TR_STATE_CLOSED, "closed"},
    {TR_STATE_ENDING, "ending"},   {TR_STATE_COMING, "coming"},
    {TR_STATE_RESTING, "resting"}, {TR_STATE_MUTES, "mutes"},
    {TR_STATE_MUTED, "muted"}, /* by whom comes after it */
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
