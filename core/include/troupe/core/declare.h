/*
 * Brackets the declarations of a public header: they have C linkage, and the shared library shows them and nothing
 * else.
 */
#ifndef TROUPE_CORE_DECLARE_H
#define TROUPE_CORE_DECLARE_H

#ifdef __cplusplus
#define TR_DECLARATIONS_BEGIN                                                                                          \
    _Pragma("GCC visibility push(default)") extern "C"                                                                 \
    {
#define TR_DECLARATIONS_END                                                                                            \
    }                                                                                                                  \
    _Pragma("GCC visibility pop")
#else
#define TR_DECLARATIONS_BEGIN _Pragma("GCC visibility push(default)")
#define TR_DECLARATIONS_END _Pragma("GCC visibility pop")
#endif

#endif
