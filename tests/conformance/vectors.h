/*
 * The vectors of section 10: isIP, and what decoders make of bytes.
 */
#ifndef CONFORMANCE_VECTORS_H
#define CONFORMANCE_VECTORS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Checks all vectors of a file, prints those that differ and adds to the counts. false: the file cannot be used, and
 * complaint says why.
 */
bool vectors_check(const char *file, size_t *passed, size_t *failed, char *complaint, size_t size);

#endif
