#include "tar_writer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bad_input.h"
#include "frame.h"
#include "packed.h"

#define MOST_SIZE ((UINT64_C(1) << 33) - 1) /* what eleven octal digits say */

void
tar_writer_init(struct tar_writer *writer, int fd, const char *path)
{
    memset(writer, 0, sizeof(*writer));
    writer->fd = fd;
    writer->path = path;
    writer->frame = must_calloc(FRAME_SIZE, 1);
    writer->packed = must_calloc(frame_bound(), 1);
}

void
tar_writer_fini(struct tar_writer *writer)
{
    free(writer->frame);
    free(writer->packed);
    free(writer->rows);
}

static void
write_all(const struct tar_writer *writer, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(writer->fd, bytes, size);
        if (done < 0 && errno != EINTR)
            give_up("%s cannot be written: %s", writer->path, strerror(errno));
        if (done > 0) {
            bytes += done;
            size -= (size_t)done;
        }
    }
}

static void
put_number(unsigned char *out, size_t number)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (unsigned char)(number >> (8 * i));
}

static void
add_row(struct tar_writer *writer, size_t packed)
{
    if (writer->frames == writer->room) {
        writer->room = writer->room > 0 ? writer->room * 2 : 64;
        writer->rows = must_realloc(writer->rows, writer->room, PACKED_ROW);
    }
    unsigned char *row = writer->rows + writer->frames++ * PACKED_ROW;
    put_number(row, packed);
    put_number(row + 4, writer->held);
}

static void
end_frame(struct tar_writer *writer)
{
    if (writer->held == 0)
        return;
    size_t packed = frame_pack(writer->packed, writer->frame, writer->held);
    if (packed == 0)
        give_up("not enough memory");
    write_all(writer, writer->packed, packed);
    add_row(writer, packed);
    writer->packed_bytes += packed;
    writer->held = 0;
}

void
tar_writer_bytes(struct tar_writer *writer, const void *bytes, size_t size)
{
    writer->bytes += size;
    while (size > 0) {
        size_t room = FRAME_SIZE - writer->held, piece = size < room ? size : room;
        memcpy(writer->frame + writer->held, bytes, piece);
        writer->held += piece;
        bytes = (const char *)bytes + piece;
        size -= piece;
        if (writer->held == FRAME_SIZE)
            end_frame(writer);
    }
}

void
tar_writer_pad(struct tar_writer *writer)
{
    static const char zeros[TAR_BLOCK];
    size_t over = (size_t)(writer->bytes % TAR_BLOCK);
    tar_writer_bytes(writer, zeros, over > 0 ? TAR_BLOCK - over : 0);
}

void
tar_writer_file(struct tar_writer *writer, const char *name, uint64_t size)
{
    struct tar_header header = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    if (size > MOST_SIZE)
        give_up("%s is larger than a tar can say", name);
    memcpy(header.name, name, strlen(name));
    memcpy(header.mode, "0000644", 8);
    memcpy(header.uid, "0000000", 8);
    memcpy(header.gid, "0000000", 8);
    memcpy(header.mtime, "00000000000", 12);
    snprintf(header.size, sizeof(header.size), "%011" PRIo64, size);
    snprintf(header.checksum, sizeof(header.checksum), "%06o", tar_sum(&header) & 0777777u);
    header.checksum[7] = ' ';
    tar_writer_bytes(writer, &header, sizeof(header));
}

static void
write_table(struct tar_writer *writer)
{
    unsigned char head[PACKED_TABLE_HEAD], footer[PACKED_FOOTER] = {0};
    put_number(head, PACKED_TABLE_MAGIC);
    put_number(head + 4, writer->frames * PACKED_ROW + PACKED_FOOTER);
    put_number(footer, writer->frames);
    put_number(footer + 5, PACKED_FOOTER_MAGIC);
    write_all(writer, head, sizeof(head));
    write_all(writer, writer->rows, writer->frames * PACKED_ROW);
    write_all(writer, footer, sizeof(footer));
    writer->packed_bytes += sizeof(head) + writer->frames * PACKED_ROW + sizeof(footer);
}

void
tar_writer_finish(struct tar_writer *writer)
{
    static const char end[2 * TAR_BLOCK];
    tar_writer_bytes(writer, end, sizeof(end));
    end_frame(writer);
    write_table(writer);
    if (fsync(writer->fd) != 0)
        give_up("%s cannot be written: %s", writer->path, strerror(errno));
}
