/*
 * The page is a text that is built into this program (page.css, model.js and the files of each picture) and the trace
 * as JSON within a script element. Nothing of the trace stands anywhere else in the page, and print_page_string() lets
 * no character through that could end that element; the scripts make text nodes of it, never elements. So a name in a
 * trace cannot become code. As a second lock the page forbids the browser to load anything at all.
 *
 * Rows are written as they are read. What they mention by number and what is known only at the end, the actors and the
 * counts, stands behind them.
 */
#include "page.h"
#include <inttypes.h>
#include <stdlib.h>

#include "bad_input.h"
#include "cause.h"
#include "draw_texts.h"
#include "escape.h"
#include "kind.h"
#include "text.h"
#include "text_of_time.h"
#include "value.h"

struct writer {
    FILE *out;
    const struct trace *trace;
    uint64_t first;      /* time 0: of the first event that is drawn */
    uint64_t drawn;      /* events */
    struct table events; /* size_t: place among `ids`, by id */
    uint16_t *ids;
    struct table actors; /* size_t: place among `refs`, by ref */
    uint64_t *refs;
    uint32_t *classes; /* of those, as far as they are told when one is drawn; 0: they are not */
};

/* The place of a number among those that were seen; a new one is seen now. */
static size_t
place_of(struct table *table, uint64_t number, bool *is_new)
{
    size_t count = table->count;
    size_t *place = table_put(table, number, 0);
    *is_new = table->count > count;
    if (*is_new)
        *place = count;
    return *place;
}

static size_t
place_of_event(struct writer *writer, uint16_t id)
{
    bool is_new;
    size_t place = place_of(&writer->events, id, &is_new);
    if (is_new) {
        writer->ids = must_realloc(writer->ids, place + 1, sizeof(*writer->ids));
        writer->ids[place] = id;
    }
    return place;
}

/* -1: nobody. */
static int64_t
place_of_actor(struct writer *writer, const struct choice *choice, uint64_t ref)
{
    bool is_new;
    if (ref == 0)
        return -1;
    size_t place = place_of(&writer->actors, ref, &is_new);
    if (is_new) {
        writer->refs = must_realloc(writer->refs, place + 1, sizeof(*writer->refs));
        writer->classes = must_realloc(writer->classes, place + 1, sizeof(*writer->classes));
        writer->refs[place] = ref;
        writer->classes[place] = 0;
    }
    if (writer->classes[place] == 0)
        writer->classes[place] = choice_name(choice, ref);
    return (int64_t)place;
}

/* -- Rows: [time, stream, event, actor, flags, arg, message]. -- */

/* Since the first event that is drawn. Another stream's may be earlier by a little: they are 0. */
static uint64_t
time_of(const struct writer *writer, const struct step *step)
{
    uint64_t timestamp = step->record->timestamp;
    return timestamp > writer->first ? metadata_duration_ns(writer->trace->metadata, timestamp - writer->first) : 0;
}

static void
write_fields(const struct writer *writer, const struct step *step)
{
    const struct shape *shape = &role_shapes[step->role];
    print_value(writer->out, writer->trace, &shape->flags, step->record->flags);
    fputc(',', writer->out);
    print_value(writer->out, writer->trace, &shape->arg, step->record->arg);
    fputc(',', writer->out);
    print_value(writer->out, writer->trace, &shape->message, step->record->message);
}

static void
write_row(struct writer *writer, const struct choice *choice, const struct step *step)
{
    if (writer->drawn == 0)
        writer->first = step->record->timestamp;
    fprintf(writer->out, "%s[%" PRIu64 ",%td,%zu,%" PRId64 ",", writer->drawn == 0 ? "" : ",\n", time_of(writer, step),
            step->stream - writer->trace->streams, place_of_event(writer, step->record->id),
            place_of_actor(writer, choice, step->record->actor));
    write_fields(writer, step);
    fputc(']', writer->out);
    writer->drawn++;
}

static void
write_rows(struct writer *writer, struct choice *choice)
{
    struct step step;
    fputs("\"rows\":[", writer->out);
    while (choice_next(choice, &step))
        write_row(writer, choice, &step);
    fputs("],\n", writer->out);
}

/* -- What the rows mention. -- */

