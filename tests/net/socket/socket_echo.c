#include "socket_echo.h"

#include "cast.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void
end_when_both_are_closed(void)
{
    struct endpoint *both[] = {&client, &accepted[0]};
    stage_end_when_closed(both, 2);
}

void
end_client(void *argument)
{
    (void)argument;
    if (client.socket != NULL)
        tr_socket_end(client.socket);
}

static void
written(tr_socket *socket, void *argument, tr_status status)
{
    note(tr_socket_data(socket), "%s:%s", (const char *)argument, tr_status_code(status));
}

tr_status
write_told(tr_socket *socket, tr_slice slice, const char *name)
{
    return tr_socket_write_then(socket, slice, written, (void *)(uintptr_t)name);
}

void
ends_at_once(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        tr_socket_end(self->socket);
}
