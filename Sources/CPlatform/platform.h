// What only C has a word for: asking for memory without waiting for it, what the processor can do, and how the C
// library keeps its heap.
#ifndef TIDINGS_PLATFORM_H
#define TIDINGS_PLATFORM_H

#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

// A hint: it never faults, whatever the address, and changes nothing that a program can see.
static inline void tidings_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

// Whether this processor has the instructions that the program was compiled for (`processor` in Package.swift).
static inline int tidings_processor_fits(void) {
#if defined(__x86_64__) && defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}

// One heap for all threads; tables of up to 32 MiB in it; what is free beyond 64 MiB is given back (mallopt(3)).
static inline void tidings_set_up_heap(void) {
#if defined(__GLIBC__)
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
#endif
}

#endif
