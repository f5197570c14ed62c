#pragma once
#include "Arduino.h"

// Datagrams into nothing, but counted.
inline int stubDatagrams = 0;

struct WiFiUDP {
    uint8_t begin(uint16_t) { return 1; }
    void stop() {}
    int beginPacket(const char *, uint16_t) { return 1; }
    size_t write(const uint8_t *, size_t size) { return size; }
    int endPacket() { return ++stubDatagrams; }
    int parsePacket() { return 0; }
    int read(uint8_t *, size_t) { return 0; }
};
