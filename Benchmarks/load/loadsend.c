// Plays a load file against a daemon and counts what it acknowledges. Build: gcc -O2 -o loadsend loadsend.c -lz
//
//   loadsend tcp  HOST PORT FILE [--window FRAMES] [--gather N] [--latency] [--turns] [--keys FILE]
//   loadsend udp  HOST PORT FILE [--window DATAGRAMS] [--rate EVENTS_PER_SECOND] [--resend-ms N]
//                [--epoch N] [--keys FILE]
//   loadsend idle HOST PORT FILE --connections N     (greets, or asks once; says "ready", holds on until stdin ends)
//
// Records leave in the order of the file, each in a write of its own, or with --gather up to N of one connection in one,
// as far as the window goes; with --turns each connection in its turn, so that with a window of 1 all connections wait
// for an answer at once. --window bounds what a connection (UDP: the
// sender) has outstanding. With --keys each connection proves its key, and datagrams, whose connection is their device,
// are signed before the first of them leaves; every signature of an answer is checked. The file has, for each
// connection, the number of its key (u32, little-endian) and the key (32 bytes). Time runs from the first write to the last acknowledgement. One JSON object on stdout.
// The format of the file is described in Sources/Workload/Recorder.swift.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "hmac.h"

enum { FRAMES = 1, LINES = 2, DATAGRAMS = 3, REDIS = 4, MQTT = 5, REQUESTS = 6 };
enum { WELCOME = 2, ACK = 4, ERROR = 5, PUSH = 6, PROOF = 7, PING = 8, PONG = 9, BYE = 10 };
enum { RX = 1 << 16, STALL_SECONDS = 30, TRIES = 12, BURST = 64 };
enum { DATAGRAM_HEAD = 14, DATAGRAM_TRAILER = 8, NONCE = 16, WELCOME_NONCE = 32 };

typedef struct {
    uint32_t connection, events, size;
    uint8_t *bytes;
} record;

// What a connection proves itself with, or a device signs its datagrams with.
typedef struct {
    uint32_t id;
    hmac_key made;
} credential;

typedef struct {
    uint8_t *at, *end, *prelude, *epilogue;
    uint32_t kind, connections, prelude_size, epilogue_size;
} load;

typedef struct {
    int fd;
    uint64_t sent, acked;        // events of this connection, cumulative
    uint64_t *ends;              // ring: `sent` after each outstanding frame
    double *times;               // ring: when it was written
    uint32_t head, count;        // of the ring
    bool welcomed;
    const credential *key;       // nil without --keys
    uint8_t hello[64];           // the body of the HELLO that names it; the nonce is its last part
    size_t hello_size;
    size_t held;                 // bytes in rx
    uint8_t *rx;
} peer;

static struct {
    uint64_t events, records, acked, answers, answer_bytes, errors, rejects, resent, lost, uncovered, busy;
} total;

static long window = 16, gather = 1, connections = 0;
static double rate = 0;
static uint32_t resend_ms = 250;
static bool latency = false, in_turns = false;
static credential *keys;         // by connection
static uint32_t epoch = 0;       // of all datagrams
static double *samples;
static size_t sample_count, sample_room;
static record *turns;            // with --turns: all records, in the order in which they leave
static size_t turn_count, next_turn;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static _Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("loadsend: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static void complain(const char *what, const uint8_t *bytes, size_t size) {
    if (total.errors++ < 3) {
        fprintf(stderr, "loadsend: %s: ", what);
        for (size_t i = 0; i < size && i < 300; i++) fputc(bytes[i] >= 32 && bytes[i] < 127 ? bytes[i] : '.', stderr);
        fputc('\n', stderr);
    }
}

static uint32_t little(const uint8_t *b) { return b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24; }
static void put_little(uint8_t *b, uint32_t n) { for (int i = 0; i < 4; i++) b[i] = n >> (8 * i); }
static void put_big(uint8_t *b, uint32_t n) { for (int i = 0; i < 4; i++) b[i] = n >> (24 - 8 * i); }
static uint32_t big(const uint8_t *b) { return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]; }

