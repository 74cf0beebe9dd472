#include "answer.h"

#include <stdlib.h>

void
tri_info_answer(struct tri_worker *worker, tr_actor *self, struct tri_info_ask *ask, size_t size)
{
    ask->word.done = NULL;
    tri_word_send(worker, &ask->word, tr_self(self), ask->asker, tr_message_pointer(ask->reply_tag, ask, size, free));
}
