// LD_PRELOAD: writes down, in order, what a process changes below a folder, so that the states in which a power cut
// may leave the disk can be built from it (powercut.py); or kills the process before a certain change (crash.py).
//
// POWERCUT_FOLDER  what is below this folder is meant
// POWERCUT_TRACE   the record is appended here; it must be outside the folder; without it nothing is recorded
// POWERCUT_KILL    optional, N: the process kills itself just before the N-th time that it makes, renames, removes or
//                  cuts a file there
// POWERCUT_CLOCK   optional, "EPOCH_MS SPEED": the wall clock runs SPEED times as fast since then, so that segments age
//
// One record for each change: op, three zero bytes, path length, data length (4 bytes each, little-endian), inode,
// number (8 bytes each), path, data. A change and its record are one step under one lock, so their order is that of the
// disk. What is mapped into memory is not seen: SQLite's -shm files, which it makes anew after a cut.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CREATE = 'C', WRITE = 'W', TRUNCATE = 'T', SYNC = 'S', RENAME = 'R', LINK = 'L', UNLINK = 'U', MKDIR = 'M' };
enum { DESCRIPTORS = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char folder[PATH_MAX];
static size_t folderLength;
static int trace = -1;
static long killAt;
static int64_t clockStart;
static double clockSpeed = 1;
// Which descriptors are of files below the folder.
static unsigned char tracked[DESCRIPTORS];

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void start(void) {
    const char *where = getenv("POWERCUT_FOLDER"), *record = getenv("POWERCUT_TRACE"), *fast = getenv("POWERCUT_CLOCK");
    if (fast) sscanf(fast, "%ld %lf", (long *)&clockStart, &clockSpeed);
    const char *when = getenv("POWERCUT_KILL");
    if (!where || !realpath(where, folder)) return;
    folderLength = strlen(folder);
    killAt = when ? atol(when) : 0;
    if (!record) return;
    int (*plainOpen)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    trace = plainOpen(record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void begin(void) {
    pthread_once(&once, start);
    pthread_mutex_lock(&lock);
}

static void end(void) {
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
}

// The path from the folder on ("." for itself), or NULL when it is elsewhere.
static const char *below(const char *path) {
    static _Thread_local char whole[PATH_MAX * 2];
    if (!folderLength || !path) return NULL;
    if (path[0] != '/') {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here)) return NULL;
        snprintf(whole, sizeof whole, "%s/%s", here, path);
        path = whole;
    }
    if (strcmp(path, folder) == 0) return ".";
    if (strncmp(path, folder, folderLength) != 0 || path[folderLength] != '/') return NULL;
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, "-shm") == 0 ? NULL : path + folderLength + 1;
}

static void note(char op, uint64_t inode, uint64_t number, const char *path, const void *data, size_t length) {
    if (trace < 0) return;
    int kept = errno;
    struct { char op, zero[3]; uint32_t pathLength, dataLength; uint64_t inode, number; } __attribute__((packed)) head =
        {op, {0}, (uint32_t)strlen(path), (uint32_t)length, inode, number};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, strlen(path)}, {(void *)data, length}};
    static ssize_t (*plain)(int, const struct iovec *, int);
    if (!plain) plain = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    if (plain(trace, parts, 3) != (ssize_t)(sizeof head + strlen(path) + length)) abort();
    errno = kept;
}

// A file is about to be made, renamed, removed or cut.
static void counted(int isInside) {
    if (isInside && killAt > 0 && --killAt == 0) kill(getpid(), SIGKILL);
}

static uint64_t inodeOf(int descriptor) {
    struct stat info;
    return fstat(descriptor, &info) == 0 ? info.st_ino : 0;
}

static int isTracked(int descriptor) { return descriptor >= 0 && descriptor < DESCRIPTORS && tracked[descriptor]; }

static int opened(int descriptor, const char *path, int flags, int wasThere) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS) return descriptor;
    tracked[descriptor] = path != NULL;
    if (!path) return descriptor;
    if ((flags & O_CREAT) && !wasThere) note(CREATE, inodeOf(descriptor), 0, path, "", 0);
    else if (flags & O_TRUNC) note(TRUNCATE, inodeOf(descriptor), 0, "", "", 0);
    return descriptor;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        begin(); \
        const char *inside = below(path); \
        int wasThere = inside && access(path, F_OK) == 0; \
        counted(inside && (flags & O_CREAT) && !wasThere); \
        int result = opened(real(path, flags, mode), inside, flags, wasThere); \
        end(); \
        return result; \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(name); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        begin(); \
        const char *inside = at == AT_FDCWD || path[0] == '/' ? below(path) : NULL; \
        int wasThere = inside && access(path, F_OK) == 0; \
        counted(inside && (flags & O_CREAT) && !wasThere); \
        int result = opened(real(at, path, flags, mode), inside, flags, wasThere); \
        end(); \
        return result; \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int descriptor) {
    REAL(close);
    begin();
    if (descriptor >= 0 && descriptor < DESCRIPTORS) tracked[descriptor] = 0;
    int result = real(descriptor);
    end();
    return result;
}

