#include <troupe/core/processes.h>

#include "origin.h"
#include "quota.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned
tri_processes_wanted(void)
{
    struct tri_cpus cpus = tri_origin_cpus();
    unsigned given = tri_cpus_count(&cpus), quota = tri_quota_cpus("");
    tri_cpus_fini(&cpus);
    return quota > 0 && quota < given ? quota : given;
}

int
tri_process_fork(void)
{
    fflush(NULL);
    pid_t pid = fork();
    return pid >= 0 ? pid : -errno;
}

int
tri_process_when_forked(void (*in_child)(void))
{
    return pthread_atfork(NULL, NULL, in_child);
}

_Noreturn void
tri_process_exit(int status)
{
    exit(status);
}

bool
tri_process_ended(int pid, int *status, int *signal)
{
    int how;
    pid_t ended;
    do
        ended = waitpid(pid, &how, WNOHANG);
    while (ended < 0 && errno == EINTR);
    if (ended == 0)
        return false;
    *status = ended == pid && WIFEXITED(how) ? WEXITSTATUS(how) : -1; /* somebody else has waited for it: unknown */
    *signal = ended == pid && WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    return true;
}

void
tri_process_ask(int pid)
{
    kill(pid, SIGTERM);
}

void
tri_process_kill(int pid)
{
    kill(pid, SIGKILL);
}

/* A signal that is blocked is kept even if its effect is to be ignored; but children whose end is ignored leave nothing
 * to wait for. */
int
tri_process_signals_open(struct tri_process_signals *signals, bool hangup)
{
    static const struct sigaction ordinary = {.sa_handler = SIG_DFL};
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    if (hangup)
        sigaddset(&ours, SIGHUP);
    signals->fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals->fd < 0)
        return errno;
    sigaction(SIGCHLD, &ordinary, &signals->of_children);
    pthread_sigmask(SIG_BLOCK, &ours, &signals->before);
    return 0;
}

void
tri_process_signals_close(struct tri_process_signals *signals)
{
    close(signals->fd);
    sigaction(SIGCHLD, &signals->of_children, NULL);
    pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
}

int
tri_process_signals_take(const struct tri_process_signals *signals)
{
    struct signalfd_siginfo info;
    return read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

void
tri_process_poll(struct pollfd *fds, size_t count, int timeout_ms)
{
    if (poll(fds, count, timeout_ms) >= 0)
        return;
    for (size_t i = 0; i < count; i++)
        fds[i].revents = 0;
}
