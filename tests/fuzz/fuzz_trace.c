/*
 * The reader of traces: any files are a trace or are refused in order, and the events of one that is not refused can be
 * gone through in order, measured, and asked for what led to a message. The input is files, each a byte that chooses its
 * name, its size in two bytes, low byte first, and its content. One that begins with zstd's magic is a packed trace as it
 * is; of one that begins with "tar!" the rest is the tar in it, packed in order, so that no checksum hides it.
 *
 * A refusal ends the program; here it jumps back instead, and gives back what the reader had taken by then:
 * descriptors, and memory, all of which comes from must_calloc() and must_realloc(). The reader's free() is
 * free_of_reader() here.
 */
#undef free
#include "fuzz.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bad_input.h"
#include "chain.h"
#include "clocks.h"
#include "frame.h"
#include "measure.h"
#include "order.h"
#include "reader.h"

static const char *const names[] = {"metadata",         "worker-0.00000000", "worker-0.00000001",  "worker-1.00000000",
                                    "outside.00000000", "names.00000000",    "worker-x.000000001", "other"};

#define NAMES (sizeof(names) / sizeof(names[0]))

#define BLOCKS 4096u

static char directory[] = "/tmp/troupe-fuzz-XXXXXX";
#define PACKED ".packed" /* hidden: no file of the directory's trace */

static char packed_path[sizeof(directory) + sizeof(PACKED)];
static jmp_buf refused;
static void *blocks[BLOCKS]; /* of the reader's memory; NULL: a place without one */
static size_t block_count;

/* In place of bad_input.c. */

_Noreturn void
leave(int status)
{
    MUST(status == EXIT_BAD_INPUT);
    longjmp(refused, 1);
}

void
bad_input_within(const char *directory_)
{
    MUST(directory_ != NULL);
}

_Noreturn void
bad_input(const char *file, uint64_t offset, const char *format, ...)
{
    MUST(file != NULL && format != NULL);
    (void)offset;
    leave(EXIT_BAD_INPUT);
}

_Noreturn void
give_up(const char *format, ...)
{
    MUST(format != NULL);
    leave(EXIT_BAD_INPUT);
}

/* The place of a block; of NULL: one that is free. */
static void **
place_of(const void *block)
{
    size_t place = 0;
    while (place < block_count && blocks[place] != block)
        place++;
    MUST(place < BLOCKS);
    block_count += place == block_count;
    return &blocks[place];
}

void free_of_reader(void *block);

void
free_of_reader(void *block)
{
    if (block != NULL)
        *place_of(block) = NULL;
    free(block);
}

static void
free_blocks(void)
{
    for (size_t i = 0; i < block_count; i++)
        free(blocks[i]);
    block_count = 0;
}

void *
must_realloc(void *memory, size_t count, size_t size)
{
    void **place = place_of(memory);
    *place = memory; /* what was there stays until its successor is */
    void *larger = reallocarray(memory, count, size);
    if (larger == NULL && count > 0)
        give_up("not enough memory");
    return *place = larger;
}

void *
must_calloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL && count > 0)
        give_up("not enough memory");
    return *place_of(NULL) = memory;
}

/* LeakSanitizer asks this: a refusal loses what the C library has for an open directory. */
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
    return 1;
}

static void
remove_directory(void)
{
    rmdir(directory);
}

static void
write_file(int at, const char *name, const uint8_t *data, size_t size)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void
write_files(int at, const uint8_t *data, size_t size)
{
    while (size >= 3) {
        size_t length = data[1] | (size_t)data[2] << 8;
        const char *name = names[data[0] % NAMES];
        data += 3;
        size -= 3;
        if (length > size)
            length = size;
        write_file(at, name, data, length);
        data += length;
        size -= length;
    }
}

static void
measure_all(const struct trace *trace, uint64_t events)
{
    struct measure *measure = measure_trace(trace, NULL);
    MUST(measure->events == events && measure->row_count > 0 && measure->kind_count > 0);
    for (size_t i = 0; i < measure->row_count; i++) {
        const struct histogram *waits = &measure->rows[i].waits, *works = &measure->rows[i].works;
        MUST(histogram_part(waits, 500) <= histogram_part(waits, 990) && histogram_part(waits, 990) <= waits->most);
        MUST(histogram_part(works, 990) <= works->most && waits->count <= works->count);
    }
    measure_free(measure);
}

/* Of the first messages of two streams. */
static void
find_chains(const struct trace *trace)
{
    struct chain chain;
    for (uint64_t i = 0; i < 4; i++) {
        if (!chain_find(&chain, trace, TRI_TRACE_MESSAGE(i % 2, 1 + i / 2), i == 3, 8))
            continue;
        MUST(chain.count > 0 && chain.count <= 8);
        chain_fini(&chain);
    }
}

static void
put_number(uint8_t *out, size_t number)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(number >> (8 * i));
}

/* One frame, and the table behind it. */
static void
write_tar(int at, const uint8_t *data, size_t size)
{
    static uint8_t packed[2 * FRAME_SIZE];
    size_t length = frame_is_built_in() && size > 0 && size <= FRAME_SIZE ? frame_pack(packed, data, size) : 0;
    uint8_t table[PACKED_TABLE_HEAD + PACKED_ROW + PACKED_FOOTER] = {0};
    put_number(table, PACKED_TABLE_MAGIC);
    put_number(table + 4, PACKED_ROW + PACKED_FOOTER);
    put_number(table + 8, length);
    put_number(table + 12, size);
    put_number(table + 16, 1);
    put_number(table + 21, PACKED_FOOTER_MAGIC);
    write_file(at, PACKED, packed, length);
    write_file(at, PACKED, table, sizeof(table));
}

/* Returns what is to be read. */
static const char *
write_input(int at, const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    bool whole = size > sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
    bool tar = size > 4 && memcmp(data, "tar!", 4) == 0;
    if (whole)
        write_file(at, PACKED, data, size);
    else if (tar)
        write_tar(at, data + 4, size - 4);
    else
        write_files(at, data, size);
    return whole || tar ? packed_path : directory;
}

static void
read_trace(const char *path)
{
    struct trace *trace = trace_open(&path, 1);
    clocks_correct(trace);
    struct order order;
    struct step step;
    uint64_t events = 0, found = 0;
    for (size_t i = 0; i < trace->stream_count; i++)
        events += trace->streams[i].events;
    order_init(&order, trace);
    while (order_next(&order, &step))
        found++;
    MUST(found == events);
    order_fini(&order);
    measure_all(trace, events);
    find_chains(trace);
    trace_close(trace);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    if (!made) {
        made = mkdtemp(directory) != NULL;
        MUST(made);
        snprintf(packed_path, sizeof(packed_path), "%s/" PACKED, directory);
        atexit(remove_directory);
    }
    int at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *path = write_input(at, data, size);
    int first = dup(at); /* what is opened from here on is closed after a refusal */
    if (setjmp(refused) == 0)
        read_trace(path);
    free_blocks();
    close_range((unsigned)first, ~0u, 0);
    for (size_t i = 0; i < NAMES; i++)
        unlinkat(at, names[i], 0);
    unlinkat(at, PACKED, 0);
    close(at);
    return 0;
}
