/*
 * A packed trace is a tar in frames of zstd, and a table that says where each frame lies (zstd's seekable format). All
 * frames but the last hold FRAME_SIZE bytes of the tar, so that the frame of any byte of it is known.
 *
 * Nothing that the file claims is believed: the rows of the table lie in the file, and their sum is its size; a frame
 * is unpacked into FRAME_SIZE bytes or not at all; an entry lies within the frames that are there. The last frames that
 * were unpacked are kept, as many as streams are likely to be read side by side.
 */
#include "packed.h"
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bad_input.h"
#include "frame.h"

#define KEPT 64u                /* frames */
#define MOST_ENTRIES (1u << 20) /* more files than any limit of the recorder's allows */
#define LEAST_FRAME 9u          /* bytes: there is no smaller one */
#define BLOCKS(size) (((size) + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK)

struct entry {
    char *name;
    uint64_t at, size; /* in the tar */
};

struct kept {
    uint64_t frame, used; /* used: when, counted in reads; 0: it is empty */
    unsigned char *bytes;
};

struct packed {
    unsigned holders;
    const char *path;
    int fd;
    uint64_t frames;
    uint64_t *offsets; /* in the file, of each frame, and of the table behind the last */
    uint64_t size;     /* of the tar */
    struct entry *entries;
    size_t entry_count;
    char *folder; /* that all of them lie in */
    struct kept kept[KEPT];
    uint64_t reads;
    unsigned char *input; /* a frame as it lies in the file */
};

unsigned
tar_sum(const struct tar_header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    size_t from = offsetof(struct tar_header, checksum);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(*header); i++)
        sum += i >= from && i < from + sizeof(header->checksum) ? ' ' : bytes[i];
    return sum;
}

/* For what is wrong: that is so of the file, whatever is read from it. */
static const char *
path_of(const struct packed *packed)
{
    bad_input_within("");
    return packed->path;
}

/* -- Frames. -- */

static void
read_at(const struct packed *packed, uint64_t offset, void *out, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(packed->fd, (char *)out + done, size - done, (off_t)(offset + done));
        if (got < 0)
            bad_input(path_of(packed), offset + done, "cannot be read: %s", strerror(errno));
        if (got == 0)
            bad_input(path_of(packed), offset + done, "the file is cut off");
        done += (size_t)got;
    }
}

static uint64_t
size_of_frame(const struct packed *packed, uint64_t frame)
{
    return frame + 1 < packed->frames ? FRAME_SIZE : packed->size - (packed->frames - 1) * FRAME_SIZE;
}

static void
unpack(struct packed *packed, uint64_t frame, unsigned char *out)
{
    uint64_t offset = packed->offsets[frame];
    size_t size = (size_t)(packed->offsets[frame + 1] - offset);
    read_at(packed, offset, packed->input, size);
    const char *wrong = frame_unpack(out, (size_t)size_of_frame(packed, frame), packed->input, size);
    if (wrong != NULL)
        bad_input(path_of(packed), offset, "frame %" PRIu64 ": %s", frame, wrong);
}

/* Where the frame is kept, or the place of the one that was used longest ago. */
static struct kept *
place_of(struct packed *packed, uint64_t frame)
{
    struct kept *oldest = &packed->kept[0];
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *kept = &packed->kept[i];
        if (kept->used > 0 && kept->frame == frame)
            return kept;
        oldest = kept->used < oldest->used ? kept : oldest;
    }
    return oldest;
}

static const unsigned char *
frame_of(struct packed *packed, uint64_t frame)
{
    struct kept *kept = place_of(packed, frame);
    if (kept->used == 0 || kept->frame != frame) {
        kept->used = 0;
        if (kept->bytes == NULL)
            kept->bytes = must_calloc(FRAME_SIZE, 1);
        unpack(packed, frame, kept->bytes);
        kept->frame = frame;
    }
    kept->used = ++packed->reads;
    return kept->bytes;
}

/* Of the tar; what lies behind its end is the caller's mistake. */
static void
read_tar(struct packed *packed, uint64_t at, void *out, size_t size)
{
    while (size > 0) {
        uint64_t frame = at / FRAME_SIZE;
        size_t within = (size_t)(at % FRAME_SIZE);
        size_t piece = size < FRAME_SIZE - within ? size : FRAME_SIZE - within;
        memcpy(out, frame_of(packed, frame) + within, piece);
        out = (char *)out + piece;
        at += piece;
        size -= piece;
    }
}

/* -- The table. -- */

