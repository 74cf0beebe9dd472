/*
 * What is asked and answered on one connection: visit.c. Thread: one at a time, no worker.
 */
#ifndef TROUPE_ACTORS_INSPECT_VISIT_H
#define TROUPE_ACTORS_INSPECT_VISIT_H

#include "report.h"

#define TRI_VISIT_LINE 1024u /* bytes of a line, with its end */

enum tri_visit_http { TRI_NO_HTTP, TRI_HTTP_METRICS, TRI_HTTP_JSON, TRI_HTTP_NOT_FOUND, TRI_HTTP_BAD_METHOD };

struct tri_visit {
    struct tri_inquiry *inquiry;
    struct tri_page page; /* what is to be said now; who has said it clears it */
    bool ended;           /* the other side sends no more: set by who hears that */
    bool last;            /* no line is answered any more */

    /* visit.c */
    char line[TRI_VISIT_LINE];
    size_t size;
    enum tri_visit_http http; /* what was asked for; the header's lines follow */
    unsigned header_lines;    /* so far */
    bool broken;              /* there were too many */
    struct tri_report report;
    bool reporting; /* there is more to come */
};

/* inquiry stays the caller's, and may serve many visits. */
void tri_visit_begin(struct tri_visit *visit, struct tri_inquiry *inquiry);
void tri_visit_end(struct tri_visit *visit);

/* Where the next bytes are to be put, and how many at most; and so many were. */
char *tri_visit_room(struct tri_visit *visit, size_t *size);
void tri_visit_heard(struct tri_visit *visit, size_t size);

enum tri_visit_next {
    TRI_VISIT_SAY,   /* the page is to be sent, and nothing read meanwhile */
    TRI_VISIT_HEAR,  /* more is to be read */
    TRI_VISIT_PART,  /* all is said: the connection ends in order */
    TRI_VISIT_BREAK, /* it ends at once: without memory, or by a bad visitor */
};

/* What is to be done next. The page is empty. */
enum tri_visit_next tri_visit_go_on(struct tri_visit *visit);

#endif
