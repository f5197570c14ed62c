/* Tests of the library against peer.h and the golden frames. Usage: unit FOLDER_OF_GOLDEN_FRAMES [SEEDS] */
#include "peer.h"

static uint8_t *memory;

/* ---- Golden frames ---- */

static uint32_t read_golden(const char *folder, const char *name, uint8_t *bytes, uint32_t size)
{
    char path[1024], line[512];
    uint32_t used = 0;
    snprintf(path, sizeof path, "%s/%s.hex", folder, name);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned byte;
        int count;
        line[strcspn(line, "#")] = 0;
        for (const char *at = line; sscanf(at, "%2x%n", &byte, &count) == 1; at += count) {
            CHECK(used < size);
            bytes[used++] = (uint8_t)byte;
        }
    }
    fclose(file);
    return used;
}

static void test_golden_frames_are_written(const char *folder)
{
    uint8_t golden[1200];
    tidings_event rating = {.kind = TIDINGS_RATING, .aspect = "door.sound", .value = TIDINGS_WHOLE, .whole = 4,
        .time_ms = 1795132804213};
    peer *p = begin(1, TIDINGS_UDP, false, memory, 1024);
    device.epoch = 7;
    device.counter = 0;
    device.tail = device.head = device.next = device.top = device.floor = 1042;
    device.heard = true;
    CHECK(tidings_record(&device, &rating, NULL) == TIDINGS_OK);
    p->is_down = true;
    tidings_run(&device);
    device.state = READY;
    device.timer = NO_TIMER;
    tidings_run(&device);
    uint32_t size = read_golden(folder, "datagram-rating", golden, sizeof golden);
    CHECK(size == p->last_size && memcmp(golden, p->last_datagram, size) == 0);

    p = begin(1, TIDINGS_TCP, false, memory, 1024);
    p->config.agent = "golden/1";
    device.epoch = 1;
    device.next = 1042;
    greet(&device);
    size = read_golden(folder, "control-hello", golden, sizeof golden);
    CHECK(size + 4 == (uint32_t)device.out_end - device.out_at);
    CHECK(memcmp(device.frame + device.out_at, "TDG1", 4) == 0);
    CHECK(memcmp(device.frame + device.out_at + 4, golden, size) == 0);
}

/* A device that has sent 1041 to 1046, and is told the golden answers. */
static peer *begin_golden(uint8_t transport)
{
    peer *p = begin(1, transport, false, memory, 1024);
    device.epoch = transport == TIDINGS_UDP ? 7 : 1;
    device.counter = 1;
    device.tail = device.head = device.next = device.top = device.floor = 1041;
    for (uint32_t i = 0; i < 6; i++) record(i + 1);
    device.top = device.next = device.head;
    device.state = READY;
    device.unstored = false;
    return p;
}

static void test_golden_answers_are_read(const char *folder)
{
    uint8_t golden[1200];
    begin_golden(TIDINGS_UDP);
    uint32_t size = read_golden(folder, "datagram-ack", golden, sizeof golden);
    memcpy(device.frame, golden, size);
    take_datagram(&device, size);
    CHECK(device.counts.stored == 3 && device.tail == 1041 && device.have == 0x16);
    CHECK(tidings_waiting(&device) == 3);

    peer *p = begin_golden(TIDINGS_TCP);
    p->out_used = read_golden(folder, "control-ack", p->out, STREAM);
    CHECK(read_stream(&device) && device.counts.stored == 5 && device.tail == 1046);

    p = begin_golden(TIDINGS_TCP);
    p->out_used = read_golden(folder, "control-ack-ranges", p->out, STREAM);
    CHECK(read_stream(&device) && p->last_number == 1042 && p->last_code == 4226 && p->longest_text == 12);

    p = begin_golden(TIDINGS_TCP);
    p->out_used = read_golden(folder, "control-error", p->out, STREAM);
    CHECK(!read_stream(&device) && p->last_code == 4224 && p->longest_text == 17);

    p = begin_golden(TIDINGS_TCP);
    device.state = GREETING;
    device.top = device.tail = 1040;
    device.top = 1046;
    p->out_used = read_golden(folder, "control-welcome", p->out, STREAM);
    CHECK(read_stream(&device) && device.state == READY && device.tail == 1041);
}

