#include "answer.h"

#include <stdlib.h>

void
tri_info_answer(struct tri_worker *worker, tr_actor *self, struct tri_info_ask *ask, size_t size)
{
    tri_info_answer_with(worker, self, ask, size, free);
}

void
tri_info_answer_with(struct tri_worker *worker, tr_actor *self, struct tri_info_ask *ask, size_t size,
                     void (*destroy)(void *))
{
    tr_message message = tr_message_pointer(ask->reply_tag, ask, size, destroy);
    ask->word.done = NULL;
    tri_word_send(worker, &ask->word, tr_self(self), ask->asker, message);
}

void
tri_info_lose(struct tri_info_ask *ask, size_t size)
{
    if (tri_worker_current() != NULL)
        tri_info_answer(tri_worker_current(), NULL, ask, size);
    else
        free(ask); /* the runtime has ended */
}
