/*
 * Comparing what was played with what is expected.
 */
#ifndef CONFORMANCE_CHECK_H
#define CONFORMANCE_CHECK_H

#include "scenario.h"

/*
 * Are the results of one transport equal? If not, difference names the first place that differs: endpoint, index, what
 * was expected and what came.
 *
 * With apart, what a call answers at once (ret, throw, get) is compared by itself, in its own order: where sockets are
 * driven from a distance it comes as a message, a little later than everything else.
 */
bool check_results(const json_t *expected, const json_t *got, bool apart, char *difference, size_t size);

#endif
