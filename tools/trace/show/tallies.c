#include "tallies.h"

int
tallies_by_count(const void *a, const void *b)
{
    const struct tally *x = ((const struct table_entry *)a)->value, *y = ((const struct table_entry *)b)->value;
    return x->count != y->count      ? (x->count < y->count ? 1 : -1)
           : x->example < y->example ? -1
                                     : x->example > y->example;
}

int
tallies_by_key(const void *a, const void *b)
{
    const struct table_key *x = &((const struct table_entry *)a)->key, *y = &((const struct table_entry *)b)->key;
    return x->a != y->a ? (x->a < y->a ? -1 : 1) : x->b < y->b ? -1 : x->b > y->b;
}

uint64_t
tallies_sum(const struct table_entry *entries, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ((const struct tally *)entries[i].value)->count;
    return sum;
}
