/*
 * Perfetto's format: a series of TracePackets, in protobuf's encoding, which needs three of its wire types: numbers of
 * seven bits a byte, eight bytes, and a length with that many bytes. Fields, by Perfetto's trace_packet.proto,
 * track_event.proto, track_descriptor.proto and thread_descriptor.proto:
 *
 *   Trace            1 packet
 *   TracePacket      8 timestamp (ns), 10 trusted_packet_sequence_id, 11 track_event, 13 sequence_flags,
 *                    60 track_descriptor
 *   TrackDescriptor  1 uuid, 2 name, 5 parent_uuid
 *   TrackEvent       9 type (3: an instant), 11 track_uuid, 23 name, 47 flow_ids, 48 terminating_flow_ids (8 bytes
 *                    each), 4 debug_annotations
 *   DebugAnnotation  10 name, 6 string_value, 3 uint_value, 4 int_value
 *
 * A track is a worker, and below it each of its actors; its uuid is the stream's number plus one, or the ref with a bit
 * of its own. A message is a flow.
 */
#include <inttypes.h>
#include <string.h>

#include "escape.h"
#include "export.h"
#include "process.h"
#include "text.h"

#define ACTOR_TRACK (UINT64_C(1) << 63) /* refs have it in no program that lives long enough to be traced */

struct bytes {
    size_t size;
    unsigned char data[4096]; /* a packet: three texts of at most NAME_SIZE bytes, and numbers */
};

static void
put_number(struct bytes *bytes, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        bytes->data[bytes->size++] = (unsigned char)(value | 0x80);
    bytes->data[bytes->size++] = (unsigned char)value;
}

static void
put_field(struct bytes *bytes, unsigned field, uint64_t value)
{
    put_number(bytes, (uint64_t)field << 3);
    put_number(bytes, value);
}

static void
put_fixed(struct bytes *bytes, unsigned field, uint64_t value)
{
    put_number(bytes, (uint64_t)field << 3 | 1);
    for (unsigned i = 0; i < 8; i++)
        bytes->data[bytes->size++] = (unsigned char)(value >> 8 * i);
}

static void
put_data(struct bytes *bytes, unsigned field, const void *data, size_t size)
{
    put_number(bytes, (uint64_t)field << 3 | 2);
    put_number(bytes, size);
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

/* A protobuf string is UTF-8: what is none, and what would command a terminal, is escaped. */
static void
put_text(struct bytes *bytes, unsigned field, const char *text)
{
    char escaped[NAME_SIZE];
    FILE *out = fmemopen(escaped, sizeof(escaped), "w");
    if (out == NULL)
        return;
    print_escaped(out, text);
    fputc('\0', out);
    fclose(out);
    escaped[NAME_SIZE - 1] = '\0';
    size_t size = strlen(escaped);
    while (size == NAME_SIZE - 1 && ((unsigned char)escaped[size - 1] & 0xc0) == 0x80)
        size--; /* not within a character */
    put_data(bytes, field, escaped, size - (size > 0 && (unsigned char)escaped[size - 1] >= 0xc0));
}

static void
write_packet(const struct export *export, const struct bytes *packet)
{
    struct bytes head = {0};
    put_number(&head, 1u << 3 | 2);
    put_number(&head, packet->size);
    fwrite(head.data, 1, head.size, export->out);
    fwrite(packet->data, 1, packet->size, export->out);
}

static void
write_track(const struct export *export, uint64_t uuid, uint64_t parent, const char *name)
{
    struct bytes track = {0}, packet = {0};
    put_field(&track, 1, uuid);
    put_text(&track, 2, name);
    if (parent != 0)
        put_field(&track, 5, parent);
    put_data(&packet, 60, track.data, track.size);
    put_field(&packet, 10, 1);
    write_packet(export, &packet);
}

static void
begin(struct export *export)
{
    char text[TEXT_SIZE], name[2 * TEXT_SIZE];
    for (size_t i = 0; i < export->trace->stream_count; i++) {
        uint32_t number = export->trace->streams[i].number;
        snprintf(name, sizeof(name), "%s %s", is_outside(number) ? "threads" : "worker", text_of_stream(number, text));
        write_track(export, (uint64_t)number + 1, 0, name);
    }
}

/* Where the event stands; an actor's track is told before its first event. */
static uint64_t
track_of(struct export *export, const struct step *step)
{
    char name[NAME_SIZE];
    uint64_t ref = step->record->actor, worker = (uint64_t)TRI_TRACE_REF_WORKER(ref) + 1;
    if (ref == 0)
        return (uint64_t)step->stream->number + 1;
    if (table_get(&export->actors, ref, 0) == NULL) {
        table_put(&export->actors, ref, 0);
        write_track(export, ref | ACTOR_TRACK, worker, export_name(export, step, name));
    }
    return ref | ACTOR_TRACK;
}

static void
put_annotation(struct bytes *event, const struct field *field, uint64_t value)
{
    struct bytes annotation = {0};
    char text[TEXT_SIZE];
    if (field->meaning == NOTHING || field->meaning == MESSAGE || field->meaning == PARCEL)
        return;
    put_text(&annotation, 10, field->label);
    const char *word = word_of_value(field, value);
    if (word != NULL)
        put_text(&annotation, 6, word);
    else if (field->meaning == REF)
        put_text(&annotation, 6, text_of_ref(value, text));
    else if (field->meaning == STATUS)
        put_field(&annotation, 4, (uint64_t)(int32_t)value);
    else
        put_field(&annotation, 3, value);
    put_data(event, 4, annotation.data, annotation.size);
}

static void
event(struct export *export, const struct step *step)
{
    struct bytes event = {0}, packet = {0};
    char title[NAME_SIZE];
    const struct shape *shape = &role_shapes[step->role];
    put_field(&event, 9, 3);
    put_field(&event, 11, track_of(export, step));
    put_text(&event, 23, export_title(export, step, title));
    put_annotation(&event, &shape->message, step->record->message);
    put_annotation(&event, &shape->arg, step->record->arg);
    put_annotation(&event, &shape->flags, step->record->flags);
    if (export_begins_flow(step))
        put_fixed(&event, 47, export_flow(step));
    if (export_ends_flow(step))
        put_fixed(&event, 48, export_flow(step));
    put_field(&packet, 8, metadata_ns(export->trace->metadata, step->record->timestamp));
    put_field(&packet, 10, 1);
    put_data(&packet, 11, event.data, event.size);
    if (export->written == 0)
        put_field(&packet, 13, 1); /* the state of the sequence begins here */
    write_packet(export, &packet);
}

static void
end(struct export *export)
{
    (void)export;
}

const struct format format_perfetto = {
    .name = "perfetto", .actor_size = 1, .message_size = 1, .begin = begin, .event = event, .end = end};
