/*
 * What a program does now: tables of its workers, and of its classes or actors, again and again.
 *
 * On a terminal they are a screen with keys; in a pipe, or with a number of tables, plain text. The first table tells
 * of all that was recorded before, each other of the time since the one before.
 */
#include "top.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "filter.h"
#include "reach.h"
#include "screen.h"
#include "terminal.h"
#include "view.h"
#include "watch.h"

#define SHORTEST (CLOCK_SECOND / 50)
#define LONGEST (3600 * CLOCK_SECOND)

struct top {
    struct watch watch;
    struct view view;
    struct picture picture;
    unsigned long count; /* tables; 0: until the program ends */
};

/* Of a program that did nothing more before its end, the last that it did stays. */
static void
take_picture(struct top *top)
{
    struct picture next, *shown = &top->picture;
    watch_look(&top->watch, &next);
    bool keeps = next.ended && next.events == 0 && shown->events > 0;
    struct picture *old = keeps ? &next : shown;
    shown->ended = next.ended;
    shown->gone = next.gone;
    picture_fini(old);
    if (!keeps)
        *shown = next;
}

/* -- In a pipe. -- */

static void
print_tables(struct top *top)
{
    const struct timespec pause = {.tv_sec = (time_t)(top->view.every_ns / CLOCK_SECOND),
                                   .tv_nsec = (long)(top->view.every_ns % CLOCK_SECOND)};
    for (unsigned long printed = 0;;) {
        take_picture(top);
        picture_sort(&top->picture, top->view.column);
        if (printed > 0)
            putchar('\n');
        view_print(&top->view, &top->picture);
        fflush(stdout);
        if (++printed == top->count || top->picture.ended || ferror(stdout))
            return;
        nanosleep(&pause, NULL);
    }
}

/* -- On a terminal. -- */

static void
draw(struct top *top)
{
    top->view.columns = terminal_columns();
    top->view.rows = terminal_rows();
    picture_sort(&top->picture, top->view.column);
    fputs("\x1b[H", stdout);
    view_print(&top->view, &top->picture);
    fflush(stdout);
}

static uint64_t
bounded(uint64_t ns)
{
    return ns < SHORTEST ? SHORTEST : ns > LONGEST ? LONGEST : ns;
}

static void
obey_key(struct view *view, int key)
{
    switch (key) {
    case 'c': view->by_actor = false; break;
    case 'a': view->by_actor = true; break;
    case '<':
    case KEY_LEFT: view->column = (view->column + COLUMNS - 1) % COLUMNS; break;
    case '>':
    case KEY_RIGHT: view->column = (view->column + 1) % COLUMNS; break;
    case '+': view->every_ns = bounded(view->every_ns * 2); break;
    case '-': view->every_ns = bounded(view->every_ns / 2); break;
    default: break;
    }
}

/* Draws the picture, and again after each key, until it is time for the next. false: the user has enough. */
static bool
show_picture(struct top *top)
{
    uint64_t began = clock_ns();
    for (;;) {
        draw(top);
        uint64_t gone = clock_ns() - began;
        int key = screen_wait(gone < top->view.every_ns ? top->view.every_ns - gone : 0);
        if (key == KEY_NONE || key == 'q' || ferror(stdout))
            return key == KEY_NONE;
        obey_key(&top->view, key);
    }
}

/* The screen is gone, too. */
static void
print_last(struct top *top)
{
    top->view.columns = top->view.rows = 0;
    picture_sort(&top->picture, top->view.column);
    view_print(&top->view, &top->picture);
}

static void
show_screen(struct top *top)
{
    take_picture(top); /* of all that is there: it may take long, and signals do as ever meanwhile */
    screen_begin();
    while (!top->picture.ended && show_picture(top))
        take_picture(top);
    screen_end();
    if (top->picture.gone)
        print_last(top);
    else if (top->picture.ended)
        puts("the program has ended");
}

/* -- The command. -- */