// Returns the bytes used, 0 when the varint is incomplete or too long.
static size_t varint(const uint8_t *b, const uint8_t *end, uint64_t *value) {
    *value = 0;
    for (size_t i = 0; b + i < end && i < 10; i++) {
        *value |= (uint64_t)(b[i] & 127) << (7 * i);
        if (b[i] < 128) return i + 1;
    }
    return 0;
}

static load open_load(const char *path) {
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) fail("%s: %s", path, strerror(errno));
    if (st.st_size < 24) fail("%s: not a load file", path);
    uint8_t *b = mmap(0, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (b == MAP_FAILED) fail("%s: %s", path, strerror(errno));
    if (memcmp(b, "TIDLOAD1", 8)) fail("%s: not a load file", path);
    load l = {.kind = little(b + 8), .connections = little(b + 12), .prelude_size = little(b + 16),
              .epilogue_size = little(b + 20), .prelude = b + 24, .end = b + st.st_size};
    l.epilogue = l.prelude + l.prelude_size;
    l.at = l.epilogue + l.epilogue_size;
    // Touch every page now, so that reading the file is not part of the measured time.
    volatile uint8_t sum = 0;
    for (const uint8_t *p = b; p < l.end; p += 4096) sum += *p;
    return l;
}

// `label`: what is made of each key.
static void open_keys(const char *path, uint32_t count, const char *label) {
    FILE *file = fopen(path, "r");
    uint8_t entry[4 + HMAC_BYTES];
    keys = calloc(count, sizeof *keys);
    if (!file || !keys) fail("%s: %s", path, strerror(errno));
    for (uint32_t i = 0; i < count; i++) {
        if (fread(entry, sizeof entry, 1, file) != 1) fail("%s: not a key for each of %u connections", path, count);
        keys[i] = (credential){little(entry), hmac_expand(entry + 4, label)};
    }
    fclose(file);
}

static bool next_in_file(load *l, record *r) {
    if (l->end - l->at < 12) return false;
    *r = (record){little(l->at), little(l->at + 4), little(l->at + 8), l->at + 12};
    if ((size_t)(l->end - r->bytes) < r->size || r->connection >= l->connections) fail("the load file is damaged");
    l->at = r->bytes + r->size;
    return true;
}

// All records in an order in which the connections take turns: first the first record of each, then the second of each.
static void take_turns(load *l) {
    size_t *own = calloc(l->connections, sizeof *own), *starts = 0, rounds = 0;
    uint8_t *begin = l->at;
    record r;
    for (int pass = 0; pass < 2; pass++) {
        while (next_in_file(l, &r)) {
            size_t turn = own[r.connection]++;
            if (pass) turns[starts[turn]++] = r;
            else if (turn == rounds) starts = realloc(starts, ++rounds * sizeof *starts), starts[turn] = 1;
            else starts[turn]++;
        }
        if (pass) break;
        for (size_t i = 0, n; i < rounds; i++) n = starts[i], starts[i] = turn_count, turn_count += n;
        turns = malloc(turn_count * sizeof *turns);
        memset(own, 0, l->connections * sizeof *own);
        l->at = begin;
    }
    free(own);
    free(starts);
}

static bool next_record(load *l, record *r) {
    if (!turns) return next_in_file(l, r);
    if (next_turn == turn_count) return false;
    *r = turns[next_turn++];
    return true;
}

static struct sockaddr_in address(const char *host, const char *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) fail("not an IPv4 address: %s", host);
    return a;
}

static void sample(double seconds) {
    if (sample_count == sample_room) {
        sample_room = sample_room ? sample_room * 2 : 1 << 16;
        samples = realloc(samples, sample_room * sizeof *samples);
        if (!samples) fail("out of memory");
    }
    samples[sample_count++] = seconds;
}

