/*
 * Beginning and ending a trace while the workers run: recording.c.
 */
#ifndef TROUPE_ACTORS_TRACING_RECORDING_H
#define TROUPE_ACTORS_TRACING_RECORDING_H

#include "actor_internal.h"

/* An order to a worker has arrived. false: there is no memory. Thread: owner of the worker. */
bool tri_recording_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

/* Lets go of an end that some worker did not obey. The workers have ended. Thread: setup. */
void tri_recording_forget(tr_runtime *runtime);

#endif
