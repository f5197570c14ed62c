/* The device library: a ring of events, their encoding, and what the daemon answers. See tidings.h.
 *
 * An event stands in the ring as it goes over the wire, but for its words: `aspect`, `word`, `unit`, `lang`,
 * `customer`, `notice` and `method` are numbers of the string table there, and stand in the ring with their letters,
 * under the number of their field. Which of them the daemon knows already is decided when a frame is made. A frame is
 * never kept: what has to be sent again is made again. */
#include "tidings.h"

#include <string.h>

#if TIDINGS_FRAME < 256 || TIDINGS_FRAME > 1200
#error "TIDINGS_FRAME is 256 to 1200"
#endif
#if TIDINGS_ANSWER < 64 || TIDINGS_ANSWER > 255
#error "TIDINGS_ANSWER is 64 to 255"
#endif
#if TIDINGS_NAMES < 16 || TIDINGS_NAMES > 4096
#error "TIDINGS_NAMES is 16 to 4096"
#endif

/* Types of frames and datagrams. PUSH is what comes down to a device. */
enum { HELLO = 1, WELCOME = 2, BATCH = 3, ACK = 4, ERROR = 5, PUSH = 6, PROOF = 7 };
enum { CLOSED, OPENING, GREETING, PROVING, READY };
/* What is to be done at `at`: nothing; send again, or leave the connection, for no answer has come; go on. */
enum { NO_TIMER, WAIT, HOLD };
/* Fields of answers: Ack 1 durable, 3 epoch, 4 pause, 8 messages that wait, 9 quarantined, 10 stale; Reject 1 event, 2 code, 4 number;
 * Welcome 2 durable, 6 epoch. */
enum { LAST_FIELD = sizeof ((tidings_answer *)0)->values / sizeof(uint32_t) };
enum { STAGE_HEAD, STAGE_BODY, STAGE_CRC };

enum {
    DATAGRAM_HEADER = 14,
    TRAILER = 8,
    FRAME_HEADER = 3,      /* type, and a length below 2^14 */
    NONCES = 32 + 16,      /* the daemon's and the device's */
    BATCH_FIELDS = 96,     /* the most that surrounds an event and its words, less the source */
    WINDOW = 32,           /* of numbers under way in datagrams: half of what the daemon can tell apart */
    MOST_DATAGRAMS = 8,    /* under way at once, when the daemon answers */
    MOST_DEFINED = 1000,   /* words in the table of a connection; the daemon's has room for 4096 */
    MOST_MOVES = 8,        /* epochs in a row that the daemon may refuse */
    FIRST_NUMBER = 2,      /* see `opens` */
    LONGEST_PAUSE = 300000,
    POLL_PAUSE = 20
};
#if TIDINGS_DOWN != 0 && (TIDINGS_DOWN < 256 || TIDINGS_DOWN > 8192)
#error "TIDINGS_DOWN is 0, or 256 to 8192"
#endif
#define WRAPPED 0xffffu /* more than an event has */
#define LONGEST_FRAME (1u << 20)
#define CRC_OF_ITSELF 0x2144df1cu /* of bytes with their own CRC behind them */

/* Fields of Event that are words of the table. */
#define WORD_FIELDS (1ul << 4 | 1ul << 7 | 1ul << 13 | 1ul << 14 | 1ul << 17 | 1ul << 28 | 1ul << 29)

/* Bytes that are being written. `used` goes on beyond `size`: then it did not fit. */
typedef struct {
    uint8_t *bytes;
    uint32_t used, size;
} writer;

/* A field of a message: a number, or, if `bytes` is not NULL, so many bytes. */
typedef struct {
    uint32_t number;
    uint32_t value; /* 2^32 - 1 for larger ones; of bytes: how many are there, if not all have arrived */
    const uint8_t *bytes;
    uint32_t size; /* with its tag, also of what has not arrived */
} field;

static void put(writer *w, uint32_t byte)
{
    if (w->used < w->size) w->bytes[w->used] = (uint8_t)byte;
    w->used++;
}

static void put_bytes(writer *w, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    while (size-- > 0) put(w, *from++);
}

static void put_varint(writer *w, uint32_t value)
{
    for (; value >= 0x80; value >>= 7) put(w, value | 0x80);
    put(w, value);
}

static void put_long(writer *w, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) put(w, (uint32_t)value | 0x80);
    put(w, (uint32_t)value);
}

static void put_field(writer *w, uint32_t number, uint32_t value)
{
    put_varint(w, number << 3);
    put_varint(w, value);
}

/* 0 is not written: it is what a field is that is absent. */
static void put_nonzero(writer *w, uint32_t number, uint32_t value)
{
    if (value != 0) put_field(w, number, value);
}

static void put_string(writer *w, uint32_t number, const void *bytes, size_t size)
{
    put_varint(w, number << 3 | 2);
    put_varint(w, (uint32_t)size);
    put_bytes(w, bytes, size);
}

static uint32_t zigzag(int32_t value) { return (uint32_t)value << 1 ^ (value < 0 ? UINT32_MAX : 0); }

/* Reads a varint; one that is larger is 2^32 - 1. Returns its bytes; 0 when there are not enough. */
static uint32_t read_varint(const uint8_t *bytes, uint32_t size, uint32_t *value)
{
    uint32_t count = 0, found = 0;
    do {
        if (count == size || count == 10) return 0;
    } while (bytes[count++] >= 0x80);
    for (uint32_t at = count; at-- > 0;) found = found >> 25 != 0 ? UINT32_MAX : found << 7 | (bytes[at] & 0x7fu);
    *value = found;
    return count;
}

/* Reads a field, as far as it is there. False when not even its tag and its length are, or when it is none. */
static bool read_field(const uint8_t *bytes, uint32_t size, field *f)
{
    uint32_t tag, value = 0;
    uint32_t at = read_varint(bytes, size, &tag);
    if (at == 0) return false;
    f->number = tag >> 3;
    f->bytes = NULL;
    if ((tag & 5) == 0) {
        /* A number, or bytes behind their length. */
        uint32_t count = read_varint(bytes + at, size - at, &value);
        if (count == 0) return false;
        at += count;
        if ((tag & 2) != 0) {
            if (value > LONGEST_FRAME) return false;
            f->bytes = bytes + at;
            f->size = at + value;
            f->value = value < size - at ? value : size - at;
            return true;
        }
    } else if ((tag & 3) == 1) {
        at += (tag & 4) != 0 ? 4 : 8;
    } else {
        return false;
    }
    f->value = value;
    f->size = at;
    return at <= size;
}

static uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t size)
{
    crc = ~crc;
    while (size-- > 0) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

static void store_big(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

static uint32_t load_big(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void store_little(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    to[2] = (uint8_t)(value >> 16);
    to[3] = (uint8_t)(value >> 24);
}

/* ---- Keys ---- */

#if TIDINGS_KEYS
#if TIDINGS_SHA256
static uint32_t rotated(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void sha256_block(uint32_t state[8], const uint8_t *bytes)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t w[16], s[8];
    memcpy(s, state, sizeof s);
    for (unsigned i = 0; i < 64; i++) {
        if (i < 16) {
            w[i] = load_big(bytes + 4 * i);
        } else {
            uint32_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];
            w[i & 15] += (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + w[(i + 9) & 15] +
                         (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
        }
        uint32_t e = s[4], a = s[0];
        uint32_t one = s[7] + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + (s[6] ^ (e & (s[5] ^ s[6]))) + k[i] +
                       w[i & 15];
        uint32_t two = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & s[1]) | (s[2] & (a | s[1])));
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

/* SHA-256 of a block of 64 bytes and a message behind it. */
static void sha256_behind(const uint8_t block[64], const uint8_t *message, size_t size, uint8_t digest[32])
{
    static const uint32_t begin[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint32_t state[8];
    uint8_t last[64];
    size_t left = size;
    memcpy(state, begin, sizeof state);
    sha256_block(state, block);
    for (; left >= 64; left -= 64, message += 64) sha256_block(state, message);
    memset(last, 0, sizeof last);
    memcpy(last, message, left);
    last[left] = 0x80;
    if (left >= 56) {
        sha256_block(state, last);
        memset(last, 0, sizeof last);
    }
    store_big(last + 60, (uint32_t)(size + 64) << 3);
    sha256_block(state, last);
    for (int i = 0; i < 8; i++) store_big(digest + 4 * i, state[i]);
}
#endif

static void hmac(const tidings *t, const uint8_t key[32], const uint8_t *message, size_t size, uint8_t digest[32])
{
#if TIDINGS_SHA256
    if (t->config->hmac == NULL) {
        uint8_t block[64];
        memset(block, 0x36, sizeof block);
        for (int i = 0; i < 32; i++) block[i] ^= key[i];
        sha256_behind(block, message, size, digest);
        for (int i = 0; i < 64; i++) block[i] ^= 0x36 ^ 0x5c;
        sha256_behind(block, digest, 32, digest);
        return;
    }
#endif
    t->config->hmac(t->config->context, key, message, size, digest);
}
#endif

static uint32_t key_id(const tidings *t)
{
#if TIDINGS_KEYS
    return t->config->token == NULL ? t->config->key_id : 0;
#else
    (void)t;
    return 0;
#endif
}

static uint32_t now(const tidings *t) { return t->config->now(t->config->context); }

static bool is_tcp(const tidings *t)
{
#ifdef TIDINGS_ONLY
    (void)t;
    return TIDINGS_ONLY == TIDINGS_TCP;
#else
    return t->config->transport == TIDINGS_TCP;
#endif
}

/* Whether epochs have to rise, as those of signed datagrams. */
static bool is_rising(const tidings *t) { return key_id(t) != 0 && !is_tcp(t); }

/* ---- The ring ---- */

/* What stands before an event in the ring: how many bytes it has, and its time. */
typedef struct {
    uint16_t size; /* WRAPPED: nothing, the next event stands at the beginning */
    uint16_t high; /* of milliseconds since 1970; 0: `low` is a moment of `now` */
    uint32_t low;
} entry;

/* Reads the entry at `at`, or at the beginning if there is none. Returns where it was. */
static uint32_t read_entry(const tidings *t, uint32_t at, entry *e)
{
    const uint8_t *ring = t->config->memory;
    e->size = WRAPPED;
    if (t->config->memory_size - at >= sizeof *e) memcpy(e, ring + at, sizeof *e);
    if (e->size == WRAPPED) {
        at = 0;
        memcpy(e, ring, sizeof *e);
    }
    return at;
}

/* Lets the oldest event go. */
static void leave_tail(tidings *t)
{
    entry e;
    t->read = read_entry(t, t->read, &e) + (uint32_t)sizeof e + e.size;
    t->tail++;
    t->have >>= 1;
    if (t->next < t->tail) {
        t->next = t->tail;
        t->next_at = t->read;
    }
}

/* Lets go what is stored at the tail, as an ack out of order has said. */
static void leave_stored(tidings *t)
{
    while ((t->have & 1) != 0) leave_tail(t);
}

/* Finds `size` bytes in a row, for which old events give way; there are so many in all. */
static uint8_t *reserve(tidings *t, uint32_t size)
{
    uint8_t *ring = t->config->memory;
    uint32_t end = (uint32_t)t->config->memory_size;
    for (;;) {
        if (t->tail == t->head) t->read = t->write = t->next_at = 0;
        if (t->write > t->read || t->tail == t->head) {
            if (size <= end - t->write) break;
            if (size <= t->read) {
                if (end - t->write >= sizeof(entry)) memset(ring + t->write, 0xff, sizeof(entry));
                t->write = 0;
                break;
            }
        } else if (size <= t->read - t->write) {
            break;
        }
        entry e;
        t->counts.overwritten++;
        leave_tail(t);
        leave_stored(t);
        /* Where it really stands: what is behind it is written to next. */
        if (t->tail != t->head) t->read = read_entry(t, t->read, &e);
        if (t->next == t->tail) t->next_at = t->read;
    }
    t->write += size;
    return ring + t->write - size;
}

/* ---- Events ---- */

/* Fields that are strings. Of a text it is the frame that says how long it may be. */
static const struct {
    uint8_t number, at, longest;
} strings[] = {
    {4, offsetof(tidings_event, aspect), 255},  {7, offsetof(tidings_event, word), 255},
    {8, offsetof(tidings_event, text), 255},    {13, offsetof(tidings_event, unit), 255},
    {14, offsetof(tidings_event, lang), 255},   {17, offsetof(tidings_event, customer), 64},
    {21, offsetof(tidings_event, cause), 255},  {28, offsetof(tidings_event, notice), 255},
    {29, offsetof(tidings_event, method), 255},
};

/* Writes an event as it stands in the ring. False when a string of it is too long. */
static bool put_event(writer *w, const tidings_event *event)
{
    put_nonzero(w, 1, event->kind);
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        const char *string;
        memcpy(&string, (const uint8_t *)event + strings[i].at, sizeof string);
        if (string == NULL || (strings[i].number == 7 && event->value != TIDINGS_WORD)) continue;
        size_t length = strlen(string);
        if (length > strings[i].longest && strings[i].number != 8) return false;
        put_string(w, strings[i].number, string, length);
    }
    if (event->value == TIDINGS_WHOLE) put_field(w, 5, zigzag(event->whole));
    if (event->value == TIDINGS_FLAG) put_field(w, 9, event->flag);
    if (event->value == TIDINGS_REAL) {
        uint32_t bits;
        uint8_t bytes[4];
        memcpy(&bits, &event->real, sizeof bits);
        store_little(bytes, bits);
        put(w, 6 << 3 | 5);
        put_bytes(w, bytes, sizeof bytes);
    }
    put_nonzero(w, 10, event->severity);
    if (event->count > 1) put_field(w, 11, event->count);
    put_nonzero(w, 12, event->scale);
    put_nonzero(w, 26, event->origin);
    return true;
}

int tidings_record(tidings *t, const tidings_event *event, uint32_t *number)
{
    /* The same is written twice: to know how much room it needs, and there. */
    writer w = {NULL, 0, 0};
    entry e;
    if (event->kind == 0 || event->value > TIDINGS_FLAG) return TIDINGS_INVALID;
    if (!put_event(&w, event) || w.used + BATCH_FIELDS + strlen(t->config->source) > TIDINGS_FRAME ||
        w.used + sizeof e > t->config->memory_size) {
        return TIDINGS_TOO_BIG;
    }
    w.size = w.used;
    w.used = 0;
    e.size = (uint16_t)w.size;
    e.high = (uint16_t)(event->time_ms >> 32);
    e.low = event->time_ms != 0 ? (uint32_t)event->time_ms : now(t);
    w.bytes = reserve(t, w.size + (uint32_t)sizeof e);
    memcpy(w.bytes, &e, sizeof e);
    w.bytes += sizeof e;
    put_event(&w, event);
    t->counts.recorded++;
    if (number != NULL) *number = t->head;
    t->head++;
    return TIDINGS_OK;
}

/* ---- Batches ---- */

/* The number of a word in the table, which has it afterwards if it had it not. The first ones are kept in `names`. */
static uint32_t word(tidings *t, writer *w, const uint8_t *bytes, uint32_t size)
{
    uint32_t at = 0, number = 0;
    while (at < t->table.used) {
        const uint8_t *name = t->names + at;
        number++;
        if (name[0] == size && memcmp(name + 1, bytes, size) == 0) return number;
        at += 1u + name[0];
    }
    put_string(w, 4, bytes, size);
    if (number == t->table.defined && at + 1 + size <= TIDINGS_NAMES) {
        t->names[at] = (uint8_t)size;
        memcpy(t->names + at + 1, bytes, size);
        t->table.used = (uint16_t)(at + 1 + size);
    }
    return ++t->table.defined;
}

/* Goes through an event of the ring. Without `w`, its words are defined, and their numbers written to `references`;
 * with it, the event is written with those numbers. */
static void put_fields(
    tidings *t, writer *defines, writer *w, const uint8_t *event, uint32_t size, uint16_t *references)
{
    field f;
    for (; size > 0 && read_field(event, size, &f); event += f.size, size -= f.size) {
        bool is_word = f.bytes != NULL && (WORD_FIELDS >> f.number & 1) != 0;
        if (w == NULL) {
            if (is_word) *references++ = (uint16_t)word(t, defines, f.bytes, f.value);
        } else if (is_word) {
            put_field(w, f.number, *references++);
        } else {
            put_bytes(w, event, f.size);
        }
    }
}

static bool is_stored(const tidings *t, uint32_t number)
{
    return number - t->tail < 32 && (t->have >> (number - t->tail) & 1) != 0;
}

/* Whether this epoch has to be opened first. The daemon counts what a device has lost from the first number that it
 * hears of an epoch. So that nothing is left out when the ring ran over before that, the numbers begin with 2, and 1 is
 * what the daemon hears of first: a batch without events, whose `oldest` is 2. */
static bool opens(const tidings *t) { return !t->heard && !t->opened && t->tail > t->floor; }

static void put_source(tidings *t, writer *w)
{
    const char *source = t->config->source;
    if (!is_tcp(t)) word(t, w, (const uint8_t *)source, (uint32_t)strlen(source));
}

static void put_device(const tidings *t, writer *w, uint32_t oldest)
{
    if (!is_tcp(t)) put_field(w, 5, 1);
    put_nonzero(w, 6, oldest);
}

/* Writes the time that those of a batch's events are counted from. */
static void put_time(const tidings *t, writer *w, const entry *base)
{
    if (base->high == 0) {
        put_field(w, 8, (now(t) - base->low) | 1);
        return;
    }
    put(w, 3 << 3);
    put_long(w, (uint64_t)base->high << 32 | base->low);
}

/* Writes the body of a batch into the frame, with as many events as fit. Returns where it ends. */
static uint32_t put_batch(tidings *t, uint32_t start)
{
    writer w = {t->frame, start, TIDINGS_FRAME - TRAILER};
    uint32_t last = 0, room = t->head - t->tail;
    entry e, base = {0, 0, 0};
    if (t->single && room > 1) room = 1;
    if (!is_tcp(t)) {
        if (room > WINDOW) room = WINDOW;
        memset(&t->table, 0, sizeof t->table);
    }
    if (opens(t)) {
        put_source(t, &w);
        put_device(t, &w, t->floor);
        t->opened = true;
        return w.used;
    }
    for (; t->next - t->tail < room; t->next++) {
        uint32_t at = read_entry(t, t->next_at, &e);
        if (!is_stored(t, t->next)) {
            const uint8_t *event = (const uint8_t *)t->config->memory + at + sizeof e;
            uint16_t references[sizeof strings / sizeof strings[0]];
            uint32_t before = w.used;
            tidings_table table = t->table;
            if (last == 0) {
                base = e;
                put_field(&w, 2, t->next);
                put_time(t, &w, &base);
                put_source(t, &w);
            }
            int32_t distance = (int32_t)(e.low - base.low);
            /* So far apart that the distance cannot be said: in the next batch. */
            if (e.high != base.high || (e.high != 0 && (distance < 0) != (e.low < base.low))) break;
            put_fields(t, &w, NULL, event, e.size, references);
            if (last == 0) {
                put_device(t, &w, !t->heard || t->tail > t->floor ? t->tail : 0);
                last = t->next - 1;
            }
            /* Written twice: to know its length, and there. */
            writer length = {NULL, 0, 0}, *to = &length;
            for (;;) {
                if (t->next - last > 1) put_field(to, 2, t->next - last);
                put_nonzero(to, 3, zigzag(distance));
                put_fields(t, NULL, to, event, e.size, references);
                if (to == &w) break;
                to = &w;
                put(to, 7 << 3 | 2);
                put_varint(to, length.used);
            }
            if (w.used > w.size) {
                w.used = before;
                t->table = table;
                break;
            }
            last = t->next;
            if (last < t->top) t->counts.resent++;
        }
        t->next_at = at + (uint32_t)sizeof e + e.size;
    }
    if (t->next > t->top) t->top = t->next;
    return w.used;
}

/* ---- What the daemon says ---- */

static uint32_t random_number(const tidings *t)
{
    uint32_t number;
    t->config->random(t->config->context, (uint8_t *)&number, sizeof number);
    return number;
}

/* When a pause will be over, which is lengthened by up to a half. */
static uint32_t pause_from_now(const tidings *t, uint32_t pause)
{
    return now(t) + pause + (pause * (random_number(t) & 0xff) >> 9);
}

static void await_answer(tidings *t)
{
    t->timer = WAIT;
    t->at = now(t) + 10 * t->first_pause;
}

static void lengthen_pause(tidings *t) { t->pause = t->pause > LONGEST_PAUSE / 2 ? LONGEST_PAUSE : t->pause * 2; }

/* Waits before anything is sent, and longer the next time. */
static void hold(tidings *t)
{
    t->timer = HOLD;
    t->at = pause_from_now(t, t->pause);
    lengthen_pause(t);
}

/* What is not known to be stored is sent again. */
static void send_again(tidings *t)
{
    t->next = t->tail;
    t->next_at = t->read;
    t->flight = 0;
    t->allowed = 1;
    t->opened = false;
}

/* Whether there is something for which a socket is needed. */
static bool wants(const tidings *t)
{
#if TIDINGS_DOWN
    if (t->asks) return true;
#endif
    return t->tail != t->head;
}

static void close_socket(tidings *t)
{
    t->config->close(t->config->context);
    t->state = CLOSED;
    t->out_at = t->out_end = 0;
    send_again(t);
}

/* The connection is of no use: another one, after a pause; at once if it has served, and was idle when it ended. */
static void fail(tidings *t)
{
    bool has_served = t->next == t->tail && t->table.defined > 0;
    close_socket(t);
    t->timer = NO_TIMER;
    if (wants(t) && !has_served) hold(t);
}

static void tell(const tidings *t, uint32_t number, uint32_t code, const field *text)
{
    const tidings_config *config = t->config;
    if (config->verdict == NULL) return;
    config->verdict(config->context, number, code, text != NULL ? (const char *)text->bytes : "",
                    text != NULL ? text->value : 0);
}

/* Puts what waits under another epoch, for the daemon will not have this one, or has heard of numbers under it that
 * this device has not sent since it started. */
static void move_to_epoch(tidings *t, uint32_t epoch)
{
    t->epoch = epoch;
    t->unstored = t->config->store != NULL;
    t->top = t->tail;
    t->heard = t->single = false;
    t->moves++;
    send_again(t);
}

/* Takes an ack: everything up to `durable`, and what `ranges` says above it. Whether anything else is stored now. */
static bool take_ack(tidings *t, uint32_t durable, const uint8_t *ranges, uint32_t size)
{
    uint32_t before = t->counts.stored, last = durable;
#if TIDINGS_DOWN
    /* Of a poll: it says nothing of events. */
    if (durable == 0 && size == 0) return false;
#endif
    if (durable >= t->top) {
        /* What was never sent is not stored: the epoch was used before, `store` has not kept it. */
        if (t->moves < MOST_MOVES) move_to_epoch(t, is_rising(t) ? t->epoch + 1 : random_number(t) | 1);
        return false;
    }
    t->heard = true;
    while (t->tail <= durable) {
        t->counts.stored += (t->have & 1) == 0;
        leave_tail(t);
    }
    if (t->floor <= durable) t->floor = durable + 1;
    while (size > 0) {
        uint32_t missing, present;
        uint32_t count = read_varint(ranges, size, &missing);
        uint32_t more = count == 0 ? 0 : read_varint(ranges + count, size - count, &present);
        if (more == 0) break;
        ranges += count + more;
        size -= count + more;
        uint32_t first = last + missing + 1, end = first + present;
        if (first <= last || end < first) break;
        last = end - 1;
        if (first < t->tail) first = t->tail;
        if (end > t->top) end = t->top;
        for (; first < end && first - t->tail < WINDOW; first++) {
            uint32_t bit = 1u << (first - t->tail);
            t->counts.stored += (t->have & bit) == 0;
            t->have |= bit;
        }
    }
    leave_stored(t);
    if (t->single && t->tail >= t->lone_until) t->single = false;
    if (t->counts.stored == before) return false;
    t->pause = t->first_pause;
    t->moves = 0;
    return true;
}

/* Whether an event may be to blame for a refusal, rather than the device, the network or the moment. */
static bool blames_event(uint32_t code)
{
    return code == 4003 || (code >= 4005 && code <= 4008) || (code >= 4013 && code <= 4018 && code != 4016) ||
           (code >= 4130 && code < 4150 && code != 4133);
}

/* Something was refused that may have an event in it that will always be: events go one by one, until it is found. Then
 * it goes, and the daemon will hear of a gap. */
static void find_refused(tidings *t, uint32_t code)
{
    if (!t->single) {
        t->single = true;
        t->lone = 0;
        t->lone_until = t->top;
    } else if (t->lone == t->tail && t->tail != t->head) {
        t->counts.refused++;
        leave_tail(t);
        leave_stored(t);
        if (t->tail >= t->lone_until) t->single = false;
        tell(t, t->lone, code, NULL);
        t->lone = 0;
    }
}

/* Keeps a number by that of its field. False: it is no number. */
static bool take_number(uint32_t *values, const field *f)
{
    if (f->bytes != NULL) return false;
    if (f->number < LAST_FIELD) values[f->number] = f->value;
    return true;
}

/* Takes a field of the answer at hand. */
static void take_field(tidings *t, const field *f)
{
    if (take_number(t->said.values, f)) return;
    if (f->number == 3 && t->said.type == ERROR) {
        t->said.is_noted = true;
        tell(t, 0, t->said.values[2], f);
    } else if (f->number == 5 && t->said.type == ACK) {
        /* An entry of Ack.rejects. */
        field inner, text;
        const field *found = NULL;
        uint32_t values[LAST_FIELD] = {0};
        for (uint32_t at = 0; at < f->value && read_field(f->bytes + at, f->value - at, &inner); at += inner.size) {
            if (take_number(values, &inner) || inner.number != 3) continue;
            text = inner;
            found = &text;
        }
        tell(t, values[1], values[2], found);
    } else if (f->number == 1 && f->value == 32 && t->state == GREETING && t->said.type == WELCOME) {
        t->said.is_noted = true;
        memcpy(t->frame, f->bytes, 32);
    }
}

/* An ack, as far as it is the same over TCP and UDP. Whether it makes a difference. */
static bool take_said_ack(tidings *t, const uint8_t *ranges, uint32_t size)
{
    const uint32_t *values = t->said.values;
    bool was_heard = t->heard;
    if (values[3] != 0 && values[3] != t->epoch) return false;
    t->counts.quarantined += values[9];
    t->counts.stale += values[10];
#if TIDINGS_DOWN
    t->pending = values[8];
#endif
    return take_ack(t, values[1], ranges, size) || !was_heard;
}

/* ---- Messages ---- */

#if TIDINGS_DOWN
/* Finds the id of a message: `m`, its ordinal, `-`, its tag. The first "id" is the message's own: in a string its quotes
 * would have backslashes. */
static bool read_id(const uint8_t *json, uint32_t size, uint32_t id[2])
{
    static const char name[] = "\"id\":\"m";
    uint32_t at = 0;
    for (;; at++) {
        if (size < sizeof name + 10 || at > size - sizeof name - 10) return false;
        if (memcmp(json + at, name, sizeof name - 1) == 0) break;
    }
    at += (uint32_t)sizeof name - 1;
    id[0] = id[1] = 0;
    for (; at < size && (uint32_t)(json[at] - '0') < 10; at++) id[0] = id[0] * 10 + (uint32_t)(json[at] - '0');
    if (id[0] == 0 || size - at < 9 || json[at] != '-') return false;
    for (uint32_t i = 1; i < 9; i++) {
        uint32_t digit = (uint32_t)(json[at + i] - '0');
        if (digit > 9) digit = (uint32_t)((json[at + i] | 32) - 'a' + 10);
        if (digit > 15) return false;
        id[1] = id[1] << 4 | digit;
    }
    return true;
}

/* Takes a message. Which of `known` it is, or below 0 if it is none. */
static int take_message(tidings *t, const uint8_t *json, uint32_t size)
{
    uint32_t id[2];
    if (t->config->message == NULL || !read_id(json, size, id)) return -1;
    for (int i = 0; i < 16; i++) {
        if (t->known[i][0] == id[0] && t->known[i][1] == id[1]) return i;
    }
    int place = t->known_next;
    t->known_next = (uint8_t)((place + 1) & 15);
    memcpy(t->known[place], id, sizeof id);
    t->config->message(t->config->context, (const char *)json, size);
    return place;
}

/* Writes that the device has a message. */
static void put_received(const tidings *t, writer *w, int place)
{
    put(w, 7 << 3);
    put_long(w, (uint64_t)t->known[place][0] << 32 | t->known[place][1]);
}
#endif

/* ---- TCP ---- */

/* Makes a frame of the body that stands in `frame` from `start` to `end`, to be sent next. */
static void finish_frame(tidings *t, uint32_t type, uint32_t start, uint32_t end)
{
    uint32_t length = end - start;
    uint32_t at = start - (length < 0x80 ? 2 : FRAME_HEADER);
    writer w = {t->frame, at, TIDINGS_FRAME};
    put(&w, type);
    put_varint(&w, length);
    store_little(t->frame + end, crc32(0, t->frame + at, end - at));
    t->out_at = (uint16_t)at;
    t->out_end = (uint16_t)(end + 4);
}

static bool send_out(tidings *t)
{
    while (t->out_at < t->out_end) {
        uint32_t left = (uint32_t)t->out_end - t->out_at;
        int sent = t->config->send(t->config->context, t->frame + t->out_at, left);
        if (sent < 0) return false;
        if (sent == 0) break;
        t->out_at = (uint16_t)(t->out_at + ((uint32_t)sent < left ? (uint32_t)sent : left));
    }
    return true;
}

static uint32_t put_hello(tidings *t, uint32_t start)
{
    const tidings_config *config = t->config;
    writer w = {t->frame, start, TIDINGS_FRAME - TRAILER};
    put_field(&w, 1, 1);
    put_string(&w, 2, config->source, strlen(config->source));
    put_nonzero(&w, 3, key_id(t));
    put_field(&w, 4, t->epoch);
    put_field(&w, 5, t->next);
    if (config->token != NULL) put_string(&w, 8, config->token, strlen(config->token));
    if (config->agent != NULL) put_string(&w, 9, config->agent, strlen(config->agent));
#if TIDINGS_KEYS
    if (key_id(t) != 0) {
        uint8_t nonce[NONCES - 32];
        config->random(config->context, nonce, sizeof nonce);
        put_string(&w, 7, nonce, sizeof nonce);
    }
#endif
    return w.used;
}

static void greet(tidings *t)
{
    uint32_t start = NONCES + 4 + FRAME_HEADER;
    uint32_t end = put_hello(t, start);
    t->hello_size = (uint16_t)(end - start);
    finish_frame(t, HELLO, start, end);
    t->out_at = (uint16_t)(t->out_at - 4);
    memcpy(t->frame + t->out_at, "TDG1", 4);
    t->stage = STAGE_HEAD;
    t->answer_used = 0;
    memset(&t->table, 0, sizeof t->table);
    t->state = GREETING;
    await_answer(t);
}

#if TIDINGS_KEYS
/* The daemon's nonce stands at the beginning of the frame: behind it come the device's, and what HELLO has said. */
static void prove(tidings *t)
{
    uint8_t digest[32];
    uint8_t *hello = t->frame + NONCES + 4 + FRAME_HEADER;
    memcpy(t->frame + 32, hello + t->hello_size - (NONCES - 32), NONCES - 32);
    memmove(t->frame + NONCES, hello, t->hello_size);
    hmac(t, t->secret, t->frame, (size_t)NONCES + t->hello_size, digest);
    memcpy(t->frame + FRAME_HEADER, digest, sizeof digest);
    finish_frame(t, PROOF, FRAME_HEADER, FRAME_HEADER + sizeof digest);
    t->state = PROVING;
}
#endif

/* Takes a frame that has arrived whole. False: the connection is of no use any more. */
static bool take_frame(tidings *t)
{
    const tidings_answer *said = &t->said;
    switch (said->type) {
    case WELCOME:
        if (t->state != GREETING && t->state != PROVING) return true;
        /* It is there: what breaks is the way to it. */
        if (t->pause > 8 * t->first_pause) t->pause = 8 * t->first_pause;
        if (said->is_noted) {
#if TIDINGS_KEYS
            if (key_id(t) != 0) {
                prove(t);
                return true;
            }
#endif
            return false;
        }
        t->state = READY;
        t->timer = NO_TIMER;
        if (said->values[6] == t->epoch) {
            take_ack(t, said->values[2], NULL, 0);
            return said->values[6] == t->epoch;
        }
        return true;
    case ACK:
        if (t->state == READY && take_said_ack(t, NULL, 0)) t->timer = NO_TIMER;
        return true;
#if TIDINGS_DOWN
    case PUSH:
        if (t->state == READY && t->down_used <= TIDINGS_DOWN) {
            int place = take_message(t, t->down, t->down_used);
            if (place >= 0) t->untold = (uint16_t)(t->untold | 1u << place);
        }
        return true;
#endif
    case ERROR:
        if (!said->is_noted) tell(t, 0, said->values[2], NULL);
        if (blames_event(said->values[2])) {
            find_refused(t, said->values[2]);
        } else if (said->values[2] >= 4010 && said->values[2] <= 4030) {
            t->pause = LONGEST_PAUSE; /* somebody has to mend the device's name or key */
        }
        return false;
    default: return true;
    }
}

static void consume(tidings *t, uint32_t size)
{
    t->crc = crc32(t->crc, t->answer, size);
    t->answer_used = (uint8_t)(t->answer_used - size);
    memmove(t->answer, t->answer + size, t->answer_used);
}

/* Takes what has arrived, as far as it can be understood. False: it is no frame. */
static bool take_bytes(tidings *t)
{
    for (;;) {
        uint32_t used = t->answer_used;
        if (t->stage == STAGE_HEAD) {
            uint32_t length, count = used < 2 ? 0 : read_varint(t->answer + 1, used - 1, &length);
            if (count == 0) return used < 8;
            if (t->answer[0] >> 4 != 0 || length > LONGEST_FRAME) return false;
            memset(&t->said, 0, sizeof t->said);
            t->said.type = t->answer[0];
            t->left = length;
            t->skip = 0;
#if TIDINGS_DOWN
            t->down_used = 0;
            if (t->said.type == PUSH) t->skip = length;
#endif
            t->stage = STAGE_BODY;
            t->crc = 0;
            consume(t, count + 1);
        } else if (t->left > 0) {
            uint32_t there = used < t->left ? used : t->left;
            uint32_t size = t->skip < there ? t->skip : there;
            if (size == 0) {
                field f;
                if (!read_field(t->answer, there, &f)) return there < t->left && used < TIDINGS_ANSWER;
                if (f.size > t->left) return false;
                if (f.size > used && used < TIDINGS_ANSWER) return true;
                take_field(t, &f);
                size = f.size < used ? f.size : used;
                t->skip = f.size;
            }
#if TIDINGS_DOWN
            if (t->said.type == PUSH) {
                if (t->down_used + size <= TIDINGS_DOWN) memcpy(t->down + t->down_used, t->answer, size);
                t->down_used += size;
            }
#endif
            t->skip -= size;
            t->left -= size;
            consume(t, size);
        } else {
            if (used < 4) return true;
            consume(t, 4);
            t->stage = STAGE_HEAD;
            if (t->crc != CRC_OF_ITSELF || !take_frame(t)) return false;
        }
    }
}

static bool read_stream(tidings *t)
{
    for (int i = 0; i < 64; i++) {
        uint32_t room = (uint32_t)TIDINGS_ANSWER - t->answer_used;
        int size = t->config->receive(t->config->context, t->answer + t->answer_used, room);
        if (size == 0) break;
        if (size < 0 || (uint32_t)size > room) return false;
        t->answer_used = (uint8_t)(t->answer_used + size);
        if (!take_bytes(t)) return false;
    }
    return true;
}

static bool run_stream(tidings *t)
{
    if (!read_stream(t)) return false;
    for (;;) {
        if (!send_out(t)) {
            read_stream(t); /* why the daemon has closed */
            return false;
        }
        if (t->state != READY) return true;
        if (t->timer == NO_TIMER && t->next != t->tail) await_answer(t);
        if (t->out_at < t->out_end) return true;
#if TIDINGS_DOWN
        if (t->untold != 0) {
            writer w = {t->frame, FRAME_HEADER, TIDINGS_FRAME - TRAILER};
            for (int i = 0; i < 16; i++) {
                if ((t->untold >> i & 1) != 0) put_received(t, &w, i);
            }
            t->untold = 0;
            finish_frame(t, ACK, FRAME_HEADER, w.used);
            continue;
        }
#endif
        if (t->table.defined >= MOST_DEFINED) {
            /* The table of the connection is full, or nearly so: another one begins with an empty one. */
            if (t->next == t->tail) close_socket(t);
            return true;
        }
        uint32_t end = put_batch(t, FRAME_HEADER);
        if (end == FRAME_HEADER) return true;
        finish_frame(t, BATCH, FRAME_HEADER, end);
        t->lone = t->tail;
    }
}

/* ---- UDP ---- */

/* Writes the trailer of what stands in the frame up to `end` to `to`. */
static void put_trailer(const tidings *t, uint32_t end, uint8_t to[TRAILER])
{
#if TIDINGS_KEYS
    if (key_id(t) != 0) {
        uint8_t digest[32];
        hmac(t, t->secret, t->frame, end, digest);
        memcpy(to, digest, TRAILER);
        return;
    }
#endif
    memset(to, 0, TRAILER);
    store_little(to, crc32(0, t->frame, end));
}

/* Whether a datagram stands in the frame that answers one of the last ones. */
static bool is_answer(const tidings *t, uint32_t size)
{
    uint8_t trailer[TRAILER], difference = 0;
    if (size < DATAGRAM_HEADER + TRAILER || size > TIDINGS_FRAME || t->frame[0] != 0xc1) return false;
    if (load_big(t->frame + 2) != key_id(t) || load_big(t->frame + 6) != t->epoch) return false;
    if (t->counter - load_big(t->frame + 10) >= 2 * MOST_DATAGRAMS) return false;
    put_trailer(t, size - TRAILER, trailer);
    for (uint32_t i = 0; i < TRAILER; i++) difference |= (uint8_t)(trailer[i] ^ t->frame[size - TRAILER + i]);
    return difference == 0;
}

/* A datagram was refused. */
static void take_refusal(tidings *t, bool is_last)
{
    const tidings_answer *said = &t->said;
    if (!said->is_noted) tell(t, 0, said->values[2], NULL);
    if (said->values[2] == 4013 && key_id(t) != 0 && (said->values[4] != 0 || !t->heard)) {
        if (said->values[4] < UINT32_MAX && said->values[4] + 1 != t->epoch && t->moves < MOST_MOVES) {
            move_to_epoch(t, said->values[4] + 1);
            t->timer = NO_TIMER;
            return;
        }
    } else if (blames_event(said->values[2])) {
        if (t->single && !is_last) return;
        find_refused(t, said->values[2]);
        send_again(t);
        t->timer = NO_TIMER;
        return;
    }
    send_again(t);
    hold(t);
}

/* Sends the datagram that stands in the frame up to `end`, less its trailer. */
static int send_datagram(tidings *t, uint32_t end)
{
    put_trailer(t, end, t->frame + end);
    return t->config->send(t->config->context, t->frame, (size_t)end + TRAILER);
}

/* Begins another one. */
static void begin_datagram(tidings *t)
{
    t->counter++;
    t->frame[0] = 0xc1;
    t->frame[1] = BATCH;
    store_big(t->frame + 2, key_id(t));
    store_big(t->frame + 6, t->epoch);
    store_big(t->frame + 10, t->counter);
}

#if TIDINGS_DOWN
/* A message has come; what says so is told at once. If that is lost, the message comes again. */
static void receive_push(tidings *t, uint32_t size)
{
    int place = -1;
    if (key_id(t) != 0) place = take_message(t, t->frame + DATAGRAM_HEADER, size - DATAGRAM_HEADER - TRAILER);
    if (place < 0) return;
    writer w = {t->frame, DATAGRAM_HEADER, TIDINGS_FRAME - TRAILER};
    t->frame[1] = ACK;
    put_received(t, &w, place);
    send_datagram(t, w.used);
}

/* Sends a datagram without events, so long that what comes back for it may fill the frame. */
static int send_poll(tidings *t)
{
    writer w = {t->frame, DATAGRAM_HEADER, TIDINGS_FRAME - TRAILER};
    uint32_t longest = TIDINGS_FRAME / 3 - TRAILER - 3;
    begin_datagram(t);
    memset(&t->table, 0, sizeof t->table);
    put_source(t, &w);
    put_device(t, &w, 0);
    if (w.used < longest) {
        uint32_t padding = longest - w.used;
        put(&w, 11 << 3 | 2);
        put_varint(&w, padding);
        while (padding-- > 0) put(&w, 0);
    }
    return send_datagram(t, w.used);
}
#endif

static void take_datagram(tidings *t, uint32_t size)
{
    field f, ranges = {0};
    if (!is_answer(t, size)) return;
#if TIDINGS_DOWN
    if (t->frame[1] == PUSH) {
        receive_push(t, size);
        return;
    }
#endif
    bool is_last = load_big(t->frame + 10) == t->counter;
    memset(&t->said, 0, sizeof t->said);
    t->said.type = t->frame[1];
    size -= TRAILER;
    for (uint32_t at = DATAGRAM_HEADER; at < size; at += f.size) {
        if (!read_field(t->frame + at, size - at, &f) || f.size > size - at) return;
        if (f.number == 2 && f.bytes != NULL) ranges = f;
        take_field(t, &f);
    }
    if (t->said.type == ERROR) take_refusal(t, is_last);
    if (t->said.type != ACK) return;
    bool is_news = take_said_ack(t, ranges.bytes, ranges.value);
    if (t->flight > 0) t->flight--;
    if (is_news) {
        uint8_t allowed = (uint8_t)(t->allowed < MOST_DATAGRAMS ? t->allowed * 2 : t->allowed);
        if (is_last || t->flight == 0) {
            /* The last one is answered: what of the others was not stored has been lost on the way. */
            send_again(t);
            t->timer = NO_TIMER;
        } else {
            t->at = pause_from_now(t, t->pause);
        }
        t->allowed = allowed;
    }
    if (t->said.values[4] != 0) {
        hold(t);
        t->at = now(t) + t->said.values[4];
    }
}

static bool run_datagrams(tidings *t)
{
    for (int i = 0; i < 64; i++) {
        int size = t->config->receive(t->config->context, t->frame, TIDINGS_FRAME);
        if (size == 0) break;
        if (size < 0) return false;
        take_datagram(t, (uint32_t)size);
    }
    while (t->timer != HOLD && !t->unstored && t->flight < t->allowed) {
        uint32_t next = t->next, next_at = t->next_at;
        bool opened = t->opened;
        uint32_t end = put_batch(t, DATAGRAM_HEADER);
        if (end == DATAGRAM_HEADER) break;
        t->lone = t->tail;
        begin_datagram(t);
        int sent = send_datagram(t, end);
        if (sent < 0) return false;
        if (sent == 0) {
            t->next = next;
            t->next_at = next_at;
            t->opened = opened;
            t->is_busy = true;
            break;
        }
        t->flight++;
        if (t->timer == NO_TIMER) {
            t->timer = WAIT;
            t->at = pause_from_now(t, t->pause);
        }
    }
#if TIDINGS_DOWN
    if (t->asks && t->timer != HOLD && !t->unstored && t->flight == 0) {
        int sent = send_poll(t);
        if (sent < 0) return false;
        if (sent > 0) t->asks = false; else t->is_busy = true;
    }
#endif
    return true;
}

/* ---- What the caller calls ---- */

int tidings_start(tidings *t, const tidings_config *config)
{
    memset(t, 0, sizeof *t);
    t->config = config;
    if (strpbrk(config->source, "/:") == NULL || config->memory_size < 256 || config->memory_size > UINT32_MAX / 2 ||
        (config->load == NULL) != (config->store == NULL) || is_tcp(t) != (config->transport == TIDINGS_TCP)) {
        return TIDINGS_INVALID;
    }
    if (config->token != NULL && !is_tcp(t)) return TIDINGS_NEEDS_KEY;
#if TIDINGS_KEYS
    if (key_id(t) != 0) {
        const char *label = is_tcp(t) ? "tidings tcp proof\1" : "tidings udp mac\1";
        if (config->key == NULL || (!TIDINGS_SHA256 && config->hmac == NULL)) return TIDINGS_INVALID;
        if (is_rising(t) && config->store == NULL) return TIDINGS_NEEDS_STORE;
        hmac(t, config->key, (const uint8_t *)label, strlen(label), t->secret);
    }
#else
    if (config->key_id != 0) return TIDINGS_INVALID;
#endif
    t->counter = random_number(t);
    t->unstored = config->store != NULL;
    t->epoch = t->unstored ? config->load(config->context) : random_number(t);
    if (t->epoch < UINT32_MAX) t->epoch++;
    t->tail = t->head = t->next = t->top = t->floor = FIRST_NUMBER;
    t->allowed = 1;
    t->first_pause = t->pause = config->retry_ms != 0 ? config->retry_ms : 2000;
    if (strlen(config->source) + BATCH_FIELDS > TIDINGS_FRAME / 2 ||
        (is_tcp(t) && put_hello(t, NONCES + 4 + FRAME_HEADER) > TIDINGS_FRAME - TRAILER)) {
        return TIDINGS_TOO_BIG;
    }
    return TIDINGS_OK;
}

uint32_t tidings_waiting(const tidings *t)
{
    uint32_t waiting = t->head - t->tail;
    for (uint32_t have = t->have; have != 0; have >>= 1) waiting -= have & 1;
    return waiting;
}

static bool is_due(const tidings *t) { return (int32_t)(now(t) - t->at) >= 0; }

/* For how long nothing is due. */
static uint32_t rest(const tidings *t)
{
    if (t->state == CLOSED && !wants(t)) return TIDINGS_FOREVER;
    bool is_waiting = t->is_busy || t->unstored || t->out_at < t->out_end || t->state <= OPENING;
    if (is_waiting && t->timer != HOLD) return POLL_PAUSE;
    if (t->timer == NO_TIMER) return TIDINGS_FOREVER;
    return is_due(t) ? 0 : t->at - now(t);
}

static void run(tidings *t)
{
    const tidings_config *config = t->config;
    int works = 1;
    t->is_busy = false;
    if (t->timer != NO_TIMER && is_due(t)) {
        bool is_late = t->timer == WAIT;
        t->timer = NO_TIMER;
        if (is_late && (is_tcp(t) || t->state == OPENING)) {
            fail(t);
            return;
        }
        if (is_late) {
            send_again(t);
            lengthen_pause(t);
        }
    }
    if (t->state == CLOSED || t->unstored) {
        if (!wants(t) || t->timer == HOLD) return;
        if (t->unstored && config->store(config->context, t->epoch) != 0) {
            hold(t);
            return;
        }
        t->unstored = false;
    }
    if (t->state == CLOSED) {
        t->state = OPENING;
        await_answer(t);
    }
    if (t->state == OPENING) {
        works = config->open(config->context);
        if (works == 0) return;
        t->state = READY;
        t->timer = NO_TIMER;
        if (works > 0 && is_tcp(t)) greet(t);
    }
    if (works > 0) works = is_tcp(t) ? run_stream(t) : run_datagrams(t);
    if (works <= 0) fail(t);
}

uint32_t tidings_run(tidings *t)
{
    run(t);
    return rest(t);
}

void tidings_retry(tidings *t)
{
    t->pause = t->first_pause;
    if (t->timer == HOLD || (t->timer == WAIT && !is_tcp(t))) t->at = now(t);
}

#if TIDINGS_DOWN
void tidings_ask(tidings *t) { t->asks = true; }

uint32_t tidings_pending(const tidings *t) { return t->pending; }
#endif

void tidings_close(tidings *t)
{
#if TIDINGS_DOWN
    t->asks = false;
#endif
    if (t->state == CLOSED) return;
    close_socket(t);
    t->timer = NO_TIMER;
}