static uint32_t
number_at(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Finds how many frames there are. Returns where the table begins. */
static uint64_t
read_footer(struct packed *packed, uint64_t size)
{
    unsigned char footer[PACKED_FOOTER], head[PACKED_TABLE_HEAD];
    if (size < PACKED_TABLE_HEAD + PACKED_FOOTER)
        bad_input(path_of(packed), size, "is no directory, and too short for a packed trace");
    read_at(packed, size - PACKED_FOOTER, footer, PACKED_FOOTER);
    if (number_at(footer + 5) != PACKED_FOOTER_MAGIC)
        bad_input(path_of(packed), size - 4, "is no directory, and does not end as a packed trace does");
    packed->frames = number_at(footer);
    if (footer[4] != 0)
        bad_input(path_of(packed), size - 5, "the table of frames is of another kind: 0x%02x", footer[4]);
    uint64_t table = packed->frames * PACKED_ROW + PACKED_TABLE_HEAD + PACKED_FOOTER;
    if (packed->frames == 0 || table > size)
        bad_input(path_of(packed), size - PACKED_FOOTER, "a table of %" PRIu64 " frames is impossible", packed->frames);
    read_at(packed, size - table, head, PACKED_TABLE_HEAD);
    if (number_at(head) != PACKED_TABLE_MAGIC || number_at(head + 4) != table - PACKED_TABLE_HEAD)
        bad_input(path_of(packed), size - table, "the table of frames does not begin where it should");
    return size - table;
}

static void
read_row(struct packed *packed, uint64_t frame, uint64_t offset, uint64_t table)
{
    unsigned char row[PACKED_ROW];
    read_at(packed, offset, row, PACKED_ROW);
    uint64_t begin = packed->offsets[frame], size = number_at(row), unpacked = number_at(row + 4);
    if (size < LEAST_FRAME || size > frame_bound() || size > table - begin)
        bad_input(path_of(packed), offset, "frame %" PRIu64 " cannot have %" PRIu64 " bytes", frame, size);
    if (unpacked == 0 || unpacked > FRAME_SIZE || (unpacked < FRAME_SIZE && frame + 1 < packed->frames))
        bad_input(path_of(packed), offset + 4, "frame %" PRIu64 " cannot hold %" PRIu64 " bytes", frame, unpacked);
    packed->offsets[frame + 1] = begin + size;
    packed->size += unpacked;
}

static void
read_table(struct packed *packed)
{
    struct stat status;
    if (fstat(packed->fd, &status) != 0)
        give_up("%s cannot be read: %s", packed->path, strerror(errno));
    uint64_t table = read_footer(packed, (uint64_t)status.st_size);
    packed->offsets = must_calloc(packed->frames + 1, sizeof(*packed->offsets));
    packed->input = must_calloc(frame_bound(), 1);
    for (uint64_t i = 0; i < packed->frames; i++)
        read_row(packed, i, table + PACKED_TABLE_HEAD + i * PACKED_ROW, table);
    if (packed->offsets[packed->frames] != table)
        bad_input(path_of(packed), packed->offsets[packed->frames], "no frame is said to be here");
}

/* -- Entries. -- */

/* Names the frame, and where in the tar it is. */
_Noreturn static void
bad_tar(const struct packed *packed, uint64_t at, const char *what)
{
    uint64_t frame = at / FRAME_SIZE < packed->frames ? at / FRAME_SIZE : packed->frames - 1;
    bad_input(path_of(packed), packed->offsets[frame], "byte %" PRIu64 " of the tar in it: %s", at, what);
}

/* UINT64_MAX: it is no number. */
static uint64_t
octal(const char *text, size_t size)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; i < size && text[i] >= '0' && text[i] <= '7'; i++)
        number = number * 8 + (uint64_t)(text[i] - '0');
    return i > 0 && i < size && (text[i] == '\0' || text[i] == ' ') ? number : UINT64_MAX;
}

/* A file, or a file in a folder. */
static bool
is_name(const char *name)
{
    const char *slash = strchr(name, '/');
    if (slash == NULL)
        return name[0] != '\0' && name[0] != '.';
    return name[0] != '/' && name[0] != '.' && slash[1] != '\0' && slash[1] != '.' && strchr(slash + 1, '/') == NULL;
}

/* The name behind the folder's. All lie in one folder. */
static const char *
name_of(struct packed *packed, uint64_t at, const struct tar_header *header)
{
    size_t length = strnlen(header->name, sizeof(header->name));
    const char *slash = memchr(header->name, '/', length);
    if (length == sizeof(header->name) || slash == NULL || slash == header->name || slash[1] == '\0')
        bad_tar(packed, at, "a name that is not of the form folder/file");
    size_t folder = (size_t)(slash - header->name);
    if (header->name[0] == '.' || !is_name(slash + 1))
        bad_tar(packed, at, "a name that leads elsewhere");
    if (packed->folder == NULL) {
        packed->folder = must_calloc(folder + 1, 1);
        memcpy(packed->folder, header->name, folder);
    }
    if (strlen(packed->folder) != folder || memcmp(packed->folder, header->name, folder) != 0)
        bad_tar(packed, at, "a file of another folder");
    return slash + 1;
}

