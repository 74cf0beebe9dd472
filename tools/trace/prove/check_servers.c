/*
 * The rule of servers: server.
 *
 * A listener's descriptor is opened, deals connections out, and is closed, each once; it resumes after a pause. What it
 * says of the loads that it saw comes directly before the choice: those of the others in the order of their workers,
 * and the chosen one's last. (The system chooses by itself, and nothing is said of loads then.) A server listens before
 * it closes, and tells so once; it resumes after a pause, and of the connections that it takes leave of each is cut or
 * ends by itself.
 * As in Node a server that is closed has one more close for each call.
 */
#include "rules.h"
#include "worker.h"

/* As the words of the tables say. */
enum { POLICY_SYSTEM = 6, KILL = 2 };

/* A listener, or a server: each has a ref of its own. */
struct server {
    bool open, closed; /* its descriptor */
    bool paused;
    bool drains;
    uint16_t policy; /* by which the listener chooses, plus 1; 0: it has not chosen yet */
    bool listens;
    bool announces; /* that it listens: that is not told yet */
    bool killed;
    uint32_t port;     /* of the listener, or the server's latest */
    uint32_t leaves;   /* connections, as it begins to drain */
    uint64_t listened; /* how often */
};

void
check_servers_init(struct check *check)
{
    table_init(&check->servers, sizeof(struct server));
}

/* -- Servers. -- */

static void
check_resumed(struct check *check, struct server *server, const struct step *step)
{
    if (!server->paused)
        check_missing(check, RULE_server, step, "it accepts again, and was not paused");
    server->paused = false;
}

static void
check_drained(struct check *check, struct server *server, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    if (!server->drains)
        check_missing(check, RULE_server, step, "it has taken leave of nobody");
    else if (record->arg + record->message != server->leaves)
        check_failed(check, RULE_server, step, "those that were cut and that ended are not as many as there were");
    server->drains = false;
}

/* -- Listeners. -- */

static void
check_open(struct check *check, struct server *listener, const struct step *step)
{
    if (listener->open || listener->closed)
        check_missing(check, RULE_server, step, "its descriptor was opened before");
    listener->open = true;
    listener->port = step->record->arg;
}

static void
check_is_open(struct check *check, const struct server *listener, const struct step *step)
{
    if (!listener->open)
        check_missing(check, RULE_server, step, "its descriptor is not open");
}

static void
check_closed(struct check *check, struct server *listener, const struct step *step)
{
    check_is_open(check, listener, step);
    listener->open = false;
    listener->closed = true;
}

static void
check_load(struct check *check, struct worker *worker, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    if (worker->listener == record->actor && worker->chosen == record->arg)
        check_missing(check, RULE_server, step, "the load of that worker was told before");
    worker->listener = record->actor;
    worker->chosen = record->arg;
}

static void
check_choice(struct check *check, struct server *listener, struct worker *worker, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    const struct server *server = table_get(&check->servers, record->message, 0);
    bool is_told = worker->listener == record->actor && worker->chosen == record->arg;
    check_is_open(check, listener, step);
    if (record->flags != POLICY_SYSTEM && !is_told)
        check_missing(check, RULE_server, step, "the load of the worker that it chose was not told before");
    if (server != NULL && server->listened == 1 && listener->open && server->port != listener->port)
        check_failed(check, RULE_server, step, "its server listens at another port");
    if (listener->policy != 0 && listener->policy != record->flags + 1)
        check_failed(check, RULE_server, step, "it has chosen by another policy before");
    listener->policy = (uint16_t)(record->flags + 1);
    worker->listener = 0;
}

/* Whoever said what loads it saw says next what it chose. */
static void
check_told(struct check *check, struct worker *worker, const struct step *step)
{
    bool goes_on = step->role == ROLE_listener_load || step->role == ROLE_listener_accept;
    if (worker->listener != 0 && (!goes_on || worker->listener != step->record->actor))
        check_missing(check, RULE_server, step, "a listener has told the loads that it saw, and not what it chose");
    if (!goes_on)
        worker->listener = 0;
}

static void
check_of_listener(struct check *check, struct server *listener, const struct step *step)
{
    struct worker *worker = worker_of(check, step);
    switch (step->role) {
    case ROLE_listener_open: check_open(check, listener, step); break;
    case ROLE_listener_load: check_load(check, worker, step); break;
    case ROLE_listener_accept: check_choice(check, listener, worker, step); break;
    case ROLE_cluster_take:
    case ROLE_listener_reject: check_is_open(check, listener, step); break;
    case ROLE_listener_paused: listener->paused = true; break;
    case ROLE_listener_resumed: check_resumed(check, listener, step); break;
    case ROLE_listener_close: check_closed(check, listener, step); break;
    default: break;
    }
}

static void
begin_to_listen(struct server *server, const struct step *step)
{
    server->listened++;
    server->listens = true;
    server->announces = true;
    server->port = step->record->arg;
    server->drains = false;
}

static void
check_announced(struct check *check, struct server *server, const struct step *step)
{
    if (!server->announces)
        check_missing(check, RULE_server, step, "it does not listen, or has told so before");
    server->announces = false;
}

static void
pause_server(struct check *check, struct server *server, const struct step *step)
{
    if (!server->listens)
        check_missing(check, RULE_server, step, "it does not listen");
    server->paused = true;
}

static void
begin_to_drain(struct check *check, struct server *server, const struct step *step)
{
    if (server->drains)
        check_missing(check, RULE_server, step, "it takes leave a second time");
    server->drains = true;
    server->leaves = step->record->arg;
}

void
check_servers(struct check *check, const struct step *step)
{
    struct server *server = table_put(&check->servers, step->record->actor, 0);
    check->findings[RULE_server].looked++;
    check_told(check, worker_of(check, step), step);
    switch (step->role) {
    case ROLE_server_listening: begin_to_listen(server, step); break;
    case ROLE_server_announced: check_announced(check, server, step); break;
    case ROLE_server_paused: pause_server(check, server, step); break;
    case ROLE_server_resumed: check_resumed(check, server, step); break;
    case ROLE_server_close: server->listens = false; break;
    case ROLE_server_drain: begin_to_drain(check, server, step); break;
    case ROLE_server_drained: check_drained(check, server, step); break;
    default: check_of_listener(check, server, step); break;
    }
}

/* Its actor ends, and it has closed, unless it was killed. */
void
check_servers_actor(struct check *check, const struct step *step)
{
    struct server *server = table_get(&check->servers, step->record->actor, 0);
    if (server == NULL)
        return;
    if (step->role != ROLE_stopped)
        server->killed |= step->role == ROLE_init_failed || step->record->arg == KILL;
    else if (server->open)
        check_missing(check, RULE_server, step, "its descriptor was not closed");
    else if (server->listens && !server->killed)
        check_missing(check, RULE_server, step, "it was not closed");
}
