#include <troupe/core/signals.h>

#include <signal.h>
#include <stddef.h>
#include <time.h>

void
tri_signals_ignore_pipe(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

static sigset_t
ends(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
}

void
tri_signals_block_ends(void)
{
    sigset_t signals = ends();
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

int
tri_signals_wait_end(void)
{
    sigset_t signals = ends();
    int signal = 0;
    sigwait(&signals, &signal);
    return signal;
}

int
tri_signals_take_end(void)
{
    sigset_t signals = ends();
    int signal = sigtimedwait(&signals, NULL, &(struct timespec){0});
    return signal > 0 ? signal : 0;
}

void
tri_signals_send_end(pthread_t thread)
{
    pthread_kill(thread, SIGTERM);
}
