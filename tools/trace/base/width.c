#include "width.h"
#include <stdbool.h>

static bool
begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

unsigned
width_of(const char *text, size_t bytes)
{
    unsigned columns = 0;
    for (size_t i = 0; i < bytes; i++)
        columns += begins_character(text[i]);
    return columns;
}

size_t
width_fitting(const char *text, size_t bytes, unsigned columns)
{
    size_t fitting = 0;
    for (unsigned used = 0; fitting < bytes; fitting++) {
        used += begins_character(text[fitting]);
        if (used > columns)
            break;
    }
    return fitting;
}
