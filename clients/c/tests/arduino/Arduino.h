// As much of Arduino's core as the sketch uses, so that it can be compiled, and run for a moment, without a board.
#pragma once
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

enum { LOW = 0, HIGH = 1, INPUT_PULLUP = 5 };

inline uint32_t stubMillis = 0;
inline int stubButton = HIGH;
inline uint32_t millis() { return stubMillis; }
inline void delay(uint32_t milliseconds) { stubMillis += milliseconds; }
inline void pinMode(uint8_t, uint8_t) {}
inline int digitalRead(uint8_t) { return stubButton; }
inline void esp_fill_random(void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) static_cast<uint8_t *>(bytes)[i] = static_cast<uint8_t>(rand());
}

struct StubSerial {
    void begin(unsigned long) {}
    __attribute__((format(printf, 2, 3))) int printf(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        int count = vprintf(format, arguments);
        va_end(arguments);
        return count;
    }
};
inline StubSerial Serial;
