#include "fault_rows.h"

#include "cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void
fault_set_up(void)
{
    client = (struct endpoint){0};
    peer = (struct raw_peer){.fd = -1};
    fault_clear();
}

const struct fault_row *row_now;

void
ends_at_ready(struct endpoint *self, const char *event)
{
    if (strcmp(event, "ready") == 0)
        tr_socket_end(self->socket);
}
