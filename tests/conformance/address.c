/*
 * Addresses: names for ports and paths, and what the runner does with them without the library.
 *
 * A port is held as long as the play takes, by a descriptor that is bound to it and does not listen: the system gives
 * it to nobody else, also between a server's close and the connection that is to be refused there. SO_REUSEADDR lets
 * the library and the runner bind to it all the same.
 */
#include "stage.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *
loopback(const struct play *play)
{
    return play->transport == TCP6 ? "::1" : "127.0.0.1";
}

static socklen_t
fill_tcp(bool is_ipv6, unsigned port, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (is_ipv6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_addr = in6addr_loopback;
        in6->sin6_port = htons((uint16_t)port);
        return sizeof(*in6);
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in->sin_port = htons((uint16_t)port);
    return sizeof(*in);
}

socklen_t
address_fill(const struct play *play, const struct address *address, struct sockaddr_storage *out)
{
    if (play->transport != UNIX)
        return fill_tcp(play->transport == TCP6, address->held_port, out);
    *out = (struct sockaddr_storage){0};
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    un->sun_family = AF_UNIX;
    size_t size = strlen(address->path);
    if (size >= sizeof(un->sun_path))
        size = sizeof(un->sun_path) - 1;
    memcpy(un->sun_path, address->path, size);
    return sizeof(*un);
}

static int
bound_socket(const struct sockaddr_storage *address, socklen_t size)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)address, size) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* libuv, which binds for Node, says nothing of a port that is in use: the descriptor is not bound. */
int
address_bind(const struct play *play, const struct address *address)
{
    struct sockaddr_storage storage;
    socklen_t size = address_fill(play, address, &storage);
    int fd = bound_socket(&storage, size);
    if (fd < 0 && errno == EADDRINUSE && play->transport != UNIX)
        fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd;
}

bool
machine_has_ipv6(void)
{
    struct sockaddr_storage storage;
    socklen_t size = fill_tcp(true, 0, &storage);
    int fd = bound_socket(&storage, size);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static unsigned
port_of(int fd)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof(storage);
    if (getsockname(fd, (struct sockaddr *)&storage, &size) != 0)
        return 0;
    return ntohs(storage.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&storage)->sin6_port
                                               : ((struct sockaddr_in *)&storage)->sin_port);
}

/* On all addresses of the machine, as a server without a host listens. */
static tr_status
hold_port(struct address *address)
{
    struct sockaddr_storage any = {.ss_family = AF_INET6};
    address->held = bound_socket(&any, sizeof(struct sockaddr_in6));
    if (address->held < 0) {
        any.ss_family = AF_INET;
        address->held = bound_socket(&any, sizeof(struct sockaddr_in));
    }
    if (address->held < 0)
        return TR_EADDRINUSE;
    address->held_port = port_of(address->held);
    return TR_OK;
}

/* Names. */

static const struct address_setup *
find_setup(const struct scenario *scenario, const char *name)
{
    static const struct address_setup plain = {.kind = ADDRESS_PLAIN};
    for (size_t i = 0; i < scenario->address_count; i++)
        if (strcmp(scenario->addresses[i].name, name) == 0)
            return &scenario->addresses[i];
    return &plain;
}

static bool
is_server(const struct scenario *scenario, const char *name)
{
    for (size_t i = 0; i < scenario->server_count; i++)
        if (strcmp(scenario->servers[i].name, name) == 0)
            return true;
    return false;
}

static char *
make_path(const struct play *play, const char *name, const struct address_setup *setup)
{
    size_t size = strlen(play->directory) + strlen(name) + setup->bytes + 32;
    char *path = malloc(size);
    if (path == NULL)
        return NULL;
    if (setup->kind == ADDRESS_LONG) {
        int used = snprintf(path, size, "%s/", play->directory);
        memset(path + used, 'p', setup->bytes);
        path[setup->bytes] = '\0';
    } else {
        const char *between = setup->kind == ADDRESS_MISSING_DIR ? "missing/" : "";
        snprintf(path, size, "%s/%s%s.sock", play->directory, between, name);
    }
    return path;
}

