// CONNECT: who comes, what is kept for him, and what is to be published for him when he is gone.

import Bytes

/// What cannot be accepted of a CONNECT, and how that is told.
package struct MQTTConnectFault: Error, Hashable, Sendable {
    package var reason: MQTTReason
    /// As the packet has it; the answer is of this form if it is one that is spoken.
    package var version: UInt8
    /// Whether the connection is closed without an answer.
    package var isSilent: Bool
}

/// A message that is published when its client is gone without a word.
package struct MQTTWill: Sendable {
    package var topic: Range<Int>
    package var payload: Range<Int>
    package var properties = MQTTProperties()
}

/// A CONNECT (MQTT 5.0, section 3.1; MQTT 3.1.1, section 3.1), as ranges of the bytes that it was read from.
package struct MQTTConnect: Sendable {
    package var version: MQTTVersion
    /// Whether nothing is to be left of an earlier session.
    package var startsClean: Bool
    /// Seconds; 0 for none.
    package var keepAlive: UInt16
    package var clientID: Range<Int>
    package var properties = MQTTProperties()
    package var will: MQTTWill?
    package var username: Range<Int>?
    package var password: Range<Int>?

    /// - Parameter body: the packet behind its length.
    package init(reading bytes: Span<UInt8>, body: Range<Int>) throws(MQTTConnectFault) {
        var version: UInt8 = 0
        var isSilent = true
        do throws(MQTTReason) {
            self = try Self.read(bytes, body, &version, &isSilent)
        } catch {
            let isTold = version == MQTTVersion.v5.rawValue || error == .unsupportedVersion
            throw MQTTConnectFault(reason: error, version: version, isSilent: isSilent || !isTold)
        }
    }

    private init(version: MQTTVersion, startsClean: Bool, keepAlive: UInt16, clientID: Range<Int>) {
        self.version = version
        self.startsClean = startsClean
        self.keepAlive = keepAlive
        self.clientID = clientID
    }

    /// - Parameters:
    ///   - version: is set as soon as it is known.
    ///   - isSilent: whether what is wrong next closes the connection without a word: the peer is no client of MQTT, or
    ///     has a credential in it that is none.
    private static func read(
        _ bytes: Span<UInt8>, _ body: Range<Int>, _ version: inout UInt8, _ isSilent: inout Bool
    ) throws(MQTTReason) -> MQTTConnect {
        var at = body.lowerBound
        let end = body.upperBound
        let name = try readMQTTBinary(bytes, &at, end: end)
        let isOld = equals(bytes.extracting(name), oldProtocolName)
        guard isOld || equals(bytes.extracting(name), protocolName) else { throw .malformedPacket }
        version = try readMQTTByte(bytes, &at, end: end)
        guard let known = MQTTVersion(rawValue: version), (known == .v31) == isOld else {
            isSilent = false
            throw .unsupportedVersion
        }
        let flags = try readMQTTByte(bytes, &at, end: end)
        let (hasWill, willQoS, retainsWill) = (flags & 4 != 0, flags >> 3 & 3, flags & 0x20 != 0)
        // Only the oldest version leaves the lowest bit to its clients.
        guard flags & 1 == 0 || known == .v31 else { throw .protocolError }
        guard willQoS < 3, hasWill || (willQoS == 0 && !retainsWill) else { throw .protocolError }
        let (hasUsername, hasPassword) = (flags & 0x80 != 0, flags & 0x40 != 0)
        guard known == .v5 || hasUsername || !hasPassword else { throw .protocolError }
        isSilent = false
        let keepAlive = try readMQTTNumber(bytes, &at, end: end)
        var properties = MQTTProperties()
        if known == .v5 {
            properties = try readMQTTProperties(bytes, &at, end: end, allowed: .connect)
        }
        let clientID = try readMQTTBinary(bytes, &at, end: end)
        guard isMQTTText(bytes.extracting(clientID)) else { throw .badClientID }
        var connect = MQTTConnect(
            version: known, startsClean: flags & 2 != 0, keepAlive: keepAlive, clientID: clientID)
        connect.properties = properties
        if hasWill { connect.will = try readWill(bytes, &at, end: end, known) }
        isSilent = hasUsername || hasPassword
        if hasUsername { connect.username = try readMQTTString(bytes, &at, end: end) }
        if hasPassword { connect.password = try readMQTTBinary(bytes, &at, end: end) }
        isSilent = false
        guard at == end else { throw .malformedPacket }
        return connect
    }

    private static func readWill(
        _ bytes: Span<UInt8>, _ at: inout Int, end: Int, _ version: MQTTVersion
    ) throws(MQTTReason) -> MQTTWill {
        var properties = MQTTProperties()
        if version == .v5 { properties = try readMQTTProperties(bytes, &at, end: end, allowed: .will) }
        let topic = try readMQTTString(bytes, &at, end: end)
        guard !topic.isEmpty, !hasWildcard(bytes.extracting(topic)) else { throw .malformedPacket }
        let payload = try readMQTTBinary(bytes, &at, end: end)
        return MQTTWill(topic: topic, payload: payload, properties: properties)
    }
}

private let oldProtocolName = Array("MQIsdp".utf8)
private let protocolName = Array("MQTT".utf8)
