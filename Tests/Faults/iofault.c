// An LD_PRELOAD library that makes file operations below one folder fail, fall short or take long, while the program
// runs. It can also move the wall clock. Test tool; needs no privilege.
//
// IOFAULT_FOLDER   Only files below this folder are touched (and, for accept, sockets).
// IOFAULT_CONTROL  A file of at least sizeof(struct control) bytes. It is mapped and shared: the test writes rules into
//                  it and reads the counters back. Fields are little-endian, as laid out below (faults.py packs them).
//
// Build: gcc -O2 -Wall -Wextra -shared -fPIC -o iofault.so iofault.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Bits of rule.operations.
enum {
    OP_WRITE = 1,
    OP_SYNC = 2,
    OP_READ = 4,
    OP_OPEN = 8,
    OP_ACCEPT = 16,
    OP_TRUNCATE = 32,
    OP_RENAME = 64,
    OP_UNLINK = 128
};

struct rule {
    uint32_t active;      // 0: the rule does nothing
    uint32_t operations;  // which operations it is for
    int32_t error;        // the errno that the caller gets; 0: the operation is done (after the delay)
    uint32_t skip;        // so many matching operations pass before the first fails (counted in `seen`)
    int64_t times;        // so many fail, then it passes again; -1: every one
    uint32_t delay_us;    // waits so long before each matching operation
    uint32_t short_bytes; // not 0: a longer write or read does only so many bytes
    uint32_t writing;     // OP_OPEN: only when opened for writing or creating
    uint32_t reserved;
    uint64_t seen;        // counters, for the test
    uint64_t failed;
    char match[64];       // the path must end with this; empty: every path below the folder
};

#define RULES 8
struct control {
    uint64_t magic;
    struct rule rules[RULES];
    int64_t clock_seconds; // added to the wall clock
};

static struct control *control;
static char folder[4096];
static size_t folder_length;
static __thread int inside;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("IOFAULT_CONTROL"), *below = getenv("IOFAULT_FOLDER");
    if (!path || !below || !realpath(below, folder)) return;
    folder_length = strlen(folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) control = map;
}

// What is to be done about one operation.
struct verdict {
    int error;
    size_t limit;
};

static int is_active(unsigned operation) {
    if (!control || inside) return 0;
    for (int i = 0; i < RULES; i++) {
        if (__atomic_load_n(&control->rules[i].active, __ATOMIC_ACQUIRE) && control->rules[i].operations & operation)
            return 1;
    }
    return 0;
}

static int ends_with(const char *path, const char *end) {
    size_t n = strlen(path), m = strnlen(end, 64);
    return m <= n && memcmp(path + n - m, end, m) == 0;
}

static struct verdict judge(unsigned operation, const char *path, int is_writing) {
    struct verdict verdict = {0, SIZE_MAX};
    if (operation != OP_ACCEPT && (strncmp(path, folder, folder_length) != 0 || path[folder_length] != '/'))
        return verdict;
    for (int i = 0; i < RULES; i++) {
        struct rule *rule = &control->rules[i];
        if (!__atomic_load_n(&rule->active, __ATOMIC_ACQUIRE) || !(rule->operations & operation)) continue;
        if (operation != OP_ACCEPT && !ends_with(path, rule->match)) continue;
        if (operation == OP_OPEN && rule->writing && !is_writing) continue;
        uint64_t number = __atomic_fetch_add(&rule->seen, 1, __ATOMIC_RELAXED);
        if (rule->delay_us) {
            struct timespec pause = {rule->delay_us / 1000000, (long)(rule->delay_us % 1000000) * 1000};
            nanosleep(&pause, NULL);
        }
        if (rule->short_bytes && rule->short_bytes < verdict.limit) verdict.limit = rule->short_bytes;
        if (number < rule->skip || (rule->times >= 0 && number - rule->skip >= (uint64_t)rule->times)) continue;
        if (rule->error) {
            __atomic_fetch_add(&rule->failed, 1, __ATOMIC_RELAXED);
            verdict.error = rule->error;
        }
    }
    return verdict;
}

static struct verdict judge_descriptor(unsigned operation, int fd) {
    struct verdict pass = {0, SIZE_MAX};
    char link[64], path[4096];
    if (operation == OP_ACCEPT) return judge(operation, "", 0);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    inside++;
    ssize_t n = readlink(link, path, sizeof path - 1);
    inside--;
    if (n <= 0) return pass;
    path[n] = 0;
    return judge(operation, path, 0);
}

