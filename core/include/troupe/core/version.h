/*
 * The version of the library: of these headers, and of what a program is linked with.
 *
 * Versions are major.minor.patch. Until 1.0 each minor version may change the interface; programs and shared libraries
 * of different minor versions do not go together.
 */
#ifndef TROUPE_CORE_VERSION_H
#define TROUPE_CORE_VERSION_H

#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

/* Of these headers. */
#define TR_VERSION_MAJOR 0
#define TR_VERSION_MINOR 1
#define TR_VERSION_PATCH 0
#define TR_VERSION_TEXT "0.1.0"

/* As one number that grows with the version, to be compared: TR_VERSION >= TR_VERSION_NUMBER(0, 2, 0). */
#define TR_VERSION_NUMBER(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))
#define TR_VERSION TR_VERSION_NUMBER(TR_VERSION_MAJOR, TR_VERSION_MINOR, TR_VERSION_PATCH)

/* TR_VERSION of the library that the program is linked with. Thread: any. */
int tr_version(void);

/* TR_VERSION_TEXT of the library that the program is linked with. Memory: a constant. Thread: any. */
const char *tr_version_text(void);

TR_DECLARATIONS_END
#endif