static uint32_t unhex(const char *text, uint8_t *bytes)
{
    uint32_t size = 0;
    unsigned byte;
    for (; sscanf(text, "%2x", &byte) == 1; text += 2) bytes[size++] = (uint8_t)byte;
    return size;
}

/* The example of docs/wire.md. */
static void test_signatures(void)
{
    uint8_t message[300], wanted[32], digest[32];
    begin(1, TIDINGS_TCP, true, memory, 1024);
    for (unsigned i = 0; i < 32; i++) message[i] = (uint8_t)(0xc0 + i);
    for (unsigned i = 0; i < 16; i++) message[32 + i] = (uint8_t)(0xa0 + i);
    uint32_t size = unhex("0801120a6b6574746c652f6b2d31180720073a10a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", message + 48);
    hmac(&device, device.secret, message, 48 + size, digest);
    unhex("952d5679854fed727e0efe77a366e2b876b0bd74305d0be536354295587808e4", wanted);
    CHECK(memcmp(digest, wanted, 32) == 0);
    begin(1, TIDINGS_UDP, true, memory, 1024);
    size = unhex("c10300000007329c3ce0000000011001220a6b6574746c652f6b2d3122036c696428013a0408032002d4531d0f231dc3c9",
                 device.frame);
    put_trailer(&device, size - TRAILER, digest);
    CHECK(memcmp(digest, device.frame + size - TRAILER, TRAILER) == 0);
}

/* ---- What the calls return ---- */

static void test_start_refuses(void)
{
    peer *p = begin(1, TIDINGS_UDP, true, memory, 1024);
    tidings_config config = p->config;
    config.load = NULL;
    CHECK(tidings_start(&device, &config) == TIDINGS_INVALID);
    config.store = NULL;
    CHECK(tidings_start(&device, &config) == TIDINGS_NEEDS_STORE);
    config.transport = TIDINGS_TCP;
    CHECK(tidings_start(&device, &config) == TIDINGS_OK);
    config.key = NULL;
    CHECK(tidings_start(&device, &config) == TIDINGS_INVALID);
    config.token = "tdg_x";
    CHECK(tidings_start(&device, &config) == TIDINGS_OK);
    config.transport = TIDINGS_UDP;
    CHECK(tidings_start(&device, &config) == TIDINGS_NEEDS_KEY);
    config = p->config;
    config.memory_size = 255;
    CHECK(tidings_start(&device, &config) == TIDINGS_INVALID);
    config = p->config;
    config.source = "kettle";
    CHECK(tidings_start(&device, &config) == TIDINGS_INVALID);
    char long_source[TIDINGS_FRAME];
    memset(long_source, '/', sizeof long_source - 1);
    long_source[sizeof long_source - 1] = 0;
    config.source = long_source;
    CHECK(tidings_start(&device, &config) == TIDINGS_TOO_BIG);
}

/* The largest event that is taken also fits into a frame, whatever stands before it. */
static void test_largest_event(uint8_t transport)
{
    char text[TIDINGS_FRAME + 2], words[7][60];
    for (uint32_t length = 0; length <= TIDINGS_FRAME; length++) {
        peer *p = begin(length, transport, true, memory, 2048);
        device.tail = device.head = device.next = device.top = device.floor = MOST_NUMBERS - 2;
        memset(text, 'x', sizeof text);
        text[length] = 0;
        tidings_event event = {.kind = TIDINGS_CONSENT_GIVEN, .value = TIDINGS_WORD, .count = UINT32_MAX,
            .severity = 255, .scale = 255, .origin = 255, .time_ms = 1, .text = text};
        const char **members[] = {
            &event.aspect, &event.word, &event.unit, &event.lang, &event.customer, &event.notice, &event.method};
        for (uint32_t i = 0; i < 7; i++) {
            memset(words[i], (int)('a' + i), sizeof words[i]);
            words[i][chance(6)] = 0;
            words[i][6] = 0;
            *members[i] = words[i];
        }
        event.time_ms = 0xffffffffffff;
        int result = tidings_record(&device, &event, NULL);
        if (result == TIDINGS_TOO_BIG) {
            CHECK(length > TIDINGS_FRAME / 4 && device.counts.recorded == 0);
            continue;
        }
        CHECK(result == TIDINGS_OK);
        pass(p, 600000);
        CHECK(device.counts.stored == 1);
    }
    tidings_event event = {0};
    CHECK(tidings_record(&device, &event, NULL) == TIDINGS_INVALID);
    memset(text, 'x', 65);
    text[65] = 0;
    event = (tidings_event){.kind = TIDINGS_USED, .customer = text};
    CHECK(tidings_record(&device, &event, NULL) == TIDINGS_TOO_BIG);
}

