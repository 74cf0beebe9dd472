#include "small_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/trace.h>

#include <cmocka.h>

void
write_small(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    uint32_t name = tri_trace_name(traces->trace, "a\x1b[31m\"\\\n\xff\xc3\xa9<b>");
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, name, A, 0);
    traces_write(traces, 1, TRI_TRACE_ACTORS_spawn, 77, B, A);
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, 5, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 1, TRI_TRACE_ACTORS_receive, 5, B, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, TRI_TRACE_OUTSIDE, TRI_TRACE_ACTORS_send, 6, 0, TRI_TRACE_MESSAGE(TRI_TRACE_OUTSIDE, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_receive, 6, A, TRI_TRACE_MESSAGE(TRI_TRACE_OUTSIDE, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_init_failed, (uint32_t)-111, A, 0);
    traces_close(traces);
}

unsigned
count_lines(const char *text)
{
    unsigned count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

void
expect_dump(const struct traces *traces, const char *option, const char *value, unsigned lines, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", option, value, NULL, NULL);
    if (outcome.status != 0 || count_lines(outcome.text) != lines || strstr(outcome.text, part) == NULL)
        fail_msg("dump %s %s ended with %d or printed something else than %u lines and \"%s\":\n%s",
                 option != NULL ? option : "", value != NULL ? value : "", outcome.status, lines, part, outcome.text);
    free(outcome.text);
}
