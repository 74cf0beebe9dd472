/*
 * An endpoint's log: the list of what happened to it, as FORMAT.md's section 9 writes it down. Data events that follow
 * each other are one entry, of which no more than a beginning and a hash is kept.
 */
#ifndef CONFORMANCE_LOG_H
#define CONFORMANCE_LOG_H

#include "sha256.h"

#include <jansson.h>
#include <stdbool.h>

#define LOG_WHOLE 120u /* bytes up to which data is written down as it is */

struct log {
    json_t *entries;

    /* Data whose entry is not written yet: more may follow. */
    bool has_data;
    bool is_text; /* decoded, in UTF-8 */
    uint64_t size;
    unsigned char head[LOG_WHOLE];
    struct sha256 hash;
};

void log_init(struct log *log);
void log_fini(struct log *log);

/* Appends an entry, which is taken. */
void log_add(struct log *log, json_t *entry);

/* Bytes, or decoded text, that one data event brought. */
void log_data(struct log *log, bool is_text, const void *data, size_t size);

/* Gives the list of entries; the log is empty then. */
json_t *log_take(struct log *log);

#endif
