#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"

/* -- The screen. -- */

static void
clear_line(struct terminal *terminal, unsigned row, unsigned from)
{
    memset(&terminal->cells[row][from], ' ', terminal->columns - from);
    terminal->cells[row][terminal->columns] = '\0';
}

static void
clear_from(struct terminal *terminal, unsigned row)
{
    for (; row < terminal->rows; row++)
        clear_line(terminal, row, 0);
}

static void
scroll(struct terminal *terminal)
{
    memmove(terminal->cells[0], terminal->cells[1], (terminal->rows - 1) * sizeof(terminal->cells[0]));
    clear_line(terminal, terminal->rows - 1, 0);
}

static void
next_line(struct terminal *terminal)
{
    if (++terminal->row < terminal->rows)
        return;
    terminal->row--;
    scroll(terminal);
}

/* A character of several bytes takes one cell, and is not looked at. */
static void
put(struct terminal *terminal, unsigned char byte)
{
    if ((byte & 0xc0) == 0x80)
        return;
    if (terminal->column == terminal->columns) {
        terminal->column = 0;
        next_line(terminal);
    }
    terminal->cells[terminal->row][terminal->column++] = byte < 0x80 ? (char)byte : '?';
}

static void
show_other(struct terminal *terminal, bool other)
{
    if (terminal->other == other)
        return;
    terminal->other = other;
    if (other) {
        memcpy(terminal->beneath, terminal->cells, sizeof(terminal->cells));
        clear_from(terminal, 0);
    } else {
        memcpy(terminal->cells, terminal->beneath, sizeof(terminal->cells));
    }
}

static void
go_to(struct terminal *terminal, const char *numbers)
{
    unsigned row = 1, column = 1;
    sscanf(numbers, "%u;%u", &row, &column);
    terminal->row = row <= terminal->rows ? row - 1 : terminal->rows - 1;
    terminal->column = column <= terminal->columns ? column - 1 : terminal->columns - 1;
}

/* A whole sequence, without ESC [ . */
static void
obey(struct terminal *terminal, const char *sequence)
{
    char last = sequence[strlen(sequence) - 1];
    if (strncmp(sequence, "?1049", 5) == 0)
        show_other(terminal, last == 'h');
    else if (strncmp(sequence, "?25", 3) == 0)
        terminal->hidden = last == 'l';
    else if (last == 'H')
        go_to(terminal, sequence);
    else if (last == 'C')
        terminal->column += strlen(sequence) > 1 ? (unsigned)atoi(sequence) : 1;
    else if (last == 'K')
        clear_line(terminal, terminal->row, terminal->column);
    else if (last == 'J' && sequence[0] != '2')
        clear_line(terminal, terminal->row, terminal->column), clear_from(terminal, terminal->row + 1);
    else if (last == 'J')
        clear_from(terminal, 0);
    else if (last == 'm')
        terminal->coloured = true;
    else if (strncmp(sequence, "?2004", 5) != 0) /* a shell's */
        fail_msg("an unknown control sequence: %s", sequence);
}

static void
take_sequence(struct terminal *terminal, char byte)
{
    assert_true(terminal->length + 2 < sizeof(terminal->sequence));
    terminal->sequence[terminal->length++] = byte;
    terminal->sequence[terminal->length] = '\0';
    if (terminal->length < 3 || byte < 0x40)
        return;
    obey(terminal, terminal->sequence + 2);
    terminal->length = 0;
}

static void
take_byte(struct terminal *terminal, char byte)
{
    if (terminal->written_length + 1 < TERMINAL_WRITTEN)
        terminal->written[terminal->written_length++] = byte;
    if (terminal->length > 0 || byte == '\x1b')
        take_sequence(terminal, byte);
    else if (byte == '\r')
        terminal->column = 0;
    else if (byte == '\n')
        next_line(terminal);
    else if (byte == '\b')
        terminal->column -= terminal->column > 0;
    else if ((unsigned char)byte >= 0x20)
        put(terminal, (unsigned char)byte);
}

/* -- The program. -- */

static void
set_size(struct terminal *terminal, unsigned columns, unsigned rows)
{
    assert_true(columns <= TERMINAL_COLUMNS && rows <= TERMINAL_ROWS);
    terminal->columns = columns;
    terminal->rows = rows;
    terminal->column = terminal->row = 0;
    clear_from(terminal, 0);
}

static void
set_signals(void (*handler)(int number))
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTTOU};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        signal(numbers[i], handler);
}

static void
report(int to, const void *word, size_t size)
{
    if (write(to, word, size) != (ssize_t)size)
        _exit(126);
}

