#pragma once
#include "Arduino.h"

struct Preferences {
    uint32_t kept = 0;
    bool begin(const char *, bool) { return true; }
    uint32_t getUInt(const char *, uint32_t) { return kept; }
    size_t putUInt(const char *, uint32_t value) {
        kept = value;
        return sizeof kept;
    }
};
