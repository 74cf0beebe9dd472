/*
 * Reading JSON into structs by tables: one row for each member that an object may have. Whatever is not in the table,
 * or not of its type, is refused with the file and the place in it.
 */
#ifndef CONFORMANCE_READER_H
#define CONFORMANCE_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const char *file;
    char place[200]; /* "rules[2].do[0]" */
    char *complaint; /* where to say what is wrong */
    size_t size;
};

/* Reads value into *out, whose type is the function's affair. */
typedef bool (*read_function)(struct reader *reader, json_t *value, void *out);

struct field {
    const char *name;
    read_function read;
    size_t offset;  /* of out in the struct that is read */
    uint32_t users; /* a bit for each kind of object that has this member; 0: all */
};

/* Says what is wrong at the reader's place. Always false. */
bool reader_refuse(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Goes to a place inside, and back: leave with what enter gave. */
size_t reader_enter(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reader_leave(struct reader *reader, size_t before);

/* Reads all members of an object by a table that ends with a row without a name. user is 0 or one bit. */
bool read_members(struct reader *reader, json_t *object, const struct field *fields, uint32_t user, void *out);

/* Is value an object, an array? */
bool reader_expect(struct reader *reader, const json_t *value, json_type type);

/* Types of members. A member that may be null reads that as if it were absent. */
bool read_string(struct reader *reader, json_t *value, void *out);     /* const char *, without a NUL inside */
bool read_flag(struct reader *reader, json_t *value, void *out);       /* bool */
bool read_number(struct reader *reader, json_t *value, void *out);     /* unsigned, up to 2^31 - 1 */
bool read_time(struct reader *reader, json_t *value, void *out);       /* uint64_t of milliseconds, up to a day */
bool read_for_people(struct reader *reader, json_t *value, void *out); /* nothing: notes and the like */

/* Finds a word in a list of n. */
bool read_word(struct reader *reader, json_t *value, const char *const *words, size_t n, unsigned *out);

#endif
