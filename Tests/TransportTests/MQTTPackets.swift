// Packets of MQTT as clients send them, written by the specification and not by the code under test.

import Events
import Transport

/// Builds packets for one version.
struct MQTTClientPackets {
    var isVersion5 = false

    static func string(_ text: String) -> [UInt8] { binary(Array(text.utf8)) }

    static func binary(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xff)] + bytes
    }

    static func packet(_ first: UInt8, _ body: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = body.count
        repeat {
            length.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return [first] + length + body
    }

    /// Properties, where the version has them.
    private func properties(_ bytes: [UInt8]) -> [UInt8] { isVersion5 ? Self.packet(0, bytes).dropFirst() + [] : [] }

    func connect(
        _ id: String = "c", clean: Bool = true, keepAlive: UInt16 = 60, username: String? = nil,
        password: String? = nil, will: (topic: String, payload: String)? = nil, properties extra: [UInt8] = []
    ) -> [UInt8] {
        var flags: UInt8 = clean ? 2 : 0
        if username != nil { flags |= 0x80 }
        if password != nil { flags |= 0x40 }
        if will != nil { flags |= 4 }
        var body = Self.string("MQTT") + [isVersion5 ? 5 : 4, flags, UInt8(keepAlive >> 8), UInt8(keepAlive & 0xff)]
        body += properties(extra) + Self.string(id)
        if let will { body += properties([]) + Self.string(will.topic) + Self.string(will.payload) }
        if let username { body += Self.string(username) }
        if let password { body += Self.string(password) }
        return Self.packet(0x10, body)
    }

    func publish(
        _ topic: String, _ payload: [UInt8], qos: UInt8 = 1, id: UInt16 = 1, isDuplicate: Bool = false,
        properties extra: [UInt8] = []
    ) -> [UInt8] {
        var body = Self.string(topic)
        if qos > 0 { body += [UInt8(id >> 8), UInt8(id & 0xff)] }
        body += properties(extra) + payload
        return Self.packet(0x30 | qos << 1 | (isDuplicate ? 8 : 0), body)
    }

    func publish(
        _ topic: String, _ payload: String, qos: UInt8 = 1, id: UInt16 = 1, properties extra: [UInt8] = []
    ) -> [UInt8] {
        publish(topic, Array(payload.utf8), qos: qos, id: id, properties: extra)
    }

    func subscribe(_ filter: String, qos: UInt8 = 1, id: UInt16 = 9) -> [UInt8] {
        Self.packet(0x82, [UInt8(id >> 8), UInt8(id & 0xff)] + properties([]) + Self.string(filter) + [qos])
    }

    func release(_ id: UInt16) -> [UInt8] { [0x62, 2, UInt8(id >> 8), UInt8(id & 0xff)] }

    static let disconnect: [UInt8] = [0xe0, 0]
    static let ping: [UInt8] = [0xc0, 0]
}

/// The topic of one event of a device.
let ovenTopic = "tidings/v1/oven/o-1/event"

func rating(_ value: Int, seq: Int? = nil, more: String = "") -> String {
    let number = seq.map { #","id":"1-\#($0)""# } ?? ""
    return #"{"type":"rating.given","aspect":"taste","value":\#(value)\#(number)\#(more)}"#
}

extension SessionBench<MQTTSession> {
    /// A connection whose CONNECT was accepted.
    static func connected(
        version5: Bool = false, settings: TransportSettings = TransportSettings()
    ) -> SessionBench<MQTTSession> {
        let bench = SessionBench<MQTTSession>(settings: settings)
        bench.feed(MQTTClientPackets(isVersion5: version5).connect())
        _ = bench.takeOutput()
        return bench
    }
}
