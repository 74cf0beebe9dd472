/*
 * Makes one file of a trace's directory.
 *
 * The trace is read first, as every command does: what is no trace is refused, and what is read is what is packed,
 * which are the sub-directories of a cluster's processes, too. Then its files go into a file of another name beside the
 * one that is wanted. That is read again and compared with the directory, byte by byte, and only then gets
 * its name, which must be free. Whatever goes wrong before that removes it. The directory is only read.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bad_input.h"
#include "frame.h"
#include "interrupt.h"
#include "progress.h"
#include "reader.h"
#include "store.h"
#include "tar_writer.h"
#include "text.h"

#define PIECE 65536u
#define MOST_FOLDER 40u /* bytes of the folder's name in the tar */

struct file {
    const struct member *member; /* that it is of */
    char *name;                  /* in the packed trace: with the sub-directory, if it is in one */
    const char *own;             /* where it is */
};

struct job {
    const char *path;            /* of the directory */
    const struct member *member; /* whose files are being listed */
    struct file *files;
    size_t count;
    char folder[MOST_FOLDER + 1];
};

static char *volatile temporary; /* what is removed if the program ends in the middle; NULL: nothing */

static void
remove_temporary(void)
{
    if (temporary != NULL)
        unlink(temporary);
}

/* -- What is packed. -- */

static void
add_name(void *argument, const char *name)
{
    struct job *job = argument;
    const char *within = job->member->within;
    size_t before = strlen(within), size = before + strlen(name) + 1;
    if (source_has_directory(&job->member->source, name)) /* a trace that is read by itself, or has been mentioned */
        return;
    if (MOST_FOLDER + 1 + size > TAR_NAME)
        give_up("%s%s is a name that is too long for a packed trace", within, name);
    job->files = must_realloc(job->files, job->count + 1, sizeof(*job->files));
    char *full = must_calloc(size, 1);
    snprintf(full, size, "%s%s", within, name);
    job->files[job->count++] = (struct file){job->member, full, full + before};
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void
list_files(struct job *job, const struct trace *trace)
{
    for (size_t i = 0; i < trace->member_count; i++) {
        job->member = &trace->members[i];
        source_each(&job->member->source, job->member->path, add_name, job);
    }
    qsort(job->files, job->count, sizeof(*job->files), by_name); /* there is `metadata` at least */
}

/* The directory's own name, if nothing in it can be misunderstood. */
static void
name_folder(struct job *job)
{
    size_t end = strlen(job->path);
    while (end > 1 && job->path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && job->path[begin - 1] != '/')
        begin--;
    size_t plain = strspn(job->path + begin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    bool good = begin < end && plain == end - begin && plain <= MOST_FOLDER && job->path[begin] != '.';
    snprintf(job->folder, sizeof(job->folder), "%.*s", good ? (int)plain : 5, good ? job->path + begin : "trace");
}

static void
job_fini(struct job *job)
{
    for (size_t i = 0; i < job->count; i++)
        free(job->files[i].name);
    free(job->files);
}

/* -- Writing, and comparing with what was written. -- */

static void
write_file(const struct job *job, struct tar_writer *writer, const struct file *file)
{
    char bytes[PIECE], full[TAR_NAME];
    const struct source *source = &file->member->source;
    bad_input_within(file->member->within);
    uint64_t size = source_size(source, file->own);
    snprintf(full, sizeof(full), "%s/%s", job->folder, file->name);
    tar_writer_file(writer, full, size);
    progress_begin(size);
    for (uint64_t at = 0; at < size;) {
        size_t piece = size - at < PIECE ? (size_t)(size - at) : PIECE;
        if (source_read(source, file->own, at, bytes, piece) < piece)
            bad_input(file->own, at, "the file became shorter");
        tar_writer_bytes(writer, bytes, piece);
        progress_read(piece, 0);
        at += piece;
    }
    tar_writer_pad(writer);
}

static void
compare_file(const struct file *file, const struct source *packed)
{
    char ours[PIECE], theirs[PIECE];
    const struct source *source = &file->member->source;
    bad_input_within(file->member->within);
    uint64_t size = source_size(source, file->own);
    if (source_size(packed, file->name) != size)
        bad_input(file->own, 0, "its size changed while it was packed");
    progress_begin(size);
    for (uint64_t at = 0; at < size; at += PIECE) {
        size_t got = source_read(source, file->own, at, ours, PIECE);
        if (source_read(packed, file->name, at, theirs, PIECE) != got || memcmp(ours, theirs, got) != 0)
            bad_input(file->own, at, "changed while it was packed (is the trace being written?)");
        progress_read(got, 0);
    }
}

static void
compare_all(const struct job *job, const char *path)
{
    struct source packed;
    source_open(&packed, path);
    for (size_t i = 0; i < job->count; i++)
        compare_file(&job->files[i], &packed);
    source_close(&packed);
}

/* -- The file. -- */

static void
refuse_if_there(const char *path)
{
    struct stat status;
    if (lstat(path, &status) == 0)
        give_up("%s is there already, and is left as it is", path);
}

/* A signal finds no file, or its name. */
static int
make_unseen(char *name)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        temporary = name;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return fd;
}

/* With the rights that a new file has. */
static int
make_temporary(const char *path)
{
    size_t size = strlen(path) + sizeof(".XXXXXX");
    mode_t mask = umask(0);
    umask(mask);
    char *name = must_calloc(size, 1);
    snprintf(name, size, "%s.XXXXXX", path);
    before_leaving(remove_temporary);
    before_interrupt(remove_temporary);
    int fd = make_unseen(name);
    if (fd < 0 || fchmod(fd, 0666 & ~mask) != 0)
        give_up("%s cannot be made: %s", path, strerror(errno));
    return fd;
}

/* So that the name is there after a loss of power, too. */
static void
sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || fsync(fd) != 0)
        give_up("%s is written, but its directory cannot be synced: %s", path, strerror(errno));
    close(fd);
    free(folder);
}

