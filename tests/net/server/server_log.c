#include "server_log.h"

#include "server_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>

const struct tr_socket_events silent_events;
struct endpoint clients[4];
char server_log[1024];
tr_server *our_server;
void (*server_hook)(const char *event);

int
server_reset(void **state)
{
    (void)state;
    memset(clients, 0, sizeof(clients));
    memset(accepted, 0, sizeof(accepted));
    server_log[0] = '\0';
    server_hook = NULL;
    our_server = NULL;
    return 0;
}

void
write_down(const char *event)
{
    size_t used = strlen(server_log);
    snprintf(server_log + used, sizeof(server_log) - used, "%s%s", used > 0 ? " " : "", event);
    if (server_hook != NULL)
        server_hook(event);
}

static void
on_listening(tr_server *self)
{
    assert_true(tr_server_listening(self));
    write_down("listening");
}

static void
on_error(tr_server *self, const struct tr_error *error)
{
    (void)self;
    write_down(tr_status_code(error->status));
}

static void
on_close(tr_server *self)
{
    assert_int_equal(tr_server_connections(self), 0);
    write_down("close");
}

const struct tr_server_events logged = {.listening = on_listening, .error = on_error, .close = on_close};

void
end_when_all_are_closed(size_t n)
{
    static struct endpoint *all[8];
    for (size_t i = 0; i < n; i++) {
        all[2 * i] = &clients[i];
        all[2 * i + 1] = &accepted[i];
    }
    stage_end_when_closed(all, 2 * n);
}

void
ends_after_close(const char *event)
{
    if (is(event, "close"))
        stage_end();
}

bool
first_is_over(void)
{
    return accepted[0].closed && clients[0].closed;
}

uint32_t open_on[WORKERS];
uint32_t closed_on[WORKERS];

void
count_connection(tr_socket *socket)
{
    ck_pr_inc_32(&open_on[tr_ref_worker(tr_socket_ref(socket))]);
}

void
count_close(tr_socket *socket, bool had_error)
{
    (void)had_error;
    ck_pr_inc_32(&closed_on[tr_ref_worker(tr_socket_ref(socket))]);
}
