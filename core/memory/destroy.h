/*
 * Destroying: the call of a destructor that came with memory.
 *
 * A destructor may let go of something that has a destructor too, and that again, as deep as the program's data: a list
 * whose elements release the next. So they nest a few levels deep and no deeper; what is let go of below that is
 * destroyed as soon as the calls have returned to the deepest level.
 */
#ifndef TROUPE_CORE_DESTROY_H
#define TROUPE_CORE_DESTROY_H

/* Calls destroy(address) before the outermost tri_destroy() of this thread returns. Thread: any. */
void tri_destroy(void (*destroy)(void *address), void *address);

#endif
