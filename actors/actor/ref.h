/*
 * The 64 bits of a tr_ref: generation 28, worker 12, slot 24.
 *
 * A generation is used once for each slot and never again, so no two actors of a runtime have the same ref: a slot
 * whose generations are used up is retired.
 */
#ifndef TROUPE_ACTORS_REF_H
#define TROUPE_ACTORS_REF_H

#include <troupe/core/message.h>
#include <troupe/core/trace_format.h>

#define TRI_REF_SLOT_BITS 24
#define TRI_REF_WORKER_BITS 12
#define TRI_REF_SLOTS (1u << TRI_REF_SLOT_BITS)
#define TRI_REF_GENERATIONS (1u << 28)

static inline uint32_t
tri_ref_slot(tr_ref ref)
{
    return (uint32_t)(ref & ((1u << TRI_REF_SLOT_BITS) - 1));
}

static inline unsigned
tri_ref_worker(tr_ref ref)
{
    return (unsigned)(ref >> TRI_REF_SLOT_BITS) & ((1u << TRI_REF_WORKER_BITS) - 1);
}

static inline uint32_t
tri_ref_generation(tr_ref ref)
{
    return (uint32_t)(ref >> (TRI_REF_SLOT_BITS + TRI_REF_WORKER_BITS));
}

static inline tr_ref
tri_ref_of(unsigned worker, uint32_t slot, uint32_t generation)
{
    return (tr_ref)generation << (TRI_REF_SLOT_BITS + TRI_REF_WORKER_BITS) | (tr_ref)worker << TRI_REF_SLOT_BITS | slot;
}

_Static_assert(TRI_TRACE_REF(3, 2, 1) ==
                   ((uint64_t)1 << (TRI_REF_SLOT_BITS + TRI_REF_WORKER_BITS) | (uint64_t)3 << TRI_REF_SLOT_BITS | 2),
               "the trace's readers know this layout");

#endif
