/* A daemon of a few lines for the library's tests, on a network and under a clock that the test decides. */
#ifndef PEER_H
#define PEER_H

#include "../tidings.c"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_NUMBERS = 4096, MOST_EPOCHS = 24, MOST_QUEUED = 64, STREAM = 1 << 16 };

#define CHECK(holds)                                                                                                   \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            fprintf(stderr, "%s:%d: seed %u: %s\n", __FILE__, __LINE__, test_seed, #holds);                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static unsigned test_seed;
static uint32_t chance_state = 1;

static uint32_t chance(uint32_t below)
{
    chance_state = chance_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(chance_state >> 8) * below >> 24);
}

/* What the daemon knows of an epoch. */
typedef struct {
    uint32_t epoch;
    bool is_taken[MOST_NUMBERS]; /* came, or was closed by `oldest` */
    uint32_t top;                /* one above the highest that is taken */
} window;

typedef struct {
    tidings_config config;
    uint32_t clock;
    uint32_t loss;        /* of 100 */
    uint32_t break_after; /* connections end after so many calls; 0 = never */
    uint32_t poison;      /* the event with this value is refused; 0 = none */
    uint32_t poison_code;
    uint32_t busy;      /* so many batches are answered with 4290 */
    uint32_t floor;     /* epochs below it are refused (4013) */
    uint32_t is_chunky; /* streams come and go in pieces of a few bytes */
    bool is_down, is_mute, store_fails;

    window windows[MOST_EPOCHS];
    uint32_t window_count;
    uint32_t stored, lost, doubled, batches, opened, opens;
    bool has_value[MOST_NUMBERS]; /* the values of the events that came: each event of a test has one of its own */
    uint32_t values;

    uint32_t kept_epoch, stores;
    uint32_t verdicts, last_code, last_number, refused_number;
    size_t longest_text;

    /* Answers under way, and what came over the stream and is no whole frame yet. */
    uint8_t queue[MOST_QUEUED][1200];
    uint32_t sizes[MOST_QUEUED], queued;
    uint8_t in[STREAM], out[STREAM];
    uint32_t in_used, out_used, out_at;
    bool has_magic, is_greeted, is_unproved;
    uint8_t hello[1200];
    uint32_t hello_size, hello_epoch, through;
    uint32_t waits;         /* messages that wait for the device, as acks say */
    uint32_t messages, told; /* how many came out, and how often it was said that one is there */
    uint64_t last_told;
    char last_message[TIDINGS_DOWN + TIDINGS_FRAME];
    size_t last_length;
    uint8_t last_datagram[1200];
    uint32_t last_size;
} peer;

static window *window_of(peer *p, uint32_t epoch)
{
    for (uint32_t i = 0; i < p->window_count; i++) {
        if (p->windows[i].epoch == epoch) return &p->windows[i];
    }
    CHECK(p->window_count < MOST_EPOCHS);
    window *found = &p->windows[p->window_count++];
    memset(found, 0, sizeof *found);
    found->epoch = epoch;
    return found;
}

static uint32_t durable_of(const window *w)
{
    uint32_t at = 0;
    while (at + 1 < w->top && w->is_taken[at + 1]) at++;
    return at;
}

static void take_numbered(window *w, uint32_t number)
{
    CHECK(number < MOST_NUMBERS);
    w->is_taken[number] = true;
    if (w->top <= number) w->top = number + 1;
}

