/*
 * pipe-uv: the same proxy as pipe-troupe, written by hand on libuv, as one who knows it would.
 *
 *   pipe-uv --port P --to Q
 *
 * What is read is written at once with uv_try_write; only what the kernel does not take goes into a uv_write, whose
 * buffer comes from a list of used ones. While more than WINDOW bytes wait on one side the other is not read. As long
 * as nothing waits all reads go into one buffer, which stays in the cache.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BACKLOG 4096
#define BUFFER_BYTES 65536u
#define WINDOW 262144u
#define NOT_SUPPORTED 77

struct pair;

struct end {
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    struct pair *pair;
    struct end *other;
    size_t waiting; /* bytes that were accepted for this end and are not in the kernel */
    bool reading, ended;
};

struct pair {
    struct end client, upstream;
    uv_connect_t connect;
    int closed;
};

/* A write and its bytes, in a list while it is not used. */
struct chunk {
    uv_write_t write;
    struct chunk *next;
    struct end *to;
    size_t size;
    char bytes[BUFFER_BYTES];
};

static struct sockaddr_in target;
static struct chunk *unused;

static struct chunk *
chunk_take(void)
{
    struct chunk *chunk = unused;
    if (chunk == NULL)
        return malloc(sizeof(*chunk));
    unused = chunk->next;
    return chunk;
}

static void
chunk_give(struct chunk *chunk)
{
    chunk->next = unused;
    unused = chunk;
}

static void
on_end_closed(uv_handle_t *handle)
{
    struct end *end = handle->data;
    if (++end->pair->closed == 2)
        free(end->pair);
}

static void
close_pair(struct pair *pair)
{
    if (!uv_is_closing((uv_handle_t *)&pair->client.tcp))
        uv_close((uv_handle_t *)&pair->client.tcp, on_end_closed);
    if (!uv_is_closing((uv_handle_t *)&pair->upstream.tcp))
        uv_close((uv_handle_t *)&pair->upstream.tcp, on_end_closed);
}

static void
on_shutdown(uv_shutdown_t *request, int status)
{
    struct end *end = request->data;
    end->ended = true;
    if (status != 0 || end->other->ended)
        close_pair(end->pair);
}

/* All reads of the loop use this one, unless its bytes have to wait. */
static struct chunk *current;

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    if (current == NULL)
        current = chunk_take();
    *buffer = current != NULL ? uv_buf_init(current->bytes, BUFFER_BYTES) : uv_buf_init(NULL, 0);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void
read_on(struct end *end, bool on)
{
    if (end->reading == on)
        return;
    end->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&end->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&end->tcp);
}

static void
on_written(uv_write_t *request, int status)
{
    struct chunk *chunk = request->data;
    struct end *to = chunk->to;
    to->waiting -= chunk->size;
    chunk_give(chunk);
    if (status != 0)
        close_pair(to->pair);
    else if (to->waiting <= WINDOW / 2 && !uv_is_closing((uv_handle_t *)&to->tcp))
        read_on(to->other, true);
}

/* What try_write left of the current chunk. */
static void
write_rest(struct end *to, uv_buf_t rest)
{
    struct chunk *chunk = current;
    current = NULL;
    chunk->to = to;
    chunk->size = rest.len;
    chunk->write.data = chunk;
    to->waiting += rest.len;
    if (uv_write(&chunk->write, (uv_stream_t *)&to->tcp, &rest, 1, on_written) != 0)
        close_pair(to->pair);
    else if (to->waiting > WINDOW)
        read_on(to->other, false);
}

static void
on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct end *from = stream->data, *to = from->other;
    if (size < 0) {
        read_on(from, false);
        if (size != UV_EOF || uv_shutdown(&to->shutdown, (uv_stream_t *)&to->tcp, on_shutdown) != 0)
            close_pair(from->pair);
        return;
    }
    if (size == 0)
        return;
    uv_buf_t rest = uv_buf_init(buffer->base, (unsigned)size);
    int written = to->waiting == 0 ? uv_try_write((uv_stream_t *)&to->tcp, &rest, 1) : UV_EAGAIN;
    if (written == size)
        return;
    if (written < 0 && written != UV_EAGAIN) {
        close_pair(from->pair);
        return;
    }
    if (written > 0)
        rest = uv_buf_init(rest.base + written, (unsigned)(size - written));
    write_rest(to, rest);
}

static void
on_connected(uv_connect_t *request, int status)
{
    struct pair *pair = request->data;
    if (status != 0) {
        close_pair(pair);
        return;
    }
    read_on(&pair->client, true);
    read_on(&pair->upstream, true);
}

static void
init_end(uv_loop_t *loop, struct pair *pair, struct end *end, struct end *other)
{
    end->pair = pair;
    end->other = other;
    uv_tcp_init(loop, &end->tcp);
    end->tcp.data = end;
    end->shutdown.data = end;
}

static void
on_connection(uv_stream_t *server, int status)
{
    struct pair *pair = status == 0 ? calloc(1, sizeof(*pair)) : NULL;
    if (pair == NULL)
        return;
    init_end(server->loop, pair, &pair->client, &pair->upstream);
    init_end(server->loop, pair, &pair->upstream, &pair->client);
    pair->connect.data = pair;
    if (uv_accept(server, (uv_stream_t *)&pair->client.tcp) != 0 ||
        uv_tcp_connect(&pair->connect, &pair->upstream.tcp, (const struct sockaddr *)&target, on_connected) != 0) {
        close_pair(pair);
        return;
    }
    uv_tcp_nodelay(&pair->client.tcp, 1);
    uv_tcp_nodelay(&pair->upstream.tcp, 1);
}

static void
must(const char *what, int error)
{
    if (error == 0)
        return;
    fprintf(stderr, "pipe-uv: %s: %s\n", what, uv_strerror(error));
    exit(1);
}

static void
on_signal(uv_signal_t *handle, int signal)
{
    (void)signal;
    uv_stop(handle->loop);
}

int
main(int argc, char **argv)
{
    int port = 0, to = 0;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 < argc && strcmp(argv[i], "--port") == 0)
            port = atoi(argv[i + 1]);
        else if (i + 1 < argc && strcmp(argv[i], "--to") == 0)
            to = atoi(argv[i + 1]);
        else
            return NOT_SUPPORTED;
    }
    if (port == 0 || to == 0)
        return NOT_SUPPORTED;
    signal(SIGPIPE, SIG_IGN);
    uv_ip4_addr("127.0.0.1", to, &target);
    struct sockaddr_in address;
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t server;
    uv_signal_t end;
    uv_ip4_addr("127.0.0.1", port, &address);
    must("init", uv_tcp_init(loop, &server));
    must("bind", uv_tcp_bind(&server, (const struct sockaddr *)&address, 0));
    must("listen", uv_listen((uv_stream_t *)&server, BACKLOG, on_connection));
    must("signal", uv_signal_init(loop, &end));
    must("signal", uv_signal_start(&end, on_signal, SIGTERM));
    printf("ready\n");
    fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
