#include <troupe/core/pages.h>

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is said of pages; where there are no such words they are all in every core file. */
#if defined(MADV_DONTDUMP)
#define LEAVE_OUT MADV_DONTDUMP
#define TAKE_IN MADV_DODUMP
#elif defined(MADV_NOCORE)
#define LEAVE_OUT MADV_NOCORE
#define TAKE_IN MADV_CORE
#else
#define LEAVE_OUT MADV_NORMAL
#define TAKE_IN MADV_NORMAL
#endif

void *
tri_pages_new(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

void *
tri_pages_shared(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

void
tri_pages_free(void *pages, size_t size)
{
    munmap(pages, size);
}

void
tri_pages_leave_out(void *pages, size_t size)
{
    madvise(pages, size, LEAVE_OUT);
}

void
tri_pages_take_in(void *part, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)part / page * page, end = ((uintptr_t)part + size + page - 1) / page * page;
    madvise((void *)begin, end - begin, TAKE_IN);
}
