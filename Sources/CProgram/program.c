// The start of the program, before any code of Swift runs.

#include "program.h"

#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#if defined(TIDINGS_NEEDS_X86_64_V3)
// Runs before main, and is compiled for any processor: on one that is older than the rest of the program, the first
// instruction that it lacks would end the process without a word.
__attribute__((constructor)) static void check_processor(void) {
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma")) return;
    static const char message[] =
        "tidings: this processor lacks AVX2, BMI2 or FMA, for which the program was built; build it with "
        "TIDINGS_CPU=x86-64 swift build -c release\n";
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(EX_IOERR);
    _exit(EX_CONFIG);
}
#endif

// Tables of up to 32 MiB are in the heap, it grows by a mebibyte at a time, and what is free beyond 64 MiB is given back
// (mallopt(3)). By default each table that has grown leaves its place to the kernel, and the next one begins on pages
// that the kernel must clear first; and every thread has a heap of its own.
void tidings_set_up_heap(void) {
#if defined(__GLIBC__)
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
#endif
}
