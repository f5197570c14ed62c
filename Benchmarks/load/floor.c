// What the kernel alone costs for one event a frame or a datagram: answers `loadsend` as the daemon does, in answers of
// the same size, and keeps nothing. Build: gcc -O2 -o floor floor.c -lz
//
//   floor tcp PORT EVENTS_PER_ANSWER    (a bare epoll loop: one read and one write for a connection that has something)
//   floor udp PORT                      (a bare recvmmsg, then a bare sendmmsg of as many answers, up to 64)
//
// Says "ready" when it listens; ends when it is killed. Frames are found by their lengths, and that is all that is read
// of them. A loop this short is faster than the sender, so it would find one event at a time, where a busy daemon finds
// several, and reads and answers once. So it sleeps between its rounds just long enough that an answer stands for
// EVENTS_PER_ANSWER events on average: with the daemon's number (`loadsend` counts its answers) both pay for about as
// many reads and writes. When more events than that wait by themselves, as on a busy machine, its answers are fewer.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { HELLO = 1, WELCOME = 2, BATCH = 3, ACK = 4, BURST = 64, READY = 1024, RX = 1 << 16, CONNECTIONS = 1 << 16 };

typedef struct {
    int fd;
    uint64_t events;         // of this connection, cumulative
    size_t skip;             // bytes of the last frame that are still to come
    uint8_t held[5];         // the head of a frame that came in part
    size_t held_size;
} peer;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static size_t put_varint(uint8_t *b, uint64_t value) {
    size_t n = 0;
    for (; value > 127; value >>= 7) b[n++] = value | 128;
    b[n++] = value;
    return n;
}

static size_t put_checksum(uint8_t *b, size_t size) {
    uint32_t crc = crc32(0, b, size);
    memcpy(b + size, &crc, 4);           // little-endian, as this machine is
    return size + 4;
}

// Sleeps before a round, and longer each time while there are fewer than `wanted` events an answer.
static void pace(double wanted, uint64_t events, uint64_t answers) {
    static double microseconds = 50;
    microseconds *= events < wanted * answers ? 1.1 : 1 / 1.1;
    if (microseconds < 1) microseconds = 1;
    if (microseconds > 200000) microseconds = 200000;
    if (microseconds > 5) nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, 0);
}

// Counts the batches in what was read, by the length of each frame; returns whether HELLO was there.
static int count_frames(peer *p, const uint8_t *b, size_t size) {
    int greeted = 0;
    for (;;) {
        size_t passed = p->skip < size ? p->skip : size;
        b += passed, size -= passed, p->skip -= passed;
        // The head: a type and a length of up to three bytes; it may come in pieces.
        while (p->held_size < 2 || p->held[p->held_size - 1] > 127) {
            if (p->held_size == sizeof p->held) fail("a frame's length does not end");
            if (!size) return greeted;
            p->held[p->held_size++] = *b++, size--;
        }
        for (size_t i = 1; i < p->held_size; i++) p->skip |= (size_t)(p->held[i] & 127) << (7 * (i - 1));
        p->skip += 4;                    // the checksum
        p->events += (p->held[0] & 15) == BATCH;
        greeted |= (p->held[0] & 15) == HELLO;
        p->held_size = 0;
    }
}

// Writes what the daemon writes: WELCOME, or an ACK of all events so far.
static void answer(peer *p, int is_welcome) {
    uint8_t b[32] = {is_welcome ? WELCOME : ACK, 0, is_welcome ? 2 << 3 : 1 << 3};
    b[1] = 1 + put_varint(b + 3, p->events);
    size_t size = put_checksum(b, 2 + b[1]);
    if (write(p->fd, b, size) != (ssize_t)size) fail("write");
}

static int listen_on(int port, int kind) {
    int fd = socket(AF_INET, kind, 0), one = 1, buffer = 8 << 20;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (kind == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (fd < 0 || bind(fd, (void *)&a, sizeof a) || (kind == SOCK_STREAM && listen(fd, 4096))) fail("cannot listen");
    puts("ready");
    fflush(stdout);
    return fd;
}

static void serve_tcp(int port, double per_answer) {
    static uint8_t buffer[RX];
    static struct epoll_event ready[READY];
    static peer peers[CONNECTIONS];
    static const uint8_t magic[4] = "TDG1";
    int listener = listen_on(port, SOCK_STREAM), poller = epoll_create1(0), one = 1;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    for (uint64_t events = 0, answers = 0;;) {
        if (answers) pace(per_answer, events, answers);
        int n = epoll_wait(poller, ready, READY, -1);
        for (int i = 0; i < n; i++) {
            peer *p = ready[i].data.ptr;
            if (!p) {
                int fd = accept4(listener, 0, 0, SOCK_NONBLOCK);
                if (fd < 0 || fd >= CONNECTIONS) fail("accept");
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                peers[fd] = (peer){.fd = fd, .skip = sizeof magic};
                e.data.ptr = peers + fd;
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
                continue;
            }
            ssize_t size = read(p->fd, buffer, RX);
            if (size < 0 && errno == EAGAIN) continue;
            if (size <= 0) {
                close(p->fd);
                continue;
            }
            uint64_t before = p->events;
            if (count_frames(p, buffer, size)) answer(p, 1);
            if (p->events == before) continue;
            answer(p, 0);
            answers++;
            events += p->events - before;
        }
    }
}

static void serve_udp(int port) {
    static uint8_t in[BURST][2048], out[BURST][64];
    static struct sockaddr_in from[BURST];
    struct mmsghdr asked[BURST], answers[BURST];
    struct iovec parts[BURST], answer_parts[BURST];
    int fd = listen_on(port, SOCK_DGRAM);
    for (;;) {
        for (int i = 0; i < BURST; i++) {
            parts[i] = (struct iovec){in[i], sizeof in[i]};
            asked[i].msg_hdr = (struct msghdr){
                .msg_iov = parts + i, .msg_iovlen = 1, .msg_name = from + i, .msg_namelen = sizeof from[i]};
        }
        int n = recvmmsg(fd, asked, BURST, MSG_WAITFORONE, 0);
        if (n < 0) fail("recvmmsg");
        for (int i = 0; i < n; i++) {
            // Header as it came, but for the type; then the number of the event, which the question begins with.
            size_t size = 14;
            memcpy(out[i], in[i], size);
            out[i][1] = ACK;
            out[i][size++] = 1 << 3;
            for (const uint8_t *b = in[i] + 15; size < 25; b++) {
                out[i][size++] = *b;
                if (*b < 128) break;
            }
            size = put_checksum(out[i], size);
            memset(out[i] + size, 0, 4);
            answer_parts[i] = (struct iovec){out[i], size + 4};
            answers[i].msg_hdr = (struct msghdr){
                .msg_iov = answer_parts + i, .msg_iovlen = 1, .msg_name = from + i, .msg_namelen = sizeof from[i]};
        }
        for (int sent = 0, m; sent < n; sent += m)
            if ((m = sendmmsg(fd, answers + sent, n - sent, 0)) < 0) fail("sendmmsg");
    }
}

int main(int argc, char **argv) {
    if (argc < 3 || argc != 3 + !strcmp(argv[1], "tcp"))
        return fprintf(stderr, "usage: floor tcp PORT EVENTS_PER_ANSWER, or floor udp PORT\n"), 64;
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    if (!strcmp(argv[1], "udp")) serve_udp(atoi(argv[2]));
    serve_tcp(atoi(argv[2]), atof(argv[3]));
}
