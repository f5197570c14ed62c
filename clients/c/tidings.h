/* Tidings for devices: sends a product's events to a Tidings daemon, over TCP or UDP, until each is known to be stored.
 *
 * C99, one header and one source. Allocates nothing, prints nothing, starts nothing, has no globals: everything is in
 * the caller's memory, and the network, the clock, chance and flash are the caller's functions. README.md beside this
 * file says how to port it, and what is guaranteed.
 *
 *   static uint8_t ring[2048];                                     // events wait here
 *   static tidings device;
 *   static const tidings_config config = {
 *       .source = "kettle/k-1", .transport = TIDINGS_UDP,
 *       .memory = ring, .memory_size = sizeof ring,
 *       .open = net_open, .send = net_send, .receive = net_receive, .close = net_close,
 *       .now = clock_ms, .random = random_bytes,
 *   };
 *
 *   int main(void) {
 *       tidings_event lid = {.kind = TIDINGS_USED, .aspect = "lid"};
 *       if (tidings_start(&device, &config) != TIDINGS_OK) return 1;
 *       for (;;) {
 *           if (lid_was_opened()) tidings_record(&device, &lid, NULL);
 *           uint32_t pause = tidings_run(&device);                 // sends, reads acks, sends again
 *           sleep_at_most(pause < 50 ? pause : 50);                // or until the socket has something to read
 *       }
 *   }
 *
 * An event is kept in `memory` until the daemon has said that it is stored (on disk). When `memory` is full the oldest
 * event gives way: that is counted, and the daemon is told, which notes a gap in its log. Nothing else loses one but a
 * reset of the device, and an event that the daemon refuses for good, which is counted and told to `verdict`.
 *
 * One task at a time may use a `tidings`; none of the functions waits, unless the caller's functions do. */
#ifndef TIDINGS_H
#define TIDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What may be set for the compiler (for all files that include this one).
 *
 * TIDINGS_FRAME   bytes of the largest datagram or frame that is sent, 256 to 1200; it stands in `tidings`. A larger
 *                 one needs less energy for each event, and has room for longer texts.
 * TIDINGS_NAMES   bytes for the words (aspects, units, customers) that a connection has already carried, so that they
 *                 are not sent again; it stands in `tidings`.
 * TIDINGS_ANSWER  bytes of an answer over TCP that are looked at together; a longer text of a verdict is cut.
 * TIDINGS_ONLY    TIDINGS_TCP or TIDINGS_UDP leaves the other one out: a fifth of the code.
 * TIDINGS_KEYS    0 leaves out all that keys need (HMAC, proof, signatures, epochs after a refusal).
 * TIDINGS_DOWN    bytes of the longest message that comes down to the device by TCP, 256 to 8192; it stands in `tidings`.
 *                 By UDP a message has to fit into TIDINGS_FRAME. 0, which it is, leaves out what messages need.
 * TIDINGS_SHA256  0 leaves out the SHA-256 of this library: a key then needs `config.hmac`. */
#ifndef TIDINGS_FRAME
#define TIDINGS_FRAME 512
#endif
#ifndef TIDINGS_NAMES
#define TIDINGS_NAMES 128
#endif
#ifndef TIDINGS_ANSWER
#define TIDINGS_ANSWER 128
#endif
#ifndef TIDINGS_KEYS
#define TIDINGS_KEYS 1
#endif
#ifndef TIDINGS_DOWN
#define TIDINGS_DOWN 0
#endif
#ifndef TIDINGS_SHA256
#define TIDINGS_SHA256 TIDINGS_KEYS
#endif

/* What functions return. */
enum {
    TIDINGS_OK = 0,
    TIDINGS_INVALID = -1,     /* a field that may not be so */
    TIDINGS_TOO_BIG = -2,     /* does not fit into TIDINGS_FRAME or into the ring; nothing was recorded */
    TIDINGS_NEEDS_STORE = -3, /* a key over UDP needs `load` and `store` */
    TIDINGS_NEEDS_KEY = -4    /* a token is for TCP; over UDP datagrams are signed with a key */
};

/* What tidings_run returns when there is nothing to do before the next event, or before the socket can be read. */
#define TIDINGS_FOREVER UINT32_MAX

