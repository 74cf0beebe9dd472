/*
 * Texts that are IP addresses, or nearly.
 */
#ifndef TESTS_SUPPORT_ADDRESS_TEXT_H
#define TESTS_SUPPORT_ADDRESS_TEXT_H

#include <stdint.h>

#define ADDRESS_TEXT 80u /* bytes that hold any of them and its NUL */

/* Makes the next one: each kind of mistake is made often, and often none. None has a zone. */
void address_text(uint64_t *seed, char text[ADDRESS_TEXT]);

#endif
