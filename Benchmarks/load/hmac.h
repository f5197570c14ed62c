// HMAC-SHA256 (RFC 2104, FIPS 180-4) for keyed loads, written down a second time: if it and the daemon's disagree,
// nothing is acknowledged.
#include <stdint.h>
#include <string.h>

enum { HMAC_BYTES = 32, SHA_BLOCK = 64 };

typedef struct { uint32_t h[8]; } sha_state;
// A key that was taken in: the states behind the first block of the inner and the outer hash.
typedef struct { sha_state inner, outer; } hmac_key;
// A message that is being taken in.
typedef struct {
    sha_state state;
    uint64_t count;
    uint8_t held[SHA_BLOCK];
} sha_run;

static const uint32_t sha_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
static const uint32_t sha_rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

static uint32_t sha_turn(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void sha_block(sha_state *s, const uint8_t *b) {
    uint32_t w[64], h[8];
    for (int i = 0; i < 16; i++, b += 4) w[i] = (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], z = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (sha_turn(a, 7) ^ sha_turn(a, 18) ^ a >> 3)
             + (sha_turn(z, 17) ^ sha_turn(z, 19) ^ z >> 10);
    }
    memcpy(h, s->h, sizeof h);
    for (int i = 0; i < 64; i++) {
        uint32_t a = h[0], e = h[4];
        uint32_t one = h[7] + (sha_turn(e, 6) ^ sha_turn(e, 11) ^ sha_turn(e, 25)) + ((e & h[5]) ^ (~e & h[6]))
                     + sha_rounds[i] + w[i];
        uint32_t two = (sha_turn(a, 2) ^ sha_turn(a, 13) ^ sha_turn(a, 22)) + ((a & h[1]) ^ (a & h[2]) ^ (h[1] & h[2]));
        memmove(h + 1, h, 7 * sizeof *h);
        h[4] += one;
        h[0] = one + two;
    }
    for (int i = 0; i < 8; i++) s->h[i] += h[i];
}

static void sha_take(sha_run *r, const uint8_t *b, size_t size) {
    size_t held = r->count % SHA_BLOCK;
    r->count += size;
    if (held) {
        size_t part = SHA_BLOCK - held < size ? SHA_BLOCK - held : size;
        memcpy(r->held + held, b, part);
        b += part, size -= part;
        if (held + part < SHA_BLOCK) return;
        sha_block(&r->state, r->held);
    }
    for (; size >= SHA_BLOCK; b += SHA_BLOCK, size -= SHA_BLOCK) sha_block(&r->state, b);
    memcpy(r->held, b, size);
}

static void sha_end(sha_run *r, uint8_t *digest) {
    uint64_t bits = r->count * 8;
    uint8_t rest[SHA_BLOCK + 8] = {0x80};
    size_t zeros = (SHA_BLOCK + 55 - r->count % SHA_BLOCK) % SHA_BLOCK;
    for (int i = 0; i < 8; i++) rest[1 + zeros + i] = bits >> (56 - 8 * i);
    sha_take(r, rest, 1 + zeros + 8);
    for (int i = 0; i < HMAC_BYTES; i++) digest[i] = r->state.h[i / 4] >> (24 - i % 4 * 8);
}

static sha_state hmac_half(const uint8_t key[HMAC_BYTES], uint8_t mask) {
    sha_state s;
    uint8_t block[SHA_BLOCK];
    memset(block, mask, sizeof block);
    for (int i = 0; i < HMAC_BYTES; i++) block[i] ^= key[i];
    memcpy(s.h, sha_start, sizeof s.h);
    sha_block(&s, block);
    return s;
}

static hmac_key hmac_take_key(const uint8_t key[HMAC_BYTES]) {
    return (hmac_key){hmac_half(key, 0x36), hmac_half(key, 0x5c)};
}

static sha_run hmac_begin(const hmac_key *key) { return (sha_run){.state = key->inner, .count = SHA_BLOCK}; }

static void hmac_end(const hmac_key *key, sha_run *message, uint8_t *code) {
    uint8_t inner[HMAC_BYTES];
    sha_end(message, inner);
    sha_run outer = {.state = key->outer, .count = SHA_BLOCK};
    sha_take(&outer, inner, sizeof inner);
    sha_end(&outer, code);
}

static void hmac(const hmac_key *key, const uint8_t *b, size_t size, uint8_t *code) {
    sha_run message = hmac_begin(key);
    sha_take(&message, b, size);
    hmac_end(key, &message, code);
}

// A key for one use, made of a device's: HKDF-Expand (RFC 5869, 2.3) to one block.
static hmac_key hmac_expand(const uint8_t key[HMAC_BYTES], const char *label) {
    hmac_key device = hmac_take_key(key);
    uint8_t one = 1, made[HMAC_BYTES];
    sha_run message = hmac_begin(&device);
    sha_take(&message, (const uint8_t *)label, strlen(label));
    sha_take(&message, &one, 1);
    hmac_end(&device, &message, made);
    return hmac_take_key(made);
}
