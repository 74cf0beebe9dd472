#include "toy_layer.h"

#include "random.h"
#include "transmit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

unsigned toys;

#define DEMAND(condition) demand(condition, #condition)

static void
demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "the seam has broken its word: %s\n", what);
    abort();
}

static struct toy *
toy(struct tri_record_layer *layer)
{
    return (struct toy *)layer;
}

static int
break_off(struct toy *t, const char *code)
{
    t->failed = TRI_LAYER_BROKEN;
    t->code = code;
    return TRI_LAYER_BROKEN;
}

/* Records. */

static void
mask(char *bytes, size_t size, unsigned char key)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(bytes[i] ^ (char)(key + i));
}

static size_t
make_record(char *to, enum toy_kind kind, unsigned char number, unsigned char key, const void *data, size_t size)
{
    to[0] = (char)kind;
    to[1] = (char)number;
    to[2] = (char)(size >> 8);
    to[3] = (char)size;
    if (size > 0)
        memcpy(to + TOY_HEADER, data, size);
    mask(to + 1, TOY_HEADER - 1 + size, key);
    return TOY_HEADER + size;
}

static void
put(struct toy *t, enum toy_kind kind, const void *data, size_t size)
{
    DEMAND(t->out_size + TOY_HEADER + size <= sizeof(t->out));
    memmove(t->out, t->out + t->out_first, t->out_size - t->out_first);
    t->out_size -= t->out_first;
    t->out_first = 0;
    size_t made = make_record(t->out + t->out_size, kind, t->write_number++, t->write_key, data, size);
    t->out_size += made;
    t->made += made;
    if (kind == TOY_RENEW || kind == TOY_RENEWED)
        t->write_key += 7;
}

/* The transport. */

static bool
chance(struct toy *t, unsigned of)
{
    return t->random != 0 && random_below(&t->random, of) == 0;
}

