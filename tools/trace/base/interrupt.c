#include "interrupt.h"
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#define MOST 4u /* it has as many users as the program has parts that leave something */

static void (*volatile calls[MOST])(void);
static void (*volatile stop_call)(void);

/* The handler is gone already: the signal, which waits while this runs, ends the program. */
static void
end(int number)
{
    for (size_t i = 0; i < MOST && calls[i] != NULL; i++)
        calls[i]();
    raise(number);
}

static void stop(int number);

static const struct sigaction at_end = {.sa_handler = end, .sa_flags = (int)SA_RESETHAND};
static const struct sigaction at_stop = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND | SA_NODEFER | SA_RESTART};

/* The handler is gone already, and nothing holds the signal back: raise() returns when the program goes on. */
static void
stop(int number)
{
    int error = errno;
    stop_call();
    raise(number);
    sigaction(number, &at_stop, NULL);
    errno = error;
}

static void
handle(int number, const struct sigaction *action)
{
    struct sigaction found;
    if (sigaction(number, NULL, &found) == 0 && found.sa_handler == SIG_DFL)
        sigaction(number, action, NULL);
}

void
before_interrupt(void (*call)(void))
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    size_t at = 0;
    while (at < MOST && calls[at] != NULL && calls[at] != call)
        at++;
    assert(at < MOST);
    calls[at] = call;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        handle(numbers[i], &at_end);
}

void
before_stop(void (*call)(void))
{
    stop_call = call;
    handle(SIGTSTP, &at_stop);
}
