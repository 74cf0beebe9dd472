/*
 * Block lists: is this address one of those that the user has ruled out?
 *
 * A list is built, frozen, and from then on looked at: by any number of threads at once, without a lock and without a
 * write. A frozen list never changes; to change the rules, build another list and put it in the place of the first. So
 * lists are counted: whoever keeps one holds it, and the last release frees it.
 *
 *     new -> add..., clear -> freeze -> check from any thread
 *
 * IPv4 addresses and IPv4-mapped IPv6 addresses are the same here, in rules and in questions. Zones count for nothing.
 *
 * Thread: until the list is frozen, the one that builds it and no other; afterwards any. A frozen list is handed to
 * another thread by something that orders memory: a message, the start of a thread, a lock.
 */
#ifndef TROUPE_IPADDR_BLOCK_LIST_H
#define TROUPE_IPADDR_BLOCK_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>
#include <troupe/ipaddr/ip.h>

TR_DECLARATIONS_BEGIN

struct sockaddr;

typedef struct tr_block_list tr_block_list; /* opaque */

#define TR_BLOCK_RULE_TEXT 128 /* bytes that hold any rule as text and a NUL */

enum tr_block_kind {
    TR_BLOCK_ADDRESS, /* from */
    TR_BLOCK_RANGE,   /* from .. to, both included */
    TR_BLOCK_SUBNET,  /* from / length */
};

struct tr_block_rule {
    enum tr_block_kind kind;
    struct tr_ip from;
    struct tr_ip to; /* of a range; else the same as from */
    uint8_t length;  /* bits, of a subnet; else 0 */
};

/*
 * Gives a new list without rules, not frozen. The caller owns one hold. Thread: any. Returns TR_OK, TR_EINVAL,
 * TR_ENOMEM.
 */
tr_status tr_block_list_new(tr_block_list **out);

/*
 * Add one rule. A rule may be there already, or overlap others. A call that fails adds nothing.
 * Thread: the builder's.
 * Returns TR_OK; TR_EINVAL, a pointer is NULL or the list is frozen; TR_EBADADDRESS, no address, or from and to are not
 * of one family; TR_EBADLIMIT, from comes after to, or a length is more than the address has bits; TR_ENOMEM, also
 * beyond 2^28 rules.
 */
tr_status tr_block_list_add_address(tr_block_list *list, const struct tr_ip *ip);
tr_status tr_block_list_add_range(tr_block_list *list, const struct tr_ip *from, const struct tr_ip *to);
tr_status tr_block_list_add_subnet(tr_block_list *list, const struct tr_prefix *subnet);

/*
 * Adds a rule that is given as text: "192.0.2.1", "192.0.2.1-192.0.2.9", "192.0.2.0/24", and the same for IPv6. There
 * are no zones and no blanks in it. Thread: the builder's. Returns as above; text that is no rule: TR_EBADADDRESS.
 */
tr_status tr_block_list_add_text(tr_block_list *list, const char *text);

/* Removes all rules. Thread: the builder's. Returns TR_OK; TR_EINVAL, the list is NULL or frozen. */
tr_status tr_block_list_clear(tr_block_list *list);

/*
 * Ends the building: from now on the list cannot be changed, looking up is fast, and every thread may do it. Takes
 * n log n for n rules. A list that is frozen stays so; one that could not be frozen can still be added to.
 * Thread: the builder's. Returns TR_OK, TR_EINVAL (NULL), TR_ENOMEM.
 */
tr_status tr_block_list_freeze(tr_block_list *list);

/* Whether the list is frozen; false for NULL. Thread: the builder's until it is, then any. */
bool tr_block_list_is_frozen(const tr_block_list *list);

/* One more hold on the list. Every hold is released once. NULL is allowed. Thread: any. */
void tr_block_list_hold(tr_block_list *list);

/* Gives one hold back; the last one frees the list. NULL is allowed. Thread: any. */
void tr_block_list_release(tr_block_list *list);

/*
 * Whether a rule matches the address. A list that is not frozen yet answers too, rule by rule, in time that grows with
 * their number. false if there is no list or no address.
 * Thread: the builder's until the list is frozen, then any.
 */
bool tr_block_list_check(const tr_block_list *list, const struct tr_ip *ip);

/* The same for a socket address; false for one that is neither IPv4 nor IPv6: no rule can match it. */
bool tr_block_list_check_sockaddr(const tr_block_list *list, const struct sockaddr *address);

/* How many rules were added; 0 for NULL. Thread: the builder's until the list is frozen, then any. */
size_t tr_block_list_count(const tr_block_list *list);

/*
 * The rule at an index below tr_block_list_count(), in the order in which they were added.
 * Thread: the builder's until the list is frozen, then any. Returns TR_OK; TR_EINVAL, a pointer is NULL or there is no
 * such rule.
 */
tr_status tr_block_list_rule(const tr_block_list *list, size_t index, struct tr_block_rule *out);

/*
 * Writes a rule and a NUL in the form that tr_block_list_add_text() reads. TR_BLOCK_RULE_TEXT bytes are always enough.
 * Thread: any. Returns how many characters it has; 0, and text is "", if size is too small for it or it is no rule.
 */
size_t tr_block_rule_format(const struct tr_block_rule *rule, char *text, size_t size);

TR_DECLARATIONS_END
#endif
