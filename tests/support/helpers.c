#include "helpers.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <troupe/core/compiler.h>
#include <unistd.h>

#define LOOK_EVERY_NS 1000000u

uint64_t
tests_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t
now_ms(void)
{
    return tests_now_ns() / 1000000;
}

void
tests_hold(unsigned ms)
{
    uint64_t end_ns = tests_now_ns() + (uint64_t)ms * 1000000;
    while (tests_now_ns() < end_ns) {
    }
}

void
tests_let_pass(uint64_t ns)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)}, NULL);
}

unsigned
tests_stress(void)
{
    const char *times = getenv("TROUPE_STRESS");
    return times != NULL && *times != '\0' ? (unsigned)strtoul(times, NULL, 10) : 1;
}

/* gcc and clang tell of it in different ways. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define SEEDS_PART 10u
#endif
#elif defined(__SANITIZE_THREAD__)
#define SEEDS_PART 10u
#endif
#ifndef SEEDS_PART
#define SEEDS_PART 1u
#endif

unsigned
tests_seeds(unsigned count)
{
    return count / SEEDS_PART;
}

static double
cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

double
tests_cpu_ms_in(unsigned ms)
{
    double before = cpu_ms();
    tests_let_pass((uint64_t)ms * 1000000);
    return cpu_ms() - before;
}

bool
tests_wait_until(bool (*holds)(void *argument), void *argument, unsigned limit_ms)
{
    uint64_t end_ms = now_ms() + limit_ms;
    while (!holds(argument)) {
        if (now_ms() >= end_ms)
            return false;
        tests_let_pass(LOOK_EVERY_NS);
    }
    return true;
}

static int
count_entries(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

int
tests_open_fds(void)
{
    int count = count_entries("/proc/self/fd");
    return count > 0 ? count - 1 : count; /* less the one that counted */
}

bool
tests_has_open_fds(void *count)
{
    return tests_open_fds() == *(const int *)count;
}

int
tests_threads(void)
{
    return count_entries("/proc/self/task");
}

/* The name in a file that the system ends with a line feed. */
static bool
is_in_file(const char *path, const char *name)
{
    char text[32] = {0};
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false; /* the thread has just ended */
    bool got = fgets(text, sizeof(text), file) != NULL;
    fclose(file);
    return got && strncmp(text, name, strlen(name)) == 0 && text[strlen(name)] == '\n';
}

bool
tests_has_thread(void *name)
{
    DIR *directory = opendir("/proc/self/task");
    bool has = false;
    for (struct dirent *entry; !has && directory != NULL && (entry = readdir(directory)) != NULL;) {
        char path[300];
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        has = is_in_file(path, name);
    }
    if (directory != NULL)
        closedir(directory);
    return has;
}

bool
tests_thread_sleeps(int number)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", number);
    FILE *stat = fopen(path, "r");
    if (stat == NULL)
        return false;
    const char *name_end = fgets(text, sizeof(text), stat) != NULL ? strrchr(text, ')') : NULL;
    fclose(stat);
    return name_end != NULL && strncmp(name_end, ") S", 3) == 0;
}

static void *
run_act(void *argument)
{
    void (**act)(void) = argument;
    (*act)();
    return NULL;
}

bool
tests_run_on_small_stack(void (*act)(void))
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256u * 1024u);
    bool started = pthread_create(&thread, &attributes, run_act, &act) == 0;
    pthread_attr_destroy(&attributes);
    return started && pthread_join(thread, NULL) == 0;
}

#if defined(TRI_ASAN) || defined(TRI_TSAN)

size_t __sanitizer_get_current_allocated_bytes(void); /* <sanitizer/allocator_interface.h>, which is C++'s or clang's */

size_t
tests_allocated(void)
{
    return __sanitizer_get_current_allocated_bytes();
}

#else

size_t
tests_allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

#endif

void
tests_without_malloc_caches(char **argv)
{
    if (getenv("GLIBC_TUNABLES") != NULL)
        return;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    execv("/proc/self/exe", argv);
}

size_t
tests_resident(void)
{
    unsigned long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu %lu", &size, &pages) != 2)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

bool
tests_child_succeeds(int pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool
tests_directory_make(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    int length = snprintf(path, size, "%s/troupe-test-XXXXXX", base != NULL ? base : "/tmp");
    return length > 0 && (size_t)length < size && mkdtemp(path) != NULL;
}

void
tests_directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(path);
}

static int
tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    }
    return fd;
}

static struct sockaddr_in
loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int
tests_peer_connect(uint16_t port)
{
    int fd = tcp_socket();
    struct sockaddr_in address = loopback(port);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int
tests_peer_refuse(uint16_t *port)
{
    int fd = tcp_socket();
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

int
tests_peer_listen(uint16_t *port)
{
    int fd = tests_peer_refuse(port);
    if (fd >= 0 && listen(fd, SOMAXCONN) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int
tests_peer_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

bool
tests_peer_send(int fd, const void *data, size_t size)
{
    const char *rest = data;
    while (size > 0) {
        ssize_t sent = send(fd, rest, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        rest += sent;
        size -= (size_t)sent;
    }
    return true;
}

long
tests_peer_receive(int fd, void *data, size_t size)
{
    size_t received = 0;
    while (received < size) {
        ssize_t more = recv(fd, (char *)data + received, size - received, 0);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return -1;
        if (more == 0)
            break;
        received += (size_t)more;
    }
    return (long)received;
}

bool
tests_peer_at_end(int fd)
{
    char byte;
    return tests_peer_receive(fd, &byte, 1) == 0;
}

void
tests_peer_reset(int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(fd);
}