/* ---- Events and networks at random ---- */

/* Whatever the network does, each event is either with the daemon, once, or the daemon knows that it is lost. */
static void test_nothing_is_lost_silently(unsigned seed)
{
    chance_state = seed * 77 + 1;
    size_t size = 256 + chance(3000);
    bool has_key = chance(2) == 0;
    uint8_t transport = chance(2) == 0 ? TIDINGS_UDP : TIDINGS_TCP;
    uint8_t *exact = malloc(size);
    peer *p = begin(seed, transport, has_key, exact, size);
    uint32_t count = 1 + chance(400), value = 0;
    p->loss = chance(3) == 0 ? 0 : chance(60);
    p->is_chunky = chance(2);
    p->break_after = chance(3) == 0 ? 0 : p->is_chunky ? 100 + chance(400) : 4 + chance(40);
    p->is_down = chance(3) == 0;
    uint32_t patience = chance(3) == 0 ? 0 : 1 + chance(20);
    while (value < count) {
        for (uint32_t more = chance(12); more > 0 && value < count; more--) record(++value);
        for (uint32_t i = 0; i < patience; i++) pass(p, 1 + chance(500));
        if (chance(40) == 0) p->is_down = !p->is_down;
        if (chance(30) == 0) tidings_close(&device);
        if (chance(30) == 0) tidings_retry(&device);
    }
    p->is_down = false;
    pass(p, 24u * 3600 * 1000);
    const tidings_counts *c = &device.counts;
    CHECK(tidings_waiting(&device) == 0 && c->refused == 0);
    CHECK(p->window_count == 1 && p->stores == 1);
    CHECK(p->stored + p->lost == count && p->values == p->stored);
    CHECK(p->lost <= c->overwritten && c->stored <= p->stored);
    free(exact);
}

/* One event that is refused for good goes, and no other. */
static void test_one_event_is_refused(unsigned seed, uint8_t transport)
{
    peer *p = begin(seed, transport, seed % 2 == 0, memory, 4096);
    p->poison = 1 + chance(30);
    p->poison_code = 4003;
    p->loss = chance(30);
    for (uint32_t value = 1; value <= 30; value++) record(value);
    pass(p, 3600 * 1000);
    CHECK(device.counts.refused == 1 && device.counts.stored == 29 && p->stored == 29);
    CHECK(p->refused_number == FIRST_NUMBER + p->poison - 1 && !p->has_value[p->poison]);
    record(31);
    pass(p, 3600 * 1000);
    CHECK(p->stored == 30 && p->lost == 1 && !device.single);
}

static void test_busy_daemon_is_asked_again(uint8_t transport)
{
    peer *p = begin(1, transport, true, memory, 4096);
    p->busy = 5;
    uint32_t begun = p->clock;
    for (uint32_t value = 1; value <= 30; value++) record(value);
    pass(p, 3600 * 1000);
    CHECK(p->stored == 30 && device.counts.stored == 30 && p->verdicts == 5 && p->last_code == 4290);
    CHECK(p->clock - begun >= 2000 + 4000 + 8000 + 16000 + 16000);
}

