/*
 * Chrome's trace events as JSON: a process, a thread for each stream; an event is an instant, a message an arrow
 * ("flow") from its send to its end. Times are in microseconds with three digits behind the point.
 */
#include <inttypes.h>

#include "escape.h"
#include "export.h"
#include "process.h"
#include "text.h"
#include "value.h"

static void
begin(struct export *export)
{
    char text[TEXT_SIZE];
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", export->out);
    for (size_t i = 0; i < export->trace->stream_count; i++) {
        uint32_t number = export->trace->streams[i].number;
        fprintf(export->out,
                "%s{\"ph\":\"M\",\"pid\":1,\"tid\":%" PRIu32 ",\"name\":\"thread_name\",\"args\":{\"name\":\"%s%s\"}}",
                i > 0 ? ",\n" : "", number, is_outside(number) ? "threads " : "worker ", text_of_stream(number, text));
    }
}

/* What all of them have, up to their own. */
static void
write_head(const struct export *export, const struct step *step, const char *phase)
{
    uint64_t ns = metadata_ns(export->trace->metadata, step->record->timestamp);
    fprintf(export->out, ",\n{\"ph\":\"%s\",\"pid\":1,\"tid\":%" PRIu32 ",\"ts\":%" PRIu64 ".%03" PRIu64, phase,
            step->stream->number, ns / 1000, ns % 1000);
}

static void
write_argument(const struct export *export, const struct field *field, uint64_t value)
{
    if (field->meaning == NOTHING)
        return;
    fprintf(export->out, ",\"%s\":", field->label);
    print_value(export->out, export->trace, field, value);
}

static void
write_instant(const struct export *export, const struct step *step)
{
    char name[NAME_SIZE], title[NAME_SIZE];
    const struct shape *shape = &role_shapes[step->role];
    write_head(export, step, "i");
    fputs(",\"s\":\"t\",\"name\":", export->out);
    print_json_string(export->out, export_title(export, step, title));
    fputs(",\"args\":{\"actor\":", export->out);
    print_json_string(export->out, export_name(export, step, name));
    write_argument(export, &shape->message, step->record->message);
    write_argument(export, &shape->arg, step->record->arg);
    write_argument(export, &shape->flags, step->record->flags);
    fputs("}}", export->out);
}

static void
write_flow(const struct export *export, const struct step *step, const char *phase)
{
    write_head(export, step, phase);
    fprintf(export->out, "%s,\"cat\":\"message\",\"name\":\"message\",\"id\":\"0x%" PRIx64 "\"}",
            phase[0] == 'f' ? ",\"bp\":\"e\"" : "", export_flow(step));
}

static void
event(struct export *export, const struct step *step)
{
    write_instant(export, step);
    if (export_begins_flow(step))
        write_flow(export, step, "s");
    else if (export_ends_flow(step))
        write_flow(export, step, "f");
}

static void
end(struct export *export)
{
    fputs("\n]}\n", export->out);
}

const struct format format_chrome = {
    .name = "chrome", .actor_size = 1, .message_size = 1, .begin = begin, .event = event, .end = end};