/* Takes a batch as the daemon does. Returns 0, or the code of a refusal. */
static uint32_t take_batch(peer *p, const uint8_t *body, uint32_t size, uint32_t epoch, uint32_t *last)
{
    uint32_t seq = 0, oldest = 0, number, words = 0;
    field f, inner;
    const char *texts[64] = {0};
    *last = 0;
    p->batches++;
    for (uint32_t at = 0; at < size; at += f.size) {
        CHECK(read_field(body + at, size - at, &f) && f.size <= size - at);
        if (f.number == 2) seq = f.value;
        if (f.number == 6) oldest = f.value;
        if (f.number == 4 && words < 64) texts[words++] = (const char *)f.bytes;
        if (f.number != 7) continue;
        for (uint32_t to = 0; to < f.value; to += inner.size) {
            CHECK(read_field(f.bytes + to, f.value - to, &inner) && inner.size <= f.value - to);
            if (inner.number == 5 && p->poison != 0 && inner.value == p->poison * 2) return p->poison_code;
        }
    }
    if (p->config.transport == TIDINGS_UDP) {
        CHECK(words > 0 && memcmp(texts[0], p->config.source, strlen(p->config.source)) == 0);
    }
    if (p->busy > 0) {
        p->busy--;
        return 4290;
    }
    if (epoch < p->floor) return 4013;
    window *w = window_of(p, epoch);
    if (oldest > 0) {
        if (w->top == 0) {
            for (uint32_t i = 1; i < oldest; i++) take_numbered(w, i);
        }
        for (uint32_t i = 1; i < oldest; i++) {
            if (!w->is_taken[i]) p->lost++;
            take_numbered(w, i);
        }
    }
    number = seq - 1;
    for (uint32_t at = 0; at < size && read_field(body + at, size - at, &f); at += f.size) {
        uint32_t skipped = 1, value = 0;
        if (f.number != 7) continue;
        for (uint32_t to = 0; to < f.value && read_field(f.bytes + to, f.value - to, &inner); to += inner.size) {
            if (inner.number == 2) skipped = inner.value;
            if (inner.number == 5) value = inner.value / 2;
        }
        number += skipped;
        *last = number;
        /* The daemon tells repetitions within 64 numbers. */
        CHECK(number + 64 > w->top);
        if (number < MOST_NUMBERS && w->is_taken[number]) {
            p->doubled++;
            continue;
        }
        take_numbered(w, number);
        p->stored++;
        CHECK(value < MOST_NUMBERS);
        if (!p->has_value[value]) p->values++;
        p->has_value[value] = true;
    }
    if (*last == 0) p->opened++;
    return 0;
}

static uint32_t put_reject(writer *w, uint32_t code, uint32_t number)
{
    put_field(w, 2, code);
    put_string(w, 3, "said so", 7);
    put_nonzero(w, 4, number);
    return w->used;
}

/* The device says which messages it has. */
static void take_received(peer *p, const uint8_t *body, uint32_t size)
{
    CHECK(size > 0);
    for (uint32_t at = 0; at < size;) {
        CHECK(body[at++] == 7 << 3);
        p->last_told = 0;
        for (int shift = 0;; shift += 7) {
            CHECK(at < size && shift < 64);
            p->last_told |= (uint64_t)(body[at] & 0x7f) << shift;
            if (body[at++] < 0x80) break;
        }
        p->told++;
    }
}

/* ---- UDP ---- */

static void sign(peer *p, tidings *t, uint8_t *bytes, uint32_t end)
{
    (void)p;
    uint8_t saved[TIDINGS_FRAME];
    memcpy(saved, t->frame, sizeof saved);
    memcpy(t->frame, bytes, end);
    put_trailer(t, end, bytes + end);
    memcpy(t->frame, saved, sizeof saved);
}

static tidings device;

