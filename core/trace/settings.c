#include "settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SEGMENT_BYTES (1u << 20)
#define MIN_SEGMENT_BYTES 4096u
#define MAX_SEGMENT_BYTES (1u << 30)
#define DEFAULT_SEGMENTS 8u
#define MAX_SEGMENTS 65536u
#define DEFAULT_LIMIT_BYTES (UINT64_C(1) << 30)
#define DEFAULT_WAIT_MS 20

const char *
tri_settings_text(void)
{
    const char *text = secure_getenv("TR_TRACE");
    return text != NULL && text[0] != '\0' ? text : NULL;
}

tr_status
tri_settings_read(const char *text, char copy[PATH_MAX], struct tr_trace_options *options)
{
    const char *comma = strrchr(text, ',');
    size_t length = comma != NULL ? (size_t)(comma - text) : strlen(text);
    if (length == 0)
        return TR_EINVAL;
    if (length >= PATH_MAX)
        return TR_ENAMETOOLONG;
    if (comma == NULL || strcmp(comma, ",file") == 0)
        options->mode = TR_TRACE_FILE;
    else if (strcmp(comma, ",flight") == 0)
        options->mode = TR_TRACE_FLIGHT;
    else
        return TR_EINVAL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    options->directory = copy;
    return TR_OK;
}

/* Whole pages, upwards. false: out of range. */
static bool
round_segment_bytes(struct tr_trace_options *options)
{
    if (options->segment_bytes < MIN_SEGMENT_BYTES || options->segment_bytes > MAX_SEGMENT_BYTES)
        return false;
    options->segment_bytes = (options->segment_bytes + MIN_SEGMENT_BYTES - 1) / MIN_SEGMENT_BYTES * MIN_SEGMENT_BYTES;
    return true;
}

/* Without segment_bytes, files shrink until every stream has its share of the limit. */
static bool
choose_file_sizes(struct tr_trace_options *options, uint64_t share)
{
    if (options->segment_bytes == 0)
        options->segment_bytes = share < DEFAULT_SEGMENT_BYTES ? (size_t)(share / MIN_SEGMENT_BYTES * MIN_SEGMENT_BYTES)
                                                               : DEFAULT_SEGMENT_BYTES;
    return round_segment_bytes(options) && options->segment_bytes <= share;
}

static bool
choose_flight_sizes(struct tr_trace_options *options)
{
    if (options->segment_bytes == 0)
        options->segment_bytes = DEFAULT_SEGMENT_BYTES;
    return round_segment_bytes(options) && options->segments >= 2 && options->segments <= MAX_SEGMENTS;
}

static tr_status
choose_sizes(struct tr_trace_options *options, unsigned streams)
{
    if (options->limit_bytes == 0)
        options->limit_bytes = DEFAULT_LIMIT_BYTES;
    if (options->segments == 0)
        options->segments = DEFAULT_SEGMENTS;
    bool valid = options->mode == TR_TRACE_FILE ? choose_file_sizes(options, options->limit_bytes / streams)
                                                : choose_flight_sizes(options);
    return valid && options->limit_bytes <= INT64_MAX ? TR_OK : TR_EBADLIMIT;
}

tr_status
tri_settings_complete(struct tr_trace_options *options, unsigned streams)
{
    if (options->mode != TR_TRACE_FLIGHT && options->mode != TR_TRACE_FILE)
        return TR_EINVAL;
    if (options->directory == NULL || options->directory[0] == '\0')
        return TR_EINVAL;
    if (options->wait_ms == 0)
        options->wait_ms = DEFAULT_WAIT_MS;
    return choose_sizes(options, streams);
}
