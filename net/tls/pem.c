/*
 * PEM: we find the blocks, and OpenSSL decodes each.
 *
 * OpenSSL could find them as well, but it does not say where: who has two hundred certificates in a file wants to know
 * which of them is broken. Of what is in a file nothing stays in memory that was freed: it may be a key.
 */
#include "pem.h"
#include "refusal.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/status_from.h>
#include <uv.h>

#define FIRST_ROOM 16384u /* bytes that a file has room for at first */

static const char begin[] = "-----BEGIN ", end[] = "-----END ", dashes[] = "-----";

/* Files. */

struct growing {
    char *bytes;
    size_t size, room;
};

static bool
grow(struct growing *file)
{
    size_t room = file->room > 0 ? 2 * file->room : FIRST_ROOM;
    char *bytes = malloc(room);
    if (bytes == NULL)
        return false;
    if (file->size > 0)
        memcpy(bytes, file->bytes, file->size);
    OPENSSL_cleanse(file->bytes, file->size);
    free(file->bytes);
    file->bytes = bytes;
    file->room = room;
    return true;
}

/* Reads to the end. Returns 0 or an error of libuv's. */
static int
read_to_end(uv_file fd, struct growing *file)
{
    for (;;) {
        if (file->size > TR_PEM_BYTES)
            return UV_EFBIG;
        if (file->size == file->room && !grow(file))
            return UV_ENOMEM;
        uv_fs_t request;
        uv_buf_t buffer = uv_buf_init(file->bytes + file->size, (unsigned)(file->room - file->size));
        int bytes = uv_fs_read(NULL, &request, fd, &buffer, 1, -1, NULL);
        uv_fs_req_cleanup(&request);
        if (bytes <= 0)
            return bytes;
        file->size += (size_t)bytes;
    }
}

static int
read_file(const char *path, struct growing *file)
{
    uv_fs_t request;
    uv_file fd = uv_fs_open(NULL, &request, path, O_RDONLY, 0, NULL);
    uv_fs_req_cleanup(&request);
    if (fd < 0)
        return fd;
    int error = read_to_end(fd, file);
    uv_fs_close(NULL, &request, fd, NULL);
    uv_fs_req_cleanup(&request);
    return error;
}

static tr_status
init_file(struct tri_pem *pem, const char *path, struct tr_tls_refusal *refusal)
{
    struct growing file = {0};
    int error = read_file(path, &file);
    pem->name = path;
    pem->file = file.bytes;
    pem->bytes = file.bytes;
    pem->size = file.size;
    if (error == 0)
        return TR_OK;
    tr_status status = tri_status_from_uv(error);
    return tri_refuse(refusal, status, "%s: %s", path, tr_status_text(status));
}

/* The text in the place of a name. It is not repeated to anybody: it may be a key. */
static bool
is_text(const char *file)
{
    return file != NULL && strstr(file, begin) != NULL;
}

tr_status
tri_pem_init(struct tri_pem *pem, const struct tr_pem *from, const char *called, struct tr_tls_refusal *refusal)
{
    *pem = (struct tri_pem){.line = 1};
    snprintf(pem->called, sizeof(pem->called), "%s", called);
    if ((from->file == NULL) == (from->memory == NULL))
        return tri_refuse(refusal, TR_EINVAL, "%s: give either a file or memory", called);
    if (is_text(from->file))
        return tri_refuse(refusal, TR_EINVAL, "%s: file is PEM, not the name of a file: give it as memory", called);
    if (from->file != NULL)
        return init_file(pem, from->file, refusal);
    pem->name = pem->called;
    pem->bytes = from->memory;
    pem->size = from->size;
    return from->size <= TR_PEM_BYTES ? TR_OK
                                      : tri_refuse(refusal, TR_EFBIG, "%s: %s", called, tr_status_text(TR_EFBIG));
}

void
tri_pem_fini(struct tri_pem *pem)
{
    if (pem->file != NULL)
        OPENSSL_cleanse(pem->file, pem->size);
    free(pem->file);
    pem->file = NULL;
}

/* Blocks. */

static bool
starts_with(const char *at, size_t size, const char *word)
{
    return size >= strlen(word) && memcmp(at, word, strlen(word)) == 0;
}

/* Steps over a line. Returns it, with its size less the end of the line; NULL: there are no more. */
static const char *
take_line(struct tri_pem *pem, size_t *size)
{
    const char *line = pem->bytes + pem->at;
    size_t left = pem->size - pem->at;
    if (left == 0)
        return NULL;
    const char *newline = memchr(line, '\n', left);
    *size = newline != NULL ? (size_t)(newline - line) : left;
    pem->at += *size + (newline != NULL);
    pem->line += newline != NULL;
    while (*size > 0 && (line[*size - 1] == '\r' || line[*size - 1] == ' '))
        --*size;
    return line;
}

