// Lets valgrind run a Swift program. Build: gcc -O2 -shared -fPIC -o valgrind_shim.so valgrind_shim.c; use: LD_PRELOAD.
//
// The main thread of libdispatch ends in sigsuspend() with a mask that is a constant; valgrind 3.19 writes into the
// mask that it is given, and so dies of SIGSEGV. A copy on the stack is one that it may write into.
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
    sigset_t copy = *mask;
    return syscall(SYS_rt_sigsuspend, &copy, 8);
}
