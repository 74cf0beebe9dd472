#include "histogram.h"
#include <stdbool.h>
#include <stdlib.h>

#include "bad_input.h"

#define LOW_BITS 6u /* of HISTOGRAM_STEPS */

/* The power of two below a value; values below 64 have one in common. */
static unsigned
octave_of(uint64_t value)
{
    return value < HISTOGRAM_STEPS ? 0 : 64u - LOW_BITS - (unsigned)__builtin_clzll(value);
}

static unsigned
step_of(uint64_t value, unsigned octave)
{
    return (unsigned)(octave == 0 ? value : value >> (octave - 1)) & (HISTOGRAM_STEPS - 1);
}

static uint64_t
middle_of(unsigned octave, unsigned step)
{
    if (octave == 0)
        return step;
    uint64_t width = UINT64_C(1) << (octave - 1);
    return (HISTOGRAM_STEPS + step) * width + width / 2;
}

void
histogram_fini(struct histogram *histogram)
{
    for (unsigned i = 0; i < HISTOGRAM_OCTAVES; i++)
        free(histogram->octaves[i]);
}

void
histogram_add(struct histogram *histogram, uint64_t value)
{
    unsigned octave = octave_of(value);
    uint64_t **steps = &histogram->octaves[octave];
    if (*steps == NULL)
        *steps = must_calloc(HISTOGRAM_STEPS, sizeof(**steps));
    (*steps)[step_of(value, octave)]++;
    histogram->count++;
    histogram->total += value;
    if (value > histogram->most)
        histogram->most = value;
}

/* Goes through the buckets until `left` values are behind it; false: they are not in this power of two. */
static bool
find_step(const uint64_t *steps, uint64_t *left, unsigned *step)
{
    for (*step = 0; steps != NULL && *step < HISTOGRAM_STEPS; ++*step) {
        if (steps[*step] >= *left)
            return true;
        *left -= steps[*step];
    }
    return false;
}

uint64_t
histogram_part(const struct histogram *histogram, unsigned thousandths)
{
    uint64_t left = histogram->count / 1000 * thousandths + (histogram->count % 1000 * thousandths + 999) / 1000;
    unsigned step;
    if (histogram->count == 0)
        return 0;
    left += left == 0;
    for (unsigned octave = 0; octave < HISTOGRAM_OCTAVES; octave++) {
        if (!find_step(histogram->octaves[octave], &left, &step))
            continue;
        uint64_t middle = middle_of(octave, step);
        return middle < histogram->most ? middle : histogram->most;
    }
    return histogram->most;
}
