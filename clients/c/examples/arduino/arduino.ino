// A button that counts: each press is one event, sent by UDP, signed with the device's key, and kept until it is
// stored.
//
// For boards with the ESP32 core (WiFiUDP, Preferences); others have the same under other names. Put tidings.h and
// tidings.c into the folder of this sketch.
#include <Preferences.h>
#include <WiFi.h>
#include <WiFiUdp.h>

#include "tidings.h"

static const char *const kNetwork = "your network", *const kPassword = "its password";
static const char *const kDaemon = "192.168.1.10";
static const uint16_t kPort = 7411;
// `tidings device add kettle/k-1` prints these; the key as 32 bytes.
static const uint32_t kKeyID = 1;
static const uint8_t kKey[32] = {0};
static const uint8_t kButton = 0;

static WiFiUDP udp;
static Preferences flash;
static uint8_t ring[4096];
static tidings device;
static tidings_config config;

// The library's four functions of the network.
static int netOpen(void *) { return WiFi.status() == WL_CONNECTED && udp.begin(0) ? 1 : -1; }

static int netSend(void *, const uint8_t *bytes, size_t size) {
    if (WiFi.status() != WL_CONNECTED || !udp.beginPacket(kDaemon, kPort)) return 0;
    size_t written = udp.write(bytes, size);
    return udp.endPacket() && written == size ? static_cast<int>(size) : 0;
}

static int netReceive(void *, uint8_t *bytes, size_t size) {
    return udp.parsePacket() > 0 ? udp.read(bytes, size) : 0;
}

static void netClose(void *) { udp.stop(); }

static uint32_t now(void *) { return millis(); }

static void randomBytes(void *, uint8_t *bytes, size_t size) { esp_fill_random(bytes, size); }

// The epoch, in flash: written once after each start.
static uint32_t epochLoad(void *) { return flash.getUInt("epoch", 0); }

static int epochStore(void *, uint32_t epoch) { return flash.putUInt("epoch", epoch) == sizeof epoch ? 0 : -1; }

static void verdict(void *, uint32_t number, uint32_t code, const char *text, size_t length) {
    Serial.printf("event %lu: %lu %.*s\n", static_cast<unsigned long>(number), static_cast<unsigned long>(code),
                  static_cast<int>(length), text);
}

void setup() {
    Serial.begin(115200);
    pinMode(kButton, INPUT_PULLUP);
    WiFi.begin(kNetwork, kPassword);
    flash.begin("tidings", false);
    config.source = "kettle/k-1";
    config.agent = "arduino.ino/1";
    config.transport = TIDINGS_UDP;
    config.key_id = kKeyID;
    config.key = kKey;
    config.memory = ring;
    config.memory_size = sizeof ring;
    config.open = netOpen;
    config.send = netSend;
    config.receive = netReceive;
    config.close = netClose;
    config.now = now;
    config.random = randomBytes;
    config.load = epochLoad;
    config.store = epochStore;
    config.verdict = verdict;
    int result = tidings_start(&device, &config);
    if (result != TIDINGS_OK) Serial.printf("tidings_start: %d\n", result);
}

void loop() {
    static bool wasPressed = false;
    bool isPressed = digitalRead(kButton) == LOW;
    if (isPressed && !wasPressed) {
        tidings_event event = {};
        event.kind = TIDINGS_USED;
        event.aspect = "button";
        tidings_record(&device, &event, nullptr);
    }
    wasPressed = isPressed;
    tidings_run(&device);
    delay(20);
}