/* Its epoch is refused: it takes the next one, keeps it, and sends the same again. */
static void test_epoch_is_refused(void)
{
    peer *p = begin(1, TIDINGS_UDP, true, memory, 4096);
    CHECK(device.epoch == 1 && p->stores == 0);
    p->floor = 849100000;
    for (uint32_t value = 1; value <= 30; value++) record(value);
    pass(p, 60000);
    CHECK(p->stored == 30 && p->kept_epoch == p->floor + 1 && p->stores == 2 && p->lost == 0);
    /* One that is refused for ever is asked about more and more seldom. */
    p = begin(1, TIDINGS_UDP, true, memory, 4096);
    p->poison = 1;
    p->poison_code = 4010;
    record(1);
    pass(p, 24u * 3600 * 1000);
    CHECK(device.counts.refused == 0 && tidings_waiting(&device) == 1 && p->batches < 400);
}

/* `load` gives an epoch that was used before, with numbers that the daemon knows. */
static void test_epoch_was_used(uint8_t transport, bool has_key)
{
    peer *p = begin(1, transport, has_key, memory, 4096);
    window *used = window_of(p, 1);
    for (uint32_t i = 1; i < 60; i++) take_numbered(used, i);
    for (uint32_t value = 1; value <= 30; value++) record(value);
    pass(p, 600 * 1000);
    CHECK(p->stored == 30 && device.epoch != 1 && p->kept_epoch == device.epoch && device.counts.stored == 30);
}

static void test_store_that_fails(void)
{
    peer *p = begin(1, TIDINGS_UDP, true, memory, 4096);
    p->store_fails = true;
    record(1);
    pass(p, 3600 * 1000);
    CHECK(p->last_size == 0 && tidings_waiting(&device) == 1);
    p->store_fails = false;
    pass(p, 600 * 1000);
    CHECK(p->stored == 1 && p->kept_epoch == 1);
}

/* An ack with many verdicts, longer than what is looked at together, in pieces of any size. */
static void test_long_verdicts(void)
{
    for (unsigned seed = 0; seed < 200; seed++) {
        peer *p = begin_golden(TIDINGS_TCP);
        uint8_t body[16384], text[400];
        writer w = {body, 0, sizeof body};
        chance_state = seed;
        p->is_chunky = seed % 3;
        put_field(&w, 1, 1046);
        memset(text, 'y', sizeof text);
        for (uint32_t i = 0; i < 64; i++) {
            uint8_t one[500];
            writer inner = {one, 0, sizeof one};
            put_field(&inner, 1, 1041 + i % 6);
            put_field(&inner, 2, 4226);
            put_string(&inner, 3, text, chance(sizeof text));
            put_string(&w, 5, one, inner.used);
        }
        put_field(&w, 9, 64);
        send_frame(p, 6, body, w.used); /* PUSH is read over */
        send_frame(p, ACK, body, w.used);
        for (int i = 0; i < 4000 && p->out_at < p->out_used; i++) CHECK(read_stream(&device));
        CHECK(p->verdicts == 64 && device.counts.stored == 6 && device.counts.quarantined == 64);
        CHECK(p->longest_text <= TIDINGS_ANSWER);
        /* A bit that is wrong ends the connection, and nothing of the ack counts. */
        p = begin_golden(TIDINGS_TCP);
        send_frame(p, ACK, body, w.used);
        p->out[chance(p->out_used)] ^= (uint8_t)(1u << chance(8));
        bool works = true;
        for (int i = 0; i < 400 && works; i++) works = read_stream(&device);
        CHECK(!works || device.counts.stored == 0);
    }
}

/* A verdict without words, as answers by UDP have them: code and number are told all the same. */
static void test_verdict_without_words(void)
{
    uint8_t body[32];
    peer *p = begin_golden(TIDINGS_TCP);
    uint32_t size = unhex("08960818012a060892081082214801", body);
    send_frame(p, ACK, body, size);
    CHECK(read_stream(&device) && p->verdicts == 1 && p->last_number == 1042 && p->last_code == 4226);
    CHECK(p->longest_text == 0 && device.counts.quarantined == 1 && device.counts.stored == 6);
}

