/*
 * Names of hosts: which context a client sees.
 *
 * The name is read from the client's first message before OpenSSL looks at anything else in it. OpenSSL's own callback
 * for names comes later, when a session may have been resumed already: under the first context, whatever the other asks
 * of its clients. Nginx and Apache let clients go in so that had shown no certificate (CVE-2025-23419). Read so early,
 * versions and ciphers are the other's, too.
 */
#include "names.h"
#include "connection.h"
#include "context.h"
#include "refusal.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/tls1.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/ipaddr/ip.h>

#define LABEL_BYTES 63u
#define HOST_BYTES 253u

struct tri_host_name {
    char pattern[TRI_HOST_NAME_BYTES];
    tr_tls_context *context;
};

/* Patterns. */

static char
lower(char letter)
{
    return (char)(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
}

static bool
is_of_hosts(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '-' || letter == '_';
}

/* Labels with a dot between them. */
static bool
is_host(const char *name)
{
    size_t label = 0;
    for (const char *at = name; *at != '\0'; at++) {
        label = *at == '.' ? 0 : label + 1;
        if (label > LABEL_BYTES || (label == 0 ? at == name || at[-1] == '.' : !is_of_hosts(*at)))
            return false;
    }
    return label > 0 && tr_is_ip(name) == 0;
}

/* Copies a pattern in lower case. */
static bool
read_pattern(const char *pattern, char out[TRI_HOST_NAME_BYTES])
{
    size_t size = pattern == NULL ? 0 : strnlen(pattern, TRI_HOST_NAME_BYTES);
    if (size == 0 || size > HOST_BYTES)
        return false;
    for (size_t i = 0; i <= size; i++)
        out[i] = lower(pattern[i]);
    return is_host(strncmp(out, "*.", 2) == 0 ? out + 2 : out);
}

/* The table. */

static int
compare(const void *a, const void *b)
{
    const struct tri_host_name *one = a, *other = b;
    return strcmp(one->pattern, other->pattern);
}

static int
compare_key(const void *key, const void *element)
{
    return strcmp(key, ((const struct tri_host_name *)element)->pattern);
}

static tr_tls_context *
find_pattern(const struct tri_host_names *names, const char *pattern)
{
    const struct tri_host_name *found =
        names->count == 0 ? NULL : bsearch(pattern, names->table, names->count, sizeof(*names->table), compare_key);
    return found == NULL ? NULL : found->context;
}

tr_tls_context *
tri_host_names_find(const struct tri_host_names *names, const char *name)
{
    char pattern[TRI_HOST_NAME_BYTES] = "*";
    tr_tls_context *found = find_pattern(names, name);
    const char *rest = strchr(name, '.');
    if (found != NULL || rest == NULL || rest == name || strlen(rest) > HOST_BYTES)
        return found;
    strcat(pattern, rest);
    return find_pattern(names, pattern);
}

static tr_status
add_name(struct tri_host_names *names, const struct tr_tls_name *name, struct tr_tls_refusal *refusal)
{
    struct tri_host_name *to = &names->table[names->count];
    if (!read_pattern(name->pattern, to->pattern))
        return tri_refuse(refusal, TR_EBADNAMES, "names[%u] is no name of a host, or of all of a domain: '%s'",
                          names->count, name->pattern == NULL ? "" : name->pattern);
    if (name->context == NULL || !name->context->serves)
        return tri_refuse(refusal, TR_EBADNAMES, "names[%u]: the context of '%s' does not serve", names->count,
                          name->pattern);
    to->context = tr_tls_context_hold(name->context);
    names->count++;
    return TR_OK;
}

static tr_status
sort(struct tri_host_names *names, struct tr_tls_refusal *refusal)
{
    qsort(names->table, names->count, sizeof(*names->table), compare);
    for (unsigned i = 1; i < names->count; i++)
        if (compare(&names->table[i - 1], &names->table[i]) == 0)
            return tri_refuse(refusal, TR_EBADNAMES, "names: '%s' is there twice", names->table[i].pattern);
    return TR_OK;
}

static tr_status
fill(struct tri_host_names *names, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    tr_status status = TR_OK;
    if (options->name_count == 0)
        return TR_OK;
    names->table = calloc(options->name_count, sizeof(*names->table));
    if (names->table == NULL)
        return tri_refuse(refusal, TR_ENOMEM, "%s", tr_status_text(TR_ENOMEM));
    for (unsigned i = 0; i < options->name_count && status == TR_OK; i++)
        status = add_name(names, &options->names[i], refusal);
    return status == TR_OK ? sort(names, refusal) : status;
}

/* Handshakes. */

/* The name in the extension (RFC 6066, section 3): a list with one name of a host. */
static bool
read_extension(const unsigned char *bytes, size_t size, char name[TRI_HOST_NAME_BYTES])
{
    if (size < 6 || (size_t)(bytes[0] << 8 | bytes[1]) != size - 2 || bytes[2] != TLSEXT_NAMETYPE_host_name ||
        (size_t)(bytes[3] << 8 | bytes[4]) != size - 5 || size - 5 >= TRI_HOST_NAME_BYTES)
        return false;
    for (size_t i = 5; i < size; i++) {
        if (bytes[i] <= ' ' || bytes[i] >= 127)
            return false;
        name[i - 5] = lower((char)bytes[i]);
    }
    name[size - 5] = '\0';
    return true;
}

/* The program may do what it likes meanwhile: write to another secure socket, which is a call of its own, or leave
 * errors of OpenSSL's, which are none of this handshake. */
static tr_tls_context *
ask_program(const struct tri_host_names *names, const char *name)
{
    struct tri_tls_call call = tri_tls_call;
    ERR_set_mark();
    tr_tls_context *found = names->choose(name, names->choose_data);
    ERR_pop_to_mark();
    tri_tls_call = call;
    return found;
}

static tr_tls_context *
choose(const struct tri_host_names *names, const char *name)
{
    tr_tls_context *found = tri_host_names_find(names, name);
    if (found == NULL && names->choose != NULL)
        found = ask_program(names, name);
    return found != NULL && found->serves ? found : NULL;
}

/* OpenSSL keeps the name itself if it comes so far: who refuses a client before that wants to know it, too. */
static bool
read_name(SSL *connection, char name[TRI_HOST_NAME_BYTES])
{
    const unsigned char *extension;
    size_t size;
    return SSL_client_hello_get0_ext(connection, TLSEXT_TYPE_server_name, &extension, &size) &&
           read_extension(extension, size, name) && SSL_set_tlsext_host_name(connection, name) == 1;
}

/* A session is resumed for the name for which it was made; NULL: none. */
static bool
bind(SSL *connection, const char *name)
{
    const tr_tls_context *context = tri_context_of(SSL_get_SSL_CTX(connection));
    unsigned char bond[TRI_POLICY_BYTES];
    return tri_policy_bond(context->policy, name, false, bond) &&
           SSL_set_session_id_context(connection, bond, sizeof(bond)) == 1;
}

/* Called for a second first message as well, after a HelloRetryRequest: what that asks for is what the program is told,
 * so it chooses anew, whatever the first has asked for. */
static int
on_hello(SSL *connection, int *alert, void *data)
{
    tr_tls_context *first = tri_context_first(connection), *found = NULL;
    char name[TRI_HOST_NAME_BYTES];
    bool has_name = read_name(connection, name);
    (void)data;
    if (has_name)
        found = choose(&first->names, name);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    if (found == NULL && first->names.only)
        return SSL_CLIENT_HELLO_ERROR;
    *alert = SSL_AD_INTERNAL_ERROR;
    bool done =
        tri_context_switch(connection, found != NULL ? found : first) && bind(connection, has_name ? name : NULL);
    return done ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

/* That there is one lets the server say that it has used the name (RFC 6066, section 3), and keeps it for those who
 * look. */
static int
on_name(SSL *connection, int *alert, void *data)
{
    (void)connection;
    (void)alert;
    (void)data;
    return SSL_TLSEXT_ERR_OK;
}

tr_status
tri_host_names_init(tr_tls_context *context, const struct tr_tls_context_options *options,
                    struct tr_tls_refusal *refusal)
{
    bool has_names = options->name_count > 0 || options->names_only || options->choose != NULL;
    if (has_names && !options->serves)
        return tri_refuse(refusal, TR_EBADNAMES, "names, names_only and choose are of a server");
    if (options->names == NULL && options->name_count > 0)
        return tri_refuse(refusal, TR_EINVAL, "names is NULL");
    context->names.only = options->names_only;
    context->names.choose = options->choose;
    context->names.choose_data = options->choose_data;
    if (options->serves) {
        SSL_CTX_set_tlsext_servername_callback(context->ssl, on_name);
        SSL_CTX_set_client_hello_cb(context->ssl, on_hello, NULL);
    }
    return fill(&context->names, options, refusal);
}

void
tri_host_names_fini(struct tri_host_names *names)
{
    for (unsigned i = 0; i < names->count; i++)
        tr_tls_context_release(names->table[i].context);
    free(names->table);
    *names = (struct tri_host_names){0};
}
