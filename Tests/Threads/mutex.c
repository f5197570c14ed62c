// Shows ThreadSanitizer the waiting half of Swift's Mutex.
//
// Locking a free Mutex is compiled into the program, and so ThreadSanitizer sees it. Waiting for one that is taken
// happens in libswiftSynchronization.so, which is built without ThreadSanitizer: it would see two threads in turn at
// the same memory and no lock between them, and report a race that is none. Preloaded, this library stands before
// these three functions and says what they do. Built with clang, which knows Swift's calls, by scripts/sanitize-threads.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

typedef void Mark(void *);
typedef SWIFT void Lock(uint32_t, SELF void *);
typedef SWIFT void Unlock(SELF void *);
typedef SWIFT bool TryLock(SELF void *);

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"

// Nothing where the program was built without ThreadSanitizer.
static void mark(const char *name, void *mutex) {
    Mark *mark = (Mark *)dlsym(RTLD_DEFAULT, name);
    if (mark) mark(mutex);
}

SWIFT void lock_slow(uint32_t self_id, SELF void *mutex) __asm__(LOCK);
SWIFT void lock_slow(uint32_t self_id, SELF void *mutex) {
    ((Lock *)dlsym(RTLD_NEXT, LOCK))(self_id, mutex);
    mark("__tsan_acquire", mutex);
}

SWIFT void unlock_slow(SELF void *mutex) __asm__(UNLOCK);
SWIFT void unlock_slow(SELF void *mutex) {
    mark("__tsan_release", mutex);
    ((Unlock *)dlsym(RTLD_NEXT, UNLOCK))(mutex);
}

SWIFT bool try_lock_slow(SELF void *mutex) __asm__(TRY_LOCK);
SWIFT bool try_lock_slow(SELF void *mutex) {
    bool taken = ((TryLock *)dlsym(RTLD_NEXT, TRY_LOCK))(mutex);
    if (taken) mark("__tsan_acquire", mutex);
    return taken;
}