static void answer_datagram(peer *p, const uint8_t *bytes, uint32_t size)
{
    uint8_t trailer[TRAILER], answer[1200];
    uint32_t last, epoch = load_big(bytes + 6);
    CHECK(size >= DATAGRAM_HEADER + TRAILER && size <= TIDINGS_FRAME && bytes[0] == 0xc1);
    CHECK(bytes[1] == BATCH || (bytes[1] == ACK && TIDINGS_DOWN != 0 && key_id(&device) != 0));
    put_trailer(&device, size - TRAILER, trailer);
    CHECK(memcmp(trailer, bytes + size - TRAILER, TRAILER) == 0);
    if (bytes[1] == ACK) {
        take_received(p, bytes + DATAGRAM_HEADER, size - DATAGRAM_HEADER - TRAILER);
        return;
    }
    uint32_t code = take_batch(p, bytes + DATAGRAM_HEADER, size - DATAGRAM_HEADER - TRAILER, epoch, &last);
    if (chance(100) < p->loss || p->queued == MOST_QUEUED) return;
    writer w = {answer, DATAGRAM_HEADER, sizeof answer};
    memcpy(answer, bytes, DATAGRAM_HEADER);
    answer[1] = code == 0 ? ACK : ERROR;
    if (code != 0) {
        put_reject(&w, code, code == 4013 ? p->floor : 0);
    } else {
        const window *seen = window_of(p, epoch);
        uint32_t at = durable_of(seen) + 1;
        uint8_t pairs[300];
        writer ranges = {pairs, 0, sizeof pairs};
        put_nonzero(&w, 1, at - 1);
        while (at < seen->top && ranges.used < 200) {
            uint32_t missing = 0, present = 0;
            while (at < seen->top && !seen->is_taken[at]) missing++, at++;
            while (at < seen->top && seen->is_taken[at]) present++, at++;
            put_varint(&ranges, missing);
            put_varint(&ranges, present);
        }
        if (ranges.used > 0) put_string(&w, 2, pairs, ranges.used);
        put_nonzero(&w, 8, p->waits);
    }
    CHECK(w.used <= w.size - TRAILER);
    sign(p, &device, answer, w.used);
    /* Some answers overtake others. */
    uint32_t to = p->queued == 0 || chance(10) > 0 ? p->queued : chance(p->queued);
    memmove(p->queue + to + 1, p->queue + to, (size_t)(p->queued - to) * sizeof p->queue[0]);
    memmove(p->sizes + to + 1, p->sizes + to, (size_t)(p->queued - to) * sizeof p->sizes[0]);
    memcpy(p->queue[to], answer, w.used + TRAILER);
    p->sizes[to] = w.used + TRAILER;
    p->queued++;
}

/* ---- TCP ---- */

static void send_frame(peer *p, uint32_t type, const uint8_t *body, uint32_t size)
{
    writer w = {p->out, p->out_used, STREAM};
    put(&w, type);
    put_varint(&w, size);
    put_bytes(&w, body, size);
    CHECK(w.used + 4 <= STREAM);
    store_little(p->out + w.used, crc32(0, p->out + p->out_used, w.used - p->out_used));
    p->out_used = w.used + 4;
}

static void greet_back(peer *p)
{
    uint8_t body[64];
    writer w = {body, 0, sizeof body};
    const window *seen = window_of(p, p->hello_epoch);
    put_nonzero(&w, 2, durable_of(seen));
    put_field(&w, 4, 1 << 20);
    if (seen->top > 0) put_field(&w, 6, p->hello_epoch);
    send_frame(p, WELCOME, body, w.used);
    p->is_greeted = true;
    p->through = 0;
}

