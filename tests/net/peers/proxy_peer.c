/*
 * A program for haproxy, before and behind it.
 *
 *   proxy-peer serve                 prints "port N", and for each connection what its PROXY header says, which it also
 *                                    says to the connection; then it ends that. Until its input ends
 *   proxy-peer visit PORT VERSION    connects with a header of that version, 0: none; prints "port N", its own, and
 *                                    then what it hears
 *   proxy-peer ports N COMMAND...    listens on so many ports, which are descriptors from 3 on, prints "port N" for
 *                                    each, and becomes the command
 *
 * What a header says is "VERSION:COMMAND SOURCE,PORT DESTINATION,PORT", and " TYPE=BYTES" for each TLV.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/proxy.h>
#include <troupe/net/server.h>
#include <unistd.h>

static tr_runtime *runtime;

static void
print(const char *text, size_t size)
{
    if (write(STDOUT_FILENO, text, size) != (ssize_t)size)
        abort();
}

static void
on_connection(tr_socket *socket)
{
    const struct tr_proxy *proxy = tr_socket_proxy(socket);
    struct tr_proxy_tlv tlv = {0};
    char line[1024];
    size_t size =
        (size_t)snprintf(line, sizeof(line), "%u:%d %s,%u %s,%u", proxy->version, proxy->command, proxy->source.text,
                         proxy->source.port, proxy->destination.text, proxy->destination.port);
    while (tr_proxy_tlv_next(proxy->tlvs, proxy->tlvs_size, &tlv))
        if (tlv.type != TR_PROXY_CRC32C)
            size += (size_t)snprintf(line + size, sizeof(line) - size, " %u=%.*s", tlv.type, (int)tlv.size,
                                     (const char *)tlv.value);
        else
            size += (size_t)snprintf(line + size, sizeof(line) - size, " %u", tlv.type);
    line[size++] = '\n';
    print(line, size);
    tr_socket_write(socket, line, size);
    tr_socket_end(socket);
}

static tr_status
serve(void)
{
    struct tr_server_options server = {.connection = on_connection, .proxy.versions = TR_PROXY_V1 | TR_PROXY_V2};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address at;
    tr_status status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status != TR_OK)
        return status;
    printf("port %u\n", at.port);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return TR_OK;
}

static void
on_connect(tr_socket *socket)
{
    struct tr_address own;
    char line[32];
    tr_socket_local_address(socket, &own);
    print(line, (size_t)snprintf(line, sizeof(line), "port %u\n", own.port));
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    (void)socket;
    print(data.data, data.size);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    fprintf(stderr, "%s\n", error->code);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    tr_runtime_quit(runtime);
}

static tr_status
visit(uint16_t port, unsigned version)
{
    static const struct tr_socket_events events = {
        .connect = on_connect, .data = on_data, .error = on_error, .close = on_close};
    unsigned char tlvs[64];
    struct tr_proxy header = {
        .version = version,
        .command = TR_PROXY_FORWARDS,
        .source = {TR_FAMILY_IPV6, 1000, "2001:db8::1"},
        .destination = {TR_FAMILY_IPV6, 443, "2001:db8::2"},
        .tlvs = tlvs,
    };
    if (version == TR_PROXY_V2) {
        tr_proxy_tlv_add(tlvs, sizeof(tlvs), &header.tlvs_size, TR_PROXY_CRC32C, "\0\0\0", 4);
        tr_proxy_tlv_add(tlvs, sizeof(tlvs), &header.tlvs_size, TR_PROXY_AUTHORITY, "example.org", 11);
    }
    struct tr_socket_options socket = {.events = &events};
    struct tr_connect_options options = {.host = "127.0.0.1", .port = port, .proxy = version != 0 ? &header : NULL};
    tr_status status = tr_runtime_connect(runtime, &socket, &options, NULL);
    if (status == TR_OK)
        tr_runtime_wait(runtime);
    return status;
}

/* Does not return. */
static void
become(int ports, char **command)
{
    for (int i = 0; i < ports; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(at);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 16) != 0 ||
            getsockname(fd, (struct sockaddr *)&at, &size) != 0 || (fd != 3 + i && dup2(fd, 3 + i) < 0))
            abort();
        printf("port %u\n", ntohs(at.sin_port));
    }
    fflush(stdout);
    execvp(command[0], command);
    perror(command[0]);
    exit(1);
}

int
main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "ports") == 0)
        become(atoi(argv[2]), argv + 3);
    struct tr_runtime_options options = {.workers = 2};
    tr_status status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK)
        status = argc == 4 ? visit((uint16_t)atoi(argv[2]), (unsigned)atoi(argv[3])) : serve();
    tr_status stopped = tr_runtime_stop(runtime, 60000, NULL);
    return status == TR_OK && stopped == TR_OK ? 0 : 1;
}
