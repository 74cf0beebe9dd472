/*
 * Block lists of rules in words.
 */
#ifndef TESTS_LISTED_H
#define TESTS_LISTED_H

#include <stdbool.h>
#include <troupe/ipaddr/block_list.h>

/* An empty one. */
tr_block_list *new_list(void);

/* A list of the rules, which end with NULL. */
tr_block_list *list_of(const char *const *rules);

/* What the list says of an address, which is the same for the value and for the socket address. */
bool says(const tr_block_list *list, const char *text);

#endif
