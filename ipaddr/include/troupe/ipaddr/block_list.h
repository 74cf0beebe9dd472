/*
 * Block lists: has the user ruled this address out?
 *
 *     new -> add..., clear -> freeze -> check from any thread -> release
 *
 *   - A list is built, then frozen, and then only read: by any number of threads at once, without a lock and without a
 *     write.
 *   - A frozen list never changes. To change the rules, build another list and use it instead.
 *   - IPv4 addresses and IPv4-mapped IPv6 addresses are the same here, in rules and in questions. Zones are ignored.
 *
 * Memory:  lists have a reference count: hold a list to keep it. The last release frees it.
 * Thread:  "builder" is the one thread that builds the list, until it is frozen; afterwards any. Pass a frozen list to
 *          another thread by something that orders memory: a message, the start of a thread, a lock.
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
 * Makes a list without rules, not frozen.
 * Memory:  one hold is the caller's.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL  NULL
 *          TR_ENOMEM
 */
tr_status tr_block_list_new(tr_block_list **out);

/*
 * Add one rule. A rule may be there already, or overlap others. A call that fails adds nothing.
 * Thread:  builder.
 * Returns: TR_OK
 *          TR_EINVAL       a pointer is NULL, or the list is frozen
 *          TR_EBADADDRESS  no address, or from and to are of different families
 *          TR_EBADLIMIT    from comes after to, or the address has fewer bits than the length
 *          TR_ENOMEM       also for more than 2^28 rules
 */
tr_status tr_block_list_add_address(tr_block_list *list, const struct tr_ip *ip);
tr_status tr_block_list_add_range(tr_block_list *list, const struct tr_ip *from, const struct tr_ip *to);
tr_status tr_block_list_add_subnet(tr_block_list *list, const struct tr_prefix *subnet);

/*
 * Adds a rule that is given as text: "192.0.2.1", "192.0.2.1-192.0.2.9", "192.0.2.0/24", and the same for IPv6. There
 * are no zones and no blanks in it.
 * Thread:  builder.
 * Returns: TR_OK
 *          TR_EINVAL       a pointer is NULL, or the list is frozen
 *          TR_EBADADDRESS  the text is no rule, or from and to are of different families
 *          TR_EBADLIMIT    from comes after to, or the address has fewer bits than the length
 *          TR_ENOMEM       also for more than 2^28 rules
 */
tr_status tr_block_list_add_text(tr_block_list *list, const char *text);

/*
 * Removes all rules.
 * Thread:  builder.
 * Returns: TR_OK
 *          TR_EINVAL  the list is NULL or frozen
 */
tr_status tr_block_list_clear(tr_block_list *list);

/*
 * Ends the building: from now on the list cannot be changed, checking is fast, and every thread may check. Takes
 * n log n for n rules. A frozen list stays frozen; one that could not be frozen can still be changed.
 * Thread:  builder.
 * Returns: TR_OK
 *          TR_EINVAL  NULL
 *          TR_ENOMEM
 */
tr_status tr_block_list_freeze(tr_block_list *list);

/* Whether the list is frozen; false for NULL. Thread: builder; when it is frozen, any. */
bool tr_block_list_is_frozen(const tr_block_list *list);

/* Adds a hold on the list. Each hold must be released once. NULL is allowed. Thread: any. */
void tr_block_list_hold(tr_block_list *list);

/* Releases one hold; the last release frees the list. NULL is allowed. Thread: any. */
void tr_block_list_release(tr_block_list *list);

/*
 * Whether a rule matches the address; false if list or ip is NULL, or ip is no address. A list that is not frozen yet
 * can be checked too, rule by rule, in time that grows with their number.
 * Thread:  builder; when the list is frozen, any.
 */
bool tr_block_list_check(const tr_block_list *list, const struct tr_ip *ip);

/*
 * As tr_block_list_check(), for a socket address; false for one that is neither IPv4 nor IPv6: no rule can match it.
 * Thread:  builder; when the list is frozen, any.
 */
bool tr_block_list_check_sockaddr(const tr_block_list *list, const struct sockaddr *address);

/* How many rules were added; 0 for NULL. Thread: builder; when the list is frozen, any. */
size_t tr_block_list_count(const tr_block_list *list);

/*
 * The rule at an index below tr_block_list_count(), in the order in which they were added.
 * Thread:  builder; when the list is frozen, any.
 * Returns: TR_OK
 *          TR_EINVAL  a pointer is NULL, or there is no such rule
 */
tr_status tr_block_list_rule(const tr_block_list *list, size_t index, struct tr_block_rule *out);

/*
 * Writes a rule and a NUL in the form that tr_block_list_add_text() reads. TR_BLOCK_RULE_TEXT bytes are always enough.
 * Thread:  any.
 * Returns: how many characters the text has; 0, and text is "", if size is too small or it is no rule.
 */
size_t tr_block_rule_format(const struct tr_block_rule *rule, char *text, size_t size);

TR_DECLARATIONS_END
#endif
