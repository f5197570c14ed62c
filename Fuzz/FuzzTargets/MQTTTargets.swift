// Packets of MQTT: read in every version, and the first inputs for that.

import Wire

/// Reads whatever stands there as packets, in every version. What is found must lie within the packet.
func readPackets(_ input: [UInt8]) {
    let bytes = Array(input.dropFirst())
    for version in [MQTTVersion.v31, .v311, .v5] {
        var at = 0
        while let frame = try? readMQTTFrame(bytes.span, at: at, limit: 2_000_000) {
            precondition(frame.end <= bytes.count && frame.body.lowerBound >= at + 2)
            readPacket(frame, bytes, version)
            at = frame.end
        }
    }
    _ = MQTTTopic(bytes.span)
    _ = MQTTTopic(filter: bytes.span)
    _ = isMQTTText(bytes.span)
}

private func readPacket(_ frame: MQTTFrame, _ bytes: [UInt8], _ version: MQTTVersion) {
    func isWithin(_ range: Range<Int>?) -> Bool {
        guard let range else { return true }
        return range.isEmpty || (frame.body.contains(range.lowerBound) && range.upperBound <= frame.body.upperBound)
    }
    switch frame.kind {
    case .connect:
        guard let packet = try? MQTTConnect(reading: bytes.span, body: frame.body) else { return }
        precondition(isWithin(packet.clientID) && isWithin(packet.username) && isWithin(packet.password))
        precondition(isWithin(packet.will?.topic) && isWithin(packet.will?.payload))
    case .publish:
        guard let packet = try? MQTTPublish(frame, bytes.span, version) else { return }
        precondition(isWithin(packet.topic) && isWithin(packet.payload) && isWithin(packet.properties?.contentType))
        precondition((packet.packetID == 0) == (packet.qos == .atMostOnce))
    case .subscribe, .unsubscribe:
        let subscribes = frame.kind == .subscribe
        guard let packet = try? MQTTSubscribe(frame.body, bytes.span, version, subscribes: subscribes) else { return }
        precondition(!packet.filters.isEmpty && packet.filters.allSatisfy { isWithin($0.range) && !$0.range.isEmpty })
    case .disconnect: _ = try? MQTTDisconnect(frame.body, bytes.span, version)
    default: _ = try? MQTTAcknowledgement(frame, bytes.span, version)
    }
}

/// Connections of both versions that use most of what there is. The first byte is where they are cut.
func packetSeeds() -> [(String, [UInt8])] {
    func string(_ text: String) -> [UInt8] { [UInt8(text.utf8.count >> 8), UInt8(text.utf8.count & 255)] + text.utf8 }
    func packet(_ first: UInt8, _ body: [UInt8]) -> [UInt8] {
        body.count < 128
            ? [first, UInt8(body.count)] + body : [first, UInt8(body.count & 127 | 128), UInt8(body.count >> 7)] + body
    }
    let event = #"{"type":"rating.given","aspect":"taste","value":4,"id":"1-7"}"#
    let topic = string("tidings/v1/kettle/k-1/event")
    let old =
        packet(0x10, string("MQTT") + [4, 2, 0, 60] + string("c"))
        + packet(0x32, topic + [0, 1] + event.utf8) + packet(0x34, topic + [0, 2] + event.utf8) + [0x62, 2, 0, 2]
        + packet(0x82, [0, 3] + string("tidings/v1/kettle/k-1/down/#") + [1]) + [0xc0, 0, 0xe0, 0]
    let user: [UInt8] = [0x26] + string("specversion") + string("1.0")
    let new =
        packet(
            0x10,
            string("MQTT") + [5, 0xc6, 0, 60, 5, 0x11, 0, 0, 0, 9] + string("c") + [5, 0x18, 0, 0, 0, 1]
                + topic + string(event) + string("kettle/k-1") + string("7.secret"))
        + packet(0x32, topic + [0, 1, 3, 0x23, 0, 1] + event.utf8)
        + packet(0x32, [0, 0, 0, 2, 3, 0x23, 0, 1] + event.utf8)
        + packet(0x32, string("tidings/v1/kettle/k-1/batch") + [0, 3, 0] + "\(event)\n\(event)".utf8)
        + packet(0x32, topic + [0, 4, UInt8(user.count)] + user + event.utf8) + packet(0xe0, [4])
    return [("old", [90] + old), ("new", [90] + new)]
}
