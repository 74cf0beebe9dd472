/*
 * Sends an open file to another process over a unix socket (write with a file descriptor, v0.4 and v0.5).
 *
 *   send-fd PATH FILE        PATH is where receive-fd listens
 *
 * The other process gets a descriptor of its own for the same open file: it needs no right to open the file itself.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/socket.h>
#include <unistd.h>

static bool failed; /* the worker's; read when that has ended */

static void
on_connect(tr_socket *socket)
{
    const int *fd = tr_socket_data(socket);
    tr_slice bytes = tr_slice_constant("file\n", strlen("file\n")); /* a descriptor cannot travel alone */
    tr_status status = tr_socket_write_fd(socket, bytes, *fd, NULL, NULL);
    if (status >= TR_OK)
        status = tr_socket_end(socket);
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    fprintf(stderr, "send-fd: %s: %s\n", error->call, tr_status_text(error->status));
    failed = true;
}

static tr_status
send_file(tr_runtime *runtime, const char *path, int *fd)
{
    static const struct tr_socket_events events = {.connect = on_connect, .error = on_error};
    struct tr_socket_options socket = {.events = &events, .data = fd};
    struct tr_connect_options connect = {.path = path};
    tr_status status = tr_runtime_connect(runtime, &socket, &connect, NULL);
    if (status == TR_OK)
        tr_runtime_wait_idle(runtime);
    return status;
}

int
main(int argc, char **argv)
{
    int fd = argc == 3 ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        fprintf(stderr, "usage: send-fd PATH FILE, and FILE can be read\n");
        return 1;
    }
    struct tr_runtime_options options = {.workers = 1};
    tr_runtime *runtime = NULL;
    tr_status status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK)
        status = send_file(runtime, argv[1], &fd);
    if (status != TR_OK)
        fprintf(stderr, "send-fd: %s\n", tr_status_text(status));
    tr_status stopped = tr_runtime_stop(runtime, 2000, NULL);
    close(fd);
    return status == TR_OK && stopped == TR_OK && !failed ? 0 : 1;
}
