// Times the read transactions of a process that uses SQLite, from inside it, without the start of the process.
// Build: gcc -O2 -shared -fPIC -o read_clock.so read_clock.c; use: LD_PRELOAD, READ_CLOCK=FILE.
//
// When the process ends, FILE holds the microseconds from the last BEGIN to the end of its COMMIT.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static double begun, ended;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

#define REAL(function) \
    static __typeof__(&function) real; \
    if (!real) real = (__typeof__(&function))dlsym(RTLD_NEXT, #function)

static void seen(const char *sql) {
    if (!strncasecmp(sql, "BEGIN", 5)) begun = now();
}

int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **statement, const char **tail) {
    REAL(sqlite3_prepare_v2);
    seen(sql);
    return real(db, sql, size, statement, tail);
}

int sqlite3_prepare_v3(
    sqlite3 *db, const char *sql, int size, unsigned flags, sqlite3_stmt **statement, const char **tail) {
    REAL(sqlite3_prepare_v3);
    seen(sql);
    return real(db, sql, size, flags, statement, tail);
}

int sqlite3_step(sqlite3_stmt *statement) {
    REAL(sqlite3_step);
    int result = real(statement);
    const char *sql = result == SQLITE_DONE ? sqlite3_sql(statement) : NULL;
    if (sql && !strncasecmp(sql, "COMMIT", 6)) ended = now();
    return result;
}

__attribute__((destructor)) static void say(void) {
    const char *path = getenv("READ_CLOCK");
    FILE *file = path && ended > begun && begun > 0 ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%.1f\n", ended - begun);
    fclose(file);
}
