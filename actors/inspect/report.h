/*
 * What is answered: reports, written a page at a time, so that neither the program's workers nor memory have to bear
 * the whole of one. Thread: one at a time, no worker.
 */
#ifndef TROUPE_ACTORS_INSPECT_REPORT_H
#define TROUPE_ACTORS_INSPECT_REPORT_H

#include "forms.h"
#include "inquiry.h"
#include "page.h"

enum tri_report_kind {
    TRI_REPORT_ACTORS,  /* a table for people */
    TRI_REPORT_WORKERS, /* the same */
    TRI_REPORT_JSON,    /* all there is */
    TRI_REPORT_METRICS, /* the text format of Prometheus, 0.0.4 */
};

/* What a walk has found on one worker. */
struct tri_worker_sum {
    uint64_t waiting;
    bool stuck;
};

#define TRI_CLASSES_AT_MOST 256u /* the last of them stands for all the others */

struct tri_report {
    enum tri_report_kind kind;
    struct tri_inquiry *inquiry;
    unsigned worker; /* who is asked next */
    uint32_t from;   /* and from which slot on */
    bool begun;
    bool comma; /* an actor stands before, in JSON */
    struct tri_worker_sum *workers;
    struct tri_class_sum *classes; /* metrics only */
    uint32_t class_count;
};

/* Begins one. false: there is no memory. inquiry stays the caller's, and serves one report at a time. */
bool tri_report_begin(struct tri_report *report, enum tri_report_kind kind, struct tri_inquiry *inquiry);

/* Adds to the page; perhaps nothing this time. false: that was the last of it. */
bool tri_report_go_on(struct tri_report *report, struct tri_page *page);

/* Frees what it has; also of one that was not begun, but is zero. */
void tri_report_end(struct tri_report *report);

#endif
