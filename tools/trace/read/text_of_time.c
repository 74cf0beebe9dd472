#include "text_of_time.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *
text_of_time(const struct metadata *metadata, uint64_t ticks, char text[TEXT_SIZE])
{
    uint64_t ns = metadata_ns(metadata, ticks);
    time_t seconds = (time_t)(ns / 1000000000u);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL || strftime(text, TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
        text[0] = '\0';
    size_t length = strlen(text);
    snprintf(text + length, TEXT_SIZE - length, ".%09" PRIu64 "Z", ns % 1000000000u);
    return text;
}
