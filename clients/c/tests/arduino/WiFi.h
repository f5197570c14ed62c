#pragma once
#include "Arduino.h"

enum { WL_CONNECTED = 3 };

struct StubWiFi {
    void begin(const char *, const char *) {}
    int status() { return WL_CONNECTED; }
};
inline StubWiFi WiFi;
