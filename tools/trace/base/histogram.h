/*
 * How values are spread, in memory that does not grow with their number.
 *
 * Buckets are log-linear: 64 for each power of two. What histogram_part() gives is the middle of a bucket, so it is off
 * by 0.8 % at most; the largest value is exact, and so are values below 64.
 */
#ifndef TROUPE_TRACE_HISTOGRAM_H
#define TROUPE_TRACE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64u   /* buckets for one power of two */
#define HISTOGRAM_OCTAVES 59u /* powers of two; the first is of the values below 64 */

struct histogram {
    uint64_t count, total, most;
    uint64_t *octaves[HISTOGRAM_OCTAVES]; /* made when the first value comes */
};

/* One that is all zeros is empty. */
void histogram_fini(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);

/* The value that so many thousandths of all values do not exceed; 0: it is empty. */
uint64_t histogram_part(const struct histogram *histogram, unsigned thousandths);

#endif
