/*
 * Losses are counted by stream, in its last packet: that of the highest number.
 */
#include "glance.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/trace_format.h>
#include <unistd.h>

#include "bad_input.h"

struct stream {
    uint64_t number, last, discarded;
};

struct look {
    struct stream *streams;
    size_t count;
    uint64_t events;
};

static struct stream *
stream_of(struct look *look, uint64_t number)
{
    for (size_t i = 0; i < look->count; i++)
        if (look->streams[i].number == number)
            return &look->streams[i];
    look->streams = must_realloc(look->streams, look->count + 1, sizeof(*look->streams));
    look->streams[look->count] = (struct stream){.number = number};
    return &look->streams[look->count++];
}

static void
note_packet(struct look *look, const struct tri_trace_packet *packet)
{
    bool has_events = packet->content_size / 8 > sizeof(*packet);
    if (packet->magic != TRI_TRACE_MAGIC || packet->stream_id != TRI_TRACE_CLASS_EVENTS)
        return;
    struct stream *stream = stream_of(look, packet->stream_instance_id);
    look->events += has_events ? (packet->content_size / 8 - sizeof(*packet)) / TRI_TRACE_STEP : 0;
    if (packet->packet_seq_num < stream->last)
        return;
    stream->last = packet->packet_seq_num;
    stream->discarded = packet->events_discarded;
}

static void
note_file(struct look *look, int directory, const char *name)
{
    struct tri_trace_packet packet;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    if (read(fd, &packet, sizeof(packet)) == (ssize_t)sizeof(packet))
        note_packet(look, &packet);
    close(fd);
}

/* A further trace has a number from 2 on. */
static bool
is_number(const char *name)
{
    return name[0] != '\0' && strspn(name, "0123456789") == strlen(name);
}

static void
look_into(int fd, struct glance *glance, bool deeper)
{
    struct look look = {0};
    DIR *list = fdopendir(fd);
    for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
        const char *name = entry->d_name;
        if (deeper && is_number(name)) {
            int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            bool is_trace = sub >= 0 && faccessat(sub, "metadata", F_OK, 0) == 0;
            glance->others += is_trace;
            if (sub >= 0)
                look_into(sub, glance, false);
        } else if (name[0] != '.' && strchr(name, '.') != NULL) {
            note_file(&look, fd, name);
        }
    }
    for (size_t i = 0; i < look.count; i++)
        glance->lost += look.streams[i].discarded;
    glance->events += look.events;
    free(look.streams);
    if (list != NULL)
        closedir(list);
    else
        close(fd);
}

void
glance_at(const char *directory, struct glance *glance)
{
    *glance = (struct glance){0};
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    glance->is_trace = faccessat(fd, "metadata", F_OK, 0) == 0;
    look_into(fd, glance, true);
}
