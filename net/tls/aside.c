/*
 * Its memory is taken with the first byte and goes with the last one. The connection has a bit that tells whether there
 * is anything, so that nobody asks OpenSSL, which keeps the pointer, for nothing.
 */
#include "aside.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 256u /* most answers are below 100 bytes */
#define GROWS_BELOW 4096u

struct early {
    struct early *next;
    tr_slice left;  /* of it */
    tr_slice whole; /* which is held */
};

struct spill {
    char *bytes;
    size_t first, size, room;
};

struct aside {
    struct early *first, *last;
    struct spill spill;
};

/* Life. */

static struct aside *
kept(const struct tri_tls *tls)
{
    return tri_tls_is(tls, TRI_TLS_KEEPS) ? SSL_get_app_data(tls->ssl) : NULL;
}

static struct aside *
new_aside(struct tri_tls *tls)
{
    struct aside *aside = calloc(1, sizeof(*aside));
    if (aside != NULL && SSL_set_app_data(tls->ssl, aside) != 1) {
        ERR_clear_error();
        free(aside);
        return NULL;
    }
    tri_tls_note(tls, TRI_TLS_KEEPS, aside != NULL);
    return aside;
}

static struct aside *
aside_of(struct tri_tls *tls)
{
    struct aside *aside = kept(tls);
    return aside != NULL ? aside : new_aside(tls);
}

static void
drop_if_empty(struct tri_tls *tls, struct aside *aside)
{
    if (aside->first != NULL || aside->spill.bytes != NULL)
        return;
    (void)SSL_set_app_data(tls->ssl, NULL); /* its place is there */
    tri_tls_note(tls, TRI_TLS_KEEPS, false);
    free(aside);
}

static void
drop_first_early(struct aside *aside)
{
    struct early *first = aside->first;
    aside->first = first->next;
    tr_slice_release(first->whole);
    free(first);
}

static void
drop_spill(struct aside *aside)
{
    free(aside->spill.bytes);
    aside->spill = (struct spill){0};
}

void
tri_aside_fini(struct tri_tls *tls)
{
    struct aside *aside = kept(tls);
    if (aside == NULL)
        return;
    while (aside->first != NULL)
        drop_first_early(aside);
    drop_spill(aside);
    drop_if_empty(tls, aside);
}

/* Early bytes. */

tr_status
tri_early_take(struct tri_tls *tls, tr_slice bytes)
{
    struct aside *aside = aside_of(tls);
    struct early *early = aside == NULL ? NULL : malloc(sizeof(*early));
    if (early == NULL)
        return TR_ENOMEM;
    *early = (struct early){.left = bytes, .whole = bytes};
    tr_slice_hold(bytes);
    if (aside->first == NULL)
        aside->first = early;
    else
        aside->last->next = early;
    aside->last = early;
    return TR_OK;
}

size_t
tri_early_read(struct tri_tls *tls, void *memory, size_t size)
{
    struct aside *aside = kept(tls);
    struct early *first = aside == NULL ? NULL : aside->first;
    if (first == NULL)
        return 0;
    size_t part = first->left.size < size ? first->left.size : size;
    memcpy(memory, first->left.data, part);
    first->left = tr_slice_part(first->left, part, first->left.size - part);
    if (first->left.size == 0)
        drop_first_early(aside);
    drop_if_empty(tls, aside);
    return part;
}

/* The spill. */

/* Answers come one by one. A record is the last for a while. */
static size_t
room_for(const struct spill *spill, size_t size)
{
    size_t room = spill->room > 0 ? spill->room : FIRST_ROOM;
    if (size > GROWS_BELOW)
        return size;
    while (room < size)
        room *= 2;
    return room;
}

static bool
make_room(struct spill *spill, size_t size)
{
    size_t room = room_for(spill, size);
    char *bytes = room > spill->room ? realloc(spill->bytes, room) : spill->bytes;
    if (bytes == NULL)
        return false;
    spill->bytes = bytes;
    spill->room = room;
    return true;
}

static tr_status
add(struct spill *spill, const void *data, size_t size, size_t most)
{
    if (spill->size + size > most)
        return TR_EQUEUELIMIT;
    if (!make_room(spill, spill->size + size))
        return TR_ENOMEM;
    memcpy(spill->bytes + spill->size, data, size);
    spill->size += size;
    return TR_OK;
}

tr_status
tri_spill_add(struct tri_tls *tls, const void *data, size_t size, size_t most)
{
    struct aside *aside = aside_of(tls);
    if (aside == NULL)
        return TR_ENOMEM;
    tr_status status = add(&aside->spill, data, size, most);
    drop_if_empty(tls, aside);
    return status;
}

tr_slice
tri_spill_first(const struct tri_tls *tls)
{
    const struct aside *aside = kept(tls);
    if (aside == NULL || aside->spill.bytes == NULL)
        return (tr_slice){0};
    return (tr_slice){.data = aside->spill.bytes + aside->spill.first, .size = aside->spill.size - aside->spill.first};
}

void
tri_spill_shorten(struct tri_tls *tls, size_t size)
{
    struct aside *aside = kept(tls);
    aside->spill.first += size;
    if (aside->spill.first < aside->spill.size)
        return;
    drop_spill(aside);
    drop_if_empty(tls, aside);
}