/* Takes whole frames. False: the connection ends. */
static bool take_stream(peer *p)
{
    uint32_t at = 0;
    if (!p->has_magic) {
        if (p->in_used < 4) return true;
        CHECK(memcmp(p->in, "TDG1", 4) == 0);
        p->has_magic = true;
        at = 4;
    }
    for (;;) {
        uint32_t length, last, left = p->in_used - at;
        uint32_t count = left < 2 ? 0 : read_varint(p->in + at + 1, left - 1, &length);
        if (count == 0 || left < 1 + count + length + 4) break;
        uint32_t type = p->in[at];
        const uint8_t *body = p->in + at + 1 + count;
        CHECK(crc32(0, p->in + at, 1 + count + length + 4) == CRC_OF_ITSELF);
        at += 1 + count + length + 4;
        field f;
        if (type == HELLO) {
            CHECK(!p->is_greeted && length <= sizeof p->hello);
            memcpy(p->hello, body, length);
            p->hello_size = length;
            bool has_nonce = false;
            for (uint32_t to = 0; to < length; to += f.size) {
                CHECK(read_field(body + to, length - to, &f));
                if (f.number == 4) p->hello_epoch = f.value;
                if (f.number == 7) has_nonce = true;
            }
            CHECK(has_nonce == (key_id(&device) != 0));
            if (has_nonce) {
                uint8_t welcome[34];
                memset(welcome, 0xc0, sizeof welcome);
                welcome[0] = 0x0a;
                welcome[1] = 32;
                send_frame(p, WELCOME, welcome, sizeof welcome);
                p->is_unproved = true;
            } else {
                greet_back(p);
            }
        } else if (type == PROOF) {
            uint8_t message[1300], digest[32];
            CHECK(p->is_unproved && length == 32);
            memset(message, 0xc0, 32);
            memcpy(message + 32, p->hello + p->hello_size - 16, 16);
            memcpy(message + 48, p->hello, p->hello_size);
            hmac(&device, device.secret, message, 48 + p->hello_size, digest);
            CHECK(memcmp(digest, body, 32) == 0);
            p->is_unproved = false;
            greet_back(p);
        } else if (type == BATCH) {
            uint8_t answer[64];
            writer w = {answer, 0, sizeof answer};
            CHECK(p->is_greeted && !p->is_unproved);
            if (p->is_mute) continue;
            uint32_t code = take_batch(p, body, length, p->hello_epoch, &last);
            if (code != 0) {
                put_reject(&w, code, 0);
                send_frame(p, ERROR, answer, w.used);
                return false;
            }
            if (last > p->through) p->through = last;
            put_nonzero(&w, 1, p->through);
            put_field(&w, 3, p->hello_epoch);
            put_nonzero(&w, 8, p->waits);
            send_frame(p, ACK, answer, w.used);
        } else if (type == ACK && TIDINGS_DOWN != 0) {
            CHECK(p->is_greeted);
            take_received(p, body, length);
        } else {
            CHECK(!"a frame that no device sends");
        }
    }
    p->in_used -= at;
    memmove(p->in, p->in + at, p->in_used);
    return true;
}

/* ---- The caller's functions ---- */

static bool breaks(const peer *p) { return p->break_after != 0 && chance(p->break_after) == 0; }

static int peer_open(void *context)
{
    peer *p = context;
    if (p->is_down) return -1;
    if (p->config.transport == TIDINGS_TCP && chance(3) == 0) return 0;
    p->opens++;
    p->in_used = p->out_used = p->out_at = 0;
    p->has_magic = p->is_greeted = p->is_unproved = false;
    return 1;
}

static bool is_over;

static int peer_send(void *context, const uint8_t *bytes, size_t size)
{
    peer *p = context;
    if (p->config.transport == TIDINGS_UDP) {
        if (p->is_chunky && chance(10) == 0) return 0;
        memcpy(p->last_datagram, bytes, size);
        p->last_size = (uint32_t)size;
        if (!p->is_down && chance(100) >= p->loss) answer_datagram(p, bytes, (uint32_t)size);
        return (int)size;
    }
    uint32_t part = p->is_chunky ? chance((uint32_t)size < 9 ? (uint32_t)size + 1 : 9) : (uint32_t)size;
    if (is_over || p->is_down) return -1;
    bool ends = breaks(p);
    CHECK(p->in_used + part <= STREAM);
    memcpy(p->in + p->in_used, bytes, part);
    p->in_used += part;
    is_over = !take_stream(p);
    return ends ? -1 : (int)part;
}

static int peer_receive(void *context, uint8_t *bytes, size_t size)
{
    peer *p = context;
    if (p->config.transport == TIDINGS_UDP) {
        if (p->queued == 0) return 0;
        uint32_t given = p->sizes[0] < size ? p->sizes[0] : (uint32_t)size;
        memcpy(bytes, p->queue[0], given);
        p->queued--;
        memmove(p->queue[0], p->queue[1], (size_t)p->queued * sizeof p->queue[0]);
        memmove(p->sizes, p->sizes + 1, (size_t)p->queued * sizeof p->sizes[0]);
        return (int)given;
    }
    if (breaks(p) || p->is_down) return -1;
    uint32_t left = p->out_used - p->out_at;
    if (left == 0) return is_over ? -1 : 0;
    uint32_t part = left < size ? left : (uint32_t)size;
    if (p->is_chunky && part > 1) part = 1 + chance(part < 7 ? part : 7);
    memcpy(bytes, p->out + p->out_at, part);
    p->out_at += part;
    return (int)part;
}

