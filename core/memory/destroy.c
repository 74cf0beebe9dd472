#include "destroy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <troupe/core/compiler.h>

#define LEVELS 16u /* of nested destructors */

struct task {
    void (*destroy)(void *address);
    void *address;
};

/* What this thread destroys now. */
static _Thread_local struct {
    unsigned level;
    struct task *due; /* let go of on the deepest level; NULL: none since that began */
    size_t count, room;
} now;

/* false: no memory for it. */
static bool
put_off(struct task task)
{
    if (now.count == now.room) {
        size_t room = now.room == 0 ? 16 : now.room * 2;
        struct task *due = realloc(now.due, room * sizeof(*due));
        if (due == NULL)
            return false;
        now.due = due;
        now.room = room;
    }
    now.due[now.count++] = task;
    return true;
}

static void
do_what_is_due(void)
{
    while (now.count > 0) {
        struct task task = now.due[--now.count];
        task.destroy(task.address);
    }
    free(now.due);
    now.due = NULL;
    now.room = 0;
}

void
tri_destroy(void (*destroy)(void *address), void *address)
{
    struct task task = {destroy, address};
    if (TRI_UNLIKELY(now.level == LEVELS) && put_off(task))
        return;
    now.level++;
    destroy(address);
    if (TRI_UNLIKELY(now.level == LEVELS))
        do_what_is_due();
    now.level--;
}