static void
write_label(FILE *out, const struct field *field)
{
    if (field->meaning == NOTHING)
        fputs("null", out);
    else
        fprintf(out, "\"%s\"", field->label);
}

static void
write_event(const struct writer *writer, uint16_t id)
{
    const struct metadata *metadata = writer->trace->metadata;
    enum role role = (enum role)metadata->roles[id];
    const struct shape *shape = &role_shapes[role];
    fputs("{\"name\":", writer->out);
    print_page_string(writer->out, metadata->names[id]);
    fprintf(writer->out, ",\"kind\":\"%s\",\"begins\":%s,\"ends\":%s,\"labels\":[", kind_of(role),
            begins_work(role) ? "true" : "false", ends_work(role) ? "true" : "false");
    write_label(writer->out, &shape->flags);
    fputc(',', writer->out);
    write_label(writer->out, &shape->arg);
    fputc(',', writer->out);
    write_label(writer->out, &shape->message);
    fputs("]}", writer->out);
}

static void
write_actor(const struct writer *writer, size_t place)
{
    char text[TEXT_SIZE];
    uint64_t ref = writer->refs[place];
    const char *name = names_find(writer->trace->names, writer->classes[place]);
    char worker[TEXT_SIZE];
    fprintf(writer->out, "{\"ref\":\"%s\",\"worker\":\"%s\",\"class\":", text_of_ref(ref, text),
            text_of_stream(TRI_TRACE_REF_WORKER(ref), worker));
    if (name != NULL)
        print_page_string(writer->out, name);
    else
        fputs("null", writer->out);
    fputc('}', writer->out);
}

static void
write_lists(const struct writer *writer)
{
    char text[TEXT_SIZE];
    fputs("\"events\":[", writer->out);
    for (size_t i = 0; i < writer->events.count; i++) {
        fputs(i > 0 ? ",\n" : "", writer->out);
        write_event(writer, writer->ids[i]);
    }
    fputs("],\n\"actors\":[", writer->out);
    for (size_t i = 0; i < writer->actors.count; i++) {
        fputs(i > 0 ? ",\n" : "", writer->out);
        write_actor(writer, i);
    }
    fputs("],\n\"streams\":[", writer->out);
    for (size_t i = 0; i < writer->trace->stream_count; i++)
        fprintf(writer->out, "%s\"%s\"", i > 0 ? "," : "", text_of_stream(writer->trace->streams[i].number, text));
    fputs("],\n", writer->out);
}

static void
write_trace(FILE *out, const struct trace *trace, struct choice *choice)
{
    struct writer writer = {.out = out, .trace = trace};
    char text[TEXT_SIZE];
    table_init(&writer.events, sizeof(size_t));
    table_init(&writer.actors, sizeof(size_t));
    fputs("{\"path\":", out);
    print_page_string(out, trace->paths[0]);
    fputs(",\n", out);
    write_rows(&writer, choice);
    write_lists(&writer);
    fprintf(out,
            "\"begin\":\"%s\",\"more\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"contradictions\":%" PRIu64
            ",\"closed\":%s}\n",
            text_of_time(trace->metadata, writer.first, text), choice_left_out(choice), trace_lost(trace),
            trace->contradictions, trace->metadata->closed ? "true" : "false");
    free(writer.ids);
    free(writer.refs);
    free(writer.classes);
    table_fini(&writer.events);
    table_fini(&writer.actors);
}

/* -- The page. -- */

static void
write_script(FILE *out, const char *text)
{
    fprintf(out, "<script>\n%s</script>\n", text);
}

void
page_write(FILE *out, enum page page, const struct trace *trace, struct choice *choice)
{
    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
            "script-src 'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
            "<title>Trace</title>\n<style>\n%s</style>\n</head>\n<body>\n%s",
            text_page_css, page == PAGE_SEQ ? text_seq_html : text_timeline_html);
    fputs("<script type=\"application/json\" id=\"trace\">\n", out);
    write_trace(out, trace, choice);
    fputs("</script>\n", out);
    write_script(out, text_model_js);
    write_script(out, page == PAGE_SEQ ? text_seq_js : text_timeline_js);
    fputs("</body>\n</html>\n", out);
}
