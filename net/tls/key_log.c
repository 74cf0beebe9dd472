/*
 * The key log: one line for each secret, in the form of SSLKEYLOGFILE.
 *
 * A line is one write to a file that is open to append, so lines of several workers, and of several contexts that log
 * to one file, do not mix. A line that cannot be written is lost: that is no reason to end a connection.
 */
#include "key_log.h"
#include "context.h"
#include "refusal.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <string.h>
#include <troupe/core/status_from.h>
#include <uv.h>

#define MODE 0600

static void
write_line(const SSL *connection, const char *line)
{
    const struct tri_key_log *log = &tri_context_of(SSL_get_SSL_CTX(connection))->key_log;
    uv_fs_t request;
    uv_buf_t parts[] = {uv_buf_init((char *)line, (unsigned)strlen(line)), uv_buf_init("\n", 1)};
    uv_fs_write(NULL, &request, log->file, parts, 2, -1, NULL);
    uv_fs_req_cleanup(&request);
}

tr_status
tri_key_log_init(struct tri_key_log *log, SSL_CTX *ssl, const char *path, struct tr_tls_refusal *refusal)
{
    uv_fs_t request;
    log->file = uv_fs_open(NULL, &request, path, O_WRONLY | O_CREAT | O_APPEND, MODE, NULL);
    uv_fs_req_cleanup(&request);
    if (log->file < 0) {
        tr_status status = tri_status_from_uv(log->file);
        return tri_refuse(refusal, status, "%s: %s", path, tr_status_text(status));
    }
    log->is_open = true;
    SSL_CTX_set_keylog_callback(ssl, write_line);
    return TR_OK;
}

void
tri_key_log_fini(struct tri_key_log *log)
{
    uv_fs_t request;
    if (!log->is_open)
        return;
    uv_fs_close(NULL, &request, log->file, NULL);
    uv_fs_req_cleanup(&request);
    log->is_open = false;
}
