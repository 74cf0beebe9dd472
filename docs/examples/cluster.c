/*
 * An echo server of many processes: a crash ends the connections of one process only, which is replaced.
 *
 *   cluster PORT        SIGHUP replaces the processes, one after the other; Ctrl-C ends them
 */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/cluster.h>
#include <troupe/net/server.h>

static void
on_data(tr_socket *socket, tr_slice data)
{
    tr_status status = tr_socket_write_slice(socket, data);
    if (status == TR_QUEUED)
        tr_socket_pause(socket);
    else if (status != TR_OK)
        tr_socket_destroy(socket, status);
}

/* Runs in each child: what it returns is the child's exit status. */
static int
serve(tr_cluster_child *self, void *data)
{
    static const struct tr_socket_events events = {.data = on_data, .drain = tr_socket_resume};
    struct tr_server_options server = {.socket = {.events = &events, .no_delay = true}};
    struct tr_runtime_options options = {.workers = 1}; /* there is a process for each CPU */
    const struct tr_listen_options *listen = data;
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, listen, NULL, &at); /* all children have the port of the first */
    if (status == TR_OK) {
        fprintf(stderr, "cluster: child %u listening on port %u\n", tr_cluster_child_number(self), at.port);
        tr_cluster_child_wait(self, runtime); /* until the parent asks it to stop, or has ended */
    } else {
        fprintf(stderr, "cluster: %s\n", tr_status_text(status));
    }
    tr_status end = tr_runtime_stop(runtime, 2000, NULL);
    return status == TR_OK && end == TR_OK ? 0 : 1;
}

int
main(int argc, char **argv)
{
    struct tr_listen_options listen = {.port = 8124, .any_port = true};
    struct tr_cluster_options cluster = {.child = serve, .data = &listen, .restart_on_hangup = true};
    tr_status status = TR_OK;
    if (argc > 1)
        status = tr_port_parse(argv[1], &listen.port);
    if (status == TR_OK)
        status = tr_cluster_run(&cluster); /* before there are any threads */
    if (status != TR_OK)
        fprintf(stderr, "cluster: %s\n", tr_status_text(status));
    return status == TR_OK ? 0 : 1;
}