/* Takes the label from a line such as "-----BEGIN CERTIFICATE-----". */
static bool
read_label(const char *line, size_t size, char label[TRI_PEM_NAME_BYTES])
{
    size_t around = strlen(begin) + strlen(dashes);
    if (!starts_with(line, size, begin) || size <= around || size - around >= TRI_PEM_NAME_BYTES ||
        !starts_with(line + size - strlen(dashes), strlen(dashes), dashes))
        return false;
    memcpy(label, line + strlen(begin), size - around);
    label[size - around] = '\0';
    return true;
}

static bool
find_begin(struct tri_pem *pem, struct tri_pem_block *block)
{
    const char *line;
    size_t size;
    for (;;) {
        block->line = pem->line;
        line = take_line(pem, &size);
        if (line == NULL)
            return false;
        if (read_label(line, size, block->label)) {
            block->text = line;
            return true;
        }
    }
}

static bool
find_end(struct tri_pem *pem)
{
    const char *line;
    size_t size;
    while ((line = take_line(pem, &size)) != NULL && !starts_with(line, size, begin))
        if (starts_with(line, size, end))
            return true;
    return false;
}

tr_status
tri_pem_next(struct tri_pem *pem, struct tri_pem_block *block, struct tr_tls_refusal *refusal)
{
    *block = (struct tri_pem_block){0};
    if (!find_begin(pem, block))
        return TR_OK;
    if (!find_end(pem))
        return tri_refuse(refusal, TR_ENOTPEM, "%s, line %u: the %s has no end", pem->name, block->line, block->label);
    block->size = (size_t)(pem->bytes + pem->at - block->text);
    return TR_OK;
}

static bool
has_blocks(const struct tri_pem *pem)
{
    struct tri_pem again = {.bytes = pem->bytes, .size = pem->size};
    struct tri_pem_block block;
    return find_begin(&again, &block);
}

tr_status
tri_pem_refuse_empty(const struct tri_pem *pem, const char *what, struct tr_tls_refusal *refusal)
{
    if (!has_blocks(pem))
        return tri_refuse(refusal, TR_ENOTPEM, "%s: not PEM", pem->name);
    return tri_refuse(refusal, TR_ENOTPEM, "%s: there is no %s in it", pem->name, what);
}

/* What is in them. */

tr_status
tri_pem_decode(const struct tri_pem *pem, const struct tri_pem_block *block, struct tri_pem_body *body,
               struct tr_tls_refusal *refusal)
{
    BIO *bio = BIO_new_mem_buf(block->text, (int)block->size);
    *body = (struct tri_pem_body){0};
    int done = bio != NULL && PEM_read_bio(bio, &body->label, &body->header, &body->der, &body->size);
    BIO_free(bio);
    return done ? TR_OK : tri_refuse_openssl(refusal, TR_ENOTPEM, "%s, line %u", pem->name, block->line);
}

void
tri_pem_body_free(struct tri_pem_body *body)
{
    OPENSSL_clear_free(body->der, body->size > 0 ? (size_t)body->size : 0);
    OPENSSL_free(body->label);
    OPENSSL_free(body->header);
    *body = (struct tri_pem_body){0};
}

static tr_status
hand_over(const struct tri_pem *pem, const struct tri_pem_block *block, const struct tri_pem_wanted *wanted,
          struct tr_tls_refusal *refusal)
{
    struct tri_pem_body body;
    tr_status status = tri_pem_decode(pem, block, &body, refusal);
    if (status == TR_OK)
        status = wanted->take(&(struct tri_pem_place){pem->name, block->line}, &body, wanted->data, refusal);
    tri_pem_body_free(&body);
    return status;
}

static tr_status
take_all(struct tri_pem *pem, const struct tri_pem_wanted *wanted, struct tr_tls_refusal *refusal)
{
    struct tri_pem_block block;
    unsigned count = 0;
    tr_status status;
    while ((status = tri_pem_next(pem, &block, refusal)) == TR_OK && block.text != NULL) {
        if (strcmp(block.label, wanted->label) != 0)
            continue;
        status = hand_over(pem, &block, wanted, refusal);
        if (status != TR_OK)
            return status;
        count++;
    }
    return status == TR_OK && count == 0 ? tri_pem_refuse_empty(pem, wanted->what, refusal) : status;
}

tr_status
tri_pem_take(const struct tr_pem *from, const char *called, const struct tri_pem_wanted *wanted,
             struct tr_tls_refusal *refusal)
{
    struct tri_pem pem;
    tr_status status = tri_pem_init(&pem, from, called, refusal);
    if (status == TR_OK)
        status = take_all(&pem, wanted, refusal);
    tri_pem_fini(&pem);
    return status;
}