/* A connection that the daemon has closed since nothing was sent is opened again at once. */
static void test_idle_connection(void)
{
    peer *p = begin(1, TIDINGS_TCP, true, memory, 1024);
    record(1);
    pass(p, 60000);
    CHECK(p->stored == 1 && device.state == READY);
    is_over = true;
    record(2);
    uint32_t begun = p->clock;
    pass(p, 60000);
    /* Each of the steps of the greeting takes a second here; a pause would be two more. */
    CHECK(p->stored == 2 && p->clock - begun < 5000);
    /* One that ends before it has served is not. */
    p = begin(1, TIDINGS_TCP, true, memory, 1024);
    record(1);
    p->is_down = true;
    for (int i = 0; i < 100; i++) tidings_run(&device);
    CHECK(device.timer == HOLD);
}

/* Makes an ACK datagram as the device awaits it. */
static uint32_t make_ack(peer *p, uint8_t *bytes, const uint8_t *body, uint32_t size)
{
    writer w = {bytes, DATAGRAM_HEADER, 200};
    bytes[0] = 0xc1;
    bytes[1] = ACK;
    store_big(bytes + 2, key_id(&device));
    store_big(bytes + 6, device.epoch);
    store_big(bytes + 10, device.counter);
    put_bytes(&w, body, size);
    sign(p, &device, bytes, w.used);
    return w.used + TRAILER;
}

/* Hands it over, with a wrong bit in the byte at `damaged`, if that is not below 0. */
static void tell_ack(peer *p, const uint8_t *body, uint32_t size, int damaged)
{
    uint8_t bytes[200];
    uint32_t count = make_ack(p, bytes, body, size);
    if (damaged >= 0) bytes[damaged] ^= 0x40;
    memcpy(device.frame, bytes, count);
    take_datagram(&device, count);
}

/* Answers that say what cannot be. */
static void test_answers_that_lie(void)
{
    static const char *const bodies[] = {
        "089708", "08ffffffffffffffffff01", "08ffffffff0f", "089808", "08001206ffffffff0f01",
        "0800120a01ffffffff0fffffffff0f",
        "080012020001", "08001203010000", "12040101010108ffffffff0f", "1204ffffffff"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        peer *p = begin_golden(TIDINGS_UDP);
        uint8_t body[64];
        tell_ack(p, body, unhex(bodies[i], body), -1);
        CHECK(device.counts.stored == 0);
        check_counts();
    }
}

/* What has not the right header and checksum, or signature, changes nothing. */
static void test_answers_of_others(void)
{
    for (int key = 0; key < 2; key++) {
        for (int wrong = -1; wrong < DATAGRAM_HEADER + 3 + TRAILER; wrong++) {
            peer *p = begin_golden(TIDINGS_UDP);
            uint8_t body[3] = {0x08, 0x94, 0x08}; /* durable up to 1044 */
            if (key == 1) {
                p->config.key_id = 7;
                memcpy(device.secret, test_key, sizeof device.secret);
            }
            device.epoch = 0x01020304;
            device.counter = 0x05060708;
            tell_ack(p, body, sizeof body, wrong);
            CHECK(device.counts.stored == (wrong < 0 ? 4u : 0));
        }
    }
    peer *p = begin_golden(TIDINGS_UDP);
    uint8_t body[3] = {0x08, 0x94, 0x08};
    device.counter = 100;
    for (uint32_t counter = 0; counter < 100 - 2 * MOST_DATAGRAMS; counter++) {
        device.counter = counter;
        uint8_t bytes[64];
        uint32_t size = make_ack(p, bytes, body, sizeof body);
        device.counter = 100;
        memcpy(device.frame, bytes, size);
        take_datagram(&device, size);
        CHECK(device.counts.stored == 0);
    }
}

/* A daemon that greets and then says nothing is left after a while. */
static void test_mute_daemon(void)
{
    peer *p = begin(1, TIDINGS_TCP, true, memory, 1024);
    p->is_mute = true;
    record(1);
    pass(p, 120000);
    CHECK(p->opens >= 3 && p->opens < 10 && tidings_waiting(&device) == 1);
    p->is_mute = false;
    pass(p, 120000);
    CHECK(p->values == 1 && tidings_waiting(&device) == 0);
}