static void
give_name(const char *path)
{
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
        give_up("%s cannot be made: %s", path, strerror(errno));
    before_leaving(NULL);
    char *name = temporary;
    temporary = NULL;
    free(name);
    sync_folder(path);
}

static void
write_packed(struct job *job, const char *path)
{
    struct tar_writer writer;
    char files[TEXT_SIZE], bytes[TEXT_SIZE], packed[TEXT_SIZE];
    int fd = make_temporary(path);
    tar_writer_init(&writer, fd, path);
    for (size_t i = 0; i < job->count; i++)
        write_file(job, &writer, &job->files[i]);
    tar_writer_finish(&writer);
    close(fd);
    compare_all(job, temporary);
    give_name(path);
    progress_give_way();
    printf("%s: %s files, %s bytes in %s (%.1f times smaller)\n", path, text_of_count(job->count, files),
           text_of_count(writer.bytes, bytes), text_of_count(writer.packed_bytes, packed),
           (double)writer.bytes / (double)writer.packed_bytes);
    tar_writer_fini(&writer);
}

static void
pack(const char *directory, const char *path)
{
    refuse_if_there(path);
    progress_passes(2); /* to write, and to compare */
    struct trace *trace = trace_open(&directory, 1);
    if (trace->members[0].source.packed != NULL)
        give_up("%s is packed already", directory);
    struct job job = {.path = directory};
    name_folder(&job);
    list_files(&job, trace);
    write_packed(&job, path);
    job_fini(&job);
    trace_close(trace);
}

/* -- The command. -- */

/* The caller frees it. */
static char *
default_path(const char *directory)
{
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    char *path = must_calloc(length + sizeof(".tar.zst"), 1);
    memcpy(path, directory, length);
    strcpy(path + length, ".tar.zst");
    return path;
}

static int
run(int count, char **words)
{
    int status = take_options(&command_pack, count, words, NULL, NULL);
    if (status != 0)
        return status;
    if (count - optind != 1 && count - optind != 2)
        return refuse("a directory is needed, and at most a file", "");
    if (!frame_is_built_in())
        give_up("nothing can be packed: troupe-trace was built without libzstd");
    const char *directory = words[optind];
    char *path = optind + 1 < count ? NULL : default_path(directory);
    pack(directory, path != NULL ? path : words[optind + 1]);
    free(path);
    return 0;
}

const struct command command_pack = {
    .name = "pack",
    .usage = "DIRECTORY [FILE]",
    .summary = "one small file of the trace, DIRECTORY.tar.zst, which all commands read but follow and top\n"
               "The file is compared with the directory before it gets its name. tar unpacks it, too: tar xf FILE.",
    .example = "troupe-trace pack dir run.tar.zst      # for somebody else: troupe-trace explain run.tar.zst",
    .run = run,
};
