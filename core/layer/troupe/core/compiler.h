/*
 * What the compiler and its sanitizers are told, and what C has no word for.
 *
 * ck_pr's loads and stores are inline assembly, invisible to ThreadSanitizer: a correct hand-over would be reported as
 * a race. Each release/acquire pair in this library is therefore announced by TRI_RELEASE(x) before the publishing
 * store and TRI_ACQUIRE(x) after the load that saw it; x is the published word's address on both sides.
 */
#ifndef TROUPE_CORE_COMPILER_H
#define TROUPE_CORE_COMPILER_H

#include <stddef.h>

#if defined(__SANITIZE_THREAD__)
#define TRI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TRI_TSAN 1
#endif
#endif

#ifdef TRI_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define TRI_ACQUIRE(address) __tsan_acquire((void *)(address))
#define TRI_RELEASE(address) __tsan_release((void *)(address))
#else
#define TRI_ACQUIRE(address) ((void)0)
#define TRI_RELEASE(address) ((void)0)
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TRI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRI_ASAN 1
#endif
#endif

#ifdef TRI_ASAN
#include <sanitizer/asan_interface.h>
#define TRI_POISON(address, size) ASAN_POISON_MEMORY_REGION(address, size)
#define TRI_UNPOISON(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#else
#define TRI_POISON(address, size) ((void)0)
#define TRI_UNPOISON(address, size) ((void)0)
#endif

/* The struct of that type whose member the pointer points to. */
#define TRI_CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define TRI_LIKELY(x) __builtin_expect(!!(x), 1)
#define TRI_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define TRI_INLINE inline __attribute__((always_inline)) /* with its constant arguments, however large */
#define TRI_NOINLINE __attribute__((noinline))           /* what seldom runs stays out of what always does */

/* Of a variable that several files know: the compiler then need not ask the linker where it is. */
#define TRI_OURS __attribute__((visibility("hidden")))

/* Brings the line at an address into the cache, to be written to soon; the address need not be valid. GCC makes a
 * prefetch for reading of its own builtin unless it is told of the CPU. */
#if defined(__x86_64__)
#define TRI_PREFETCH_WRITE(address) __asm__ volatile("prefetchw %0" : : "m"(*(const char *)(address)))
#else
#define TRI_PREFETCH_WRITE(address) __builtin_prefetch(address, 1)
#endif

#define TRI_CACHE_LINE 64
#define TRI_CACHE_PAIR 128 /* lines are fetched in pairs: words that two threads write stand this far apart */

#endif
