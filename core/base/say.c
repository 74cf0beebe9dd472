#include <troupe/core/say.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int caused[] = {SIGPIPE, SIGXFSZ};
#define CAUSED (sizeof(caused) / sizeof(caused[0]))

void
tri_quiet_begin(struct tri_quiet *quiet)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < CAUSED; i++)
        sigaddset(&blocked, caused[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &quiet->before);
    sigpending(&quiet->pending);
}

/* Such a signal is sent to the thread that wrote, so what was not there at the beginning is ours to take. */
void
tri_quiet_end(const struct tri_quiet *quiet)
{
    int kept = errno;
    sigset_t now, ours;
    sigpending(&now);
    sigemptyset(&ours);
    for (size_t i = 0; i < CAUSED; i++)
        if (sigismember(&now, caused[i]) && !sigismember(&quiet->pending, caused[i]))
            sigaddset(&ours, caused[i]);
    while (sigtimedwait(&ours, NULL, &(struct timespec){0}) > 0)
        continue;
    pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
    errno = kept;
}

static bool
takes_a_line(void)
{
    struct pollfd error = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&error, 1, 0) == 1 && (error.revents & POLLOUT) != 0;
}

static void
write_line(const char *line, size_t size)
{
    struct tri_quiet quiet;
    tri_quiet_begin(&quiet);
    ssize_t written = takes_a_line() ? write(STDERR_FILENO, line, size) : 0;
    (void)written; /* there is nobody else to tell */
    tri_quiet_end(&quiet);
}

void
tri_say(const char *format, ...)
{
    static const char prefix[] = "troupe: ";
    char line[TRI_SAY_MAX];
    size_t size = sizeof(prefix) - 1;
    memcpy(line, prefix, size);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + size, sizeof(line) - size, format, arguments);
    va_end(arguments);
    for (; line[size] != '\0'; size++)
        if ((unsigned char)line[size] < ' ' || line[size] == 0x7f)
            line[size] = '?';
    line[size++] = '\n'; /* in the place of the zero byte */
    write_line(line, size);
}
