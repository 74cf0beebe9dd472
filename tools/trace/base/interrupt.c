#include "interrupt.h"
#include <assert.h>
#include <signal.h>
#include <stddef.h>

#define MOST 4u /* it has as many users as the program has parts that leave something */

static void (*volatile calls[MOST])(void);

/* The handler is gone already: the signal, which waits while this runs, ends the program. */
static void
end(int number)
{
    for (size_t i = 0; i < MOST && calls[i] != NULL; i++)
        calls[i]();
    raise(number);
}

static void
handle_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = end, .sa_flags = (int)SA_RESETHAND}, found;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (sigaction(numbers[i], NULL, &found) == 0 && found.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
    }
}

void
before_interrupt(void (*call)(void))
{
    size_t at = 0;
    while (at < MOST && calls[at] != NULL && calls[at] != call)
        at++;
    assert(at < MOST);
    calls[at] = call;
    handle_signals();
}
