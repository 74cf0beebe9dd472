/*
 * A field's value for programs that are no people: a number, or a text in quotes.
 */
#ifndef TROUPE_TRACE_VALUE_H
#define TROUPE_TRACE_VALUE_H

#include <stdint.h>
#include <stdio.h>

#include "reader.h"
#include "roles.h"

/*
 * Prints it as JSON that may stand in a page: names, tags with a name, actors and messages as texts, other values as
 * numbers; those above 2^53, which a script cannot hold, as texts of digits. null: the field has no meaning, or names
 * nothing.
 */
void print_value(FILE *out, const struct trace *trace, const struct field *field, uint64_t value);

#endif