/* 1: all has gone; 0: no room; or an error. */
static ssize_t
drain(struct toy *t, int fd)
{
    while (t->out_first < t->out_size) {
        size_t most = t->out_size - t->out_first;
        if (t->stands || chance(t, 6))
            return 0;
        if (t->write_error != 0) {
            int error = t->write_error;
            t->write_error = 0;
            return -error;
        }
        if (t->random != 0 && chance(t, 2))
            most = 1 + random_below(&t->random, (unsigned)most);
        if (t->most_written != 0 && most > t->most_written)
            most = t->most_written;
        ssize_t taken = send(fd, t->out + t->out_first, most, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (taken < 0)
            return errno == EAGAIN ? 0 : -errno;
        t->out_first += (size_t)taken;
        t->gone += (uint64_t)taken;
        if (t->most_written != 0 && t->out_first < t->out_size)
            return 0;
    }
    return 1;
}

/* What a socket would read next, as read() says it. */
static ssize_t
receive(struct toy *t, int fd, char *memory, size_t size)
{
    if (t->early_first < t->early_size) {
        size_t part = t->early_size - t->early_first < size ? t->early_size - t->early_first : size;
        memcpy(memory, t->early + t->early_first, part);
        t->early_first += part;
        return (ssize_t)part;
    }
    if (chance(t, 6))
        return -EAGAIN;
    if (t->random != 0 && chance(t, 2))
        size = 1 + random_below(&t->random, (unsigned)size);
    ssize_t got = recv(fd, memory, size, MSG_DONTWAIT);
    return got >= 0 ? got : -errno;
}

/* Makes so many bytes be there: 1; 0: the wire has ended; or an error. */
static ssize_t
fetch(struct toy *t, int fd, size_t needed)
{
    while (t->in_size - t->in_first < needed) {
        memmove(t->in, t->in + t->in_first, t->in_size - t->in_first);
        t->in_size -= t->in_first;
        t->in_first = 0;
        ssize_t got = t->at_end ? 0 : receive(t, fd, t->in + t->in_size, sizeof(t->in) - t->in_size);
        if (got == 0)
            t->at_end = true;
        if (got <= 0)
            return got;
        t->in_size += (size_t)got;
        t->received += (uint64_t)got;
    }
    return 1;
}

/* The next record, opened, at in_first. Gives its kind; 0: the wire has ended; or an error. */
static int
next_record(struct toy *t, int fd, size_t *size)
{
    char header[TOY_HEADER];
    ssize_t there = fetch(t, fd, TOY_HEADER);
    if (there <= 0)
        return (int)there;
    memcpy(header, t->in + t->in_first, TOY_HEADER);
    mask(header + 1, TOY_HEADER - 1, t->read_key);
    *size = (size_t)(unsigned char)header[2] << 8 | (unsigned char)header[3];
    if (header[1] != (char)t->read_number || *size > TOY_RECORD)
        return break_off(t, "TOY_BAD_RECORD");
    there = fetch(t, fd, TOY_HEADER + *size);
    if (there <= 0)
        return (int)there;
    mask(t->in + t->in_first + 1, TOY_HEADER - 1 + *size, t->read_key);
    t->read_number++;
    t->in_first += TOY_HEADER;
    return (unsigned char)header[0];
}

/* The kind. */

static int
shake_as_client(struct toy *t, int fd)
{
    size_t size;
    if (!t->said_hello)
        put(t, TOY_HELLO, "hello", 5);
    t->said_hello = true;
    ssize_t sent = drain(t, fd);
    if (sent <= 0)
        return sent == 0 ? TRI_LAYER_WANTS_ROOM : (int)sent;
    if (t->is_done)
        return TRI_LAYER_DONE;
    int kind = next_record(t, fd, &size);
    if (kind != TOY_WELCOME)
        return kind > 0 ? break_off(t, "TOY_NO_WELCOME") : kind;
    t->in_first += size;
    t->is_done = true;
    put(t, TOY_FINISH, NULL, 0);
    return shake_as_client(t, fd);
}

static int
shake_as_server(struct toy *t, int fd)
{
    size_t size;
    ssize_t sent = drain(t, fd);
    if (sent <= 0)
        return sent == 0 ? TRI_LAYER_WANTS_ROOM : (int)sent;
    int kind = next_record(t, fd, &size);
    if (kind != (t->said_hello ? TOY_FINISH : TOY_HELLO))
        return kind > 0 ? break_off(t, "TOY_NO_HELLO") : kind;
    t->in_first += size;
    t->is_done = t->said_hello;
    if (t->is_done)
        return TRI_LAYER_DONE;
    t->said_hello = true;
    put(t, TOY_WELCOME, "welcome", 7);
    return shake_as_server(t, fd);
}

static int
advance(struct tri_record_layer *layer, int fd)
{
    struct toy *t = toy(layer);
    DEMAND(layer->state == TRI_LAYER_SHAKES && t->failed == 0);
    int outcome = t->serves ? shake_as_server(t, fd) : shake_as_client(t, fd);
    if (outcome == -EAGAIN)
        return TRI_LAYER_WANTS_BYTES;
    if (outcome == 0 && t->at_end && !t->is_done)
        outcome = -ECONNRESET;
    if (outcome < 0 && outcome != -ENOBUFS)
        t->failed = outcome;
    return outcome;
}

static void
renew_if_asked(struct toy *t, int kind)
{
    t->read_key += 7;
    if (kind == TOY_RENEW && t->said_goodbye)
        return;
    if (kind == TOY_RENEW) {
        put(t, TOY_RENEWED, NULL, 0);
        t->layer.owes = 1;
    } else {
        t->renewed++;
    }
}

/* What is no data. 1: reading goes on; else what it gives. */
static ssize_t
take_other(struct toy *t, int kind, size_t size)
{
    if (kind == TOY_BYE) {
        t->layer.whole = 1;
        return 0;
    }
    if (kind != TOY_RENEW && kind != TOY_RENEWED)
        return break_off(t, "TOY_BAD_KIND");
    t->in_first += size;
    renew_if_asked(t, kind);
    return 1;
}

static ssize_t
read_plain(struct tri_record_layer *layer, int fd, void *memory, size_t size)
{
    struct toy *t = toy(layer);
    DEMAND(layer->state == TRI_LAYER_OPEN && size > 0);
    while (t->opened == 0) {
        if (t->failed != 0 || layer->whole)
            return t->failed;
        size_t length;
        int kind = next_record(t, fd, &length);
        if (kind <= 0)
            return kind;
        if (kind == TOY_DATA) {
            t->opened = length;
            t->records_read++;
            continue;
        }
        ssize_t outcome = take_other(t, kind, length);
        if (outcome <= 0)
            return outcome;
    }
    size_t part = t->opened < size ? t->opened : size;
    memcpy(memory, t->in + t->in_first, part);
    t->in_first += part;
    t->opened -= part;
    return (ssize_t)part;
}

static ssize_t
write_plain(struct tri_record_layer *layer, int fd, const void *data, size_t size)
{
    struct toy *t = toy(layer);
    DEMAND(layer->state == TRI_LAYER_OPEN && !t->said_goodbye && size > 0 && size <= TOY_RECORD);
    DEMAND(!layer->owes);
    DEMAND(t->pending == 0 || t->pending == size);
    if (t->pending == 0) {
        put(t, TOY_DATA, data, size);
        t->pending = size;
        t->pending_end = t->made;
        t->records_written++;
        t->last_record = size;
    }
    ssize_t sent = drain(t, fd);
    if (sent < 0)
        return sent;
    if (t->gone < t->pending_end)
        return 0;
    t->pending = 0;
    return (ssize_t)size;
}

static ssize_t
push(struct tri_record_layer *layer, int fd)
{
    struct toy *t = toy(layer);
    DEMAND(layer->state == TRI_LAYER_OPEN && layer->owes);
    ssize_t sent = drain(t, fd);
    layer->owes = sent != 1;
    return sent;
}

static ssize_t
goodbye(struct tri_record_layer *layer, int fd)
{
    struct toy *t = toy(layer);
    DEMAND(layer->state == TRI_LAYER_OPEN && t->pending == 0 && !layer->owes);
    if (!t->said_goodbye)
        put(t, TOY_BYE, NULL, 0);
    t->said_goodbye = true;
    return drain(t, fd);
}

static tr_status
take_early(struct tri_record_layer *layer, tr_slice bytes)
{
    struct toy *t = toy(layer);
    DEMAND(bytes.size > 0 && !t->said_hello);
    char *more = realloc(t->early, t->early_size + bytes.size);
    if (more == NULL)
        return TR_ENOMEM;
    t->early = more;
    memcpy(t->early + t->early_size, bytes.data, bytes.size);
    t->early_size += bytes.size;
    return TR_OK;
}

static tr_status
failure(const struct tri_record_layer *layer, const char **code)
{
    const struct toy *t = (const struct toy *)layer;
    if (t->failed != TRI_LAYER_BROKEN)
        return TR_OK;
    *code = t->code;
    return TR_EPROTO;
}

static uint64_t
moved(const struct tri_record_layer *layer)
{
    const struct toy *t = (const struct toy *)layer;
    return t->received + t->gone;
}

static void
free_toy(struct tri_record_layer *layer)
{
    free(toy(layer)->early);
    free(layer);
    toys--;
}

static const struct tri_record_layer_kind kind = {
    .late = TR_ETIMEDOUT,
    .cut = TR_EBADMESSAGE,
    .advance = advance,
    .read_plain = read_plain,
    .write_record = write_plain,
    .push = push,
    .goodbye = goodbye,
    .take_early = take_early,
    .failure = failure,
    .moved = moved,
    .free = free_toy,
};

/* For tests. */

struct toy *
toy_new(bool serves)
{
    struct toy *t = calloc(1, sizeof(*t));
    if (t == NULL)
        abort();
    t->layer.kind = &kind;
    t->serves = serves;
    t->write_key = serves ? TOY_SERVER_KEY : TOY_CLIENT_KEY;
    t->read_key = serves ? TOY_CLIENT_KEY : TOY_SERVER_KEY;
    toys++;
    return t;
}

tr_status
toy_secure(tr_socket *socket, bool serves, const struct tri_secure_options *options, struct toy **out)
{
    static const struct tri_secure_options plain;
    struct toy *t = toy_new(serves);
    if (out != NULL)
        *out = t;
    tr_status status = tri_secure_begin(socket, &t->layer, options != NULL ? options : &plain);
    if (status != TR_OK)
        free_toy(&t->layer);
    return status;
}

void
toy_pair(int family, struct endpoint *one, struct tr_socket_options one_options, struct endpoint *two,
         struct tr_socket_options two_options)
{
    int fds[2];
    stage_pair(family, fds);
    stage_adopt_as(one, fds[0], one_options);
    stage_adopt_as(two, fds[1], two_options);
    assert_int_equal(toy_secure(one->socket, false, NULL, NULL), TR_OK);
    assert_int_equal(toy_secure(two->socket, true, NULL, NULL), TR_OK);
}

struct toy *
toy_of(const tr_socket *socket)
{
    return toy(tri_socket_layer(socket));
}

void
toy_renew(tr_socket *socket)
{
    struct toy *t = toy_of(socket);
    put(t, TOY_RENEW, NULL, 0);
    t->layer.owes = 1;
    tri_writer_flush(socket);
}

/* A renewal changes the key from the next record on, on both sides. */
static void
put_record(struct toy_wire *wire, enum toy_kind record, const char *data, size_t size)
{
    assert_true(wire->size + TOY_HEADER + size <= sizeof(wire->bytes));
    unsigned char key = (unsigned char)(TOY_CLIENT_KEY + 7 * wire->renewals);
    wire->size += make_record(wire->bytes + wire->size, record, wire->number++, key, data, size);
    wire->renewals += record == TOY_RENEW;
}

void
toy_put(struct toy_wire *wire, enum toy_kind record, const char *text)
{
    put_record(wire, record, text, text != NULL ? strlen(text) : 0);
}

void
toy_put_bytes(struct toy_wire *wire, const char *data, size_t size)
{
    put_record(wire, TOY_DATA, data, size);
}

void
toy_put_beginning(struct toy_wire *wire, const char *text)
{
    toy_put(wire, TOY_HELLO, "hello");
    toy_put(wire, TOY_FINISH, NULL);
    if (text != NULL)
        toy_put(wire, TOY_DATA, text);
}

void
toy_put_welcome(struct toy_wire *wire)
{
    wire->size += make_record(wire->bytes + wire->size, TOY_WELCOME, 0, TOY_SERVER_KEY, "welcome", 7);
}
