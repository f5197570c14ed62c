// A message that the daemon sends to a client.

/// What is published to a client, in the terms of MQTT.
package struct MQTTPublication: Sendable {
    package var topic: [UInt8]
    package var payload: [UInt8]
    /// Nil for one that is not acknowledged (QoS 0).
    package var packetID: UInt16?
    /// Whether it may have been sent before, with the same number.
    package var isDuplicate = false
    package var isRetained = false

    // What only version 5 has words for.

    /// For how long it is of use, seconds; nil for as long as it takes.
    package var expiry: UInt32?
    /// What it is, as a user property `type`; nothing where that is empty.
    package var type: [UInt8] = []
    /// The numbers of the subscriptions that it is sent for.
    package var subscriptionIDs: [Int] = []

    package init(topic: [UInt8], payload: [UInt8]) { (self.topic, self.payload) = (topic, payload) }
}

extension MQTTWriter {
    /// Appends a PUBLISH (MQTT 5.0, section 3.3) whose payload is JSON.
    ///
    /// - Returns: whether the client can take it; nothing is appended otherwise.
    package func publish(_ message: MQTTPublication, into output: inout [UInt8]) -> Bool {
        guard let length = UInt16(exactly: message.topic.count) else { return false }
        var head = [UInt8(length >> 8), UInt8(length & 0xff)] + message.topic
        if let packetID = message.packetID { head += [UInt8(packetID >> 8), UInt8(packetID & 0xff)] }
        if version == .v5 {
            let properties = properties(of: message)
            appendMQTTInteger(properties.count, to: &head)
            head += properties
        }
        let body = head.count + message.payload.count
        var packet: [UInt8] = [
            0x30 | (message.isDuplicate ? 8 : 0) | (message.packetID == nil ? 0 : 2) | (message.isRetained ? 1 : 0)
        ]
        appendMQTTInteger(body, to: &packet)
        guard packet.count + body <= maximumPacketSize else { return false }
        output += packet
        output += head
        output += message.payload
        return true
    }

    private func properties(of message: MQTTPublication) -> [UInt8] {
        // UTF-8, as all JSON is.
        var properties: [UInt8] = [MQTTProperty.payloadFormat.rawValue, 1]
        if let expiry = message.expiry { append(.messageExpiry, expiry, to: &properties) }
        append(.contentType, Array("application/json".utf8), to: &properties)
        if !message.type.isEmpty {
            append(.userProperty, Array("type".utf8), to: &properties)
            properties += [UInt8(message.type.count >> 8), UInt8(message.type.count & 0xff)] + message.type
        }
        for id in message.subscriptionIDs {
            properties.append(MQTTProperty.subscriptionID.rawValue)
            appendMQTTInteger(id, to: &properties)
        }
        return properties
    }
}