static void
add_entry(struct packed *packed, const char *name, uint64_t at, uint64_t size)
{
    size_t count = packed->entry_count;
    if (count == MOST_ENTRIES)
        bad_tar(packed, at, "more files than a trace has");
    if ((count & (count - 1)) == 0) /* a power of two: full */
        packed->entries = must_realloc(packed->entries, count > 0 ? count * 2 : 1, sizeof(*packed->entries));
    char *copy = must_calloc(strlen(name) + 1, 1);
    memcpy(copy, name, strlen(name));
    packed->entries[packed->entry_count++] = (struct entry){copy, at, size};
}

/* Returns where the next one begins. */
static uint64_t
read_entry(struct packed *packed, uint64_t at, const struct tar_header *header)
{
    uint64_t size = octal(header->size, sizeof(header->size)), begin = at + TAR_BLOCK;
    if (memcmp(header->magic, "ustar", sizeof(header->magic)) != 0 ||
        octal(header->checksum, sizeof(header->checksum)) != tar_sum(header))
        bad_tar(packed, at, "no header of a file");
    if (header->type != '0')
        bad_tar(packed, at, "something that is no regular file");
    if (size > packed->size - begin || BLOCKS(size) > packed->size - begin)
        bad_tar(packed, at, "a file that is larger than what is there");
    add_entry(packed, name_of(packed, at, header), begin, size);
    return begin + BLOCKS(size);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void
sort_entries(struct packed *packed)
{
    if (packed->entry_count > 1)
        qsort(packed->entries, packed->entry_count, sizeof(*packed->entries), by_name);
    for (size_t i = 1; i < packed->entry_count; i++) {
        if (by_name(&packed->entries[i - 1], &packed->entries[i]) == 0)
            bad_tar(packed, packed->entries[i].at - TAR_BLOCK, "a file that is there twice");
    }
}

static void
read_entries(struct packed *packed)
{
    struct tar_header header;
    uint64_t at = 0;
    for (;;) {
        if (packed->size < TAR_BLOCK || at > packed->size - TAR_BLOCK)
            bad_tar(packed, at, "the tar is cut off");
        read_tar(packed, at, &header, TAR_BLOCK);
        if (header.name[0] == '\0' && tar_sum(&header) == sizeof(header.checksum) * ' ')
            break;
        at = read_entry(packed, at, &header);
    }
    sort_entries(packed);
}

/* -- A packed trace. -- */

struct packed *
packed_open(const char *path, int fd)
{
    if (!frame_is_built_in())
        give_up("%s is no directory, and packed traces cannot be read: troupe-trace was built without libzstd", path);
    struct packed *packed = must_calloc(1, sizeof(*packed));
    packed->holders = 1;
    packed->path = path;
    packed->fd = fd;
    read_table(packed);
    read_entries(packed);
    return packed;
}

void
packed_hold(struct packed *packed)
{
    packed->holders++;
}

static void
close_packed(struct packed *packed)
{
    for (size_t i = 0; i < packed->entry_count; i++)
        free(packed->entries[i].name);
    for (size_t i = 0; i < KEPT; i++)
        free(packed->kept[i].bytes);
    free(packed->entries);
    free(packed->folder);
    free(packed->offsets);
    free(packed->input);
    close(packed->fd);
    free(packed);
}

void
packed_release(struct packed *packed)
{
    if (--packed->holders == 0)
        close_packed(packed);
}

size_t
packed_place(const struct packed *packed, const char *name)
{
    size_t low = 0, high = packed->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(packed->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct entry *
find_entry(const struct packed *packed, const char *name)
{
    size_t place = packed_place(packed, name);
    bool found = place < packed->entry_count && strcmp(packed->entries[place].name, name) == 0;
    return found ? &packed->entries[place] : NULL;
}

size_t
packed_count(const struct packed *packed)
{
    return packed->entry_count;
}

const char *
packed_name(const struct packed *packed, size_t place)
{
    return packed->entries[place].name;
}

uint64_t
packed_size(const struct packed *packed, const char *name)
{
    const struct entry *entry = find_entry(packed, name);
    return entry != NULL ? entry->size : UINT64_MAX;
}

size_t
packed_read(struct packed *packed, const char *name, uint64_t offset, void *out, size_t size)
{
    const struct entry *entry = find_entry(packed, name);
    uint64_t left = entry != NULL && offset < entry->size ? entry->size - offset : 0;
    size_t piece = left < size ? (size_t)left : size;
    if (piece > 0)
        read_tar(packed, entry->at + offset, out, piece);
    return piece;
}
