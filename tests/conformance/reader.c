#include "reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000

bool
reader_refuse(struct reader *reader, const char *format, ...)
{
    int used = snprintf(reader->complaint, reader->size, "%s: %s%s", reader->file, reader->place,
                        reader->place[0] != '\0' ? ": " : "");
    if (used >= 0 && (size_t)used < reader->size) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(reader->complaint + used, reader->size - (size_t)used, format, arguments);
        va_end(arguments);
    }
    return false;
}

size_t
reader_enter(struct reader *reader, const char *format, ...)
{
    size_t before = strlen(reader->place);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->place + before, sizeof(reader->place) - before, format, arguments);
    va_end(arguments);
    return before;
}

void
reader_leave(struct reader *reader, size_t before)
{
    reader->place[before] = '\0';
}

static const char *
type_name(json_type type)
{
    switch (type) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    default: return "a value of another type";
    }
}

bool
reader_expect(struct reader *reader, const json_t *value, json_type type)
{
    if (json_typeof(value) == type)
        return true;
    return reader_refuse(reader, "%s is expected", type_name(type));
}

static const struct field *
find_field(const struct field *fields, const char *name, uint32_t user)
{
    for (; fields->name != NULL; fields++)
        if (strcmp(fields->name, name) == 0 && (fields->users == 0 || (fields->users & user) != 0))
            return fields;
    return NULL;
}

bool
read_members(struct reader *reader, json_t *object, const struct field *fields, uint32_t user, void *out)
{
    const char *name;
    json_t *value;
    if (!reader_expect(reader, object, JSON_OBJECT))
        return false;
    json_object_foreach(object, name, value)
    {
        const struct field *field = find_field(fields, name, user);
        if (field == NULL)
            return reader_refuse(reader, "unknown field \"%s\"", name);
        size_t before = reader_enter(reader, "%s%s", reader->place[0] != '\0' ? "." : "", name);
        if (!field->read(reader, value, (char *)out + field->offset))
            return false;
        reader_leave(reader, before);
    }
    return true;
}

bool
read_string(struct reader *reader, json_t *value, void *out)
{
    if (!reader_expect(reader, value, JSON_STRING))
        return false;
    if (strlen(json_string_value(value)) != json_string_length(value))
        return reader_refuse(reader, "a string without a NUL character is expected");
    *(const char **)out = json_string_value(value);
    return true;
}

bool
read_flag(struct reader *reader, json_t *value, void *out)
{
    if (!json_is_boolean(value))
        return reader_refuse(reader, "true or false is expected");
    *(bool *)out = json_is_true(value);
    return true;
}

static bool
read_up_to(struct reader *reader, json_t *value, json_int_t limit, json_int_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > limit)
        return reader_refuse(reader, "a whole number from 0 to %" JSON_INTEGER_FORMAT " is expected", limit);
    *out = json_integer_value(value);
    return true;
}

bool
read_number(struct reader *reader, json_t *value, void *out)
{
    json_int_t number = 0;
    if (!read_up_to(reader, value, INT32_MAX, &number))
        return false;
    *(unsigned *)out = (unsigned)number;
    return true;
}

bool
read_time(struct reader *reader, json_t *value, void *out)
{
    json_int_t number = 0;
    if (!read_up_to(reader, value, DAY_MS, &number))
        return false;
    *(uint64_t *)out = (uint64_t)number;
    return true;
}

bool
read_for_people(struct reader *reader, json_t *value, void *out)
{
    (void)reader;
    (void)value;
    (void)out;
    return true;
}

bool
read_word(struct reader *reader, json_t *value, const char *const *words, size_t n, unsigned *out)
{
    const char *word;
    if (!read_string(reader, value, &word))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0) {
            *out = i;
            return true;
        }
    return reader_refuse(reader, "\"%s\" is unknown here", word);
}