static void peer_close(void *context)
{
    peer *p = context;
    p->in_used = p->out_used = p->out_at = 0;
    is_over = false;
}

static uint32_t peer_now(void *context) { return ((peer *)context)->clock; }

static void peer_random(void *context, uint8_t *bytes, size_t size)
{
    (void)context;
    while (size-- > 0) *bytes++ = (uint8_t)chance(256);
}

static uint32_t peer_load(void *context) { return ((peer *)context)->kept_epoch; }

static int peer_store(void *context, uint32_t epoch)
{
    peer *p = context;
    if (p->store_fails) return -1;
    p->kept_epoch = epoch;
    p->stores++;
    return 0;
}

static void peer_verdict(void *context, uint32_t number, uint32_t code, const char *text, size_t length)
{
    peer *p = context;
    volatile char last = length > 0 ? text[length - 1] : ' ';
    (void)last;
    p->verdicts++;
    p->last_code = code;
    p->last_number = number;
    if (number != 0) p->refused_number = number;
    if (length > p->longest_text) p->longest_text = length;
}

#if TIDINGS_DOWN
static void peer_message(void *context, const char *json, size_t length)
{
    peer *p = context;
    CHECK(length <= sizeof p->last_message);
    memcpy(p->last_message, json, length);
    p->last_length = length;
    p->messages++;
}
#endif

static uint8_t test_key[32];

/* A peer, and a device in front of it. `memory` is the caller's, of exactly so many bytes. */
static peer *begin(unsigned seed, uint8_t transport, bool has_key, uint8_t *memory, size_t size)
{
    static peer all;
    peer *p = &all;
    memset(p, 0, sizeof *p);
    test_seed = seed;
    chance_state = seed * 2654435761u + 12345;
    is_over = false;
    for (int i = 0; i < 32; i++) test_key[i] = (uint8_t)i;
    p->clock = UINT32_MAX - 5000; /* goes on with 0 within each test */
    p->config = (tidings_config){.source = "kettle/k-1", .transport = transport, .memory = memory, .memory_size = size,
        .context = p, .open = peer_open, .send = peer_send, .receive = peer_receive, .close = peer_close,
        .now = peer_now, .random = peer_random, .verdict = peer_verdict, .load = peer_load, .store = peer_store};
#if TIDINGS_DOWN
    p->config.message = peer_message;
#endif
    if (has_key) {
        p->config.key_id = 7;
        p->config.key = test_key;
    }
    CHECK(tidings_start(&device, &p->config) == TIDINGS_OK);
    return p;
}

static void check_counts(void)
{
    const tidings_counts *c = &device.counts;
    CHECK(c->recorded == c->stored + c->overwritten + c->refused + tidings_waiting(&device));
    CHECK(device.tail <= device.next && device.next <= device.head && device.top <= device.head);
    CHECK((device.have & 1) == 0);
}

/* Lets time pass until nothing waits, or for so long. */
static void pass(peer *p, uint32_t milliseconds)
{
    uint32_t begun = p->clock;
    while (p->clock - begun < milliseconds && tidings_waiting(&device) > 0) {
        uint32_t rest = tidings_run(&device);
        check_counts();
        p->clock += rest < 1000 ? rest + 1 : 1000;
    }
}

static void record(uint32_t value)
{
    static const char *const aspects[] = {"lid", "door.sound", "fan.mode", "roast.duration", "heater"};
    char text[64];
    tidings_event event = {.kind = TIDINGS_PREFERENCE, .value = TIDINGS_WHOLE, .whole = (int32_t)value};
    event.aspect = aspects[chance(5)];
    if (chance(3) == 0) event.customer = "cu-17";
    if (chance(4) == 0) event.time_ms = 1767225600000u + chance(1000000);
    if (chance(5) == 0) {
        memset(text, 'x', sizeof text);
        text[chance(sizeof text)] = 0;
        text[sizeof text - 1] = 0;
        event.text = text;
    }
    CHECK(tidings_record(&device, &event, NULL) == TIDINGS_OK);
    check_counts();
}

#endif
