#include "metadata.h"
#include <ck_pr.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <troupe/core/clock.h>
#include <troupe/core/random.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/trace_format.h>
#include <unistd.h>
#include <uv.h>

#define NAME "metadata"
#define NEW_NAME ".metadata"

/* Taken where the two readings of the counter lie closest together: an interruption in between would spoil it. */
static struct tri_trace_moment
moment_now(void)
{
    struct tri_trace_moment best = {0};
    uint64_t best_gap = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t before = tri_ticks();
        uint64_t monotonic = tri_clock_ns(CLOCK_MONOTONIC);
        uint64_t real = tri_clock_ns(CLOCK_REALTIME);
        uint64_t gap = tri_ticks() - before;
        if (gap >= best_gap)
            continue;
        best_gap = gap;
        best = (struct tri_trace_moment){before + gap / 2, monotonic, real};
    }
    return best;
}

static uint64_t
frequency_between(const struct tri_trace_moment *a, const struct tri_trace_moment *b)
{
    long double seconds = (long double)(b->monotonic_ns - a->monotonic_ns) / TRI_CLOCK_NS;
    return (uint64_t)((long double)(b->ticks - a->ticks) / seconds + 0.5L);
}

static uv_once_t measured = UV_ONCE_INIT;
static uint64_t measured_frequency;

/* Ten milliseconds, once in a process: right to about ten millionths. The end of the trace makes it better. */
static void
measure_frequency(void)
{
    struct tri_trace_moment begin = moment_now(), end = begin;
    while (end.monotonic_ns - begin.monotonic_ns < TRI_CLOCK_NS / 100) {
        nanosleep(&(struct timespec){.tv_nsec = TRI_CLOCK_NS / 200}, NULL);
        end = moment_now();
    }
    measured_frequency = frequency_between(&begin, &end);
}

static uint64_t
frequency(void)
{
    if (!tri_clock_counts())
        return TRI_CLOCK_NS;
    uv_once(&measured, measure_frequency);
    return measured_frequency;
}

/* Over a run of a second and more the two moments tell the frequency better than the first measurement did. */
static void
refine_frequency(struct tri_metadata *metadata)
{
    struct tri_trace_moment now = moment_now();
    if (tri_clock_counts() && now.monotonic_ns - metadata->opened.monotonic_ns > TRI_CLOCK_NS)
        metadata->frequency = frequency_between(&metadata->opened, &now);
}

