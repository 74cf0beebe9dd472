/*
 * Makes the corpus of fuzz_tls.c: record_tls DIRECTORY. What each end says in a handshake, a word and a goodbye becomes
 * an input for the other. To be run again when OpenSSL says other things; nothing breaks until then, but what is found
 * begins earlier in a handshake.
 */
#include "fuzz.h"
#include "tls_ends.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAID_BYTES 65536u

struct end {
    struct tri_record_layer *layer;
    bool serves, open;
    int fd;  /* the layer's */
    int far; /* ours */
    uint8_t said[SAID_BYTES];
    size_t size;
};

static void
begin(struct end *end, unsigned kind, bool serves)
{
    int fds[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    *end = (struct end){.serves = serves, .fd = fds[0], .far = fds[1]};
    end->layer = tls_end_open(serves ? kind | TLS_SERVES : kind & ~(unsigned)TLS_SERVES);
}

static void
go_on(struct end *end, const struct end *other)
{
    char memory[100];
    ssize_t size;
    tls_end_turn(end->serves);
    if (!end->open)
        end->open = end->layer->kind->advance(end->layer, end->fd) == TRI_LAYER_DONE;
    else
        (void)end->layer->kind->read_plain(end->layer, end->fd, memory, sizeof(memory));
    while ((size = read(end->far, end->said + end->size, SAID_BYTES - end->size)) > 0) {
        MUST(write(other->far, end->said + end->size, (size_t)size) == size);
        end->size += (size_t)size;
    }
}

static void
say_and_end(struct end *end)
{
    tls_end_turn(end->serves);
    (void)end->layer->kind->write_record(end->layer, end->fd, "a word", 6);
    (void)end->layer->kind->goodbye(end->layer, end->fd);
}

/* What one has said is an input of the other's. */
static void
keep(const char *directory, unsigned kind, const struct end *end)
{
    char path[512];
    unsigned char first = (unsigned char)(end->serves ? kind & ~(unsigned)TLS_SERVES : kind | TLS_SERVES);
    snprintf(path, sizeof(path), "%s/%s-%u", directory, end->serves ? "client" : "server", kind);
    FILE *file = fopen(path, "wb");
    MUST(file != NULL && fwrite(&first, 1, 1, file) == 1 && fwrite(end->said, 1, end->size, file) == end->size);
    fclose(file);
}

static void
record(const char *directory, unsigned kind)
{
    static struct end client, server;
    begin(&client, kind, false);
    begin(&server, kind, true);
    for (unsigned i = 0; i < 10; i++) {
        go_on(&client, &server);
        go_on(&server, &client);
    }
    MUST(client.open && server.open);
    say_and_end(&client);
    say_and_end(&server);
    go_on(&client, &server);
    go_on(&server, &client);
    keep(directory, kind, &client);
    keep(directory, kind, &server);
    client.layer->kind->free(client.layer);
    server.layer->kind->free(server.layer);
}

int
main(int argc, char **argv)
{
    MUST(argc == 2);
    for (unsigned kind = 0; kind < TLS_IN_PIECES; kind += 2)
        record(argv[1], kind);
    return 0;
}