/* Runs the program, tells of it, and stays until it is killed, or the test ends. */
_Noreturn static void
lead(int to, const char *const *words)
{
    const char *term = getenv("TESTS_TERM");
    struct termios before;
    int status;
    tcgetattr(STDIN_FILENO, &before); /* nobody has changed them yet */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("TERM", term != NULL ? term : "xterm", 1);
    set_signals(SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        set_signals(SIG_DFL);
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    report(to, &child, sizeof(child));
    report(to, &before, sizeof(before));
    while (waitpid(child, &status, 0) != child)
        continue;
    report(to, &status, sizeof(status));
    for (;;)
        pause();
}

void
terminal_start(struct terminal *terminal, unsigned columns, unsigned rows, const char *const *words)
{
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    int ends[2];
    memset(terminal, 0, sizeof(*terminal));
    set_size(terminal, columns, rows);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    terminal->leader = forkpty(&terminal->master, NULL, NULL, &size);
    assert_true(terminal->leader >= 0);
    if (terminal->leader == 0)
        lead(ends[1], words);
    close(ends[1]);
    terminal->reports = ends[0];
    assert_int_equal(read(terminal->reports, &terminal->child, sizeof(terminal->child)), sizeof(terminal->child));
    assert_int_equal(read(terminal->reports, &terminal->before, sizeof(terminal->before)), sizeof(terminal->before));
}

void
terminal_press(struct terminal *terminal, const char *keys)
{
    assert_int_equal(write(terminal->master, keys, strlen(keys)), strlen(keys));
}

void
terminal_resize(struct terminal *terminal, unsigned columns, unsigned rows)
{
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    set_size(terminal, columns, rows);
    assert_int_equal(ioctl(terminal->master, TIOCSWINSZ, &size), 0);
}

/* Takes what was written, and waits for a while if it is nothing. false: nobody will write any more. */
static bool
take_output(struct terminal *terminal)
{
    char bytes[4096];
    struct pollfd ready = {.fd = terminal->master, .events = POLLIN};
    if (poll(&ready, 1, 10) <= 0)
        return true;
    ssize_t got = read(terminal->master, bytes, sizeof(bytes));
    for (ssize_t i = 0; i < got; i++)
        take_byte(terminal, bytes[i]);
    return got > 0 || (got < 0 && errno == EINTR);
}

static const char *
find(const struct terminal *terminal, const char *part, unsigned *row)
{
    const char *found = NULL;
    for (*row = 0; *row < terminal->rows && found == NULL; (*row)++)
        found = strstr(terminal->cells[*row], part);
    *row -= found != NULL;
    return found;
}

static void
fail_with_screen(const struct terminal *terminal, const char *what, const char *part)
{
    for (unsigned row = 0; row < terminal->rows; row++)
        print_message("|%s|\n", terminal->cells[row]);
    fail_msg("the screen %s \"%s\"", what, part);
}

static void
await(struct terminal *terminal, const char *part, bool wanted)
{
    uint64_t end = tests_now_ns() + TESTS_LIMIT_MS * UINT64_C(1000000);
    unsigned row;
    while ((find(terminal, part, &row) != NULL) != wanted || terminal->length > 0) {
        if (!take_output(terminal) || tests_now_ns() > end)
            fail_with_screen(terminal, wanted ? "never shows" : "always shows", part);
    }
}

void
terminal_await(struct terminal *terminal, const char *part)
{
    await(terminal, part, true);
}

void
terminal_await_without(struct terminal *terminal, const char *part)
{
    await(terminal, part, false);
}

void
terminal_await_at(struct terminal *terminal, const char *part, unsigned row)
{
    uint64_t end = tests_now_ns() + TESTS_LIMIT_MS * UINT64_C(1000000);
    unsigned found;
    while (find(terminal, part, &found) == NULL || found != row || terminal->length > 0) {
        if (!take_output(terminal) || tests_now_ns() > end)
            fail_with_screen(terminal, "never has in its place", part);
    }
}

unsigned
terminal_line(struct terminal *terminal, const char *part)
{
    unsigned row;
    if (find(terminal, part, &row) == NULL)
        fail_with_screen(terminal, "does not show", part);
    return row;
}

int
terminal_end(struct terminal *terminal)
{
    int status, ignored;
    struct pollfd ended = {.fd = terminal->reports, .events = POLLIN},
                  more = {.fd = terminal->master, .events = POLLIN};
    while (poll(&ended, 1, 0) == 0)
        take_output(terminal);
    assert_int_equal(read(terminal->reports, &status, sizeof(status)), sizeof(status));
    while (poll(&more, 1, 0) > 0 && take_output(terminal))
        continue;
    kill(terminal->leader, SIGKILL);
    assert_int_equal(waitpid(terminal->leader, &ignored, 0), terminal->leader);
    close(terminal->reports);
    return status;
}

bool
terminal_is_restored(const struct terminal *terminal)
{
    struct termios now;
    assert_int_equal(tcgetattr(terminal->master, &now), 0);
    return !terminal->other && !terminal->hidden && now.c_lflag == terminal->before.c_lflag &&
           now.c_iflag == terminal->before.c_iflag && now.c_oflag == terminal->before.c_oflag;
}