// Everything up to `durable` events of this connection is stored.
static void acknowledge(peer *p, uint64_t durable) {
    if (durable > p->sent) return complain("acknowledged more than was sent", 0, 0);
    if (durable <= p->acked) return;
    total.acked += durable - p->acked;
    p->acked = durable;
    double t = latency ? now() : 0;
    while (p->count && p->ends[p->head % window] <= durable) {
        if (latency) sample(t - p->times[p->head % window]);
        p->head++;
        p->count--;
    }
}

static void count_answers(uint64_t answers, uint64_t bytes) {
    total.answers += answers;
    total.answer_bytes += bytes;
}

// Reads an Ack: field 1 = durable, field 2 = packed ranges (gap, length), field 5 = rejects.
static bool read_ack(const uint8_t *b, const uint8_t *end, uint64_t *durable, uint64_t *rejects, uint64_t covered) {
    bool hit = false;
    *durable = *rejects = 0;
    while (b < end) {
        uint64_t tag, value;
        size_t n = varint(b, end, &tag);
        if (!n) return false;
        b += n;
        if (!(n = varint(b, end, &value))) return false;
        b += n;
        if ((tag & 7) == 2) {
            if (value > (uint64_t)(end - b)) return false;
            if (tag >> 3 == 5) ++*rejects;
            if (tag >> 3 == 2) {
                const uint8_t *q = b, *stop = b + value;
                for (uint64_t at = *durable, gap, length; q < stop; at += length) {
                    if (!(n = varint(q, stop, &gap))) return false;
                    q += n;
                    if (!(n = varint(q, stop, &length))) return false;
                    q += n;
                    at += gap;
                    if (covered > at && covered <= at + length) hit = true;
                }
            }
            b += value;
        } else if (tag & 7) {
            return false;
        } else if (tag >> 3 == 1) {
            *durable = value;
        }
    }
    return hit || *durable >= covered;
}

static void put(peer *p, const uint8_t *bytes, size_t size, int poller, uint32_t kind);

static size_t put_varint(uint8_t *b, uint64_t n) {
    size_t size = 0;
    for (; n > 127; n >>= 7) b[size++] = n | 128;
    b[size++] = n;
    return size;
}

static void put_frame(peer *p, uint8_t type, const uint8_t *body, size_t size, int poller) {
    uint8_t frame[128];
    size_t head = 1 + put_varint(frame + 1, size);
    frame[0] = type;
    memcpy(frame + head, body, size);
    put_little(frame + head + size, crc32(0, frame, head + size));
    put(p, frame, head + size + 4, poller, FRAMES);
}

// A HELLO that names a key: protocol 1, key id, next 1, nonce. Which nonce it is does not matter to a benchmark.
static void put_hello(peer *p, uint32_t number, int poller) {
    uint8_t *b = p->hello;
    *b++ = 1 << 3, *b++ = 1, *b++ = 3 << 3;
    b += put_varint(b, p->key->id);
    *b++ = 5 << 3, *b++ = 1, *b++ = 7 << 3 | 2, *b++ = NONCE;
    for (int i = 0; i < NONCE; i++) *b++ = number >> (8 * (i % 4));
    p->hello_size = b - p->hello;
    put(p, (const uint8_t *)"TDG1", 4, poller, FRAMES);
    put_frame(p, 1, p->hello, p->hello_size, poller);
}

// The first WELCOME asks for the proof with a nonce, the second is the real one.
static bool put_proof(peer *p, const uint8_t *body, size_t size, int poller) {
    if (!p->key || size != 2 + WELCOME_NONCE || body[0] != (1 << 3 | 2) || body[1] != WELCOME_NONCE) return false;
    uint8_t proof[HMAC_BYTES];
    sha_run message = hmac_begin(&p->key->made);
    sha_take(&message, body + 2, WELCOME_NONCE);
    sha_take(&message, p->hello + p->hello_size - NONCE, NONCE);
    sha_take(&message, p->hello, p->hello_size);
    hmac_end(&p->key->made, &message, proof);
    put_frame(p, PROOF, proof, sizeof proof, poller);
    return true;
}

