/*
 * A visit: what somebody at the other end of a connection asks and is answered.
 *
 * Whoever visits sends lines, each a word, and gets answers; a line that begins like HTTP gets an answer of HTTP and
 * the end. A visit has room for one line. An answer is made a page at a time (report.h), and the next line is looked at
 * when the answer is over. Here are no sockets: bytes come in, pages go out, and tri_visit_go_on() says what comes
 * next.
 */
#include "visit.h"

#include "recorder_words.h"

#include <string.h>

#define HEADER_LINES 100u

/* -- Answers. -- */

/* Writes on until there is something to send, or the report is over. */
static void
report_on(struct tri_visit *visit)
{
    while (visit->reporting && visit->page.size == 0 && !visit->page.failed) {
        visit->reporting = tri_report_go_on(&visit->report, &visit->page);
        if (!visit->reporting)
            tri_report_end(&visit->report);
    }
}

static void
report(struct tri_visit *visit, enum tri_report_kind kind)
{
    visit->reporting = tri_report_begin(&visit->report, kind, visit->inquiry);
    visit->page.failed = !visit->reporting;
}

static const char help[] = "actors   all actors: whose child, whom it waits for, messages waiting and handled,\n"
                           "         time spent, age, class, state, registered names\n"
                           "workers  all workers: counters, CPU time, what each runs\n"
                           "json     everything, as one JSON document\n"
                           "metrics  for Prometheus; also by HTTP: GET /metrics, GET /json\n"
                           "trace    whether it is recorded, and where; also: trace begin DIRECTORY, trace flight\n"
                           "         DIRECTORY, trace end, trace snapshot DIRECTORY\n"
                           "help     this\n"
                           "quit     the end\n"
                           "\n";

static void
answer(struct tri_visit *visit, const char *word)
{
    struct tri_page *page = &visit->page;
    if (strcmp(word, "actors") == 0)
        report(visit, TRI_REPORT_ACTORS);
    else if (strcmp(word, "workers") == 0)
        report(visit, TRI_REPORT_WORKERS);
    else if (strcmp(word, "json") == 0)
        report(visit, TRI_REPORT_JSON);
    else if (strcmp(word, "metrics") == 0)
        report(visit, TRI_REPORT_METRICS);
    else if (strncmp(word, "trace", 5) == 0 && (word[5] == '\0' || word[5] == ' '))
        tri_recorder_words(visit->inquiry->runtime, word + 5, page);
    else if (strcmp(word, "quit") == 0)
        visit->last = true;
    else if (strcmp(word, "help") == 0)
        tri_page_add(page, "%s", help);
    else if (word[0] != '\0')
        tri_page_add(page, "no such word; \"help\" says which there are\n\n");
}

/* -- HTTP. -- */

static bool
is_path(const char *text, const char *path)
{
    size_t length = strlen(path);
    return strncmp(text, path, length) == 0 && (text[length] == '\0' || text[length] == ' ' || text[length] == '?');
}

static enum tri_visit_http
http_of(const char *line)
{
    static const char *const others[] = {"HEAD /", "POST /", "PUT /", "DELETE /", "OPTIONS ", "PATCH /"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strncmp(line, others[i], strlen(others[i])) == 0)
            return TRI_HTTP_BAD_METHOD;
    if (strncmp(line, "GET ", 4) != 0)
        return TRI_NO_HTTP;
    if (is_path(line + 4, "/metrics"))
        return TRI_HTTP_METRICS;
    return is_path(line + 4, "/json") ? TRI_HTTP_JSON : TRI_HTTP_NOT_FOUND;
}

static void
answer_http(struct tri_visit *visit)
{
    static const struct {
        const char *status, *type;
    } heads[] = {
        [TRI_HTTP_METRICS] = {"200 OK", "text/plain; version=0.0.4; charset=utf-8"},
        [TRI_HTTP_JSON] = {"200 OK", "application/json"},
        [TRI_HTTP_NOT_FOUND] = {"404 Not Found", "text/plain"},
        [TRI_HTTP_BAD_METHOD] = {"405 Method Not Allowed\r\nAllow: GET", "text/plain"},
    };
    visit->last = true;
    tri_page_add(&visit->page, "HTTP/1.1 %s\r\nContent-Type: %s\r\nConnection: close\r\n\r\n",
                 heads[visit->http].status, heads[visit->http].type);
    if (visit->http == TRI_HTTP_METRICS || visit->http == TRI_HTTP_JSON)
        report(visit, visit->http == TRI_HTTP_METRICS ? TRI_REPORT_METRICS : TRI_REPORT_JSON);
    else
        tri_page_add(&visit->page, "There are /metrics and /json.\n");
}

static void
take_header_line(struct tri_visit *visit, const char *line)
{
    if (line[0] == '\0')
        answer_http(visit);
    else if (++visit->header_lines > HEADER_LINES)
        visit->broken = visit->last = true;
}

/* -- Lines. -- */

static void
take_line(struct tri_visit *visit, const char *line)
{
    if (visit->http != TRI_NO_HTTP) {
        take_header_line(visit, line);
        return;
    }
    visit->http = http_of(line);
    if (visit->http == TRI_NO_HTTP)
        answer(visit, line);
    else if (strstr(line, " HTTP/") == NULL)
        answer_http(visit); /* HTTP 0.9: no header follows */
}

/* The first line, without its end and blanks around it. false: there is none yet. */
static bool
next_line(struct tri_visit *visit, char line[TRI_VISIT_LINE + 1])
{
    const char *end = memchr(visit->line, '\n', visit->size);
    if (end == NULL && (!visit->ended || visit->size == 0))
        return false;
    size_t length = end != NULL ? (size_t)(end - visit->line) : visit->size;
    size_t taken = end != NULL ? length + 1 : length;
    memcpy(line, visit->line, length);
    visit->size -= taken;
    memmove(visit->line, visit->line + taken, visit->size);
    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    line[length] = '\0';
    return true;
}

static void
take_lines(struct tri_visit *visit)
{
    char line[TRI_VISIT_LINE + 1];
    while (!visit->last && !visit->reporting && visit->page.size == 0 && next_line(visit, line))
        take_line(visit, line);
    if (visit->last || visit->reporting || visit->page.size > 0)
        return;
    if (visit->size == TRI_VISIT_LINE) {
        tri_page_add(&visit->page, "that line is too long\n\n");
        visit->last = true;
    }
}

/* -- For the one who has the connection. -- */

void
tri_visit_begin(struct tri_visit *visit, struct tri_inquiry *inquiry)
{
    *visit = (struct tri_visit){.inquiry = inquiry};
}

void
tri_visit_end(struct tri_visit *visit)
{
    tri_page_clear(&visit->page);
    if (visit->reporting)
        tri_report_end(&visit->report);
}

char *
tri_visit_room(struct tri_visit *visit, size_t *size)
{
    if (visit->last)
        visit->size = 0; /* nobody reads it */
    *size = TRI_VISIT_LINE - visit->size;
    return visit->line + visit->size;
}

void
tri_visit_heard(struct tri_visit *visit, size_t size)
{
    if (!visit->last)
        visit->size += size;
}

enum tri_visit_next
tri_visit_go_on(struct tri_visit *visit)
{
    take_lines(visit);
    report_on(visit);
    if (visit->page.failed || visit->broken)
        return TRI_VISIT_BREAK;
    if (visit->page.size > 0)
        return TRI_VISIT_SAY;
    visit->last = visit->last || visit->ended;
    return visit->last ? TRI_VISIT_PART : TRI_VISIT_HEAR;
}