enum { TIDINGS_UDP = 0, TIDINGS_TCP = 1 };

/* Kinds of events (schemas/kinds.json), and what each of them needs. */
enum {
    TIDINGS_PREFERENCE = 1,        /* aspect, value */
    TIDINGS_RATING = 2,            /* aspect, value */
    TIDINGS_USED = 3,              /* aspect; the value is how long, in seconds; `count` how often */
    TIDINGS_FEEDBACK = 4,          /* text */
    TIDINGS_FAULT = 5,             /* aspect; the value is a code as TIDINGS_WORD */
    TIDINGS_STATE = 6,             /* aspect, value */
    TIDINGS_CONSENT_GIVEN = 8,     /* customer, the purpose as TIDINGS_WORD */
    TIDINGS_CONSENT_WITHDRAWN = 9, /* the same */
    TIDINGS_RECEIPT = 10           /* cause; `scale` is the stage, `severity` the evidence */
};

/* Which member of an event is its value. */
enum {
    TIDINGS_NONE = 0,
    TIDINGS_WHOLE = 1, /* whole */
    TIDINGS_REAL = 2,  /* real */
    TIDINGS_WORD = 3,  /* word */
    TIDINGS_FLAG = 4   /* flag */
};

/* An event. Begin with all members 0, and set what is said. Strings are UTF-8, at most 255 bytes (text: what fits into
 * TIDINGS_FRAME), NULL where nothing is said, and are copied by tidings_record. What the daemon takes for each kind,
 * and how long a word may be: docs/wire.md. */
typedef struct {
    uint8_t kind;
    uint8_t value;    /* TIDINGS_NONE to TIDINGS_FLAG */
    uint8_t severity; /* of a fault: 1 to 24, OpenTelemetry's numbers */
    uint8_t scale;    /* of a rating: 0 = 1 to 5, 1 = 0 to 1, 10 = 0 to 10, 255 = 1 to 10, n = 1 to n */
    uint8_t origin;   /* who chose the value: 1 user, 2 default, 3 rule; 0 = not said */
    bool flag;
    uint32_t count; /* 0 and 1 are once */
    int32_t whole;
    float real;
    /* Milliseconds since 1970 by the device's clock. 0: the device has none; then the event's age is sent, by `now`,
     * and the daemon's clock tells when it was. An age is right up to 49 days. */
    uint64_t time_ms;
    const char *aspect; /* words of a-z, 0-9 and _, with dots between them: "door.sound" */
    const char *word;
    const char *unit; /* SenML: "s", "Cel", "%" */
    const char *text;
    const char *lang;     /* of the text: "en" */
    const char *customer; /* a pseudonym of the household or person */
    const char *cause;    /* of a receipt: the id of the message that it answers */
    const char *notice;   /* of a consent: the version of the notice that was seen */
    const char *method;   /* of a consent: how it was given */
} tidings_event;

/* Who the device is, what it may use, and how it reaches the daemon. Begin with all members 0: what is added to this
 * struct later is then left out. It must stay as it is, and where it is, as
 * long as the `tidings` is used; so must what it points to, except `key`. */
