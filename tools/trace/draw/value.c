#include "value.h"
#include <inttypes.h>

#include "escape.h"
#include "text.h"

#define MOST_EXACT (UINT64_C(1) << 53)

/* The name of a value; NULL: it has none. */
static const char *
name_of(const struct trace *trace, const struct field *field, uint64_t value)
{
    switch (field->meaning) {
    case NAME: return names_find(trace->names, (uint32_t)value);
    case TAG: return metadata_tag(trace->metadata, (uint32_t)value);
    case STATUS: return metadata_status(trace->metadata, (uint32_t)value);
    case NUMBER:
    case WORD: return word_of_value(field, value);
    default: return NULL;
    }
}

static void
print_number(FILE *out, uint64_t value)
{
    const char *quote = value > MOST_EXACT ? "\"" : "";
    fprintf(out, "%s%" PRIu64 "%s", quote, value, quote);
}

void
print_value(FILE *out, const struct trace *trace, const struct field *field, uint64_t value)
{
    char text[TEXT_SIZE];
    const char *name = name_of(trace, field, value);
    bool nothing = field->meaning == NOTHING || (field->meaning == UNKNOWN && value == 0);
    if (name != NULL)
        print_page_string(out, name);
    else if (nothing || field->meaning == NAME || (field->meaning == REF && value == 0))
        fputs("null", out);
    else if (field->meaning == REF)
        fprintf(out, "\"%s\"", text_of_ref(value, text));
    else if (field->meaning == MESSAGE)
        fprintf(out, "\"%s\"", text_of_message(value, text));
    else if (field->meaning == PARCEL)
        fprintf(out, "\"%s\"", text_of_parcel(value, text));
    else if (field->meaning == STATUS)
        fprintf(out, "%" PRId32, (int32_t)value);
    else
        print_number(out, value);
}
