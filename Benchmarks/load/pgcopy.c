// Loads a CSV into PostgreSQL by COPY, one transaction per so many rows, each committed before the next is sent.
// Build: gcc -O2 -I$(pg_config --includedir) -o pgcopy pgcopy.c -lpq
// Usage: pgcopy CONNINFO FILE ROWS_PER_TRANSACTION
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void expect(PGconn *server, PGresult *result, ExecStatusType wanted) {
    if (PQresultStatus(result) != wanted) {
        fprintf(stderr, "pgcopy: %s", PQerrorMessage(server));
        exit(1);
    }
    PQclear(result);
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: pgcopy CONNINFO FILE ROWS_PER_TRANSACTION\n"), 64;
    PGconn *server = PQconnectdb(argv[1]);
    if (PQstatus(server) != CONNECTION_OK) return fprintf(stderr, "pgcopy: %s", PQerrorMessage(server)), 1;
    int fd = open(argv[2], O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) return perror(argv[2]), 1;
    const char *at = mmap(0, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0), *end = at + st.st_size;
    long per_transaction = atol(argv[3]), rows = 0;
    double start = now();
    while (at < end) {
        const char *stop = at;
        long taken = 0;
        for (; stop < end && taken < per_transaction; taken++) {
            const char *newline = memchr(stop, '\n', end - stop);
            stop = newline ? newline + 1 : end;
        }
        expect(server, PQexec(server, "COPY events FROM STDIN (FORMAT csv)"), PGRES_COPY_IN);
        if (PQputCopyData(server, at, stop - at) != 1 || PQputCopyEnd(server, 0) != 1) return 1;
        expect(server, PQgetResult(server), PGRES_COMMAND_OK);
        for (PGresult *more; (more = PQgetResult(server));) PQclear(more);
        rows += taken;
        at = stop;
    }
    double seconds = now() - start;
    printf("{\"events\":%ld,\"seconds\":%.4f,\"events_per_s\":%.0f}\n", rows, seconds, rows / seconds);
    PQfinish(server);
}
