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
 * there (tri_watch_send()) or gives to an order to spawn it. NULL: without memory.
 */
struct tri_watcher *tri_watch_begin(tr_actor *self, tr_ref actor, enum tri_watch_kind kind);

/* On its way: TR_OK; else nothing is left of it. Returns as tri_send_system(). */
tr_status tri_watch_send(tr_actor *self, struct tri_watcher *watcher);

/* The whole of it. Returns TR_ENOMEM too. */
tr_status tri_watch(tr_actor *self, tr_ref actor, enum tri_watch_kind kind, tr_monitor *out);

/* It is not begun after all. Takes it. */
void tri_watch_cancel(tr_actor *self, struct tri_watcher *watcher);

/* Attaches it to the actor, which lives on this worker. */
void tri_watcher_attach(tr_actor *actor, struct tri_watcher *watcher);

/* The actor does not come to life, or has ended: tells the watcher. Takes it. */
void tri_watcher_tell(struct tri_worker *worker, struct tri_watcher *watcher, const struct tri_death *death);

/* Frees it without a word. Thread: any. */
void tri_watcher_free(void *watcher);

bool tri_watch_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_unwatch_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
