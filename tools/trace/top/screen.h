/*
 * The terminal as a screen with keys, and its return to the shell in every case.
 *
 * While it is one, keys come at once and are not shown, what is printed goes to the terminal's other screen, and the
 * cursor is hidden. Whatever ends or stops the program undoes that first: a signal of the user's or of the system's
 * (SIGINT, SIGTERM, SIGHUP, SIGQUIT, of which it then dies; SIGTSTP), and the last words of the program (bad_input.h).
 * When it goes on after a stop, the screen is made again. SIGKILL alone leaves it as it is.
 *
 * Signals are blocked but in screen_wait(), so none comes in the middle of a picture.
 */
#ifndef TROUPE_TRACE_SCREEN_H
#define TROUPE_TRACE_SCREEN_H

#include <stdint.h>

enum {
    KEY_NONE = -1,  /* the time is up */
    KEY_REDRAW = 0, /* the screen has another size, or is empty */
    KEY_LEFT = 256,
    KEY_RIGHT,
};

void screen_begin(void);
void screen_end(void);

/* Waits for a key, and no longer than so many nanoseconds. Returns its byte, or one of the above. */
int screen_wait(uint64_t ns);

#endif
