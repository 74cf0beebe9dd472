#include "progress.h"
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "interrupt.h"
#include "terminal.h"
#include "text.h"
#include "width.h"

#define BETWEEN (CLOCK_SECOND / 4) /* two lines at least */
#define SAMPLES 16u                /* lines that a rate is taken from: passes differ in how fast they are */
#define LINE_SIZE 160u
#define WIPE "\r\x1b[K"

/* What was done at a time. */
struct sample {
    uint64_t ns, bytes, events;
};

static struct progress {
    enum { UNKNOWN, ON, OFF } state; /* asked once */
    unsigned passes;
    uint64_t total, ahead;          /* bytes: all together, and of those what has not begun */
    struct sample done;             /* until now; ns is when that was looked at */
    uint64_t next;                  /* when there may be a line again */
    struct sample samples[SAMPLES]; /* a ring: the newest at `drawn` - 1 */
    uint64_t drawn;
    bool gave_way;
} progress;

static volatile sig_atomic_t shown;

static bool
is_on(void)
{
    const char *term = getenv("TERM");
    if (progress.state != UNKNOWN)
        return progress.state == ON;
    progress.state = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0 ? ON : OFF;
    progress.next = clock_ns() + CLOCK_SECOND;
    progress.samples[0] = (struct sample){.ns = progress.next - CLOCK_SECOND};
    progress.drawn = 1;
    return progress.state == ON;
}

void
progress_off(void)
{
    progress_wipe();
    progress.state = OFF;
}

/* -- What is to be done. -- */

void
progress_passes(unsigned passes)
{
    progress.passes = passes;
}

void
progress_trace(uint64_t bytes)
{
    progress_more(bytes * (1 + progress.passes));
}

void
progress_more(uint64_t bytes)
{
    progress.total += bytes;
    progress.ahead += bytes;
    (void)is_on(); /* the time begins */
}

void
progress_begin(uint64_t bytes)
{
    uint64_t known = bytes < progress.ahead ? bytes : progress.ahead;
    progress.ahead -= known;
    progress.total += bytes - known;
}

/* -- The line. -- */

/* If another program has the terminal the line would disturb it. Of a terminal that is not our own nobody knows. */
static bool
is_in_foreground(void)
{
    pid_t group = tcgetpgrp(STDERR_FILENO);
    return group < 0 || group == getpgrp();
}

/* With what stood there at the oldest of the last lines. */
static const struct sample *
oldest(void)
{
    return &progress.samples[progress.drawn < SAMPLES ? 0 : progress.drawn % SAMPLES];
}

static void
note_sample(void)
{
    progress.samples[progress.drawn % SAMPLES] = progress.done;
    progress.drawn++;
}

static size_t
print_rate(char *out, size_t size, double rate)
{
    char count[TEXT_SIZE];
    int length = rate < 1e6 ? snprintf(out, size, ", %s events a second", text_of_count((uint64_t)rate, count))
                            : snprintf(out, size, ", %.1f million events a second", rate / 1e6);
    return (size_t)length;
}

static size_t
print_left(char *out, size_t size, double seconds)
{
    unsigned long whole = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 1000000000;
    int length = whole < 60     ? snprintf(out, size, ", %lu s left", whole)
                 : whole < 3600 ? snprintf(out, size, ", %lu min %lu s left", whole / 60, whole % 60)
                                : snprintf(out, size, ", %lu h %lu min left", whole / 3600, whole / 60 % 60);
    return (size_t)length;
}

static void
print_line(char line[LINE_SIZE])
{
    const struct sample *since = oldest();
    uint64_t left = progress.total > progress.done.bytes ? progress.total - progress.done.bytes : 0;
    double seconds = (double)(progress.done.ns - since->ns) / (double)CLOCK_SECOND;
    double bytes = (double)(progress.done.bytes - since->bytes);
    size_t length = (size_t)snprintf(line, LINE_SIZE, "troupe-trace: %u %%",
                                     (unsigned)((double)progress.done.bytes * 100 / (double)progress.total));
    if (seconds > 0 && progress.done.events > since->events)
        length +=
            print_rate(line + length, LINE_SIZE - length, (double)(progress.done.events - since->events) / seconds);
    if (seconds > 0 && bytes > 0)
        print_left(line + length, LINE_SIZE - length, (double)left / bytes * seconds);
}

/* In a handler of signals. */
static void
wipe_at_once(void)
{
    if (shown && is_in_foreground())
        (void)!write(STDERR_FILENO, WIPE, sizeof(WIPE) - 1);
}

/* The last column stays free: some terminals go on to the next line behind it. */
static void
draw(void)
{
    char line[LINE_SIZE];
    unsigned columns = terminal_columns_of(STDERR_FILENO);
    print_line(line);
    line[width_fitting(line, strlen(line), columns > 1 ? columns - 1 : 79)] = '\0';
    shown = true; /* a signal may come while it is written */
    before_interrupt(wipe_at_once);
    before_stop(wipe_at_once);
    fprintf(stderr, "\r%s\x1b[K", line);
}

void
progress_read(uint64_t bytes, uint64_t events)
{
    progress.done.bytes += bytes;
    progress.done.events += events;
    if (!is_on())
        return;
    progress.done.ns = clock_ns();
    if (progress.done.ns < progress.next)
        return;
    progress.next = progress.done.ns + BETWEEN;
    if (is_in_foreground())
        draw();
    note_sample();
}

void
progress_wipe(void)
{
    if (shown && is_in_foreground())
        fputs(WIPE, stderr);
    shown = false;
}

/* -- The result. -- */

static bool
result_is_in_file(void)
{
    struct stat status;
    return fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode);
}

void
progress_give_way(void)
{
    if (progress.gave_way)
        return;
    progress.gave_way = true;
    if (!result_is_in_file())
        progress_off();
}
