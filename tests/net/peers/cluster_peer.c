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
#include <unistd.h>

/*
 * In Node a worker's answer goes by its primary, which so knows what that worker has closed. Here it goes to the test
 * directly, and an exclusive address is bound without a word to the parent. Who asks that for a shared one is answered
 * when it has read what the children said before.
 */
static void
let_parent_catch_up(struct crew *crew, unsigned child)
{
    assert_string_equal(crew_ask(crew, child, "listen sync @troupe-peer-%d", (int)getpid()), "ok 0");
    assert_string_equal(crew_ask(crew, child, "close sync"), "ok");
}

static void
answer(struct crew *crew, unsigned child, const char *order)
{
    char text[512];
    snprintf(text, sizeof(text), "%s", crew_ask(crew, child, "%s", order));
    if (strncmp(order, "close ", 6) == 0)
        let_parent_catch_up(crew, child);
    printf("> %s\n", text);
    fflush(stdout);
}

static void
play_steps(void **state)
{
    struct crew crew;
    char line[512];
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 2});
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        answer(&crew, (unsigned)(line[0] - '0'), line + 2);
    }
    crew_end(&crew, "OK");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(play_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
