#include "terminal.h"
#include <sys/ioctl.h>
#include <unistd.h>

static struct winsize
window_size(int fd)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        return (struct winsize){0};
    return size;
}

unsigned
terminal_columns_of(int fd)
{
    return window_size(fd).ws_col;
}

unsigned
terminal_columns(void)
{
    return terminal_columns_of(STDOUT_FILENO);
}

unsigned
terminal_rows(void)
{
    return window_size(STDOUT_FILENO).ws_row;
}