// Consumes the frames in `p->rx`.
static size_t read_frames(peer *p, int poller) {
    size_t at = 0;
    for (;;) {
        const uint8_t *b = p->rx + at, *end = p->rx + p->held;
        uint64_t size;
        if (end - b < 2) return at;
        size_t n = varint(b + 1, end, &size);
        if (!n || (uint64_t)(end - b) < 1 + n + size + 4) return at;
        const uint8_t *body = b + 1 + n;
        if (crc32(0, b, 1 + n + size) != little(body + size)) fail("a frame from the daemon has a wrong checksum");
        uint64_t durable, rejects;
        switch (*b & 15) {
        case WELCOME:
            if (!put_proof(p, body, size, poller)) p->welcomed = true;
            break;
        case ACK:
            if (*b >> 4 || !read_ack(body, body + size, &durable, &rejects, 0)) fail("cannot read an ACK");
            total.rejects += rejects;
            count_answers(1, 1 + n + size + 4);
            acknowledge(p, durable);
            break;
        case ERROR: complain("ERROR frame", body, size); break;
        case PING: {
            uint8_t pong[6] = {PONG, 0};
            uint32_t crc = crc32(0, pong, 2);
            memcpy(pong + 2, &crc, 4);
            if (write(p->fd, pong, 6) != 6) complain("could not answer a PING", 0, 0);
            break;
        }
        case PUSH: case PONG: case BYE: break;
        default: fail("an unexpected frame of type %d", *b & 15);
        }
        at += 1 + n + size + 4;
    }
}

static size_t read_lines(peer *p) {
    size_t at = 0;
    uint8_t *end;
    while ((end = memchr(p->rx + at, '\n', p->held - at))) {
        *end = 0;
        const char *line = (const char *)p->rx + at;
        unsigned long long n;
        if (sscanf(line, "{\"ack\":%llu", &n) == 1) {
            count_answers(1, end + 1 - p->rx - at);
            acknowledge(p, n);
        } else {
            complain("line", p->rx + at, end - p->rx - at);
        }
        at = end + 1 - p->rx;
    }
    return at;
}

static size_t read_replies(peer *p) {
    uint64_t replies = 0;
    for (size_t i = 0; i < p->held; i++) {
        replies += p->rx[i] == '$';                                  // "$15\r\n1767225600000-0\r\n"
        if (p->rx[i] == '-' && i + 3 < p->held && !memcmp(p->rx + i, "-ERR", 4)) complain("redis", p->rx + i, p->held - i);
    }
    count_answers(replies, p->held);
    acknowledge(p, p->acked + replies);
    return p->held;
}

// MQTT 3.1.1: a CONNACK, then a PUBACK for each message; a server that has no subscribers sends nothing else.
static size_t read_packets(peer *p) {
    size_t at = 0;
    for (; p->held - at >= 4; at += 4) {
        const uint8_t *b = p->rx + at;
        if (b[0] == 0x20 && b[1] == 2 && b[3] == 0) p->welcomed = true;
        else if (b[0] != 0x40 || b[1] != 2) fail("an unexpected MQTT packet of type %d", b[0] >> 4);
        else if (!p->count) fail("a PUBACK for nothing");
        else count_answers(1, 4), acknowledge(p, p->ends[p->head % window]);
    }
    return at;
}

// HTTP: each answer is that to the oldest request, and says how many of its events are stored, now or before.
static size_t read_responses(peer *p) {
    size_t at = 0;
    for (;;) {
        const char *head = (const char *)p->rx + at, *end = memmem(head, p->held - at, "\r\n\r\n", 4);
        if (!end) return at;
        end += 4;
        const char *length = memmem(head, end - head, "Content-Length: ", 16);
        size_t size = length ? strtoul(length + 16, 0, 10) : 0;
        if (end - (const char *)p->rx + size > p->held) return at;
        const char *counts = memmem(end, size, "\"stored\":", 9);
        unsigned long long stored = 0, duplicate = 0;
        if (counts) sscanf(counts, "\"stored\":%llu,\"duplicate\":%llu", &stored, &duplicate);
        if (!p->count) fail("an answer to nothing");
        uint64_t durable = p->ends[p->head % window];
        if (memcmp(head, "HTTP/1.1 200", 12) || p->acked + stored + duplicate != durable)
            complain("answer", (const uint8_t *)head, end - head + size);
        count_answers(1, end - head + size);
        acknowledge(p, durable);
        at = end - (const char *)p->rx + size;
    }
}

