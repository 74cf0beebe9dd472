/*
 * An envelope: a message and whom it is for, on its way between two workers; and how a message is moved.
 */
#ifndef TROUPE_CORE_ENVELOPE_H
#define TROUPE_CORE_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>
#include <troupe/core/compiler.h>
#include <troupe/core/message.h>

/* One cache line. */
struct tri_envelope {
    tr_ref to;
    tr_message message;
};
_Static_assert(sizeof(struct tri_envelope) == TRI_CACHE_LINE, "an envelope is one cache line");

/*
 * Copies what a message says, without who sends it and its id, a word at a time. Its fields have usually just been
 * stored one by one, and a load that spans two stores which are still on their way to the cache waits for both: a copy
 * by 16 bytes costs three times this one. (The library is compiled without vectorizing straight code for the same
 * reason.)
 */
static inline void
tri_message_move(tr_message *to, const tr_message *from)
{
    typedef uint64_t word __attribute__((may_alias));
    word *out = (word *)to;
    const word *in = (const word *)from;
    out[2] = in[2]; /* tag, kind, size, lap */
    out[3] = in[3];
    if (from->kind == TR_PAYLOAD_BYTES && from->size <= sizeof(word))
        return;
    out[4] = in[4];
    out[5] = in[5];
    out[6] = in[6];
}
_Static_assert(offsetof(tr_message, tag) == 16 && sizeof(tr_message) == 56,
               "tri_message_move() copies five words of seven");

#endif