typedef struct {
    /* "product/serial", or a device URN. In the product, %25, %2F and %3A stand for %, / and :. */
    const char *source;
    /* Name and version of the firmware, for people who look at the daemon; may be NULL. */
    const char *agent;
    uint8_t transport; /* TIDINGS_UDP or TIDINGS_TCP */

    /* What `tidings device add` has printed: the number of the key and its 32 bytes, decoded from base64url. Over TCP
     * the key is proved, over UDP each datagram is signed with it. 0 and NULL: none. `key` is not read after
     * tidings_start. */
    uint32_t key_id;
    const uint8_t *key;
    /* Or a token, for TCP, where nobody can read along: over TLS (in the caller's `send` and `receive`), or on the
     * daemon's own machine. Goes before a key. NULL: none. */
    const char *token;

    /* Where events wait: some 20 to 60 bytes each, 8 of them for the library. 256 bytes or more, at most 2^31. */
    void *memory;
    size_t memory_size;

    /* The pause before something is sent again, in milliseconds, at most 60000; 0 = 2000. Each pause is lengthened at
     * random by up to a half, and doubles up to five minutes while no answer comes; over TCP up to eight times the
     * first one while the daemon still greets, and at once to five minutes when it does not know the device (4010 to
     * 4030). Over TCP an answer is waited for ten times as long. */
    uint32_t retry_ms;

    /* Is handed to all functions below. */
    void *context;

    /* The network. All four are needed, and none of them may call the library.
     *
     * open     begins to connect to the daemon (TCP), or opens a socket towards it (UDP). 1: open; 0: not yet, it is
     *          called again; below 0: failed.
     * send     one datagram, or some bytes of the stream. How many were taken; 0: none now; below 0: broken.
     * receive  one datagram, or some bytes of the stream. How many there are; 0: none now; below 0: broken or closed.
     *          A datagram that is longer than `size` may be cut.
     * close    after any of them has said below 0, and before `open` is called again; also after an `open` that failed.
     *          */
    int (*open)(void *context);
    int (*send)(void *context, const uint8_t *bytes, size_t size);
    int (*receive)(void *context, uint8_t *bytes, size_t size);
    void (*close)(void *context);

    /* Milliseconds since any moment, going on from UINT32_MAX with 0; it must not stand still while the device sleeps.
     * */
    uint32_t (*now)(void *context);

    /* Unpredictable bytes, from the device's generator of random numbers: for nonces, epochs and pauses. */
    void (*random)(void *context, uint8_t *bytes, size_t size);

    /* The epoch, a number that is new at each start of the device, so that the numbers of its events are new, too.
     * `load` gives the one that `store` was last called with, 0 if there was none; `store` keeps it where it survives a
     * loss of power before it returns 0 (anything else: it failed; nothing is sent, and it is tried again). `store` is
     * called once after each start, before the first event is sent, and when the daemon has heard of a higher epoch.
     * Both NULL: the epoch is made at random; a key then cannot be used over UDP, for signed datagrams need epochs that
     * rise. */
    uint32_t (*load)(void *context);
    int (*store)(void *context, uint32_t epoch);

    /* What the daemon has said, for a log or a display; may be NULL. `number` is the event's (see tidings_record), 0
     * for the connection or the datagram as a whole. `code` as in docs/wire.md: 4221 to 4239 stored, but kept apart;
     * 4240 too old, not stored; the others: refused. What is refused for a cause that can pass (4010, 4030, 4290 and
     * more) is kept and sent again. `text` names cause and remedy; it may be cut, or empty, is not ended by a 0, and is
     * gone when the function returns. May call tidings_record, and nothing else of the library. */
    void (*verdict)(void *context, uint32_t number, uint32_t code, const char *text, size_t length);

    /* HMAC-SHA256, if the device has hardware for it; NULL: the library's own. */
    void (*hmac)(void *context, const uint8_t key[32], const uint8_t *message, size_t size, uint8_t digest[32]);

#if TIDINGS_DOWN
    /* A message to this device, as docs/messages.md describes it: one JSON object, not ended by a 0, and gone when the
     * function returns. The daemon is told that it is here; what becomes of it the device says by events: TIDINGS_RECEIPT,
     * or an answer, with the `id` of the message as `cause`. Each message comes once: the last 16 ids are known (a reset
     * of the device forgets them). By UDP messages come only to a device with a key. May call tidings_record, and nothing
     * else of the library. NULL: messages are left to the daemon. */
    void (*message)(void *context, const char *json, size_t length);
#endif
} tidings_config;

/* recorded == stored + overwritten + refused + tidings_waiting. All go on from UINT32_MAX with 0. */
typedef struct {
    uint32_t recorded;    /* taken by tidings_record */
    uint32_t stored;      /* acknowledged by the daemon */
    uint32_t overwritten; /* gave way to newer ones before an ack came; the daemon is told */
    uint32_t refused;     /* refused for good, one by one; each was told to `verdict` */
    uint32_t quarantined; /* of the stored ones: kept apart, for they break a rule of their kind */
    uint32_t stale;       /* of the stored ones: too old for the daemon to tell from a repetition, and not in its log */
    uint32_t resent;      /* events that were sent once more */
} tidings_counts;