static void
write_uuid(FILE *file, const uint8_t uuid[16])
{
    for (int i = 0; i < 16; i++)
        fprintf(file, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static void
write_trace(FILE *file, const struct tri_metadata *metadata)
{
    const char *order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "le" : "be";
    fputs("/* CTF 1.8 */\n\n"
          "typealias integer { size = 16; align = 8; signed = false; } := uint16_t;\n"
          "typealias integer { size = 32; align = 8; signed = false; } := uint32_t;\n"
          "typealias integer { size = 64; align = 8; signed = false; } := uint64_t;\n"
          "typealias integer { size = 32; align = 8; signed = true; } := int32_t;\n"
          "typealias integer { size = 64; align = 8; signed = false; base = 16; } := name_t;\n\n"
          "trace {\n    major = 1;\n    minor = 8;\n    uuid = \"",
          file);
    write_uuid(file, metadata->uuid);
    fprintf(file,
            "\";\n    byte_order = %s;\n"
            "    packet.header := struct {\n"
            "        uint32_t magic;\n"
            "        integer { size = 8; align = 8; signed = false; } uuid[16];\n"
            "        uint32_t stream_id;\n"
            "        uint64_t stream_instance_id;\n"
            "    };\n};\n\n",
            order);
}

static void
write_environment(FILE *file, const struct tri_metadata *metadata)
{
    fprintf(file,
            "env {\n    tracer_name = \"troupe\";\n    troupe_format = %d;\n    mode = \"%s\";\n    workers = %u;\n"
            "    pid = %ld;\n    pid_namespace = %" PRIu64
            ";\n    runtimes = %u;\n    closed = %d;\n    boot = \"%s\";\n"
            "    cluster = \"%s\";\n    member = \"%s\";\n    serial = %u;\n};\n\n",
            TRI_TRACE_VERSION, metadata->mode, metadata->workers, (long)getpid(), metadata->pid_namespace,
            ck_pr_load_uint(&tri_member_runtimes), metadata->closed, metadata->boot, metadata->member.cluster,
            metadata->member.name, metadata->member.serial);
}

/* Where the clock stood at 1970: ticks are counted from the machine's start. */
static void
write_clock(FILE *file, const struct tri_metadata *metadata)
{
    const struct tri_trace_moment *opened = &metadata->opened;
    uint64_t hertz = metadata->frequency;
    uint64_t up_s = opened->ticks / hertz;
    uint64_t up_ns = (uint64_t)((long double)(opened->ticks % hertz) * TRI_CLOCK_NS / (long double)hertz);
    uint64_t began_ns = opened->real_ns - up_s * TRI_CLOCK_NS - up_ns;
    uint64_t rest = (uint64_t)((long double)(began_ns % TRI_CLOCK_NS) * (long double)hertz / TRI_CLOCK_NS);
    fprintf(file,
            "clock {\n    name = ticks;\n    description = \"%s\";\n    freq = %" PRIu64 ";\n    offset_s = %" PRIu64
            ";\n    offset = %" PRIu64 ";\n};\n\n"
            "typealias integer { size = 64; align = 8; signed = false; map = clock.ticks.value; } := ticks_t;\n\n",
            tri_clock_counts() ? "CPU time stamp counter" : "CLOCK_MONOTONIC", hertz, began_ns / TRI_CLOCK_NS, rest);
}

static void
write_stream(FILE *file, unsigned class)
{
    fprintf(file,
            "stream {\n    id = %u;\n"
            "    event.header := struct { ticks_t timestamp; uint16_t id; } align(%u);\n"
            "    packet.context := struct {\n"
            "        ticks_t timestamp_begin;\n"
            "        uint64_t content_size;\n"
            "        uint64_t packet_size;\n"
            "        uint64_t packet_seq_num;\n"
            "        uint64_t events_discarded;\n"
            "        uint32_t worker;\n"
            "    };\n};\n\n",
            class, TRI_TRACE_STEP * 8);
}

/* As enumerations of one value, which no event refers to: CTF has no other place for such names. */
static void
write_tags(FILE *file, const struct tri_trace_table *table)
{
    for (size_t i = 0; i < table->tag_count; i++) {
        const struct tri_trace_tag *tag = &table->tags[i];
        fprintf(file, "enum tag_%" PRIu32 " : uint32_t { %s = %" PRIu32 " };\n", tag->tag, tag->name, tag->tag);
    }
}

/* Values of a list as an enumeration. */
static void
write_words(FILE *file, unsigned bits, const struct tri_trace_word *words)
{
    fprintf(file, "enum : uint%u_t {", bits);
    for (const struct tri_trace_word *word = words; word->word != NULL; word++)
        fprintf(file, "%s %s = %" PRIu32, word == words ? "" : ",", word->word, word->value);
    fputs(" }", file);
}

/* Its type and what it is called; a field without a meaning has the name of its place. */
static void
write_field(FILE *file, unsigned bits, const char *place, const struct tri_trace_field *field)
{
    fputc(' ', file);
    switch (field->kind) {
    case TRI_FIELD_NOTHING:
    case TRI_FIELD_NUMBER: fprintf(file, "uint%u_t", bits); break;
    case TRI_FIELD_STATUS: fputs("enum status", file); break;
    case TRI_FIELD_NAME: fputs("number_of_name_t", file); break;
    case TRI_FIELD_TAG: fprintf(file, "tag%u_t", bits); break;
    case TRI_FIELD_WORD: write_words(file, bits, field->words); break;
    case TRI_FIELD_REF: fputs("name_t", file); break;
    case TRI_FIELD_MESSAGE: fputs("message_t", file); break;
    case TRI_FIELD_PARCEL: fputs("parcel_t", file); break;
    }
    fprintf(file, " %s;", field->kind == TRI_FIELD_NOTHING ? place : field->label);
}

static void
write_events(FILE *file, const struct tri_trace_table *table)
{
    for (size_t i = 0; i < table->event_count; i++) {
        const struct tri_trace_event *event = &table->events[i];
        fprintf(file, "event { name = \"%s\"; id = %u; stream_id = %u; fields := struct {", event->name, event->id,
                TRI_TRACE_CLASS_EVENTS);
        write_field(file, 16, "flags", &event->flags);
        write_field(file, 32, "arg", &event->arg);
        write_field(file, 64, "actor", &event->actor);
        write_field(file, 64, "message", &event->message);
        fprintf(file, " }; }; /* %s */\n", event->doc);
    }
}

/* What fields are that are more than a number. */
static void
write_types(FILE *file)
{
    fputs("typealias uint32_t := number_of_name_t;\n"
          "typealias uint32_t := tag32_t;\n"
          "typealias uint64_t := tag64_t;\n"
          "typealias integer { size = 64; align = 8; signed = false; base = 16; } := message_t;\n"
          "typealias integer { size = 64; align = 8; signed = false; base = 16; } := parcel_t;\n"
          "enum status : int32_t {",
          file);
#define STATUS(constant, value, code, sentence) fprintf(file, "%s %s = %d", value == 0 ? "" : ",", code, value);
    TR_STATUS_MAP(STATUS)
#undef STATUS
    fputs(" };\n\n", file);
}

static void
write_text(FILE *file, const struct tri_metadata *metadata)
{
    write_trace(file, metadata);
    write_environment(file, metadata);
    write_clock(file, metadata);
    write_stream(file, TRI_TRACE_CLASS_EVENTS);
    write_stream(file, TRI_TRACE_CLASS_NAMES);
    write_types(file);
    fprintf(file,
            "event { name = \"name\"; id = 0; stream_id = %u; fields := struct { uint32_t number; string text; }; };\n"
            "event { name = \"tag_name\"; id = %u; stream_id = %u; fields := struct { number_of_name_t behavior; "
            "tag32_t tag; "
            "string text; }; };\n",
            TRI_TRACE_CLASS_NAMES, TRI_TRACE_TAG_NAME, TRI_TRACE_CLASS_NAMES);
    for (size_t i = 0; i < metadata->table_count; i++) {
        write_events(file, metadata->tables[i]);
        write_tags(file, metadata->tables[i]);
    }
}

static int
write_new(const struct tri_metadata *metadata)
{
    int fd = openat(metadata->directory, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno;
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        int error = errno;
        close(fd);
        return error;
    }
    write_text(file, metadata);
    bool failed = ferror(file) != 0;
    return fclose(file) != 0 ? errno : failed ? EIO : 0;
}

/* Puts a new text in the place of the old one. */
static tr_status
replace(const struct tri_metadata *metadata)
{
    struct tri_quiet quiet;
    tri_quiet_begin(&quiet);
    int error = write_new(metadata);
    tri_quiet_end(&quiet);
    if (error == 0 && renameat(metadata->directory, NEW_NAME, metadata->directory, NAME) != 0)
        error = errno;
    if (error != 0)
        unlinkat(metadata->directory, NEW_NAME, 0);
    return tri_status_from_errno(error);
}

/* Clocks of traces with the same one are the same. */
static void
read_boot(char *boot, size_t room)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return;
    size_t size = fread(boot, 1, room - 1, file);
    boot[size] = '\0';
    boot[strspn(boot, "0123456789abcdef-")] = '\0';
    fclose(file);
}

/* Processes with the same one mean the same by a pid. */
static uint64_t
read_pid_namespace(void)
{
    struct stat status;
    return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

/* The claim comes first: of a directory that is taken, nothing more is asked than that. */
tr_status
tri_metadata_open(struct tri_metadata *metadata, int directory, const char *mode, unsigned workers)
{
    int fd = openat(directory, NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return tri_status_from_errno(errno);
    close(fd);
    memset(metadata, 0, sizeof(*metadata));
    metadata->directory = directory;
    metadata->mode = mode;
    metadata->workers = workers;
    metadata->frequency = frequency();
    metadata->opened = moment_now();
    metadata->member = tri_member;
    metadata->pid_namespace = read_pid_namespace();
    read_boot(metadata->boot, sizeof(metadata->boot));
    int error = tri_random(metadata->uuid, sizeof(metadata->uuid));
    tr_status status = error != 0 ? tri_status_from_uv(error) : replace(metadata);
    if (status != TR_OK)
        tri_metadata_abandon(metadata);
    return status;
}

static bool
is_known(const struct tri_metadata *metadata, const struct tri_trace_table *table)
{
    for (size_t i = 0; i < metadata->table_count; i++) {
        if (metadata->tables[i] == table)
            return true;
    }
    return false;
}

tr_status
tri_metadata_add(struct tri_metadata *metadata, const struct tri_trace_table *table)
{
    if (is_known(metadata, table))
        return TR_OK;
    const struct tri_trace_table **tables = realloc(metadata->tables, (metadata->table_count + 1) * sizeof(*tables));
    if (tables == NULL)
        return TR_ENOMEM;
    metadata->tables = tables;
    tables[metadata->table_count++] = table;
    tr_status status = replace(metadata);
    if (status != TR_OK)
        metadata->table_count--;
    return status;
}

void
tri_metadata_close(struct tri_metadata *metadata)
{
    metadata->closed = true;
    refine_frequency(metadata);
    replace(metadata); /* if that fails, the text before stands and says that the trace was not closed */
    free(metadata->tables);
}

void
tri_metadata_abandon(struct tri_metadata *metadata)
{
    unlinkat(metadata->directory, NAME, 0);
    free(metadata->tables);
}
