#include "visitor.h"

#include "helpers.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

int
visitor_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

bool
visitor_say(int fd, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool
ends_with(const char *text, size_t size, const char *until)
{
    return until != NULL && size >= strlen(until) && memcmp(text + size - strlen(until), until, strlen(until)) == 0;
}

char *
visitor_hear(int fd, const char *until)
{
    size_t size = 0, room = 65536;
    char *text = malloc(room + 1);
    assert_non_null(text);
    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, (int)TESTS_LIMIT_MS), 1);
        ssize_t got = read(fd, text + size, room - size);
        size += got > 0 ? (size_t)got : 0;
        text[size] = '\0';
        if (got <= 0 || ends_with(text, size, until))
            return text;
        if (size == room) {
            room *= 2;
            text = realloc(text, room + 1);
            assert_non_null(text);
        }
    }
}

char *
visitor_ask(const char *path, const char *text)
{
    int fd = visitor_connect(path);
    assert_true(fd >= 0);
    assert_true(visitor_say(fd, text));
    shutdown(fd, SHUT_WR);
    char *answer = visitor_hear(fd, NULL);
    close(fd);
    return answer;
}