/* The answer that is being read. */
typedef struct {
    uint8_t type;
    bool is_noted;       /* of WELCOME: it has a nonce; of ERROR: it was told */
    uint32_t values[11]; /* its numbers, by those of their fields */
} tidings_answer;

/* The words that the daemon knows of this connection: how many, and the bytes of those that are kept in `names`. */
typedef struct {
    uint16_t defined, used;
} tidings_table;

/* A device's connection to its daemon. Only `counts` is for the caller. What is used most stands first: that makes
 * short code. */
typedef struct {
    const tidings_config *config;
    uint8_t state, timer, flight, allowed, moves, stage, answer_used;
    bool heard;    /* something of this epoch is acknowledged */
    bool opened;   /* the batch that opens it is under way */
    bool single;   /* events go one by one, for one of them was refused: up to lone_until */
    bool unstored; /* the epoch has to be stored before anything is sent */
    bool is_busy;
    tidings_table table;
    uint16_t out_at, out_end, hello_size;

    /* The ring: events tail to head - 1. */
    uint32_t tail, head;
    uint32_t next;  /* the first that is to be sent */
    uint32_t top;   /* the first that was never sent under this epoch */
    uint32_t have;  /* bit i: tail + i is stored; bit 0 never is set */
    uint32_t floor; /* what lies below is stored, or the daemon knows that it is lost */
    uint32_t read, write, next_at;

    uint32_t epoch, counter;
    uint32_t first_pause, pause, at;
    uint32_t lone, lone_until;
    tidings_counts counts;

    /* Of the frame that is being read: what is left of it, and of the field that is passed over. */
    uint32_t left, skip, crc;
    tidings_answer said;
#if TIDINGS_KEYS
    uint8_t secret[32];
#endif
#if TIDINGS_DOWN
    bool asks;
    uint8_t known_next;
    uint16_t untold;       /* those of `known` that the daemon is to be told */
    uint32_t known[16][2]; /* ids: ordinal and tag */
    uint32_t pending, down_used;
    uint8_t down[TIDINGS_DOWN];
#endif
    uint8_t answer[TIDINGS_ANSWER];
    uint8_t names[TIDINGS_NAMES];
    uint8_t frame[TIDINGS_FRAME];
} tidings;

/* Begins with an empty ring. Opens nothing yet.
 *
 * TIDINGS_OK, TIDINGS_INVALID, TIDINGS_NEEDS_STORE, TIDINGS_NEEDS_KEY; TIDINGS_TOO_BIG: `source`, `agent` and `token`
 * do not fit into TIDINGS_FRAME with room for an event. */
int tidings_start(tidings *device, const tidings_config *config);

/* Takes an event: it is in the ring when this returns, and is sent by tidings_run. When there is no room the oldest
 * events give way (counts.overwritten). `number`, if not NULL, gets the number by which `verdict` names the event.
 *
 * TIDINGS_OK, TIDINGS_INVALID, TIDINGS_TOO_BIG. */
int tidings_record(tidings *device, const tidings_event *event, uint32_t *number);

/* Does what is due: opens the socket when there is something to send, reads answers, sends, sends again.
 *
 * Returns for how many milliseconds nothing is due: call it again then, or earlier when the socket can be read or
 * something was recorded. TIDINGS_FOREVER: only then. */
uint32_t tidings_run(tidings *device);

/* Events that are in the ring and not known to be stored. */
uint32_t tidings_waiting(const tidings *device);

/* Ends the pause that tidings_run waits for: the network has come back, or an event is urgent. */
void tidings_retry(tidings *device);

#if TIDINGS_DOWN
/* Asks for messages, although there may be nothing to send. By TCP the connection is opened and stays, made anew when it
 * breaks, until tidings_close; by UDP one datagram is sent, for which one message can come back: ask again, say once a
 * minute, and while some are waiting. */
void tidings_ask(tidings *device);

/* How many messages wait for the device, as the daemon has said last: with 0 it may sleep. */
uint32_t tidings_pending(const tidings *device);
#endif

/* Closes the socket, for instance before the radio goes off. The events stay; the next tidings_run opens it again if
 * some are waiting. */
void tidings_close(tidings *device);

#ifdef __cplusplus
}
#endif

#endif