ssize_t write(int descriptor, const void *data, size_t length) {
    REAL(write);
    // Not under the lock: a write to a socket may wait.
    pthread_once(&once, start);
    if (!isTracked(descriptor)) return real(descriptor, data, length);
    begin();
    off_t at = lseek(descriptor, 0, fcntl(descriptor, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t count = real(descriptor, data, length);
    if (count > 0) note(WRITE, inodeOf(descriptor), (uint64_t)at, "", data, (size_t)count);
    end();
    return count;
}

#define PWRITE(name, offset) \
    ssize_t name(int descriptor, const void *data, size_t length, offset at) { \
        REAL(name); \
        begin(); \
        ssize_t count = real(descriptor, data, length, at); \
        if (count > 0 && isTracked(descriptor)) \
            note(WRITE, inodeOf(descriptor), (uint64_t)at, "", data, (size_t)count); \
        end(); \
        return count; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

// Nothing in the daemon writes a file like this; if that changes, the record would be wrong.
#define REFUSE(name, result, parameters, arguments) \
    result name parameters { \
        REAL(name); \
        if (isTracked(descriptor)) abort(); \
        return real arguments; \
    }
REFUSE(writev, ssize_t, (int descriptor, const struct iovec *parts, int count), (descriptor, parts, count))
REFUSE(pwritev, ssize_t, (int descriptor, const struct iovec *parts, int count, off_t at),
       (descriptor, parts, count, at))
REFUSE(pwritev64, ssize_t, (int descriptor, const struct iovec *parts, int count, off64_t at),
       (descriptor, parts, count, at))
REFUSE(fallocate, int, (int descriptor, int mode, off_t at, off_t length), (descriptor, mode, at, length))
REFUSE(posix_fallocate, int, (int descriptor, off_t at, off_t length), (descriptor, at, length))

#define FTRUNCATE(name, offset) \
    int name(int descriptor, offset size) { \
        REAL(name); \
        begin(); \
        counted(isTracked(descriptor)); \
        int result = real(descriptor, size); \
        if (result == 0 && isTracked(descriptor)) note(TRUNCATE, inodeOf(descriptor), (uint64_t)size, "", "", 0); \
        end(); \
        return result; \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define SYNC(name) \
    int name(int descriptor) { \
        REAL(name); \
        begin(); \
        int result = real(descriptor); \
        if (result == 0 && isTracked(descriptor)) { \
            char link[64], path[PATH_MAX] = ""; \
            struct stat info; \
            int isFolder = fstat(descriptor, &info) == 0 && S_ISDIR(info.st_mode); \
            snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor); \
            ssize_t length = isFolder ? readlink(link, path, sizeof path - 1) : -1; \
            path[length > 0 ? length : 0] = 0; \
            const char *inside = below(path); \
            note(SYNC, info.st_ino, (uint64_t)isFolder, isFolder && inside ? inside : "", "", 0); \
        } \
        end(); \
        return result; \
    }
SYNC(fsync)
SYNC(fdatasync)

// Another name for a file: in the place of the old one (rename), or beside it and of no other file's (link).
#define NAMING(function, kind) \
    int function(const char *from, const char *to) { \
        REAL(function); \
        begin(); \
        const char *inside = below(to); \
        counted(inside != NULL); \
        int result = real(from, to); \
        if (result == 0 && inside) { \
            char target[PATH_MAX]; \
            snprintf(target, sizeof target, "%s", inside); \
            const char *source = below(from); \
            note(kind, 0, 0, target, source ? source : "", source ? strlen(source) : 0); \
        } \
        end(); \
        return result; \
    }
NAMING(rename, RENAME)
NAMING(link, LINK)

int unlink(const char *path) {
    REAL(unlink);
    begin();
    const char *inside = below(path);
    counted(inside && access(path, F_OK) == 0);
    int result = real(path);
    if (result == 0 && inside) note(UNLINK, 0, 0, inside, "", 0);
    end();
    return result;
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    begin();
    const char *inside = below(path);
    counted(inside != NULL);
    int result = real(path, mode);
    struct stat info;
    if (result == 0 && inside && stat(path, &info) == 0) note(MKDIR, info.st_ino, 0, inside, "", 0);
    end();
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(clock_gettime);
    pthread_once(&once, start);
    int result = real(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && clockSpeed != 1) {
        int64_t nanoseconds = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
        nanoseconds += (int64_t)((double)(nanoseconds - clockStart * 1000000) * (clockSpeed - 1));
        time->tv_sec = nanoseconds / 1000000000;
        time->tv_nsec = nanoseconds % 1000000000;
    }
    return result;
}
