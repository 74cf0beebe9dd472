#include "refusal.h"
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bad_input.h"
#include "process.h"

/* -- What was taken. -- */

#define PLACES 4096u

struct taken {
    struct taken *next;
    void *what;
    void (*give_back)(void *what);
};

static struct taken *taken[PLACES];

static struct taken **
place_of(const void *what)
{
    uint64_t hash = (uint64_t)(uintptr_t)what * UINT64_C(0x9e3779b97f4a7c15);
    struct taken **place = &taken[hash % PLACES];
    while (*place != NULL && (*place)->what != what)
        place = &(*place)->next;
    return place;
}

/* Returns it. */
static void *
take(void *what, void (*give_back)(void *what))
{
    struct taken *new = what != NULL ? malloc(sizeof(*new)) : NULL;
    if (new == NULL)
        return what;
    struct taken **place = place_of(what);
    MUST(*place == NULL);
    *new = (struct taken){NULL, what, give_back};
    *place = new;
    return what;
}

/* Is nothing if it was not taken. */
static void
forget(const void *what)
{
    struct taken **place = place_of(what), *found = *place;
    if (found == NULL)
        return;
    *place = found->next;
    free(found);
}

static void
give_back_all(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        while (taken[i] != NULL) {
            struct taken *first = taken[i];
            taken[i] = first->next;
            first->give_back(first->what);
            free(first);
        }
    }
}

static void
close_directory(void *what)
{
    closedir(what);
}

static void
close_file(void *what)
{
    fclose(what);
}

/* -- In place of the C library. -- */

void free_of_reader(void *block);
DIR *fdopendir_of_reader(int fd);
int closedir_of_reader(DIR *list);
FILE *fopen_of_reader(const char *path, const char *mode);
int fclose_of_reader(FILE *file);
int fsync_of_reader(int fd);
int nanosleep_of_reader(const struct timespec *time, struct timespec *left);

void
free_of_reader(void *block)
{
    if (block == NULL) /* which is quick: some tables are mostly empty */
        return;
    forget(block);
    free(block);
}

DIR *
fdopendir_of_reader(int fd)
{
    return take(fdopendir(fd), close_directory);
}

int
closedir_of_reader(DIR *list)
{
    forget(list);
    return closedir(list);
}

FILE *
fopen_of_reader(const char *path, const char *mode)
{
    return take(fopen(path, mode), close_file);
}

int
fclose_of_reader(FILE *file)
{
    forget(file);
    return fclose(file);
}

int
fsync_of_reader(int fd)
{
    MUST(fd >= 0);
    return 0;
}

/* LeakSanitizer asks this. */
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
    return 1;
}

/* -- What is printed. -- */

static bool plain;

static bool
is_command(unsigned char byte, unsigned char before)
{
    bool control = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
    return control || (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
}

static ssize_t
look_at(void *cookie, const char *bytes, size_t size)
{
    unsigned char *before = cookie;
    for (size_t i = 0; i < size; i++) {
        MUST(!plain || !is_command((unsigned char)bytes[i], *before));
        *before = (unsigned char)bytes[i];
    }
    return (ssize_t)size;
}

static FILE *
looking_file(unsigned char *before)
{
    FILE *file = fopencookie(before, "w", (cookie_io_functions_t){.write = look_at});
    MUST(file != NULL && setvbuf(file, NULL, _IOFBF, 4096) == 0);
    return file;
}

static FILE *out, *err, *real_out, *real_err;

void
refusals_begin(void)
{
    static unsigned char last[2];
    if (out != NULL)
        return;
    real_out = stdout;
    real_err = stderr;
    out = looking_file(&last[0]);
    err = looking_file(&last[1]);
}

/* -- In place of bad_input.c. -- */

static jmp_buf refused;
static void (*last_word)(void), (*order)(void);

void
before_leaving(void (*call)(void))
{
    last_word = call;
}

void
before_last_words(void (*call)(void))
{
    order = call;
}

_Noreturn void
leave(int status)
{
    void (*call)(void) = last_word;
    MUST(status == EXIT_BAD_INPUT);
    last_word = NULL;
    if (call != NULL)
        call();
    longjmp(refused, 1);
}

/* The program would look again. */
int
nanosleep_of_reader(const struct timespec *time, struct timespec *left)
{
    MUST(time->tv_sec > 0 || time->tv_nsec > 0);
    (void)left;
    longjmp(refused, 1);
}

void
bad_input_within(const char *directory)
{
    MUST(directory != NULL);
}

_Noreturn void
bad_input(const char *file, uint64_t offset, const char *format, ...)
{
    va_list arguments;
    MUST(file != NULL);
    (void)offset;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    leave(EXIT_BAD_INPUT);
}

_Noreturn void
give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    leave(EXIT_BAD_INPUT);
}

/* What was there stays until its successor is. */
void *
must_realloc(void *memory, size_t count, size_t size)
{
    forget(memory);
    void *larger = reallocarray(memory, count, size);
    if (larger == NULL && count > 0) {
        take(memory, free);
        give_up("not enough memory");
    }
    return take(larger, free);
}

void *
must_calloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL && count > 0)
        give_up("not enough memory");
    return take(memory, free);
}

/* -- Running. -- */

static void
begin(bool is_plain)
{
    plain = is_plain;
    process_ranges_forget();
    before_leaving(NULL);
    before_last_words(NULL);
    stdout = out;
    stderr = err;
}

static void
end(int first)
{
    fflush(out);
    fflush(err);
    stdout = real_out;
    stderr = real_err;
    give_back_all();
    close_range((unsigned)first, ~0u, 0);
}

bool
runs_through(void (*call)(void *argument), void *argument, bool is_plain)
{
    int first = open("/dev/null", O_RDONLY | O_CLOEXEC); /* what is opened from here on is closed at the end */
    volatile bool through = false;
    begin(is_plain);
    if (setjmp(refused) == 0) {
        call(argument);
        through = true;
    }
    end(first);
    return through;
}
