// What the daemon tells MQTT clients in words is a string that they may be told.

import Testing
import Wire

@Suite struct MQTTWriterTests {
    @Test(arguments: ["plain", "a\u{0}b\u{1f}\u{9f}\u{ffff}", String(repeating: "\u{e9}", count: 600) + "x"])
    func aReasonIsAString(_ text: String) {
        for pad in ["", "."] {
            var output: [UInt8] = []
            MQTTWriter(.v5).acknowledge(7, .atLeastOnce, .badPayload, text: pad + text, into: &output)
            // First byte, length, packet id, reason, length of the properties, and then 1f and the string.
            let start = output.firstIndex(of: 0x1f) ?? 0
            let count = Int(output[start + 1]) << 8 | Int(output[start + 2])
            let reason = Array(output[(start + 3)...])
            #expect(reason.count == count && count <= 512)
            let isText = isMQTTText(reason.span)
            #expect(isText)
            #expect(String(validating: reason, as: UTF8.self)?.hasPrefix(pad + text.prefix(1)) == true)
        }
    }
}
