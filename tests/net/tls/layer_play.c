#include "layer_play.h"

#include "context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 10000u

static unsigned open_ends;

int
layers_leave_nothing(void **state)
{
    unsigned left = open_ends;
    open_ends = 0;
    return left == 0 ? tls_leaves_no_errors(state) : -1;
}

/* Both ends. */

static void
make_pair(int fds[2], int room)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2 && room > 0; i++)
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
}

void
layer_begin_end(struct layer_end *end, const struct tri_tls_wish *wish, int fd)
{
    signal(SIGPIPE, SIG_IGN);
    *end = (struct layer_end){.fd = fd};
    assert_int_equal(tri_tls_open(wish, &end->layer), TR_OK);
    assert_true(tri_is_tls(end->layer));
    open_ends++;
}

void
layer_end_end(struct layer_end *end)
{
    end->layer->kind->free(end->layer);
    close(end->fd);
    open_ends--;
}

void
layer_begin(struct layer_duo *duo, const struct layer_plan *plan)
{
    int fds[2];
    struct tr_tls_context_options usual_client = tls_client("ca"), usual_server = tls_server("server");
    tr_tls_context *client = tls_make(plan->client != NULL ? plan->client : &usual_client);
    tr_tls_context *server = tls_make(plan->server != NULL ? plan->server : &usual_server);
    const char *host = plan->host == NULL ? "server.example" : plan->host[0] == '\0' ? NULL : plan->host;
    struct tri_tls_wish calls = {.context = client, .server_name = host, .any_name = plan->any_name};
    struct tri_tls_wish serves = {.context = server, .serves = true};
    make_pair(fds, plan->room);
    layer_begin_end(&duo->client, &calls, fds[0]);
    layer_begin_end(&duo->server, &serves, fds[1]);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

static void
advance(struct layer_end *end)
{
    if (end->shook < 0 || end->layer->state == TRI_LAYER_OPEN)
        return;
    end->layer->state = TRI_LAYER_SHAKES;
    end->shook = end->layer->kind->advance(end->layer, end->fd);
    if (end->shook == TRI_LAYER_DONE)
        end->layer->state = TRI_LAYER_OPEN;
}

static bool
is_open(const struct layer_end *end)
{
    return end->layer->state == TRI_LAYER_OPEN;
}

bool
layer_shake(struct layer_duo *duo)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        advance(&duo->client);
        advance(&duo->server);
        if (duo->client.shook < 0 || duo->server.shook < 0)
            break;
        if (is_open(&duo->client) && is_open(&duo->server))
            return true;
    }
    advance(&duo->client); /* what the one has said to the other before it failed */
    advance(&duo->server);
    return false;
}

void
layer_agree(struct layer_duo *duo, const struct layer_plan *plan)
{
    layer_begin(duo, plan);
    assert_true(layer_shake(duo));
    assert_int_equal(tls_leaves_no_errors(NULL), 0);
}

void
layer_end(struct layer_duo *duo)
{
    layer_end_end(&duo->client);
    layer_end_end(&duo->server);
}

/* Bytes. */

static void
note(struct layer_end *end, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (end->got_size < sizeof(end->first) - 1)
            end->first[end->got_size] = bytes[i];
        end->sum = end->sum * 31 + (unsigned char)bytes[i];
        end->got_size++;
    }
}

/* A layer may say that the wire is empty because a read was short, so it is asked again, as polling would do. */
void
layer_read(struct layer_end *end, size_t piece)
{
    static char memory[65536];
    unsigned dry = 0;
    while (dry < 2) {
        end->last = end->layer->kind->read_plain(end->layer, end->fd, memory, piece);
        note(end, memory, end->last > 0 ? (size_t)end->last : 0);
        dry = end->last > 0 ? 0 : end->last == -EAGAIN ? dry + 1 : 2;
    }
}

bool
layer_push(struct layer_end *end)
{
    if (!end->layer->owes)
        return true;
    ssize_t pushed = end->layer->kind->push(end->layer, end->fd);
    assert_true(pushed == 0 || (pushed == 1 && !end->layer->owes));
    return pushed == 1;
}

ssize_t
layer_write(struct layer_end *end, const void *data, size_t size)
{
    if (!layer_push(end))
        return 0;
    if (end->layer->committed > 0)
        assert_int_equal(end->layer->committed, size);
    ssize_t taken = end->layer->kind->write_record(end->layer, end->fd, data, size);
    if (!end->layer->amid)
        end->layer->committed = taken == (ssize_t)size ? 0 : (uint16_t)size;
    return taken;
}

static char
pattern(size_t at)
{
    return (char)(at * 7 + at / 251);
}

/* A record that the layer has already is written from other memory. */
static ssize_t
write_pattern(struct layer_end *from, size_t sent, size_t size)
{
    static char record[TRI_RECORD_BYTES];
    for (size_t i = 0; i < size; i++)
        record[i] = from->layer->committed > 0 ? '!' : pattern(sent + i);
    return layer_write(from, record, size);
}

void
layer_carry(struct layer_end *from, struct layer_end *to, size_t size, size_t record)
{
    size_t sent = 0, before = to->got_size;
    uint64_t sum = to->sum;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + (unsigned char)pattern(i);
    for (unsigned round = 0; round < ROUNDS && to->got_size < before + size; round++) {
        size_t next = size - sent < record ? size - sent : record;
        ssize_t taken = next > 0 ? write_pattern(from, sent, next) : 0;
        assert_true(taken == 0 || taken == (ssize_t)next);
        sent += (size_t)taken;
        if (taken == 0)
            layer_read(to, 5000);
    }
    assert_int_equal(to->got_size, before + size);
    assert_true(to->sum == sum && sent == size);
}

void
layer_has_failed(const struct layer_end *end, int outcome, tr_status status, const char *code)
{
    const char *exact = NULL;
    tr_status is = end->layer->kind->failure(end->layer, &exact);
    if (outcome != TRI_LAYER_BROKEN || is != status || strcmp(exact != NULL ? exact : tr_status_code(is), code) != 0)
        fail_msg("%d, %s, %s, and not %s, %s", outcome, tr_status_code(is), exact != NULL ? exact : "-",
                 tr_status_code(status), code);
}

struct tr_tls_context_options
layer_of_version(struct tr_tls_context_options options, enum tr_tls_version version)
{
    options.lowest = options.highest = version;
    return options;
}