static void receive(peer *p, uint32_t kind, int poller) {
    ssize_t n = read(p->fd, p->rx + p->held, RX - p->held);
    if (n == 0) fail("the daemon closed a connection (%llu of %llu events acknowledged on it)",
                     (unsigned long long)p->acked, (unsigned long long)p->sent);
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        fail("read: %s", strerror(errno));
    }
    p->held += n;
    size_t used = kind == FRAMES ? read_frames(p, poller) : kind == LINES ? read_lines(p)
                : kind == MQTT ? read_packets(p) : kind == REQUESTS ? read_responses(p) : read_replies(p);
    memmove(p->rx, p->rx + used, p->held - used);
    p->held -= used;
    if (p->held == RX) fail("an answer is longer than %d bytes", RX);
}

// Reads whatever has come; waits up to `wait_ms` for it.
static void serve(int poller, uint32_t kind, int wait_ms) {
    struct epoll_event events[256];
    int n = epoll_wait(poller, events, 256, wait_ms);
    for (int i = 0; i < n; i++) receive(events[i].data.ptr, kind, poller);
}

static void put(peer *p, const uint8_t *bytes, size_t size, int poller, uint32_t kind) {
    double limit = now() + STALL_SECONDS;
    while (size) {
        ssize_t n = send(p->fd, bytes, size, MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            size -= n;
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) fail("write: %s", strerror(errno));
        if (now() > limit) fail("the daemon has not read for %d s", STALL_SECONDS);
        serve(poller, kind, 0);
        struct pollfd f = {.fd = p->fd, .events = POLLOUT};
        poll(&f, 1, 2);
    }
}

