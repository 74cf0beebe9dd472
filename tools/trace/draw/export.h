/*
 * What a format for other programs is: it is told of the events one after the other.
 */
#ifndef TROUPE_TRACE_EXPORT_H
#define TROUPE_TRACE_EXPORT_H

#include <stdio.h>

#include "choice.h"

/* An export that is being written. */
struct export
{
    FILE *out;
    const struct trace *trace;
    const struct choice *choice; /* knows the names of the actors */
    uint64_t written;            /* events */
    struct table actors;         /* what the format knows of actors, and */
    struct table messages;       /* of messages; the keys are the format's own */
};

struct format {
    const char *name;
    size_t actor_size, message_size; /* of the values in the tables */
    void (*begin)(struct export *export);
    void (*event)(struct export *export, const struct step *step);
    void (*end)(struct export *export);
};

extern const struct format format_chrome;
extern const struct format format_perfetto;
extern const struct format format_shiviz;
extern const struct format format_dot;

/* The class of an actor; NULL: the trace does not tell it. */
const char *export_class(const struct export *export, uint64_t ref);

/* "class ref" for people, "ref" without a class; of nobody the worker's number, "worker 0" or "outside". */
#define NAME_SIZE 1100
const char *export_name(const struct export *export, const struct step *step, char name[NAME_SIZE]);

/* What stands beside the event: its own name, and the tag of a message. */
const char *export_title(const struct export *export, const struct step *step, char title[NAME_SIZE]);

/* Is a flow begun or ended there? And the number of the flow: messages and parcels have their own. */
bool export_begins_flow(const struct step *step);
bool export_ends_flow(const struct step *step);
uint64_t export_flow(const struct step *step);

#endif
