/*
 * The encodings, for tests of each.
 */
#ifndef TESTS_ENCODINGS_H
#define TESTS_ENCODINGS_H

#include <troupe/net/encoding.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern const enum tr_encoding encodings[8];

#endif
