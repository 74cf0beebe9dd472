#include "text.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/trace_format.h>

#include "process.h"

/* "2/", or nothing. */
static const char *
text_of_process(const struct process_range *range, char text[TEXT_SIZE])
{
    text[0] = '\0';
    if (range != NULL && range->number > 0)
        snprintf(text, TEXT_SIZE, "%u/", range->number);
    return text;
}

const char *
text_of_ref(uint64_t ref, char text[TEXT_SIZE])
{
    char process[TEXT_SIZE];
    const struct process_range *range = process_of_worker(TRI_TRACE_REF_WORKER(ref));
    uint64_t own = range != NULL ? ref - TRI_TRACE_REF(range->base, 0, 0) : ref;
    snprintf(text, TEXT_SIZE, "%.6s" TRI_TRACE_REF_FORMAT, text_of_process(range, process), TRI_TRACE_REF_WORDS(own));
    return text;
}

const char *
text_of_worker(uint32_t number, char text[TEXT_SIZE])
{
    const struct process_range *range = process_of_worker(number);
    if (is_outside(number))
        snprintf(text, TEXT_SIZE, "outside");
    else
        snprintf(text, TEXT_SIZE, "%" PRIu32, range != NULL ? number - range->base : number);
    return text;
}

const char *
text_of_stream(uint32_t number, char text[TEXT_SIZE])
{
    char process[TEXT_SIZE], worker[TEXT_SIZE];
    snprintf(text, TEXT_SIZE, "%.6s%.8s", text_of_process(process_of_stream(number), process),
             text_of_worker(number, worker));
    return text;
}

const char *
text_of_message(uint64_t message, char text[TEXT_SIZE])
{
    char stream[TEXT_SIZE];
    text_of_stream(TRI_TRACE_MESSAGE_STREAM(message), stream);
    snprintf(text, TEXT_SIZE, "%.14s:%" PRIu64, stream, TRI_TRACE_MESSAGE_COUNT(message));
    return text;
}

const char *
text_of_parcel(uint64_t parcel, char text[TEXT_SIZE])
{
    snprintf(text, TEXT_SIZE, "p%" PRIu32 ":%" PRIu64, TRI_TRACE_MESSAGE_STREAM(parcel),
             TRI_TRACE_MESSAGE_COUNT(parcel));
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

/*
 * The process in front of a name, and the rest of the text. Before a trace is open any process is right, and the range
 * is NULL. false: the traces have no such process.
 */
static bool
parse_process(const char **text, const struct process_range **range)
{
    const char *at = *text;
    uint64_t number = 0;
    if (parse_number(*text, UINT32_MAX, &at, &number) && *at == '/')
        *text = at + 1;
    else
        number = 0;
    *range = process_find((unsigned)number);
    return *range != NULL || process_find(0) == NULL;
}

bool
parse_ref(const char *text, uint64_t *ref)
{
    const char *at;
    const struct process_range *range;
    uint64_t worker, slot, generation;
    if (parse_number(text, UINT64_MAX, &at, ref) && *at == '\0')
        return true;
    if (!parse_process(&text, &range))
        return false;
    if (!parse_number(text, TRI_TRACE_REF_WORKER(UINT64_MAX), &at, &worker) || *at != ':')
        return false;
    if (!parse_number(at + 1, TRI_TRACE_REF_SLOT(UINT64_MAX), &at, &slot) || *at != '.')
        return false;
    if (!parse_number(at + 1, TRI_TRACE_REF_GENERATION(UINT64_MAX), &at, &generation) || *at != '\0')
        return false;
    if (range != NULL && worker >= range->count)
        return false;
    *ref = TRI_TRACE_REF(worker + (range != NULL ? range->base : 0), slot, generation);
    return true;
}

/* A stream, where its text ends. */
static bool
parse_stream_at(const char *text, const char **end, uint32_t *number)
{
    static const char outside[] = "outside";
    const struct process_range *range;
    uint64_t worker;
    if (!parse_process(&text, &range))
        return false;
    if (strncmp(text, outside, sizeof(outside) - 1) == 0) {
        *end = text + sizeof(outside) - 1;
        *number = range != NULL ? range->outside : TRI_TRACE_OUTSIDE;
        return true;
    }
    if (!parse_number(text, range != NULL && range->count > 0 ? range->count - 1 : TRI_TRACE_OUTSIDE, end, &worker))
        return false;
    *number = (uint32_t)worker + (range != NULL ? range->base : 0);
    return true;
}

bool
parse_stream(const char *text, uint32_t *number)
{
    const char *end;
    return parse_stream_at(text, &end, number) && *end == '\0';
}

bool
parse_message(const char *text, uint64_t *message)
{
    const char *at;
    uint32_t stream;
    uint64_t count;
    if (!parse_stream_at(text, &at, &stream))
        return false;
    if (*at != ':' || !parse_number(at + 1, TRI_TRACE_MESSAGE_COUNT(UINT64_MAX), &at, &count) || *at != '\0')
        return false;
    *message = TRI_TRACE_MESSAGE(stream, count);
    return count > 0;
}

bool
parse_parcel(const char *text, uint64_t *parcel)
{
    const char *at;
    uint64_t process, count;
    if (text[0] != 'p' || !parse_number(text + 1, TRI_TRACE_OUTSIDE, &at, &process) || *at != ':')
        return false;
    if (!parse_number(at + 1, TRI_TRACE_MESSAGE_COUNT(UINT64_MAX), &at, &count) || *at != '\0')
        return false;
    *parcel = TRI_TRACE_MESSAGE(process, count);
    return count > 0;
}
