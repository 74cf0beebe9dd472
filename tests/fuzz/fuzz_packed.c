/*
 * Packed traces: any file is one or is refused in order, and of one that is not, the names lead nowhere else and each
 * file can be read, in any pieces.
 *
 * The first byte says what the rest of an input is: 0, the file; 1, what to make one of, whose checksums are right.
 * That is changes of the end of the file, where its table is: how many, and for each the distance from the end and four
 * bytes that are added to what is there; then entries of the tar: the type, the size of the name in a byte, the name,
 * the size that it claims in four bytes (all ones: the right one), the size of the content in two and how often it
 * comes in one, the content.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "packed.h"
#include "reader.h"
#include "refusal.h"
#include "trace_files.h"

#define MOST_FRAMES 4u
#define ROOM (MOST_FRAMES * FRAME_SIZE)
#define MOST_CHANGES 8u

/* -- The input. -- */

struct input {
    const uint8_t *at, *end;
};

/* A number of so many bytes; what is behind the end is zeros. */
static size_t
take_number(struct input *input, unsigned bytes)
{
    size_t number = 0;
    for (unsigned i = 0; i < bytes && input->at < input->end; i++)
        number |= (size_t)*input->at++ << (8 * i);
    return number;
}

static const uint8_t *
take_bytes(struct input *input, size_t *size)
{
    const uint8_t *bytes = input->at;
    size_t left = (size_t)(input->end - input->at);
    *size = *size < left ? *size : left;
    input->at += *size;
    return bytes;
}

/* -- Making a packed trace. -- */

struct making {
    uint8_t tar[ROOM], file[2 * ROOM];
    size_t tar_size, file_size;
};

static void
put_number(uint8_t *out, size_t number)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(number >> (8 * i));
}

static void
put_header(struct making *making, uint8_t type, const uint8_t *name, size_t name_size, size_t size)
{
    struct tar_header header = {.type = (char)type};
    memcpy(header.name, name, name_size < sizeof(header.name) ? name_size : sizeof(header.name));
    memcpy(header.magic, "ustar", sizeof(header.magic));
    snprintf(header.size, sizeof(header.size), "%011zo", size);
    snprintf(header.checksum, sizeof(header.checksum), "%06o", tar_sum(&header));
    memcpy(making->tar + making->tar_size, &header, sizeof(header));
    making->tar_size += sizeof(header);
}

/* false: there is no room for it. */
static bool
put_entry(struct making *making, struct input *input)
{
    uint8_t type = (uint8_t)take_number(input, 1);
    size_t name_size = take_number(input, 1);
    const uint8_t *name = take_bytes(input, &name_size);
    size_t claimed = take_number(input, 4), size = take_number(input, 2), times = take_number(input, 1);
    const uint8_t *content = take_bytes(input, &size);
    size_t whole = size * times, padded = (whole + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    if (making->tar_size + 3 * TAR_BLOCK + padded > ROOM)
        return false;
    put_header(making, type, name, name_size, claimed == UINT32_MAX ? whole : claimed);
    for (size_t i = 0; i < times; i++)
        memcpy(making->tar + making->tar_size + i * size, content, size);
    making->tar_size += padded;
    return true;
}

/* The frames, and the table behind them. */
static void
put_frames(struct making *making)
{
    uint8_t rows[MOST_FRAMES * PACKED_ROW], *end;
    size_t frames = 0, size;
    for (size_t at = 0; at < making->tar_size; at += size, frames++) {
        size = making->tar_size - at < FRAME_SIZE ? making->tar_size - at : FRAME_SIZE;
        size_t packed = frame_pack(making->file + making->file_size, making->tar + at, size);
        put_number(rows + frames * PACKED_ROW, packed);
        put_number(rows + frames * PACKED_ROW + 4, size);
        making->file_size += packed;
    }
    end = making->file + making->file_size;
    put_number(end, PACKED_TABLE_MAGIC);
    put_number(end + 4, frames * PACKED_ROW + PACKED_FOOTER);
    memcpy(end + PACKED_TABLE_HEAD, rows, frames * PACKED_ROW);
    put_number(end + PACKED_TABLE_HEAD + frames * PACKED_ROW, frames);
    put_number(end + PACKED_TABLE_HEAD + frames * PACKED_ROW + 5, PACKED_FOOTER_MAGIC);
    making->file_size += PACKED_TABLE_HEAD + frames * PACKED_ROW + PACKED_FOOTER;
}

static void
change_end(struct making *making, struct input *input, size_t changes)
{
    for (size_t i = 0; i < changes; i++) {
        size_t from_end = 4 + take_number(input, 1), added = take_number(input, 4);
        if (from_end > making->file_size)
            continue;
        uint8_t *at = making->file + making->file_size - from_end;
        put_number(at, added + (at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24));
    }
}

static void
make(struct making *making, struct input *input)
{
    size_t changes = take_number(input, 1) % (MOST_CHANGES + 1), size = changes * 5;
    struct input of_changes = {.at = take_bytes(input, &size)};
    of_changes.end = of_changes.at + size;
    memset(making, 0, sizeof(*making));
    while (input->at < input->end && put_entry(making, input))
        continue;
    making->tar_size += 2 * TAR_BLOCK;
    put_frames(making);
    change_end(making, &of_changes, changes);
}

/* -- Reading it. -- */

static void
check_name(const struct packed *packed, size_t place)
{
    const char *name = packed_name(packed, place), *slash = strchr(name, '/');
    MUST(name[0] != '\0' && name[0] != '.' && name[0] != '/' && strlen(name) < TAR_NAME);
    MUST(slash == NULL || (slash[1] != '\0' && slash[1] != '.' && strchr(slash + 1, '/') == NULL));
    MUST(place == 0 || strcmp(packed_name(packed, place - 1), name) < 0);
    MUST(packed_place(packed, name) == place);
}

static void
read_file(struct packed *packed, const char *name)
{
    static uint8_t once[5000], again[5000];
    uint64_t size = packed_size(packed, name), at = 0;
    for (size_t step = 1; at < size; at += step, step = step * 7 % sizeof(once)) {
        size_t left = size - at < step ? (size_t)(size - at) : step;
        MUST(packed_read(packed, name, at, once, step) == left);
        MUST(packed_read(packed, name, at + left / 2, again, left - left / 2) == left - left / 2);
        MUST(memcmp(once + left / 2, again, left - left / 2) == 0);
    }
    MUST(packed_read(packed, name, size, once, 1) == 0);
}

static void
read_packed(void *argument)
{
    const char *path = argument;
    struct packed *packed = packed_open(path, open(path, O_RDONLY | O_CLOEXEC));
    for (size_t i = 0; i < packed_count(packed); i++) {
        check_name(packed, i);
        read_file(packed, packed_name(packed, i));
    }
    packed_release(packed);
}

static void
read_trace(void *argument)
{
    const char *path = argument;
    trace_close(trace_open(&path, 1));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct making making;
    struct input input = {data, data + size};
    refusals_begin();
    size_t kind = take_number(&input, 1);
    if (kind == 1 && frame_is_built_in()) {
        make(&making, &input);
        trace_files_write_one(".packed", making.file, making.file_size);
    } else {
        trace_files_write_one(".packed", input.at, (size_t)(input.end - input.at));
    }
    char *path = (char *)trace_files_path(".packed");
    if (runs_through(read_packed, path, true))
        runs_through(read_trace, path, true);
    trace_files_remove();
    return 0;
}
