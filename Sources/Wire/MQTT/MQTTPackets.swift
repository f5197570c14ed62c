// What clients send once they are connected.

/// How often a message is to arrive.
package enum MQTTQoS: UInt8, Sendable, BitwiseCopyable, Comparable {
    case atMostOnce = 0
    case atLeastOnce = 1
    case exactlyOnce = 2

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A PUBLISH (MQTT 5.0, section 3.3), as ranges of the bytes that it was read from.
package struct MQTTPublish: Sendable {
    package var qos: MQTTQoS
    package var isDuplicate: Bool
    /// Empty where an alias stands for it. What may stand in a topic is checked by `isMQTTTopic`, once for each.
    package var topic: Range<Int>
    /// 0 for a message that is not acknowledged.
    package var packetID: UInt16 = 0
    package var topicAlias: UInt16?
    package var properties: MQTTProperties?
    package var payload: Range<Int>

    package init(_ frame: MQTTFrame, _ bytes: Span<UInt8>, _ version: MQTTVersion) throws(MQTTReason) {
        guard let qos = MQTTQoS(rawValue: frame.flags >> 1 & 3) else { throw .malformedPacket }
        self.qos = qos
        isDuplicate = frame.flags & 8 != 0
        guard qos != .atMostOnce || !isDuplicate else { throw .malformedPacket }
        var at = frame.body.lowerBound
        let end = frame.body.upperBound
        topic = try readMQTTBinary(bytes, &at, end: end)
        if qos != .atMostOnce { packetID = try readMQTTPacketID(bytes, &at, end: end) }
        if version == .v5 {
            if at < end, bytes[at] == 0 {
                at += 1
            } else {
                let properties = try readMQTTProperties(bytes, &at, end: end, allowed: .publish)
                topicAlias = properties.topicAlias
                self.properties = properties
            }
        }
        payload = at..<end
    }
}

/// Whether a message may be published to a topic: text without wildcards.
package func isMQTTTopic(_ topic: Span<UInt8>) -> Bool {
    !topic.isEmpty && isMQTTText(topic) && !hasWildcard(topic)
}

/// A PUBACK, PUBREC, PUBREL or PUBCOMP: the number of the message that it is about.
package struct MQTTAcknowledgement: Hashable, Sendable {
    package var packetID: UInt16
    package var isFailure = false

    package init(_ frame: MQTTFrame, _ bytes: Span<UInt8>, _ version: MQTTVersion) throws(MQTTReason) {
        var at = frame.body.lowerBound
        let end = frame.body.upperBound
        packetID = try readMQTTPacketID(bytes, &at, end: end)
        if version == .v5, at < end {
            let reason = try readMQTTByte(bytes, &at, end: end)
            let known: [UInt8] =
                frame.kind == .puback || frame.kind == .pubrec
                ? [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] : [0, 0x92]
            guard known.contains(reason) else { throw .protocolError }
            isFailure = reason >= 0x80
            if at < end { _ = try readMQTTProperties(bytes, &at, end: end, allowed: .acknowledgement) }
        }
        guard at == end else { throw .malformedPacket }
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE.
package struct MQTTSubscribe: Sendable {
    /// What is subscribed to, and how its messages are wanted.
    package struct Filter: Sendable {
        package var range: Range<Int>
        /// How often they may arrive at most.
        package var qos: MQTTQoS
        /// Whether a message that is retained says so whenever it is sent, and not only in answer to this packet.
        package var keepsRetainFlag: Bool
        package var retained: Retained
    }

    /// Whether the message that a topic retains is sent in answer.
    package enum Retained: UInt8, Sendable, BitwiseCopyable {
        case sent = 0
        /// Only for a subscription that there was not before.
        case sentToNew = 1
        case notSent = 2
    }

    package var packetID: UInt16
    package var filters: [Filter] = []
    /// The number of the subscription, which stands in its messages.
    package var subscriptionID: Int?

    /// - Parameter subscribes: whether it is a SUBSCRIBE, which has options with each filter.
    package init(
        _ body: Range<Int>, _ bytes: Span<UInt8>, _ version: MQTTVersion, subscribes: Bool
    ) throws(MQTTReason) {
        var at = body.lowerBound
        let end = body.upperBound
        packetID = try readMQTTNumber(bytes, &at, end: end)
        guard packetID != 0 else { throw .malformedPacket }
        if version == .v5 {
            subscriptionID = try readMQTTProperties(
                bytes, &at, end: end, allowed: subscribes ? .subscribe : .unsubscribe, faultOfOthers: .malformedPacket
            ).subscriptionID
        }
        while at < end {
            let range = try readMQTTString(bytes, &at, end: end)
            guard isFilter(bytes.extracting(range)) else { throw .malformedPacket }
            var options: UInt8 = 0
            if subscribes {
                options = try readMQTTByte(bytes, &at, end: end)
                let known: UInt8 = version == .v5 ? 0x3f : 0x03
                guard options & ~known == 0 else { throw .malformedPacket }
            }
            guard let qos = MQTTQoS(rawValue: options & 3), let retained = Retained(rawValue: options >> 4) else {
                throw .malformedPacket
            }
            filters.append(Filter(range: range, qos: qos, keepsRetainFlag: options & 8 != 0, retained: retained))
        }
        guard !filters.isEmpty else { throw .malformedPacket }
    }
}

/// Whether `+` and `#` stand only where they may: each alone between slashes, and `#` only at the end (section 4.7.1).
private func isFilter(_ filter: Span<UInt8>) -> Bool {
    guard !filter.isEmpty else { return false }
    for index in filter.indices {
        let isHash = filter[index] == UInt8(ascii: "#")
        guard isHash || filter[index] == UInt8(ascii: "+") else { continue }
        let beginsLevel = index == 0 || filter[index - 1] == UInt8(ascii: "/")
        let endsLevel = index == filter.count - 1 || (!isHash && filter[index + 1] == UInt8(ascii: "/"))
        guard beginsLevel, endsLevel else { return false }
    }
    return true
}

/// A DISCONNECT from a client.
package struct MQTTDisconnect: Hashable, Sendable {
    /// Whether his will is to be published all the same.
    package var keepsWill = false
    /// Seconds; nil when that stays as it was.
    package var sessionExpiry: UInt32?

    package init(_ body: Range<Int>, _ bytes: Span<UInt8>, _ version: MQTTVersion) throws(MQTTReason) {
        var at = body.lowerBound
        let end = body.upperBound
        if version == .v5, at < end {
            keepsWill = try readMQTTByte(bytes, &at, end: end) != 0
            if at < end {
                sessionExpiry = try readMQTTProperties(bytes, &at, end: end, allowed: .disconnect).sessionExpiry
            }
        }
        guard at == end else { throw .malformedPacket }
    }
}
