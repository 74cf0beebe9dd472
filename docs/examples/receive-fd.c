/*
 * Takes open files from other processes over a unix socket (the 'fd' event of v0.4 and v0.5) and prints what is in
 * them.
 *
 *   receive-fd PATH
 *
 * A descriptor may be anything: a pipe whose other end is silent would hold a worker up for ever. So only files are
 * read.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <unistd.h>

static void
print_file(int fd)
{
    char bytes[4096];
    ssize_t size;
    while ((size = read(fd, bytes, sizeof(bytes))) > 0)
        fwrite(bytes, 1, (size_t)size, stdout);
    fflush(stdout);
}

static void
on_fd(tr_socket *socket, int fd)
{
    struct stat about;
    (void)socket;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode))
        print_file(fd);
    else
        fprintf(stderr, "receive-fd: that is no file\n");
    close(fd); /* the event gave it to us */
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.fd = on_fd};
    struct tr_server_options server = {.socket = {.events = &events, .receive_fds = true}};
    struct tr_listen_options listen = {.path = argc > 1 ? argv[1] : "/tmp/files.sock"};
    tr_runtime *runtime = NULL;
    tr_status status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, NULL);
    if (status == TR_OK) {
        fprintf(stderr, "receive-fd: listening on %s\n", listen.path);
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "receive-fd: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
