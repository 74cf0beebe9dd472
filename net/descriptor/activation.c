/*
 * Socket activation: descriptors from 3 on that whoever started this process has opened for it.
 *
 * LISTEN_PID says for whom they are, since a program between the two may have handed the environment on; LISTEN_FDS how
 * many there are; LISTEN_FDNAMES what each is called, with colons between the names. The environment is read once. What
 * does not read as it should counts as nothing: a wrong guess here would listen on some file of the program's own.
 */
#include <troupe/net/activation.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD 3
#define UNNAMED "unknown"
#define COUNT_LIMIT 65536u /* more than any process is handed: a larger number is a mistake */

static struct {
    bool read;
    unsigned count;
    char *names; /* a copy of the text with NULs in place of the colons; NULL: there are none */
    size_t names_size;
} activation;

/* Reads a number that is nothing but digits and at most limit. */
static bool
read_number(const char *text, unsigned long limit, unsigned long *out)
{
    if (text == NULL || text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return false;
    errno = 0;
    *out = strtoul(text, NULL, 10);
    return errno == 0 && *out <= limit;
}

static void
read_names(const char *text)
{
    if (text == NULL)
        return;
    activation.names_size = strlen(text) + 1;
    activation.names = malloc(activation.names_size);
    if (activation.names == NULL)
        return; /* then all are unnamed */
    memcpy(activation.names, text, activation.names_size);
    for (char *colon = activation.names; (colon = strchr(colon, ':')) != NULL;)
        *colon++ = '\0';
}

static void
close_on_exec(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0)
        fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static void
read_environment(void)
{
    unsigned long pid, count;
    bool sound = read_number(getenv("LISTEN_PID"), INT32_MAX, &pid) && pid == (unsigned long)getpid() &&
                 read_number(getenv("LISTEN_FDS"), COUNT_LIMIT, &count);
    if (sound && count > 0) {
        activation.count = (unsigned)count;
        read_names(getenv("LISTEN_FDNAMES"));
        for (unsigned i = 0; i < activation.count; i++)
            close_on_exec(FIRST_FD + (int)i);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

unsigned
tr_activation_count(void)
{
    if (!activation.read)
        read_environment();
    activation.read = true;
    return activation.count;
}

/* The name of that number. One that is missing or empty is systemd's word for it. */
static const char *
name_of(unsigned index)
{
    size_t place = 0;
    if (activation.names == NULL)
        return UNNAMED;
    for (; index > 0 && place < activation.names_size; index--)
        place += strlen(activation.names + place) + 1;
    return place < activation.names_size && activation.names[place] != '\0' ? activation.names + place : UNNAMED;
}

tr_status
tr_activation_fd(unsigned index, int *fd, const char **name)
{
    if (fd == NULL)
        return TR_EINVAL;
    if (index >= tr_activation_count())
        return TR_ENOENT;
    int given = FIRST_FD + (int)index;
    if (fcntl(given, F_GETFD) < 0)
        return TR_EBADF;
    *fd = given;
    if (name != NULL)
        *name = name_of(index);
    return TR_OK;
}

tr_status
tr_activation_fd_named(const char *name, int *fd)
{
    if (name == NULL || fd == NULL)
        return TR_EINVAL;
    for (unsigned i = 0; i < tr_activation_count(); i++)
        if (strcmp(name_of(i), name) == 0)
            return tr_activation_fd(i, fd, NULL);
    return TR_ENOENT;
}
