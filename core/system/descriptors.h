/*
 * Descriptors: the limit that the process has on them.
 */
#ifndef TROUPE_CORE_DESCRIPTORS_H
#define TROUPE_CORE_DESCRIPTORS_H

#include <stdbool.h>

/*
 * Doubles the soft limit, as far as the hard one goes, and that too if the process may raise it. false: there is no
 * more.
 * Thread: setup.
 */
bool tri_descriptors_raise(void);

#endif