static const struct option options[] = {
    {"by", required_argument, NULL, 'b'},    {"sort", required_argument, NULL, 's'},
    {"every", required_argument, NULL, 'E'}, {"count", required_argument, NULL, 'n'},
    {"once", no_argument, NULL, '1'},        {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"by", "class|actor", "what each line is of; class if it is not given"},
    {"sort", "class|busy|received|mailbox|each|longest", "by which column; busy if it is not given"},
    {"every", "TIME", "the time from table to table, such as 250ms or 2s; 1s if it is not given"},
    {"count", "N", "so many tables as plain text, and the end; -n N is the same"},
    {"once", NULL, "one table: of all that was recorded until now"},
    {NULL, NULL, NULL},
};

static int
take_by(struct view *view)
{
    view->by_actor = strcmp(optarg, "actor") == 0;
    return view->by_actor || strcmp(optarg, "class") == 0 ? 0
                                                          : refuse("lines are by class or by actor, not by", optarg);
}

static int
take_column(struct view *view)
{
    for (int column = 0; column < COLUMNS; column++) {
        if (strcmp(column_names[column], optarg) != 0)
            continue;
        view->column = (enum column)column;
        return 0;
    }
    return refuse("not a column, which are class, busy, received, mailbox, each and longest", optarg);
}

static int
take_every(struct view *view)
{
    if (!parse_duration(optarg, &view->every_ns) || bounded(view->every_ns) != view->every_ns)
        return refuse("not a time from 20ms to 1h", optarg);
    return 0;
}

static int
take_count(struct top *top)
{
    char *end;
    top->count = strtoul(optarg, &end, 10);
    return *end == '\0' && top->count > 0 && optarg[0] != '-' ? 0 : refuse("not a number of tables", optarg);
}

static int
take(void *argument, int option)
{
    struct top *top = argument;
    switch (option) {
    case 'b': return take_by(&top->view);
    case 's': return take_column(&top->view);
    case 'E': return take_every(&top->view);
    case 'n': return take_count(top);
    case '1': top->count = 1; return 0;
    default: return RUN_UNKNOWN_OPTION;
    }
}

static void
show(struct top *top, const char *const *directories, size_t count)
{
    watch_open(&top->watch, directories, count);
    if (top->count == 0 && isatty(STDOUT_FILENO))
        show_screen(top);
    else
        print_tables(top);
    picture_fini(&top->picture);
    watch_close(&top->watch);
}

/* Of a process that is named by its number. */
static int
show_process(struct top *top, pid_t pid)
{
    char *directories[REACH_AT_MOST];
    size_t count;
    int status = reach_directories(pid, directories, &count);
    if (status != 0)
        return status;
    top->view.directory = directories[0];
    show(top, (const char *const *)directories, count);
    while (count > 0)
        free(directories[--count]);
    return 0;
}

static int
run(int count, char **words)
{
    struct top top = {.view = {.column = COLUMN_busy, .every_ns = CLOCK_SECOND}};
    int status = take_options(&command_top, count, words, take, &top);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    pid_t pid = directories == 1 ? reach_process(words[optind]) : 0;
    if (pid != 0)
        return show_process(&top, pid);
    top.view.directory = words[optind];
    show(&top, (const char *const *)words + optind, (size_t)directories);
    return 0;
}

const struct command command_top = {
    .name = "top",
    .usage = "[--by class|actor] [--sort COLUMN] [--every TIME] [--count N | --once] DIRECTORY... | PID",
    .summary = "what the program does now: its workers, classes and actors in a table that is kept up to date\n"
               "A process that runs and has a socket to be asked on (TR_INSPECT) may be named by its number.\n"
               "busy: part of the time in handlers; each: mean time of a call; mailbox: most that waited at once.\n"
               "Keys: q quit, c classes, a actors, < and > the column to sort by, + and - the time between tables",
    .example = "troupe-trace top dir      # in another terminal than the program that runs with TR_TRACE=dir",
    .letters = "n:",
    .options = options,
    .texts = texts,
    .run = run,
};
