/*
 * Whoever may connect is the user of the process (serve.c), and could do as much with a debugger.
 */
#include "recorder_words.h"

#include <string.h>
#include <troupe/actors/tracing.h>
#include <troupe/core/trace.h>

/* Whole, however long: who asked is to find it. */
static void
add_path(struct tri_page *page, const char *path)
{
    for (const char *at = path; *at != '\0'; at++)
        tri_page_add(page, "%c", (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at);
}

/* Why it was not done. */
static const char *
reason_of(tr_status status)
{
    switch (status) {
    case TR_EALREADY: return "it is recorded already";
    case TR_ENOTSUPPORTED: return "nothing is recorded";
    case TR_EDEADLINE: return "a worker is busy for long; ask once more, and it ends then";
    default: return tr_status_text(status);
    }
}

static void
answer(struct tri_page *page, tr_status status, const char *done, const char *directory)
{
    if (status == TR_OK)
        tri_page_add(page, "ok: %s", done);
    else
        tri_page_add(page, "cannot do that: %s (%s)", reason_of(status), tr_status_code(status));
    tri_page_add(page, "%s", directory[0] != '\0' ? " " : "");
    add_path(page, directory);
    tri_page_add(page, "\n\n");
}

static void
begin(tr_runtime *runtime, enum tr_trace_mode mode, const char *directory, struct tri_page *page)
{
    struct tr_trace_options options = {.mode = mode, .directory = directory};
    tr_status status = tr_trace_begin(runtime, &options);
    answer(page, status, mode == TR_TRACE_FLIGHT ? "the flight recorder runs, in" : "it is recorded, in", directory);
}

/* Where it records; false: it does not. */
static bool
find_path(const tr_runtime *runtime, char path[TRI_TRACE_PATH])
{
    struct tri_trace *trace = tri_runtime_trace(runtime->core);
    return trace != NULL && tri_trace_path(trace, path);
}

static void
end(tr_runtime *runtime, struct tri_page *page)
{
    char path[TRI_TRACE_PATH] = "";
    find_path(runtime, path);
    answer(page, tr_trace_end(runtime), "nothing more is recorded; the trace is in", path);
}

static void
tell(const tr_runtime *runtime, struct tri_page *page)
{
    char path[TRI_TRACE_PATH] = "";
    bool records = find_path(runtime, path);
    answer(page, TR_OK, records ? "it is recorded, in" : "nothing is recorded", path);
}

/* What follows a word and a blank; NULL: it is another word. */
static const char *
after(const char *text, const char *word)
{
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 && text[length] == ' ' && text[length + 1] != '\0' ? text + length + 1
                                                                                               : NULL;
}

void
tri_recorder_words(tr_runtime *runtime, const char *rest, struct tri_page *page)
{
    const char *directory;
    if (rest[0] == '\0')
        tell(runtime, page);
    else if (strcmp(rest, " end") == 0)
        end(runtime, page);
    else if ((directory = after(rest, " begin")) != NULL)
        begin(runtime, TR_TRACE_FILE, directory, page);
    else if ((directory = after(rest, " flight")) != NULL)
        begin(runtime, TR_TRACE_FLIGHT, directory, page);
    else if ((directory = after(rest, " snapshot")) != NULL)
        answer(page, tr_trace_snapshot(runtime, directory), "the trace is copied to", directory);
    else
        tri_page_add(page, "no such word after \"trace\"; \"help\" says which there are\n\n");
}