static void raise_file_limit(void) {
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

static peer *connect_all(struct sockaddr_in to, const load *l, long count, int poller) {
    raise_file_limit();
    peer *peers = calloc(count, sizeof *peers);
    for (long i = 0; i < count; i++) {
        peer *p = peers + i;
        int one = 1;
        p->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (p->fd < 0 || connect(p->fd, (void *)&to, sizeof to)) fail("connection %ld: %s", i + 1, strerror(errno));
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(p->fd, F_SETFL, O_NONBLOCK);
        p->ends = calloc(window, sizeof *p->ends);
        p->times = calloc(window, sizeof *p->times);
        p->rx = malloc(RX);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
        epoll_ctl(poller, EPOLL_CTL_ADD, p->fd, &e);
        p->key = keys ? keys + i : 0;
        if (p->key) put_hello(p, i, poller);
        else put(p, l->prelude, l->prelude_size, poller, l->kind);
        double limit = now() + STALL_SECONDS;
        while ((l->kind == FRAMES || l->kind == MQTT) && !p->welcomed) {
            serve(poller, l->kind, 100);
            if (total.errors || now() > limit) fail("no welcome on connection %ld", i + 1);
        }
    }
    return peers;
}

// What leaves in the next write: with --gather, of several records.
static struct {
    peer *of;
    uint8_t *bytes;
    size_t size, room;
    long records;
} gathered;

static void put_gathered(int poller, uint32_t kind) {
    if (gathered.size) put(gathered.of, gathered.bytes, gathered.size, poller, kind);
    gathered.size = gathered.records = 0;
}

static void put_later(peer *p, const record *r, int poller, uint32_t kind) {
    if (p != gathered.of || gathered.records == gather) put_gathered(poller, kind);
    if (gathered.size + r->size > gathered.room) {
        gathered.room = (gathered.size + r->size) * 2;
        gathered.bytes = realloc(gathered.bytes, gathered.room);
        if (!gathered.bytes) fail("out of memory");
    }
    memcpy(gathered.bytes + gathered.size, r->bytes, r->size);
    gathered.of = p;
    gathered.size += r->size;
    gathered.records++;
}

static void offer(peer *p, const record *r, int poller, uint32_t kind) {
    p->sent += r->events;
    p->ends[(p->head + p->count) % window] = p->sent;
    p->times[(p->head + p->count) % window] = latency ? now() : 0;
    p->count++;
    total.events += r->events;
    total.records++;
    if (gather > 1) put_later(p, r, poller, kind);
    else put(p, r->bytes, r->size, poller, kind);
}

static double play_tcp(struct sockaddr_in to, load *l) {
    int poller = epoll_create1(0);
    peer *peers = connect_all(to, l, l->connections, poller);
    record r;
    double start = now();
    while (next_record(l, &r)) {
        peer *p = peers + r.connection;
        double limit = now() + STALL_SECONDS;
        if (p->count >= window) put_gathered(poller, l->kind);
        while (p->count >= window) {
            serve(poller, l->kind, 100);
            if (now() > limit) fail("no acknowledgement for %d s", STALL_SECONDS);
        }
        offer(p, &r, poller, l->kind);
        if (total.records % BURST == 0) serve(poller, l->kind, 0);
    }
    put_gathered(poller, l->kind);
    double limit = now() + STALL_SECONDS;
    for (uint64_t last = total.acked; total.acked < total.events;) {
        serve(poller, l->kind, 100);
        if (total.acked != last) last = total.acked, limit = now() + STALL_SECONDS;
        if (now() > limit) {
            complain("not everything was acknowledged", 0, 0);
            break;
        }
    }
    double seconds = now() - start;
    for (uint32_t i = 0; i < l->connections; i++) {
        put(peers + i, l->epilogue, l->epilogue_size, poller, l->kind);
        close(peers[i].fd);
    }
    return seconds;
}

typedef struct {
    const uint8_t *bytes;
    const credential *key;       // nil without --keys
    uint32_t size, events;
    uint32_t sent_ms;
    uint8_t tries;
    bool done;
} datagram;

// Puts in the trailer: the key's signature, or without one the checksum.
static void seal(uint8_t *trailer, const uint8_t *b, size_t size, const credential *key) {
    uint8_t code[HMAC_BYTES] = {0};
    if (key) hmac(&key->made, b, size, code);
    else put_little(code, crc32(0, b, size));
    memcpy(trailer, code, DATAGRAM_TRAILER);
}

static void take_datagram(const uint8_t *b, size_t size, datagram *all, uint32_t next, uint32_t *open_) {
    if (size < DATAGRAM_HEAD + DATAGRAM_TRAILER || b[0] != 0xc1) return complain("a damaged datagram", b, size);
    uint32_t counter = big(b + 10);
    if (counter >= next) return complain("an answer to nothing", b, size);
    datagram *d = all + counter;
    uint8_t trailer[DATAGRAM_TRAILER];
    seal(trailer, b, size - DATAGRAM_TRAILER, d->key);
    if (memcmp(trailer, b + size - DATAGRAM_TRAILER, DATAGRAM_TRAILER) || big(b + 2) != (d->key ? d->key->id : 0))
        return complain(d->key ? "an answer with a wrong signature" : "a damaged datagram", b, size);
    if ((b[1] & 15) == ERROR) {
        total.busy++;
        return;
    }
    if ((b[1] & 15) != ACK || d->done) return;
    uint64_t seq = 0, durable, rejects;
    varint(d->bytes + 15, d->bytes + d->size, &seq);                 // the body starts with Batch.seq
    if (!read_ack(b + 14, b + size - 8, &durable, &rejects, seq + d->events - 1)) {
        total.uncovered++;
        return;
    }
    total.rejects += rejects;
    count_answers(1, size);
    total.acked += d->events;
    d->done = true;
    --*open_;
}

static void drain_datagrams(int fd, datagram *all, uint32_t next, uint32_t *open_, int wait_ms) {
    static uint8_t buffers[BURST][2048];
    struct mmsghdr messages[BURST];
    struct iovec parts[BURST];
    struct pollfd f = {.fd = fd, .events = POLLIN};
    if (wait_ms) poll(&f, 1, wait_ms);
    for (;;) {
        for (int i = 0; i < BURST; i++) {
            parts[i] = (struct iovec){buffers[i], sizeof buffers[i]};
            messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = parts + i, .msg_iovlen = 1}};
        }
        int n = recvmmsg(fd, messages, BURST, MSG_DONTWAIT, 0);
        for (int i = 0; i < n; i++) take_datagram(buffers[i], messages[i].msg_len, all, next, open_);
        if (n < BURST) return;
    }
}

