#include "view.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "colour.h"
#include "escape.h"
#include "text.h"
#include "width.h"

#define LINE 512u
#define NAME_MOST 28u
#define NAME_LEAST 12u
#define NUMBERS 63u /* columns beside the name */
#define BUSY 0.9    /* from here on it is bad, and so are these */
#define DEEP_MAILBOX 1000u

/* -- Lines. -- */

/* What is left of the screen. */
struct paper {
    const struct view *view;
    unsigned left; /* lines, without that of the keys, which is the last */
};

/* Prints a line, in a colour if it is not NULL; as printf(). */
__attribute__((format(printf, 3, 4))) static void
print_line(struct paper *paper, const char *colour, const char *format, ...)
{
    char line[LINE];
    va_list arguments;
    bool screen = paper->view->rows > 0;
    if (screen && paper->left == 0)
        return;
    paper->left -= screen;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    size_t length = strlen(line);
    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
    unsigned columns = paper->view->columns > 0 ? paper->view->columns : LINE;
    int bytes = (int)width_fitting(line, length, columns);
    printf("%s%.*s%s%s", colour != NULL ? colour : "", bytes, line, colour != NULL ? colour_end() : "",
           screen ? "\x1b[K" : "");
    putchar('\n');
}

static const char *
rate(const struct picture *picture, uint64_t count, char text[TEXT_SIZE])
{
    return text_of_count(picture->ns > 0 ? (uint64_t)((double)count * 1e9 / (double)picture->ns + 0.5) : 0, text);
}

/* -- The parts. -- */

/* The last that is known of one that is gone is its last event. */
static void
word_of_end(const struct picture *picture, char word[WORD_SIZE + TEXT_SIZE])
{
    word[0] = '\0';
    if (picture->gone)
        snprintf(word, WORD_SIZE + TEXT_SIZE, ", and the program is gone since %s", picture->last);
    else if (picture->ended)
        snprintf(word, WORD_SIZE + TEXT_SIZE, ", and the program has ended");
}

static void
print_head(struct paper *paper, const struct picture *picture)
{
    char lasts[WORD_SIZE], directory[LINE] = "", events[TEXT_SIZE], received[TEXT_SIZE], sent[TEXT_SIZE];
    char flying[TEXT_SIZE], end[WORD_SIZE + TEXT_SIZE];
    word_of_end(picture, end);
    FILE *out = fmemopen(directory, sizeof(directory), "w");
    if (out != NULL) {
        print_escaped(out, paper->view->directory);
        fclose(out);
        directory[sizeof(directory) - 1] = '\0';
    }
    print_line(paper, colour_begin(COLOUR_TITLE), "troupe-trace top: %s %s%s, %s",
               picture->whole ? "all that was recorded," : "the last", word_of_duration(picture->ns, lasts), end,
               directory);
    print_line(paper, NULL, "each second %s events, %s received, %s sent; %s on the way",
               rate(picture, picture->events, events), rate(picture, picture->received, received),
               rate(picture, picture->sent, sent), text_of_count(picture->flying, flying));
    print_line(paper, NULL, "%s", "");
}

/* On a screen at most a third of it. */
static void
print_workers(struct paper *paper, const struct picture *picture)
{
    char received[TEXT_SIZE], sent[TEXT_SIZE];
    size_t count = picture->worker_count, room = paper->view->rows / 3 > 2 ? paper->view->rows / 3 : 2;
    if (paper->view->rows > 0 && count > room)
        count = room;
    print_line(paper, colour_begin(COLOUR_TITLE), "%-7s %8s %8s %12s %12s", "worker", "busy", "awake", "received/s",
               "sent/s");
    for (size_t i = 0; i < count; i++) {
        const struct worker_line *line = &picture->workers[i];
        print_line(paper, line->busy >= BUSY ? colour_begin(COLOUR_BAD) : NULL,
                   "%-7" PRIu32 " %6.1f %% %6.1f %% %12s %12s", line->number, 100 * line->busy, 100 * line->awake,
                   rate(picture, line->received, received), rate(picture, line->sent, sent));
    }
    if (count < picture->worker_count)
        print_line(paper, NULL, "and %zu that are less busy", picture->worker_count - count);
    print_line(paper, NULL, "%s", "");
}

