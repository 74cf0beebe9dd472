#include "screen.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bad_input.h"

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
#define CAUGHT (sizeof(caught) / sizeof(caught[0]))

static bool shown;           /* it is a screen now */
static bool has_keys;        /* standard input is a terminal, and has not come to its end */
static struct termios found; /* the terminal's modes, as they were */
static sigset_t outside;     /* the signals that were blocked before */
static volatile sig_atomic_t signals[CAUGHT];

static void
note_signal(int number)
{
    for (size_t i = 0; i < CAUGHT; i++)
        signals[i] |= caught[i] == number;
}

/* -- There and back. -- */

/* A key that is a signal would throw away what the terminal was slow to take, from the middle of a sequence on. */
static void
enter(void)
{
    struct termios modes = found;
    modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    modes.c_lflag |= NOFLSH;
    modes.c_cc[VMIN] = 1;
    modes.c_cc[VTIME] = 0;
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
    fputs("\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J", stdout);
    fflush(stdout);
    shown = true;
}

static void
leave_screen(void)
{
    if (!shown)
        return;
    shown = false;
    fputs("\x1b[?25h\x1b[?1049l", stdout);
    fflush(stdout);
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &found);
}

static void
catch_signals(void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &action, NULL);
}

void
screen_begin(void)
{
    sigset_t block;
    sigemptyset(&block);
    for (size_t i = 0; i < CAUGHT; i++)
        sigaddset(&block, caught[i]);
    sigprocmask(SIG_BLOCK, &block, &outside);
    catch_signals(note_signal);
    has_keys = tcgetattr(STDIN_FILENO, &found) == 0;
    before_last_words(leave_screen);
    enter();
}

void
screen_end(void)
{
    leave_screen();
    before_last_words(NULL);
    catch_signals(SIG_DFL);
    sigprocmask(SIG_SETMASK, &outside, NULL);
}

/* -- Signals. -- */

/* Does to the program what the signal would have done at first. It returns if that is to stop: then the signal to go
 * on, which ended it, is noted, and does not come later, when the screen is there already. */
static void
obey(int number)
{
    sigset_t both, before;
    leave_screen();
    signal(number, SIG_DFL);
    sigemptyset(&both);
    sigaddset(&both, number);
    sigaddset(&both, SIGCONT);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &both, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    catch_signals(note_signal);
}

/* Whatever the shell did with the terminal while the program was stopped. */
static void
go_on(void)
{
    if (shown)
        leave_screen();
    enter();
}

/* KEY_REDRAW: there was one that asks for it; KEY_NONE: there was none. */
static int
handle_signals(void)
{
    int key = KEY_NONE;
    for (size_t i = 0; i < CAUGHT; i++) {
        if (!signals[i])
            continue;
        signals[i] = 0;
        key = KEY_REDRAW;
        if (caught[i] == SIGCONT)
            go_on();
        else if (caught[i] != SIGWINCH)
            obey(caught[i]);
    }
    if (!shown)
        enter();
    return key;
}

/* -- Keys. -- */

/* Bytes that were read and are no key yet. */
static struct {
    unsigned char bytes[64];
    size_t first, count;
} typed;

static void
read_bytes(void)
{
    ssize_t got = read(STDIN_FILENO, typed.bytes, sizeof(typed.bytes));
    typed.first = 0;
    typed.count = got > 0 ? (size_t)got : 0;
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        has_keys = false;
}

/* The next key of those that were typed. What a terminal sends for a key of its own begins with ESC and comes whole. */
static int
take_key(void)
{
    const unsigned char *at = typed.bytes + typed.first;
    bool whole = typed.count >= 3 && at[0] == 0x1b && (at[1] == '[' || at[1] == 'O');
    size_t size = whole ? 3 : 1;
    if (typed.count == 0)
        return KEY_REDRAW;
    typed.first += size;
    typed.count -= size;
    if (whole)
        return at[2] == 'C' ? KEY_RIGHT : at[2] == 'D' ? KEY_LEFT : KEY_REDRAW;
    return at[0] != 0 ? at[0] : KEY_REDRAW;
}

int
screen_wait(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    if (typed.count > 0)
        return take_key();
    int ready = ppoll(&keys, has_keys, &time, &outside);
    int key = handle_signals();
    if (key != KEY_NONE || ready <= 0)
        return key;
    read_bytes();
    return take_key();
}