static void send_datagrams(int fd, datagram **list, int count, double start) {
    struct mmsghdr messages[BURST];
    struct iovec parts[BURST];
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){(void *)list[i]->bytes, list[i]->size};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = parts + i, .msg_iovlen = 1}};
        list[i]->sent_ms = (now() - start) * 1000;
        list[i]->tries++;
    }
    for (int sent = 0; sent < count;) {
        int n = sendmmsg(fd, messages + sent, count - sent, 0);
        if (n > 0) sent += n;
        else if (errno == ECONNREFUSED) fail("nobody listens on the UDP port");
        else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) fail("send: %s", strerror(errno));
    }
}

static double play_udp(struct sockaddr_in to, load *l) {
    uint32_t count = 0, room = 1 << 16;
    datagram *all = malloc(room * sizeof *all);
    for (record r; next_record(l, &r); count++) {
        if (count == room) all = realloc(all, (room *= 2) * sizeof *all);
        if (!all) fail("out of memory");
        const credential *key = keys ? keys + r.connection : 0;
        if (key || epoch) {
            put_big(r.bytes + 2, key ? key->id : 0);
            put_big(r.bytes + 6, epoch);
            seal(r.bytes + r.size - DATAGRAM_TRAILER, r.bytes, r.size - DATAGRAM_TRAILER, key);
        }
        all[count] = (datagram){.bytes = r.bytes, .key = key, .size = r.size, .events = r.events};
        total.events += r.events;
    }
    int fd = socket(AF_INET, SOCK_DGRAM, 0), buffer = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (connect(fd, (void *)&to, sizeof to)) fail("connect: %s", strerror(errno));
    double start = now(), checked = start, limit = start + STALL_SECONDS;
    uint64_t last = 0, given = 0;
    for (uint32_t base = 0, next = 0, open_ = 0; base < count;) {
        datagram *list[BURST];
        int n = 0;
        double t = now();
        for (; n < BURST && next < count && open_ < window; n++, next++, open_++) {
            if (rate && given > (t - start) * rate) break;
            given += all[next].events;
            list[n] = all + next;
        }
        if (n) send_datagrams(fd, list, n, start);
        drain_datagrams(fd, all, next, &open_, n ? 0 : 1);
        while (base < next && all[base].done) base++;
        if (t - checked > 0.02) {                                    // what is overdue goes again
            checked = t;
            uint32_t overdue = (t - start) * 1000 - resend_ms;
            n = 0;
            for (uint32_t i = base; i < next && n < BURST; i++) {
                datagram *d = all + i;
                if (d->done || (int32_t)(overdue - d->sent_ms) < 0) continue;
                if (d->tries == TRIES) {
                    total.lost += d->events;
                    d->done = true;
                    open_--;
                } else {
                    list[n++] = d;
                }
            }
            total.resent += n;
            if (n) send_datagrams(fd, list, n, start);
        }
        if (total.acked + total.lost != last) last = total.acked + total.lost, limit = t + STALL_SECONDS;
        if (t > limit) {
            complain("no acknowledgement", 0, 0);
            break;
        }
    }
    total.records = count;
    return now() - start;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(double seconds) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double cpu = u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
    const struct { const char *name; uint64_t value; } counts[] = {
        {"events", total.events}, {"records", total.records}, {"acked", total.acked}, {"answers", total.answers},
        {"answer_bytes", total.answer_bytes}, {"errors", total.errors}, {"rejects", total.rejects},
        {"resent", total.resent}, {"lost", total.lost}, {"uncovered", total.uncovered}, {"busy", total.busy}};
    putchar('{');
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        printf("\"%s\":%llu,", counts[i].name, (unsigned long long)counts[i].value);
    printf("\"seconds\":%.6f,\"events_per_s\":%.0f,\"sender_cpu_s\":%.3f", seconds, total.events / seconds, cpu);
    if (sample_count) {
        qsort(samples, sample_count, sizeof *samples, compare);
        printf(",\"lat_us_p50\":%.1f,\"lat_us_p99\":%.1f", samples[sample_count / 2] * 1e6,
               samples[sample_count * 99 / 100] * 1e6);
    }
    puts("}");
}

