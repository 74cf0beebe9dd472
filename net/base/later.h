/*
 * Work that is done in the loop's next turn, when the callbacks which asked for it have returned.
 *
 * Thread: owner of the net. Memory: an entry is part of what it is about.
 */
#ifndef TROUPE_NET_LATER_H
#define TROUPE_NET_LATER_H

struct tri_net;

struct tri_later {
    struct tri_later *next;
    void (*run)(struct tri_later *later); /* NULL: not due */
};

struct tri_later_list {
    struct tri_later *first, *last;
};

/* Calls run(later) in the loop's next turn; once, however often it is asked for before. */
void tri_later_add(struct tri_net *net, struct tri_later *later, void (*run)(struct tri_later *later));

/* It is not due any more. Looks through the list: for what is rare. */
void tri_later_remove(struct tri_net *net, struct tri_later *later);

#endif
