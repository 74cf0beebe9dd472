#include "timed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NAMES 32u
#define STREAMS 4u /* workers 0 to 2, and outside */

static struct {
    const char *names[NAMES];
    uint32_t name_count;
    struct tri_trace_record *records[STREAMS];
    size_t counts[STREAMS];
    uint8_t process;
    const char *lines;
} timed;

void
timed_begin(void)
{
    for (unsigned i = 0; i < STREAMS; i++)
        free(timed.records[i]);
    memset(&timed, 0, sizeof(timed));
}

void
timed_process(uint8_t number, const char *lines)
{
    timed.process = number;
    timed.lines = lines;
}

uint32_t
timed_name(const char *text)
{
    for (uint32_t i = 0; i < timed.name_count; i++)
        if (strcmp(timed.names[i], text) == 0)
            return i + 1;
    assert_true(timed.name_count < NAMES);
    timed.names[timed.name_count] = text;
    return ++timed.name_count;
}

static unsigned
place_of(unsigned stream)
{
    return stream == OUTSIDE ? STREAMS - 1 : stream;
}

void
timed_event(unsigned stream, uint64_t ns, uint16_t id, uint32_t arg, uint64_t actor, uint64_t message)
{
    unsigned place = place_of(stream);
    size_t count = timed.counts[place]++;
    if ((count & (count - 1)) == 0)
        timed.records[place] = realloc(timed.records[place], (count > 0 ? count * 2 : 1) * sizeof(**timed.records));
    timed.records[place][count] =
        (struct tri_trace_record){.timestamp = ns, .id = id, .arg = arg, .actor = actor, .message = message};
}

void
timed_flags(unsigned stream, uint16_t flags)
{
    unsigned place = place_of(stream);
    timed.records[place][timed.counts[place] - 1].flags = flags;
}

static unsigned
stream_of(uint64_t actor)
{
    return actor != 0 ? TRI_TRACE_REF_WORKER(actor) : OUTSIDE;
}

void
timed_spawn(uint64_t ns, uint64_t actor, const char *class)
{
    timed_event(stream_of(actor), ns, ACTORS(spawn), timed_name(class), actor, 0);
}

void
timed_send(uint64_t ns, uint64_t from, uint64_t message, uint32_t tag)
{
    timed_event(stream_of(from), ns, ACTORS(send), tag, from, message);
}

void
timed_receive(uint64_t ns, uint64_t by, uint64_t message, uint32_t tag)
{
    timed_event(stream_of(by), ns, ACTORS(receive), tag, by, message);
}

void
timed_parcel_sent(uint64_t ns, uint32_t child, uint64_t parcel)
{
    timed_event(OUTSIDE, ns, NET(cluster_send), child, 0, parcel);
}

void
timed_parcel_received(uint64_t ns, uint32_t child, uint64_t parcel)
{
    timed_event(OUTSIDE, ns, NET(cluster_receive), child, 0, parcel);
}

/* -- Writing. -- */

static FILE *
create(const char *directory, const char *name)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

#define LINE(id, name, ...) fprintf(file, "event { name = \"" #name "\"; id = %u; stream_id = 0;\n", (unsigned)(id));

static void
write_metadata(const char *directory, bool closed)
{
    FILE *file = create(directory, "metadata");
    fprintf(file, "/* CTF 1.8 */\n    troupe_format = 1;\n    closed = %d;\n    freq = 1000000000;\n", closed);
    fprintf(file, "    uuid = \"%032x\";\n    workers = %u;\n%s", timed.process, STREAMS - 1,
            timed.lines != NULL ? timed.lines : "");
    TRI_TRACE_CORE_EVENTS(LINE)
    TRI_TRACE_ACTORS_EVENTS(LINE)
    TRI_TRACE_NET_EVENTS(LINE)
    fclose(file);
}

static struct tri_trace_packet
packet_of(unsigned stream, uint64_t begin, size_t bytes)
{
    uint64_t bits = (sizeof(struct tri_trace_packet) + bytes) * 8;
    return (struct tri_trace_packet){.magic = TRI_TRACE_MAGIC,
                                     .stream_instance_id = stream,
                                     .worker = stream,
                                     .uuid[15] = timed.process,
                                     .timestamp_begin = begin,
                                     .content_size = bits,
                                     .packet_size = bits};
}

static void
write_stream(const char *directory, unsigned place)
{
    char name[40];
    unsigned stream = place == STREAMS - 1 ? OUTSIDE : place;
    size_t count = timed.counts[place];
    const struct tri_trace_record *records = timed.records[place];
    struct tri_trace_packet packet = packet_of(stream, records[0].timestamp, count * sizeof(*records));
    snprintf(name, sizeof(name), stream == OUTSIDE ? "outside.00000000" : "worker-%u.00000000", stream);
    FILE *file = create(directory, name);
    assert_int_equal(fwrite(&packet, sizeof(packet), 1, file), 1);
    assert_int_equal(fwrite(records, sizeof(*records), count, file), count);
    fclose(file);
}

/* Names begin at multiples of a step. */
static size_t
write_name(char *at, uint32_t number, const char *text)
{
    size_t size = TRI_TRACE_NAME_TEXT + strlen(text) + 1;
    memcpy(at + TRI_TRACE_NAME_NUMBER, &number, sizeof(number));
    memcpy(at + TRI_TRACE_NAME_TEXT, text, strlen(text));
    return (size + TRI_TRACE_STEP - 1) / TRI_TRACE_STEP * TRI_TRACE_STEP;
}

static void
write_names(const char *directory)
{
    char bytes[NAMES * 96] = {0};
    size_t size = 0;
    for (uint32_t i = 0; i < timed.name_count; i++)
        size += write_name(bytes + size, i + 1, timed.names[i]);
    struct tri_trace_packet packet = packet_of(OUTSIDE, 0, size);
    packet.stream_id = TRI_TRACE_CLASS_NAMES;
    FILE *file = create(directory, "names.00000000");
    assert_int_equal(fwrite(&packet, sizeof(packet), 1, file), 1);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

void
timed_end(const char *directory, bool closed)
{
    mkdir(directory, 0700);
    write_metadata(directory, closed);
    for (unsigned i = 0; i < STREAMS; i++)
        if (timed.counts[i] > 0)
            write_stream(directory, i);
    if (timed.name_count > 0)
        write_names(directory);
    timed_begin();
}

/* -- Looking. -- */

void
expect_parts(const struct traces *traces, const char *command, const char *a, const char *b, int status,
             const char *const *parts)
{
    struct outcome outcome = traces_tool(traces, command, a, b, NULL, NULL);
    const char *at = outcome.text;
    for (; at != NULL && *parts != NULL; parts++)
        at = strstr(at, *parts);
    if (at == NULL || outcome.status != status)
        fail_msg("%s %s ended with %d, or did not print in its place: %s\n%s", command, a != NULL ? a : "",
                 outcome.status, at == NULL ? parts[-1] : "", outcome.text);
    free(outcome.text);
}

void
expect_output(const struct traces *traces, const char *command, const char *a, const char *b, int status,
              const char *part)
{
    const char *parts[] = {part, NULL};
    expect_parts(traces, command, a, b, status, parts);
}