static void hold_idle(struct sockaddr_in to, load *l) {
    if (connections < 1) fail("idle needs --connections N");
    int poller = epoll_create1(0);
    peer *peers = connect_all(to, l, connections, poller);
    record r;
    if (l->kind == REQUESTS && next_in_file(l, &r)) {                // who has never asked anything is not kept
        for (long i = 0; i < connections; i++) {
            offer(peers + i, &r, poller, l->kind);
            while (peers[i].count) serve(poller, l->kind, 100);
        }
        if (total.errors) fail("not every connection was answered");
    }
    printf("ready\n");
    fflush(stdout);
    for (struct pollfd f = {.fd = 0, .events = POLLIN}; poll(&f, 1, 0) == 0;) serve(poller, l->kind, 200);
}

int main(int argc, char **argv) {
    const char *key_file = 0;
    if (argc < 5)
        fail("usage: loadsend tcp|udp|idle HOST PORT FILE [--window N] [--gather N] [--latency] [--turns]"
             " [--rate N] [--connections N] [--resend-ms N] [--epoch N] [--keys FILE]");
    for (int i = 5; i < argc; i++) {
        if (!strcmp(argv[i], "--latency")) latency = true;
        else if (!strcmp(argv[i], "--turns")) in_turns = true;
        else if (!strcmp(argv[i], "--window") && i + 1 < argc) window = atol(argv[++i]);
        else if (!strcmp(argv[i], "--gather") && i + 1 < argc) gather = atol(argv[++i]);
        else if (!strcmp(argv[i], "--rate") && i + 1 < argc) rate = atof(argv[++i]);
        else if (!strcmp(argv[i], "--resend-ms") && i + 1 < argc) resend_ms = strtoul(argv[++i], 0, 10);
        else if (!strcmp(argv[i], "--epoch") && i + 1 < argc) epoch = strtoul(argv[++i], 0, 10);
        else if (!strcmp(argv[i], "--keys") && i + 1 < argc) key_file = argv[++i];
        else if (!strcmp(argv[i], "--connections") && i + 1 < argc) connections = atol(argv[++i]);
        else fail("unknown option %s", argv[i]);
    }
    if (window < 1) fail("--window must be at least 1");
    load l = open_load(argv[4]);
    if (in_turns) take_turns(&l);
    struct sockaddr_in to = address(argv[2], argv[3]);
    if (!strcmp(argv[1], "idle")) return hold_idle(to, &l), 0;
    bool udp = !strcmp(argv[1], "udp");
    if (key_file) open_keys(key_file, l.connections, udp ? "tidings udp mac" : "tidings tcp proof");
    if (udp != (l.kind == DATAGRAMS)) fail("%s is a load for the other transport", argv[4]);
    report(udp ? play_udp(to, &l) : play_tcp(to, &l));
    return total.errors || total.acked != total.events;
}
