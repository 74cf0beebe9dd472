#include "trace_files.h"
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <troupe/actors/trace.h>
#include <troupe/core/trace.h>
#include <troupe/net/trace.h>
#include <unistd.h>

#include "frame.h"
#include "packed.h"

const char *const trace_file_names[] = {
    "metadata",
    "worker-0.00000000",
    "worker-0.00000001",
    "worker-1.00000000",
    "outside.00000000",
    "names.00000000",
    "worker-x.00000001",
    "other",
    "worker-1.00000001",
    "worker-2.00000000",
    "2/metadata",
    "2/names.00000000",
    "2/worker-0.00000000",
    "2/worker-1.00000000",
    "2/outside.00000000",
    "3/metadata",
    "3/names.00000000",
    "3/worker-0.00000000",
    "3/worker-1.00000000",
    "3/outside.00000000",
    ".rules",
    ".words",
};
#define NAMES (sizeof(trace_file_names) / sizeof(trace_file_names[0]))
const size_t trace_file_count = NAMES;

#define PACKED ".packed"

static char directory[] = "/tmp/troupe-fuzz-XXXXXX";
static int at = -1;

static void
remove_directory(void)
{
    rmdir(directory);
}

static void
make_directory(void)
{
    if (at >= 0)
        return;
    MUST(mkdtemp(directory) != NULL);
    atexit(remove_directory);
    at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

const char *
trace_files_path(const char *name)
{
    static char paths[2][sizeof(directory) + 64];
    static unsigned next;
    make_directory();
    char *path = paths[next++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

/* -- Writing. -- */

static void
make_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    char folder[8];
    if (slash == NULL)
        return;
    snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name), name);
    mkdirat(at, folder, 0700);
}

void
trace_files_write_one(const char *name, const void *bytes, size_t size)
{
    make_directory();
    make_folder(name);
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

#define EVENT(id, name, ...) fprintf(file, "event { name = \"" #name "\"; id = %u; stream_id = 0;\n", (unsigned)(id));

static size_t
make_metadata(char *out, size_t size, unsigned number)
{
    FILE *file = fmemopen(out, size, "w");
    MUST(file != NULL);
    fprintf(file,
            "/* CTF 1.8 */\n    troupe_format = 1;\n    uuid = \"%032x\";\n    closed = 1;\n    freq = 1000000000;\n"
            "    workers = 3;\n    boot = \"a\";\n    cluster = \"c\";\n"
            "enum tag_7 : uint32_t { PING = 7 };\n"
            "enum status : int32_t { ECONNRESET = -104, EPIPE = -32 };\n",
            number);
    TRI_TRACE_CORE_EVENTS(EVENT)
    TRI_TRACE_ACTORS_EVENTS(EVENT)
    TRI_TRACE_NET_EVENTS(EVENT)
    long length = ftell(file);
    MUST(length > 0 && (size_t)length < size);
    fclose(file);
    return (size_t)length;
}

/* The bytes are made once: they are the same for all inputs. */
static void
add_metadata(const char *name, unsigned number)
{
    static struct {
        char bytes[32768];
        size_t size;
    } made[4];
    if (faccessat(at, name, F_OK, 0) == 0)
        return;
    if (made[number].size == 0)
        made[number].size = make_metadata(made[number].bytes, sizeof(made[number].bytes), number);
    trace_files_write_one(name, made[number].bytes, made[number].size);
}

static void
write_files(const uint8_t *data, size_t size)
{
    while (size >= 3) {
        size_t length = data[1] | (size_t)data[2] << 8;
        const char *name = trace_file_names[data[0] % NAMES];
        data += 3;
        size -= 3;
        length = length < size ? length : size;
        trace_files_write_one(name, data, length);
        data += length;
        size -= length;
    }
    add_metadata("metadata", 0);
    if (faccessat(at, "2", F_OK, 0) == 0)
        add_metadata("2/metadata", 2);
    if (faccessat(at, "3", F_OK, 0) == 0)
        add_metadata("3/metadata", 3);
}

static void
put_number(uint8_t *out, size_t number)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(number >> (8 * i));
}

/* One frame, and the table behind it. */
static void
write_tar(const uint8_t *data, size_t size)
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
    trace_files_write_one(PACKED, packed, length);
    trace_files_write_one(PACKED, table, sizeof(table));
}

const char *
trace_files_write(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    bool whole = size > sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
    bool tar = size > 4 && memcmp(data, "tar!", 4) == 0;
    make_directory();
    if (whole)
        trace_files_write_one(PACKED, data, size);
    else if (tar)
        write_tar(data + 4, size - 4);
    else
        write_files(data, size);
    return whole || tar ? trace_files_path(PACKED) : directory;
}

void
trace_files_remove(void)
{
    for (size_t i = 0; i < NAMES; i++)
        unlinkat(at, trace_file_names[i], 0);
    unlinkat(at, PACKED, 0);
    unlinkat(at, "2", AT_REMOVEDIR);
    unlinkat(at, "3", AT_REMOVEDIR);
}
