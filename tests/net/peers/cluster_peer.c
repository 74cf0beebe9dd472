/*
 * A cluster of two children that play steps, as the workers of cluster.mjs do in Node's cluster.
 *
 * Standard input has a step a line, "CHILD ORDER" of crew.h; standard output gets the answer to each.
 */
#include "crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
play_steps(void **state)
{
    struct crew crew;
    char line[512];
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 2});
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        printf("> %s\n", crew_ask(&crew, (unsigned)(line[0] - '0'), "%s", line + 2));
        fflush(stdout);
    }
    crew_end(&crew, "OK");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(play_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
