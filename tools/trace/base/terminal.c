#include "terminal.h"
#include <sys/ioctl.h>
#include <unistd.h>

static struct winsize
window_size(void)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return (struct winsize){0};
    return size;
}

unsigned
terminal_columns(void)
{
    return window_size().ws_col;
}

unsigned
terminal_rows(void)
{
    return window_size().ws_row;
}
