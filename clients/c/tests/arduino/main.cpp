// Presses the sketch's button three times, and looks whether datagrams go out.
#include "Arduino.h"
#include "../../examples/arduino/arduino.ino"

int main() {
    setup();
    for (int press = 0; press < 3; press++) {
        stubButton = LOW;
        for (int i = 0; i < 5; i++) loop();
        stubButton = HIGH;
        for (int i = 0; i < 500; i++) loop();
    }
    bool works = device.counts.recorded == 3 && tidings_waiting(&device) == 3 && stubDatagrams > 3 && flash.kept == 1;
    if (!works) std::printf("recorded %u, %d datagrams\n", static_cast<unsigned>(device.counts.recorded), stubDatagrams);
    return works ? 0 : 1;
}
