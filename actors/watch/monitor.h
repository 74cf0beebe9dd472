/*
 * Watches, of which monitors are one kind. Thread: owner of the worker, unless it says otherwise.
 */
#ifndef TROUPE_ACTORS_MONITOR_H
#define TROUPE_ACTORS_MONITOR_H

#include "actor_internal.h"
#include "extra.h"
#include "interest.h"

#include <troupe/actors/watch.h>

/* What the end of the actor means for who watches it. */
enum tri_watch_kind {
    TRI_WATCH_TELL, /* a message, TR_TAG_DOWN */
    TRI_WATCH_STOP, /* it is asked to stop, too: TR_STOP_NOW */
};

/* Says in a notice why its actor has ended. *text: whose text that is, which the caller releases with the notice. */
static inline void
tri_down_explain(struct tr_down *down, struct tri_text **text, const struct tri_death *death)
{
    down->status = death->status;
    *text = death->text;
    tri_text_hold(death->text);
    if (death->text != NULL)
        down->text = death->text->text;
}

/* What is attached to the actor that is watched. Any thread may free it. */
struct tri_watcher {
    struct tr_down down; /* first: it is the notice's payload */
    struct tri_text *text;
    struct tri_word word;
    struct tri_table_entry entry; /* among the watchers of its worker; the key is the number of the interest */
    struct tri_attachment attachment;
    struct tri_actors *home; /* of the actor; NULL: it is on the way there */
    tr_ref watcher;
    enum tri_watch_kind kind;
};

/*
 * Begins to watch, with the watcher's interest in it. Gives what is to be attached to the actor, which the caller sends
 * there or gives to an order to spawn it. NULL: without memory.
 */
struct tri_watcher *tri_watch_begin(tr_actor *self, tr_ref actor, enum tri_watch_kind kind);

/* The whole of it. Returns as tri_send_system(), and TR_ENOMEM; then nothing is left of it. */
tr_status tri_watch(tr_actor *self, tr_ref actor, enum tri_watch_kind kind, tr_monitor *out);

/* Attaches it to the actor, which lives on this worker. */
void tri_watcher_attach(tr_actor *actor, struct tri_watcher *watcher);

/* The actor does not come to life, or has ended: tells the watcher. Takes it. */
void tri_watcher_tell(struct tri_worker *worker, struct tri_watcher *watcher, const struct tri_death *death);

/* Frees it without a word. Thread: any. */
void tri_watcher_free(void *watcher);

bool tri_watch_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_unwatch_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
