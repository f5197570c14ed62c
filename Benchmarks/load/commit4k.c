// The time of one durable commit of 4 KiB on this disk: SQLite, WAL, synchronous=FULL, one blob per transaction.
// Build: gcc -O2 -o commit4k commit4k.c -lsqlite3        Usage: commit4k FOLDER [COMMITS]
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void check(int code, sqlite3 *database) {
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
    fprintf(stderr, "commit4k: %s\n", sqlite3_errmsg(database));
    exit(1);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: commit4k FOLDER [COMMITS]\n"), 64;
    int commits = argc > 2 ? atoi(argv[2]) : 3000;
    char path[4096];
    snprintf(path, sizeof path, "%s/commit4k-%d.sqlite", argv[1], getpid());
    sqlite3 *database;
    check(sqlite3_open(path, &database), database);
    check(sqlite3_exec(database,
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
        "CREATE TABLE block(id INTEGER PRIMARY KEY, body BLOB)", 0, 0, 0), database);
    sqlite3_stmt *insert;
    check(sqlite3_prepare_v2(database, "INSERT INTO block(body) VALUES(?)", -1, &insert, 0), database);
    unsigned char body[4096];
    for (size_t i = 0; i < sizeof body; i++) body[i] = (unsigned char)(i * 2654435761u >> 13);
    double *times = malloc(commits * sizeof *times);
    for (int i = 0; i < commits; i++) {
        memcpy(body, &i, sizeof i);
        double start = now();
        check(sqlite3_bind_blob(insert, 1, body, sizeof body, SQLITE_STATIC), database);
        check(sqlite3_step(insert), database);
        check(sqlite3_reset(insert), database);
        times[i] = now() - start;
    }
    qsort(times, commits, sizeof *times, compare);
    printf("{\"commits\":%d,\"lat_us_p50\":%.1f,\"lat_us_p99\":%.1f}\n", commits, times[commits / 2] * 1e6,
           times[commits * 99 / 100] * 1e6);
    sqlite3_finalize(insert);
    sqlite3_close(database);
    for (int i = 0; i < 3; i++) {
        char file[4200];
        snprintf(file, sizeof file, "%s%s", path, (const char *[]){"", "-wal", "-shm"}[i]);
        unlink(file);
    }
}