/* More words than a connection's table holds: another one is opened. */
static void test_many_words(void)
{
    peer *p = begin(1, TIDINGS_TCP, false, memory, 4096);
    for (uint32_t value = 1; value < 2500; value++) {
        char word_text[20];
        snprintf(word_text, sizeof word_text, "w-%u", (unsigned)value);
        tidings_event event = {.kind = TIDINGS_STATE, .aspect = "door", .value = TIDINGS_WORD, .word = word_text};
        CHECK(tidings_record(&device, &event, NULL) == TIDINGS_OK);
        pass(p, 600000);
    }
    CHECK(p->stored == 2499 && device.counts.overwritten == 0 && p->opens == 3);
}

#if TIDINGS_DOWN
/* Has the daemon send a message, and the device look. */
static void push(peer *p, const char *json, uint32_t size)
{
    if (p->config.transport == TIDINGS_TCP) {
        send_frame(p, PUSH, (const uint8_t *)json, size);
    } else {
        uint8_t *bytes = p->queue[p->queued];
        writer w = {bytes, DATAGRAM_HEADER, sizeof p->queue[0] - TRAILER};
        bytes[0] = 0xc1;
        bytes[1] = PUSH;
        store_big(bytes + 2, key_id(&device));
        store_big(bytes + 6, device.epoch);
        store_big(bytes + 10, device.counter);
        put_bytes(&w, json, size);
        if (w.used > TIDINGS_FRAME - TRAILER) w.used = TIDINGS_FRAME - TRAILER;
        sign(p, &device, bytes, w.used);
        p->sizes[p->queued++] = w.used + TRAILER;
    }
    for (int i = 0; i < 20; i++) tidings_run(&device);
    check_counts();
}

static void push_number(peer *p, unsigned number, const char *text)
{
    char json[300];
    int size = snprintf(json, sizeof json, "{\"product\":\"a\\\"id\\\":\\\"m9-00000001\",\"device\":\"k-1\","
        "\"id\":\"m%u-9f31C2aa\",\"text\":\"%s\"}", number, text);
    push(p, json, (uint32_t)size);
}

/* A message comes out once, and the daemon is told each time that it is there. */
static void test_messages(uint8_t transport, bool has_key)
{
    peer *p = begin(1, transport, has_key, memory, 1024);
    p->is_chunky = transport == TIDINGS_TCP;
    p->waits = 3;
    record(1);
    pass(p, 60000);
    CHECK(p->stored == 1 && tidings_pending(&device) == 3);
    if (transport == TIDINGS_UDP && !has_key) {
        /* Anybody may say it. */
        push_number(p, 17, "hello");
        CHECK(p->messages == 0 && p->told == 0);
        return;
    }
    push_number(p, 17, "hello");
    CHECK(p->messages == 1 && p->told == 1 && p->last_told == (17ull << 32 | 0x9f31c2aa));
    CHECK(p->last_message[0] == '{' && p->last_message[p->last_length - 1] == '}');
    push_number(p, 17, "hello");
    CHECK(p->messages == 1 && p->told == 2);
    for (unsigned number = 18; number < 33; number++) push_number(p, number, "");
    CHECK(p->messages == 16 && p->told == 17);
    push_number(p, 17, "");
    CHECK(p->messages == 16);
    /* The 17th takes the place of the first. */
    push_number(p, UINT32_MAX, "");
    CHECK(p->messages == 17 && p->last_told == ((uint64_t)UINT32_MAX << 32 | 0x9f31c2aa));
    push_number(p, 17, "");
    CHECK(p->messages == 18);
    /* What is no message, or is cut, or too long, is not said to be there. */
    uint32_t told = p->told, messages = p->messages;
    static const char *const wrong[] = {"", "{", "{\"id\":\"m", "{\"id\":\"m17\"}", "{\"id\":\"m17-9f31c2a\"}",
        "{\"id\":\"m17-9f31c2ag\"}      ", "{\"id\":\"m0-9f31c2aa\"}    ", "{\"id\":\"x17-9f31c2aa\"}",
        "{\"ID\":\"m17-9f31c2aa\"}", "                         "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) push(p, wrong[i], (uint32_t)strlen(wrong[i]));
    if (transport == TIDINGS_TCP) {
        static char longer[TIDINGS_DOWN + 100];
        memset(longer, ' ', sizeof longer);
        memcpy(longer, "{\"id\":\"m99-00000001\"}", 22);
        push(p, longer, TIDINGS_DOWN + 1);
        CHECK(p->told == told);
        push(p, longer, TIDINGS_DOWN);
        CHECK(p->told == told + 1 && p->messages == messages + 1);
        told++;
        messages++;
    }
    p->config.message = NULL;
    push_number(p, 100, "");
    CHECK(p->told == told && p->messages == messages);
    record(2);
    pass(p, 60000);
    CHECK(p->stored == 2);
}

