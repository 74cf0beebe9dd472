/*
 * The words on the socket that begin and end traces. Thread: one at a time, no worker.
 */
#ifndef TROUPE_ACTORS_INSPECT_RECORDER_WORDS_H
#define TROUPE_ACTORS_INSPECT_RECORDER_WORDS_H

#include "actor_internal.h"
#include "page.h"

/* Does what a line says that begins with "trace", of which `rest` is what follows, and adds the answer: "ok: ", or why
 * not, and a sentence. */
void tri_recorder_words(tr_runtime *runtime, const char *rest, struct tri_page *page);

#endif
