#include "log.h"

#include <string.h>

void
log_init(struct log *log)
{
    memset(log, 0, sizeof(*log));
    log->entries = json_array();
}

void
log_fini(struct log *log)
{
    json_decref(log->entries);
    log->entries = NULL;
}

static bool
is_printable(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] < 32 && strchr("\t\r\n", bytes[i]) == NULL) || bytes[i] > 126 || bytes[i] == 0)
            return false;
    return true;
}

static json_t *
hex(const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * LOG_WHOLE];
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return json_stringn(text, 2 * size);
}

/* What DATA is in section 4. */
static json_t *
describe(struct log *log)
{
    if (log->size > LOG_WHOLE) {
        char digits[SHA256_TEXT];
        sha256_finish(&log->hash, digits);
        return json_pack("{s:I,s:s}", log->is_text ? "utf8" : "bytes", (json_int_t)log->size, "sha256", digits);
    }
    size_t size = (size_t)log->size;
    if (log->is_text)
        return json_pack("{s:s%}", "string", log->head, size);
    if (is_printable(log->head, size))
        return json_pack("{s:s%}", "text", log->head, size);
    return json_pack("{s:o}", "hex", hex(log->head, size));
}

static void
close_data(struct log *log)
{
    if (!log->has_data)
        return;
    log->has_data = false;
    json_t *data = describe(log);
    if (data == NULL) /* the text is no UTF-8, which is a fault of the decoder's: show the bytes */
        data = json_pack("{s:o}", "invalid UTF-8", hex(log->head, (size_t)log->size));
    json_array_append_new(log->entries, json_pack("[s,o]", "data", data));
}

void
log_add(struct log *log, json_t *entry)
{
    close_data(log);
    json_array_append_new(log->entries, entry);
}

void
log_data(struct log *log, bool is_text, const void *data, size_t size)
{
    if (!log->has_data || log->is_text != is_text) {
        close_data(log);
        log->has_data = true;
        log->is_text = is_text;
        log->size = 0;
        sha256_init(&log->hash);
    }
    if (log->size < LOG_WHOLE) {
        size_t n = LOG_WHOLE - (size_t)log->size;
        memcpy(log->head + log->size, data, n < size ? n : size);
    }
    log->size += size;
    sha256_add(&log->hash, data, size);
}

json_t *
log_take(struct log *log)
{
    close_data(log);
    json_t *entries = log->entries;
    log->entries = json_array();
    return entries;
}