static tr_status
add_address(struct play *play, const char *name)
{
    struct address **link = &play->addresses;
    for (; *link != NULL; link = &(*link)->next)
        if (strcmp((*link)->name, name) == 0)
            return TR_OK;
    struct address *address = calloc(1, sizeof(*address));
    if (address == NULL)
        return TR_ENOMEM;
    *link = address;
    *address = (struct address){.name = name, .held = -1};
    const struct address_setup *setup = find_setup(play->scenario, name);
    if (play->transport == UNIX) {
        address->path = make_path(play, name, setup);
        return address->path != NULL ? TR_OK : TR_ENOMEM;
    }
    tr_status status = hold_port(address);
    if (!is_server(play->scenario, name) || setup->kind == ADDRESS_FREE)
        address->port = address->held_port;
    return status;
}

static const char *
first_name(const struct scenario *scenario)
{
    return scenario->server_count > 0 ? scenario->servers[0].name : "S";
}

static tr_status
add_named_in(struct play *play, const struct action_list *list)
{
    tr_status status = TR_OK;
    for (size_t i = 0; i < list->count; i++) {
        const struct action *action = &list->actions[i];
        const char *const names[] = {action->at, action->to, action->local_port};
        for (size_t k = 0; k < 3 && status == TR_OK; k++)
            if (names[k] != NULL)
                status = add_address(play, names[k]);
    }
    return status;
}

tr_status
addresses_prepare(struct play *play)
{
    const struct scenario *scenario = play->scenario;
    tr_status status = add_address(play, first_name(scenario));
    for (size_t i = 0; i < scenario->server_count && status == TR_OK; i++)
        status = add_address(play, scenario->servers[i].name);
    if (status == TR_OK)
        status = add_named_in(play, &scenario->start);
    for (size_t i = 0; i < scenario->rule_count && status == TR_OK; i++)
        status = add_named_in(play, &scenario->rules[i].list);
    return status;
}

void
addresses_free(struct play *play)
{
    while (play->addresses != NULL) {
        struct address *address = play->addresses;
        play->addresses = address->next;
        if (address->held >= 0)
            close(address->held);
        free(address->path);
        free(address);
    }
}

struct address *
address_find(struct play *play, const char *name)
{
    if (name == NULL)
        name = first_name(play->scenario);
    struct address *address = play->addresses;
    while (address != NULL && strcmp(address->name, name) != 0)
        address = address->next;
    return address; /* never NULL: all names of the scenario were added */
}

json_t *
port_name(const struct play *play, unsigned port)
{
    if (port == 0)
        return json_integer(0);
    for (const struct address *address = play->addresses; address != NULL; address = address->next)
        if (address->port == port)
            return json_sprintf("%s.port", address->name);
    return json_string("ephemeral");
}

/* A path that was too long to be used as it is was cut by the library. */
static bool
is_path(const struct address *address, const char *text)
{
    size_t length = strlen(text);
    return strncmp(address->path, text, length) == 0 &&
           (address->path[length] == '\0' || length == sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
}

static json_t *
path_name(const struct play *play, const char *path)
{
    for (const struct address *address = play->addresses; address != NULL; address = address->next)
        if (is_path(address, path))
            return json_sprintf("%s.path", address->name);
    return json_string("other path");
}

json_t *
address_value(const struct play *play, const struct tr_address *address)
{
    switch (address->family) {
    case TR_FAMILY_NONE: return json_null();
    case TR_FAMILY_UNIX: return address->text[0] != '\0' ? path_name(play, address->text) : json_null();
    default:
        return json_pack("{s:s,s:s,s:o}", "address", address->text, "family",
                         address->family == TR_FAMILY_IPV4 ? "IPv4" : "IPv6", "port", port_name(play, address->port));
    }
}

/* Files. */

json_t *
address_stat(const struct address *address)
{
    struct stat found;
    if (address->path == NULL || lstat(address->path, &found) != 0)
        return json_pack("{s:b}", "exists", 0);
    return json_pack("{s:b,s:b,s:b,s:b}", "exists", 1, "socket", S_ISSOCK(found.st_mode) != 0, "readableByAll",
                     (found.st_mode & 0444) == 0444, "writableByAll", (found.st_mode & 0222) == 0222);
}

bool
address_file(struct play *play, const struct address *address, enum file_kind kind)
{
    if (kind == FILE_REMOVE)
        return unlink(address->path) == 0;
    int fd = kind == FILE_REGULAR ? open(address->path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666)
                                  : address_bind(play, address);
    return fd >= 0 && close(fd) == 0;
}

void
directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char inner[4096];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (unlink(inner) != 0)
            directory_remove(inner);
    }
    if (directory != NULL)
        closedir(directory);
    rmdir(path);
}
