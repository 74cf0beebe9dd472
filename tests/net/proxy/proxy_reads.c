#include "proxy_reads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tri_proxy_reading
read_with(unsigned versions, size_t limit, const void *bytes, size_t size, struct tr_proxy *out)
{
    struct tri_proxy_rules rules = {versions, limit};
    unsigned char *copy = malloc(size > 0 ? size : 1); /* of its own size: what is read behind it is noticed */
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    struct tri_proxy_reading reading = tri_proxy_read(&rules, copy, size, out);
    if (reading.outcome == TRI_PROXY_DONE && out->tlvs != NULL)
        out->tlvs = (const unsigned char *)bytes + ((const unsigned char *)out->tlvs - copy);
    free(copy);
    return reading;
}

struct tri_proxy_reading
read_all(unsigned versions, size_t limit, const void *bytes, size_t size, struct tr_proxy *out)
{
    struct tr_proxy ignored;
    struct tri_proxy_reading whole = read_with(versions, limit, bytes, size, out);
    for (size_t shown = 0; shown < size; shown++) {
        struct tri_proxy_reading part = read_with(versions, limit, bytes, shown, &ignored);
        if (part.outcome == TRI_PROXY_MORE) {
            assert_true(part.size > shown && part.size <= (limit > 232 ? limit : 232));
            assert_true(whole.outcome != TRI_PROXY_DONE || shown < whole.size);
            assert_true(whole.outcome != TRI_PROXY_DONE || shown < 16 || part.size >= whole.size);
        } else {
            assert_int_equal(part.outcome, whole.outcome);
            assert_int_equal(part.size, whole.size);
        }
        assert_true(part.outcome != TRI_PROXY_DONE || shown >= whole.size);
    }
    return whole;
}