/* Who asks gets what waits, although it has nothing to say; and no event is counted otherwise for it. */
static void test_asking(uint8_t transport)
{
    peer *p = begin(1, transport, true, memory, 1024);
    p->waits = 2;
    CHECK(tidings_run(&device) == TIDINGS_FOREVER);
    tidings_ask(&device);
    for (int i = 0; i < 50; i++) tidings_run(&device);
    CHECK(device.state == READY && p->stored == 0);
    if (transport == TIDINGS_UDP) {
        CHECK(p->batches == 1 && p->last_size <= TIDINGS_FRAME / 3 && p->last_size >= TIDINGS_FRAME / 3 - 2);
        CHECK(tidings_pending(&device) == 2 && !device.heard);
    }
    push_number(p, 17, "hello");
    CHECK(p->messages == 1 && p->told == 1);
    record(1);
    pass(p, 60000);
    CHECK(p->stored == 1 && p->lost == 0);
    if (transport == TIDINGS_TCP) {
        /* Made anew when it ends. */
        uint32_t opens = p->opens;
        is_over = true;
        for (int i = 0; i < 50; i++) {
            tidings_run(&device);
            p->clock += 1000;
        }
        CHECK(p->opens > opens && device.state == READY);
    }
    tidings_close(&device);
    CHECK(tidings_run(&device) == TIDINGS_FOREVER);
    /* The ring runs over before the daemon is heard: how much is lost is still told, to the number. */
    p = begin(2, transport, true, memory, 256);
    tidings_ask(&device);
    for (int i = 0; i < 50; i++) tidings_run(&device);
    tidings_close(&device);
    p->is_down = true;
    for (uint32_t value = 1; value <= 60; value++) record(value);
    p->is_down = false;
    pass(p, 600000);
    CHECK(device.counts.overwritten > 0 && p->lost == device.counts.overwritten);
}
#endif

int main(int count, char **arguments)
{
    if (count < 2) return 64;
    unsigned seeds = count > 2 ? (unsigned)strtoul(arguments[2], NULL, 10) : 3000;
    memory = malloc(4096);
    test_golden_frames_are_written(arguments[1]);
    test_golden_answers_are_read(arguments[1]);
    test_signatures();
    test_start_refuses();
    for (uint8_t transport = TIDINGS_UDP; transport <= TIDINGS_TCP; transport++) {
        test_largest_event(transport);
        test_busy_daemon_is_asked_again(transport);
        test_epoch_was_used(transport, false);
        test_epoch_was_used(transport, true);
        for (unsigned seed = 0; seed < seeds / 10; seed++) test_one_event_is_refused(seed, transport);
    }
    test_epoch_is_refused();
    test_store_that_fails();
    test_long_verdicts();
    test_verdict_without_words();
    test_idle_connection();
    test_answers_that_lie();
    test_answers_of_others();
    test_mute_daemon();
    test_many_words();
#if TIDINGS_DOWN
    for (uint8_t transport = TIDINGS_UDP; transport <= TIDINGS_TCP; transport++) {
        test_messages(transport, false);
        test_messages(transport, true);
        test_asking(transport);
    }
#endif
    for (unsigned seed = 0; seed < seeds; seed++) test_nothing_is_lost_silently(seed);
    free(memory);
    printf("unit: all hold; %u networks at random\n", seeds);
    return 0;
}
