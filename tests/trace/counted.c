#include "counted.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS 10u /* of a command */

struct work
work_of(const struct traces *traces, const char *command)
{
    struct work work = {0};
    char copy[200], *rest = NULL;
    const char *words[WORDS + 3] = {TROUPE_TRACE_COUNTED};
    size_t count = 1;
    snprintf(copy, sizeof(copy), "%s", command);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(count <= WORDS);
        words[count++] = word;
    }
    words[count] = traces->directory;
    struct outcome outcome = traces_run(words);
    const char *line = strstr(outcome.text, "\nwork: ");
    if (outcome.status < 0 || outcome.status > 1 || line == NULL)
        fail_msg("%s ended with %d: %.2000s", command, outcome.status, outcome.text);
    assert_int_equal(sscanf(line, "\nwork: %" SCNu64 " blocks, %" SCNu64 " bytes, %" SCNu64 " at most", &work.blocks,
                            &work.bytes, &work.most),
                     3);
    free(outcome.text);
    return work;
}
