/* libFuzzer's entry: a daemon, or somebody who claims to be it, that says anything at any moment. The first byte says
 * by which transport and whether with a key; each of the others what happens next. What is said has a right checksum or
 * signature, unless the input wants it otherwise. */
#include "peer.h"

static struct {
    const uint8_t *bytes;
    size_t left;
    uint8_t message[2048];
    uint32_t size, at;
    bool is_broken;
} input;

static uint8_t next_byte(void)
{
    if (input.left == 0) return 0;
    input.left--;
    return *input.bytes++;
}

static int fuzz_open(void *context)
{
    (void)context;
    input.at = input.size = 0;
    input.is_broken = false;
    return (int)(next_byte() % 3) - (next_byte() == 7 ? 2 : 0);
}

static int fuzz_send(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    /* All of it can be read. */
    uint32_t sum = crc32(0, bytes, size);
    uint8_t how = next_byte();
    if (how == 0xff) return -1;
    if (how == 0xfe) return 0;
    return how == 0xfd && size > 1 ? (int)(1 + sum % size) : (int)size;
}

static int fuzz_receive(void *context, uint8_t *bytes, size_t size)
{
    (void)context;
    uint32_t left = input.size - input.at;
    if (left == 0) return input.is_broken ? -1 : 0;
    if (left > size) left = (uint32_t)size;
    memcpy(bytes, input.message + input.at, left);
    input.at += left;
    if (device.config->transport == TIDINGS_UDP) input.at = input.size;
    return (int)left;
}

/* A verdict may record. */
static void fuzz_verdict(void *context, uint32_t number, uint32_t code, const char *text, size_t length)
{
    peer_verdict(context, number, code, text, length);
    if (code % 7 == 3) record(number % 100);
}

#if TIDINGS_DOWN
/* So may who gets a message; all of it can be read. */
static void fuzz_message(void *context, const char *json, size_t length)
{
    peer_message(context, json, length);
    if (crc32(0, (const uint8_t *)json, length) % 3 == 0) record(99);
}
#endif

static void say(peer *p)
{
    uint8_t type = next_byte(), body[512];
    uint32_t size = next_byte();
    size = size < input.left ? size : (uint32_t)input.left;
    memcpy(body, input.bytes, size);
    input.bytes += size;
    input.left -= size;
    writer w = {input.message, 0, sizeof input.message};
    if (device.config->transport == TIDINGS_TCP) {
        p->out_used = 0;
        send_frame(p, type & 15, body, size);
        memcpy(input.message, p->out, p->out_used);
        w.used = p->out_used;
    } else {
        put(&w, 0xc1);
        put(&w, type & 15);
        w.used = DATAGRAM_HEADER;
        store_big(w.bytes + 2, key_id(&device));
        store_big(w.bytes + 6, device.epoch);
        store_big(w.bytes + 10, device.counter - (type >> 5));
        put_bytes(&w, body, size);
        if (w.used > TIDINGS_FRAME - TRAILER) w.used = TIDINGS_FRAME - TRAILER;
        sign(p, &device, w.bytes, w.used);
        w.used += TRAILER;
    }
    if ((type & 16) != 0 && w.used > 0) input.message[size % w.used] ^= type;
    input.size = w.used;
    input.at = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input.bytes = data;
    input.left = size;
    uint8_t how = next_byte();
    size_t room = 256 + (size_t)(how >> 2) * 16;
    uint8_t *memory = malloc(room);
    peer *p = begin(how, how & 1, (how & 2) != 0, memory, room);
    p->config.open = fuzz_open;
    p->config.send = fuzz_send;
    p->config.receive = fuzz_receive;
    p->config.verdict = fuzz_verdict;
#if TIDINGS_DOWN
    p->config.message = fuzz_message;
#endif
    record(1);
    for (uint32_t value = 2; input.left > 0;) {
        uint8_t what = next_byte();
        switch (what % 8) {
        case 0: record(value++ % 1000); break;
        case 1: p->clock += (uint32_t)(what >> 3) * 1000; break;
        case 2: input.is_broken = what > 200; break;
        case 3: tidings_retry(&device); break;
        case 4:
            if (what > 200) tidings_close(&device);
#if TIDINGS_DOWN
            else if (what > 100) tidings_ask(&device);
#endif
            break;
        default: say(p); break;
        }
        uint32_t before = device.counts.stored, top = device.top, epoch = device.epoch;
        tidings_run(&device);
        check_counts();
        /* Nothing is stored that was not sent. */
        CHECK(device.counts.stored == before || device.epoch != epoch || device.tail <= top);
    }
    free(memory);
    return 0;
}
