/*
 * The words for numbers of a trace, for people: classes, tags, statuses, reasons. Names of a trace are escaped.
 */
#ifndef TROUPE_TRACE_WORDS_H
#define TROUPE_TRACE_WORDS_H

#include <stdint.h>

#include "reader.h"

#define WORD_SIZE 64 /* bytes that hold any of them; longer ones are cut, and end with dots */

/* An actor's class: the name of its behavior. "?": the trace does not tell it. */
const char *word_of_class(const struct trace *trace, uint32_t name, char word[WORD_SIZE]);

/* Of a message to an actor of that class: a tag means what its receiver says. */
const char *word_of_tag(const struct trace *trace, uint32_t class, uint32_t tag, char word[WORD_SIZE]);

const char *word_of_status(const struct trace *trace, uint32_t status, char word[WORD_SIZE]);

/* Of a dead letter. */
const char *word_of_reason(uint32_t reason, char word[WORD_SIZE]);

/* What lasts so many nanoseconds: 12 ns, 3.4 us, 56 ms, 7.89 s. */
const char *word_of_duration(uint64_t ns, char word[WORD_SIZE]);

#endif
