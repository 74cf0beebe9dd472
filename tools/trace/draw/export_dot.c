/*
 * A graph for Graphviz: who sends to whom, and how many messages. Its size is that of the program, not of
 * its run.
 */
#include <inttypes.h>

#include "export.h"

static void
begin(struct export *export)
{
    fputs("digraph trace {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n"
          "  edge [fontname=\"sans-serif\", fontsize=10];\n",
          export->out);
}

/* In quotes, as Graphviz wants them: only what is printed plainly, the rest as a point. */
static void
write_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f ? '.' : *text, out);
    }
    fputc('"', out);
}

static void
write_actor(struct export *export, uint64_t ref)
{
    char name[NAME_SIZE];
    struct stream stream = {.number = TRI_TRACE_OUTSIDE};
    struct tri_trace_record record = {.actor = ref};
    struct step step = {.record = &record, .stream = &stream};
    if (table_get(&export->actors, ref, 1) != NULL)
        return;
    table_put(&export->actors, ref, 1);
    fprintf(export->out, "  a%" PRIx64 " [label=", ref);
    write_quoted(export->out, export_name(export, &step, name));
    fputs("];\n", export->out);
}

static void
event(struct export *export, const struct step *step)
{
    if (!export_ends_flow(step) || role_ends_parcel(step->role))
        return;
    ++*(uint64_t *)table_put(&export->messages, step->sending.sender, step->record->actor);
    write_actor(export, step->sending.sender);
    write_actor(export, step->record->actor);
}

static void
end(struct export *export)
{
    struct table_entry way;
    for (size_t place = 0; table_next(&export->messages, &place, &way);)
        fprintf(export->out, "  a%" PRIx64 " -> a%" PRIx64 " [label=\"%" PRIu64 "\"];\n", way.key.a, way.key.b,
                *(const uint64_t *)way.value);
    fputs("}\n", export->out);
}

const struct format format_dot = {
    .name = "dot", .actor_size = 1, .message_size = sizeof(uint64_t), .begin = begin, .event = event, .end = end};
