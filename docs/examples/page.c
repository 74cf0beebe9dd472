/*
 * One file over HTTP, and a line of log for each visit.
 *
 *   page FILE [PORT [MOST]]        by default 8127, and at most 100 visitors at a time
 *
 * Head and file are written under a cork and leave together; uncork says what became of both, and what waits then is
 * told by tr_socket_buffered(). When a visit began lies in the connection's own memory, so there is nothing to allocate
 * and to free. On Ctrl-C nobody new comes in, visitors have ten seconds to read what waits for them, and the server
 * says whom it had to refuse. Its threads are troupe/0, troupe/1... in top -H.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <unistd.h>

struct visit {
    uint64_t began_ms;
    bool answered;
};

static void
on_connection(tr_socket *socket)
{
    struct visit *visit = tr_socket_state(socket);
    visit->began_ms = tr_now(tr_socket_actor(socket));
}

/* Whatever is asked for. */
static void
on_data(tr_socket *socket, tr_slice request)
{
    struct visit *visit = tr_socket_state(socket);
    const int *file = tr_socket_data(socket);
    struct stat about;
    char head[80], name[TR_REF_TEXT_SIZE];
    (void)request;
    if (visit->answered || fstat(*file, &about) != 0)
        return;
    visit->answered = true;
    int size =
        snprintf(head, sizeof(head), "HTTP/1.0 200 OK\r\nContent-Length: %lld\r\n\r\n", (long long)about.st_size);
    tr_socket_cork(socket);
    tr_socket_write(socket, head, (size_t)size);
    tr_socket_write_file(socket, *file, 0, 0, NULL, NULL);
    tr_status status = tr_socket_uncork(socket);
    if (status == TR_QUEUED)
        fprintf(stderr, "visit %s: %" PRIu64 " bytes wait\n", tr_ref_text(tr_socket_ref(socket), name),
                tr_socket_buffered(socket));
    if (status >= TR_OK)
        tr_socket_end(socket); /* after what waits; with an error the socket is destroyed already */
}

static void
on_close(tr_socket *socket, bool had_error)
{
    const struct visit *visit = tr_socket_state(socket);
    char name[TR_REF_TEXT_SIZE];
    fprintf(stderr, "visit %s: %s after %" PRIu64 " ms\n", tr_ref_text(tr_socket_ref(socket), name),
            had_error ? "failed" : "over", tr_now(tr_socket_actor(socket)) - visit->began_ms);
}

static void
on_server_close(tr_server *server)
{
    struct tr_server_refusals refused;
    tr_server_refusals(server, &refused);
    fprintf(stderr, "page: %" PRIu64 " refused, %" PRIu64 " lost\n", refused.over_limit, refused.lost);
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.data = on_data, .close = on_close};
    static const struct tr_server_events server_events = {.close = on_server_close};
    int file = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    struct tr_server_options server = {.connection = on_connection,
                                       .socket = {.events = &events, .state_size = sizeof(struct visit)},
                                       .events = &server_events,
                                       .data = &file,
                                       .max_connections = argc > 3 ? (uint32_t)atoi(argv[3]) : 100};
    struct tr_listen_options listen = {.port = 8127, .any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = file >= 0 ? TR_OK : TR_ENOENT;
    if (status == TR_OK && argc > 2)
        status = tr_port_parse(argv[2], &listen.port);
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "page: listening on port %u\n", at.port);
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "page: %s\n", tr_status_text(status));
    }
    struct tr_stop_report left = {0};
    if (tr_runtime_stop(runtime, 10000, &left) == TR_ETIMEDOUT_STOP)
        fprintf(stderr, "page: %" PRIu64 " did not end in time\n", left.killed);
    return status == TR_OK && left.killed == 0 ? 0 : 1;
}