/* The title of a column; that which lines are sorted by has a star. */
static const char *
title(const struct view *view, enum column column, const char *text, char word[WORD_SIZE])
{
    snprintf(word, WORD_SIZE, "%s%s", text, view->column == column ? "*" : "");
    return word;
}

static unsigned
width_of_names(const struct view *view)
{
    unsigned free = view->columns > NUMBERS ? view->columns - NUMBERS : 0;
    if (view->columns == 0 || free > NAME_MOST)
        return NAME_MOST;
    return free > NAME_LEAST ? free : NAME_LEAST;
}

static void
print_titles(struct paper *paper)
{
    const struct view *view = paper->view;
    char class[WORD_SIZE], busy[WORD_SIZE], received[WORD_SIZE], mailbox[WORD_SIZE], each[WORD_SIZE];
    char longest[WORD_SIZE];
    print_line(paper, colour_begin(COLOUR_TITLE), "%-*s %8s %12s %9s %10s %10s %8s", (int)width_of_names(view),
               title(view, COLUMN_class, view->by_actor ? "actor" : "class", class),
               title(view, COLUMN_busy, "busy", busy), title(view, COLUMN_received, "received/s", received),
               title(view, COLUMN_mailbox, "mailbox", mailbox), title(view, COLUMN_each, "each", each),
               title(view, COLUMN_longest, "longest", longest), view->by_actor ? "" : "actors");
}

/* What a line is of, as wide as its column. */
static void
name_line(const struct view *view, const struct actor_line *line, char *name, size_t size)
{
    char text[TEXT_SIZE], whole[TEXT_SIZE + WORD_SIZE];
    unsigned width = width_of_names(view);
    if (line->ref != 0)
        snprintf(whole, sizeof(whole), "%s %s", text_of_ref(line->ref, text), line->class);
    else
        snprintf(whole, sizeof(whole), "%s", line->class);
    size_t bytes = width_fitting(whole, strlen(whole), width);
    snprintf(name, size, "%.*s%*s", (int)bytes, whole, (int)(width - width_of(whole, bytes)), "");
}

static void
print_actor(struct paper *paper, const struct picture *picture, const struct actor_line *line)
{
    char name[4 * NAME_MOST + 1], received[TEXT_SIZE], mailbox[TEXT_SIZE], each[WORD_SIZE], longest[WORD_SIZE];
    char actors[TEXT_SIZE] = "";
    double busy = picture->ns > 0 ? (double)line->busy_ns / (double)picture->ns : 0;
    bool bad = line->deepest >= DEEP_MAILBOX || (line->ref != 0 && busy >= BUSY);
    name_line(paper->view, line, name, sizeof(name));
    if (line->ref == 0)
        text_of_count(line->actors, actors);
    print_line(paper, bad ? colour_begin(COLOUR_BAD) : NULL, "%s %6.1f %% %12s %9s %10s %10s %8s", name, 100 * busy,
               rate(picture, line->received, received), text_of_count(line->deepest, mailbox),
               word_of_duration(line_each_ns(line), each), word_of_duration(line->longest_ns, longest), actors);
}

static void
print_keys(struct paper *paper)
{
    char every[WORD_SIZE], line[LINE];
    if (paper->view->rows == 0)
        return;
    while (paper->left > 0)
        print_line(paper, NULL, "%s", "");
    snprintf(line, sizeof(line), "q quit  c class  a actor  < > sort  + - every %s",
             word_of_duration(paper->view->every_ns, every));
    printf("%s%.*s%s\x1b[K", colour_begin(COLOUR_FAINT), (int)width_fitting(line, strlen(line), paper->view->columns),
           line, colour_end());
}

void
view_print(const struct view *view, const struct picture *picture)
{
    struct paper paper = {view, view->rows > 0 ? view->rows - 1 : 0};
    const struct actor_line *lines = view->by_actor ? picture->actors : picture->classes;
    size_t count = view->by_actor ? picture->actor_count : picture->class_count;
    print_head(&paper, picture);
    print_workers(&paper, picture);
    print_titles(&paper);
    for (size_t i = 0; i < count && (view->rows == 0 || paper.left > 0); i++)
        print_actor(&paper, picture, &lines[i]);
    print_keys(&paper);
}