static struct verdict judge_path(unsigned operation, int at, const char *name, int is_writing) {
    struct verdict pass = {0, SIZE_MAX};
    char joined[8192], parent[4096];
    if (name[0] != '/') {
        if (at != AT_FDCWD || !getcwd(parent, sizeof parent)) return pass;
        snprintf(joined, sizeof joined, "%s/%s", parent, name);
        name = joined;
    }
    return judge(operation, name, is_writing);
}

// The C library's own function of this name.
#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define FAIL_DESCRIPTOR(operation, fd) \
    size_t limit = SIZE_MAX; \
    if (is_active(operation)) { \
        struct verdict verdict = judge_descriptor(operation, fd); \
        if (verdict.error) { errno = verdict.error; return -1; } \
        limit = verdict.limit; \
    } \
    (void)limit

#define FAIL_PATH(operation, at, path, is_writing) \
    if (is_active(operation)) { \
        struct verdict verdict = judge_path(operation, at, path, is_writing); \
        if (verdict.error) { errno = verdict.error; return -1; } \
    }

#define AT_MOST(n) ((n) < limit ? (n) : limit)

ssize_t write(int fd, const void *data, size_t n) {
    REAL(write);
    FAIL_DESCRIPTOR(OP_WRITE, fd);
    return real(fd, data, AT_MOST(n));
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    REAL(pwrite);
    FAIL_DESCRIPTOR(OP_WRITE, fd);
    return real(fd, data, AT_MOST(n), at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    REAL(pwrite64);
    FAIL_DESCRIPTOR(OP_WRITE, fd);
    return real(fd, data, AT_MOST(n), at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    FAIL_DESCRIPTOR(OP_WRITE, fd);
    return real(fd, parts, count);
}

ssize_t read(int fd, void *data, size_t n) {
    REAL(read);
    FAIL_DESCRIPTOR(OP_READ, fd);
    return real(fd, data, AT_MOST(n));
}

ssize_t pread(int fd, void *data, size_t n, off_t at) {
    REAL(pread);
    FAIL_DESCRIPTOR(OP_READ, fd);
    return real(fd, data, AT_MOST(n), at);
}

ssize_t pread64(int fd, void *data, size_t n, off64_t at) {
    REAL(pread64);
    FAIL_DESCRIPTOR(OP_READ, fd);
    return real(fd, data, AT_MOST(n), at);
}

int fsync(int fd) {
    REAL(fsync);
    FAIL_DESCRIPTOR(OP_SYNC, fd);
    return real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    FAIL_DESCRIPTOR(OP_SYNC, fd);
    return real(fd);
}

int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    FAIL_DESCRIPTOR(OP_TRUNCATE, fd);
    return real(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    FAIL_DESCRIPTOR(OP_TRUNCATE, fd);
    return real(fd, size);
}

static int is_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT; }

static mode_t mode_of(int flags, va_list arguments) {
    int has_mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    return has_mode ? (mode_t)va_arg(arguments, int) : 0;
}

int open(const char *path, int flags, ...) {
    REAL(open);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    FAIL_PATH(OP_OPEN, AT_FDCWD, path, is_writing(flags));
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    FAIL_PATH(OP_OPEN, AT_FDCWD, path, is_writing(flags));
    return real(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    REAL(openat);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    FAIL_PATH(OP_OPEN, at, path, is_writing(flags));
    return real(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    REAL(openat64);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    FAIL_PATH(OP_OPEN, at, path, is_writing(flags));
    return real(at, path, flags, mode);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    FAIL_PATH(OP_RENAME, AT_FDCWD, to, 1);
    return real(from, to);
}

int unlink(const char *path) {
    REAL(unlink);
    FAIL_PATH(OP_UNLINK, AT_FDCWD, path, 1);
    return real(path);
}

int accept(int fd, __SOCKADDR_ARG address, socklen_t *size) {
    REAL(accept);
    FAIL_DESCRIPTOR(OP_ACCEPT, fd);
    return real(fd, address, size);
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *size, int flags) {
    REAL(accept4);
    FAIL_DESCRIPTOR(OP_ACCEPT, fd);
    return real(fd, address, size, flags);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(clock, now);
    if (result == 0 && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += __atomic_load_n(&control->clock_seconds, __ATOMIC_RELAXED);
    return result;
}
