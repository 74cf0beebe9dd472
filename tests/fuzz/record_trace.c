/*
 * Makes an input of fuzz_trace.c and fuzz_commands.c from a trace's directory:
 *     record_trace DIRECTORY INPUT [WORDS [RULES]] [--metadata]
 * WORDS and RULES are files; "-" is none. The files of events are cut behind their last event, and get the uuid of the
 * metadata that trace_files.h describes, which is taken for the trace's own unless --metadata is given.
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <troupe/core/trace_format.h>

#include "trace_files.h"

#define MOST 65535u

static uint8_t bytes[16u << 20];
static FILE *out;

static size_t
read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = file != NULL ? fread(bytes, 1, sizeof(bytes), file) : 0;
    if (file != NULL)
        fclose(file);
    return size;
}

static void
put(size_t place, size_t size)
{
    MUST(size <= MOST);
    fprintf(out, "%c%c%c", (int)place, (int)(size & 0xff), (int)(size >> 8));
    fwrite(bytes, 1, size, out);
}

/* The directory's number, which ends its uuid. */
static uint8_t
number_of(const char *name)
{
    return strchr(name, '/') != NULL ? (uint8_t)(name[0] - '0') : 0;
}

static void
put_events(size_t place, size_t size)
{
    struct tri_trace_packet packet;
    MUST(size >= sizeof(packet));
    memcpy(&packet, bytes, sizeof(packet));
    size = packet.content_size / 8 <= size ? packet.content_size / 8 : size;
    if (size > MOST)
        size = sizeof(packet) + (MOST - sizeof(packet)) / TRI_TRACE_STEP * TRI_TRACE_STEP;
    packet.content_size = packet.packet_size = size * 8;
    memset(packet.uuid, 0, sizeof(packet.uuid));
    packet.uuid[sizeof(packet.uuid) - 1] = number_of(trace_file_names[place]);
    memcpy(bytes, &packet, sizeof(packet));
    put(place, size);
}

/* Overwrites its uuid, too. */
static void
put_metadata(size_t place, size_t size)
{
    bytes[size] = '\0';
    char *uuid = strstr((char *)bytes, "    uuid = \"");
    for (uuid += uuid != NULL ? strlen("    uuid = \"") : 0; uuid != NULL && *uuid != '"'; uuid++)
        *uuid = *uuid == '-' ? '-' : uuid[1] == '"' ? (char)('0' + number_of(trace_file_names[place])) : '0';
    put(place, size);
}

static void
put_trace(const char *directory, bool metadata)
{
    char path[4096];
    for (size_t i = 0; i < trace_file_count; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, trace_file_names[i]);
        size_t size = trace_file_names[i][0] != '.' ? read_file(path) : 0;
        bool is_metadata = strstr(path, "/metadata") != NULL;
        if (size > 0 && is_metadata && metadata)
            put_metadata(i, size);
        else if (size > 0 && !is_metadata)
            put_events(i, size);
    }
}

static void
put_other(const char *name, const char *path)
{
    size_t size = read_file(path), place = 0;
    while (strcmp(trace_file_names[place], name) != 0)
        place++;
    if (size > 0)
        put(place, size);
}

int
main(int argc, char **argv)
{
    bool metadata = argc > 3 && strcmp(argv[argc - 1], "--metadata") == 0;
    argc -= metadata;
    if (argc < 3 || argc > 5 || (out = fopen(argv[2], "wb")) == NULL) {
        fputs("usage: record-trace DIRECTORY INPUT [WORDS [RULES]] [--metadata]\n", stderr);
        return 2;
    }
    put_trace(argv[1], metadata);
    if (argc > 3)
        put_other(".words", argv[3]);
    if (argc > 4)
        put_other(".rules", argv[4]);
    return fclose(out) != 0;
}
