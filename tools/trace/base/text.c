#include "text.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/trace_format.h>

const char *
text_of_ref(uint64_t ref, char text[TEXT_SIZE])
{
    snprintf(text, TEXT_SIZE, TRI_TRACE_REF_FORMAT, TRI_TRACE_REF_WORDS(ref));
    return text;
}

const char *
text_of_stream(uint32_t number, char text[TEXT_SIZE])
{
    if (number == TRI_TRACE_OUTSIDE)
        snprintf(text, TEXT_SIZE, "outside");
    else
        snprintf(text, TEXT_SIZE, "%" PRIu32, number);
    return text;
}

const char *
text_of_message(uint64_t message, char text[TEXT_SIZE])
{
    char stream[TEXT_SIZE];
    text_of_stream(TRI_TRACE_MESSAGE_STREAM(message), stream);
    snprintf(text, TEXT_SIZE, "%.8s:%" PRIu64, stream, TRI_TRACE_MESSAGE_COUNT(message));
    return text;
}

const char *
text_of_count(uint64_t count, char text[TEXT_SIZE])
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    char *to = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

/* A number and where it ends; false: there is none, or it is above most. */
static bool
parse_number(const char *text, uint64_t most, const char **end, uint64_t *out)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *after;
    errno = 0;
    *out = strtoull(text, &after, 0);
    *end = after;
    return errno == 0 && *out <= most;
}

bool
parse_ref(const char *text, uint64_t *ref)
{
    const char *at;
    uint64_t worker, slot, generation;
    if (parse_number(text, UINT64_MAX, &at, ref) && *at == '\0')
        return true;
    if (!parse_number(text, TRI_TRACE_REF_WORKER(UINT64_MAX), &at, &worker) || *at != ':')
        return false;
    if (!parse_number(at + 1, TRI_TRACE_REF_SLOT(UINT64_MAX), &at, &slot) || *at != '.')
        return false;
    if (!parse_number(at + 1, TRI_TRACE_REF_GENERATION(UINT64_MAX), &at, &generation) || *at != '\0')
        return false;
    *ref = TRI_TRACE_REF(worker, slot, generation);
    return true;
}

bool
parse_stream(const char *text, uint32_t *number)
{
    const char *at;
    uint64_t value = TRI_TRACE_OUTSIDE;
    if (strcmp(text, "outside") != 0 && (!parse_number(text, TRI_TRACE_OUTSIDE, &at, &value) || *at != '\0'))
        return false;
    *number = (uint32_t)value;
    return true;
}

bool
parse_message(const char *text, uint64_t *message)
{
    static const char outside[] = "outside:";
    const char *at = text + sizeof(outside) - 2;
    uint64_t stream = TRI_TRACE_OUTSIDE, count;
    if (strncmp(text, outside, sizeof(outside) - 1) != 0 && !parse_number(text, TRI_TRACE_OUTSIDE, &at, &stream))
        return false;
    if (*at != ':' || !parse_number(at + 1, TRI_TRACE_MESSAGE_COUNT(UINT64_MAX), &at, &count) || *at != '\0')
        return false;
    *message = TRI_TRACE_MESSAGE(stream, count);
    return count > 0;
}
