#include "names.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/trace_format.h>
#include <unistd.h>

#include "bad_input.h"
#include "table.h"

#define MOST_NAMES (1u << 22)

struct names {
    struct table texts; /* char *, by number */
};

struct names *
names_new(void)
{
    struct names *names = must_calloc(1, sizeof(*names));
    table_init(&names->texts, sizeof(char *));
    return names;
}

void
names_free(struct names *names)
{
    for (size_t i = 0; i < names->texts.room; i++) {
        if (names->texts.used[i])
            free(((char **)names->texts.values)[i]);
    }
    table_fini(&names->texts);
    free(names);
}

/* Reads one name at offset; returns where it ends. */
static uint64_t
read_name(struct names *names, FILE *in, const char *file, uint64_t offset, uint64_t end)
{
    char bytes[TRI_TRACE_NAME_TEXT + TRI_TRACE_NAME_MAX + 2];
    uint64_t left = end - offset;
    size_t most = left < sizeof(bytes) - 1 ? (size_t)left : sizeof(bytes) - 1;
    size_t size = fread(bytes, 1, most, in);
    if (size < most)
        bad_input(file, offset + size, "the file ends within a name");
    bytes[size] = '\0';
    size_t length = size > TRI_TRACE_NAME_TEXT ? strlen(bytes + TRI_TRACE_NAME_TEXT) : 0;
    if (TRI_TRACE_NAME_TEXT + length >= size || length > TRI_TRACE_NAME_MAX)
        bad_input(file, offset, "a name is cut off or too long");

    uint16_t id;
    uint32_t number;
    memcpy(&id, bytes + TRI_TRACE_NAME_ID, sizeof(id));
    memcpy(&number, bytes + TRI_TRACE_NAME_NUMBER, sizeof(number));
    if (id != 0)
        bad_input(file, offset + TRI_TRACE_NAME_ID, "unknown event id %u among the names", id);
    if (names_find(names, number) != NULL)
        bad_input(file, offset + TRI_TRACE_NAME_NUMBER, "name %u is told twice", number);
    if (names->texts.count == MOST_NAMES)
        bad_input(file, offset, "more than %u names", MOST_NAMES);
    char *text = must_calloc(length + 1, 1);
    memcpy(text, bytes + TRI_TRACE_NAME_TEXT, length);
    *(char **)table_put(&names->texts, number, 0) = text;
    return offset + TRI_TRACE_NAME_TEXT + length + 1;
}

void
names_read(struct names *names, int directory, const char *file, uint64_t end)
{
    int fd = openat(directory, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    if (in == NULL)
        bad_input(file, 0, "cannot be opened: %s", strerror(errno));
    uint64_t offset = sizeof(struct tri_trace_packet);
    while (offset < end) {
        if (fseeko(in, (off_t)offset, SEEK_SET) != 0)
            bad_input(file, offset, "cannot be read: %s", strerror(errno));
        offset = read_name(names, in, file, offset, end);
        offset = (offset + TRI_TRACE_STEP - 1) / TRI_TRACE_STEP * TRI_TRACE_STEP;
    }
    fclose(in);
}

const char *
names_find(const struct names *names, uint32_t number)
{
    char *const *text = table_get(&names->texts, number, 0);
    return text != NULL ? *text : NULL;
}
