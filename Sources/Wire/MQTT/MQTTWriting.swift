// The packets that the daemon sends.

import Bytes

/// Writes packets in the form of one version.
package struct MQTTWriter: Sendable {
    package var version: MQTTVersion
    /// The largest packet that the client takes, bytes.
    package var maximumPacketSize = Int.max
    /// Whether reasons may be told in words.
    package var tellsReasons = true

    package init(_ version: MQTTVersion) { self.version = version }

    /// What CONNACK says of the session, to version 5.
    package struct ConnectAnswer: Sendable {
        package var isSessionPresent = false
        /// The id that was given to a client that brought none.
        package var assignedClientID: [UInt8] = []
        /// Seconds; told where they are not what the client asked for.
        package var sessionExpiry: UInt32?
        package var keepAlive: UInt16?

        package init() {}
    }

    // MARK: CONNACK

    /// - Returns: whether the client can take it.
    package func connack(_ answer: ConnectAnswer, into output: inout [UInt8]) -> Bool {
        guard version == .v5 else {
            output += [0x20, 2, answer.isSessionPresent ? 1 : 0, 0]
            return true
        }
        var properties: [UInt8] = []
        append(.topicAliasMaximum, UInt16(MQTTWriter.topicAliases), to: &properties)
        append(.maximumPacketSize, UInt32(MQTTWriter.maximumPacketBytes), to: &properties)
        append(.receiveMaximum, UInt16(MQTTWriter.receiveMaximum), to: &properties)
        if let expiry = answer.sessionExpiry { append(.sessionExpiry, expiry, to: &properties) }
        if let keepAlive = answer.keepAlive { append(.serverKeepAlive, keepAlive, to: &properties) }
        if !answer.assignedClientID.isEmpty {
            append(.assignedClientID, answer.assignedClientID, to: &properties)
        }
        var body: [UInt8] = [answer.isSessionPresent ? 1 : 0, 0]
        appendMQTTInteger(properties.count, to: &body)
        body += properties
        guard body.count + 2 <= maximumPacketSize else { return false }
        output.append(0x20)
        appendMQTTInteger(body.count, to: &output)
        output += body
        return true
    }

    /// Says no to a CONNECT.
    package func refuse(_ reason: MQTTReason, text: String = "", into output: inout [UInt8]) {
        guard version == .v5 else {
            output += [0x20, 2, 0, reason.oldConnectCode]
            return
        }
        write(0x20, [0, reason.rawValue], reasonText: text, isReasonOptional: false, into: &output)
    }

    /// Says no to a version that nobody here speaks: in the form of version 5, which others have not got.
    package static func refuseVersion(into output: inout [UInt8]) {
        output += [0x20, 3, 0, MQTTReason.unsupportedVersion.rawValue, 0]
    }

    // MARK: Messages

    /// Answers a message.
    ///
    /// - Parameter text: why, in words; only version 5 can carry it.
    package func acknowledge(
        _ packetID: UInt16, _ qos: MQTTQoS, _ reason: MQTTReason = .success, text: String = "",
        into output: inout [UInt8]
    ) {
        let first: UInt8 = qos == .exactlyOnce ? 0x50 : 0x40
        acknowledge(first, packetID, reason, text: text, into: &output)
    }

    package func release(_ packetID: UInt16, into output: inout [UInt8]) {
        acknowledge(0x62, packetID, .success, text: "", into: &output)
    }

    package func complete(_ packetID: UInt16, into output: inout [UInt8]) {
        acknowledge(0x70, packetID, .success, text: "", into: &output)
    }

    private func acknowledge(
        _ first: UInt8, _ packetID: UInt16, _ reason: MQTTReason, text: String, into output: inout [UInt8]
    ) {
        let (high, low) = (UInt8(packetID >> 8), UInt8(packetID & 0xff))
        guard version == .v5, reason != .success || !text.isEmpty else {
            output += [first, 2, high, low]
            return
        }
        write(first, [high, low, reason.rawValue], reasonText: text, isReasonOptional: true, into: &output)
    }

    // MARK: The rest

    package func suback(_ packetID: UInt16, _ codes: [UInt8], into output: inout [UInt8]) {
        writeList(0x90, packetID, codes, into: &output)
    }

    package func unsuback(_ packetID: UInt16, _ codes: [UInt8], into output: inout [UInt8]) {
        writeList(0xb0, packetID, version == .v5 ? codes : [], into: &output)
    }

    package func pingresp(into output: inout [UInt8]) { output += [0xd0, 0] }

    /// Says why the connection ends; older versions have no word for it.
    package func disconnect(_ reason: MQTTReason, text: String = "", into output: inout [UInt8]) {
        guard version == .v5 else { return }
        if text.isEmpty || !tellsReasons {
            output += [0xe0, 1, reason.rawValue]
        } else {
            write(0xe0, [reason.rawValue], reasonText: text, isReasonOptional: true, into: &output)
        }
    }

    private func writeList(_ first: UInt8, _ packetID: UInt16, _ codes: [UInt8], into output: inout [UInt8]) {
        output.append(first)
        appendMQTTInteger(2 + (version == .v5 ? 1 : 0) + codes.count, to: &output)
        output += [UInt8(packetID >> 8), UInt8(packetID & 0xff)]
        if version == .v5 { output.append(0) }
        output += codes
    }

    /// A packet that ends with properties, of which there is at most the reason in words.
    ///
    /// - Parameter isReasonOptional: whether there need be no properties.
    private func write(
        _ first: UInt8, _ head: [UInt8], reasonText: String, isReasonOptional: Bool, into output: inout [UInt8]
    ) {
        let text = tellsReasons ? reasonString(reasonText) : []
        var body = head
        if !text.isEmpty, body.count + text.count + 9 <= maximumPacketSize {
            appendMQTTInteger(text.count + 3, to: &body)
            append(.reasonString, text, to: &body)
        } else if !isReasonOptional {
            body.append(0)
        }
        output.append(first)
        appendMQTTInteger(body.count, to: &output)
        output += body
    }

    /// A reason may quote its sender: what no string of MQTT may hold is replaced, and what is too long is cut.
    private func reasonString(_ text: String) -> [UInt8] {
        var bytes = Array(text.utf8)
        if !isMQTTText(bytes.span) {
            let clean = text.unicodeScalars.map { isMQTTText(Array(String($0).utf8).span) ? Character($0) : "\u{fffd}" }
            bytes = Array(String(clean).utf8)
        }
        bytes.removeLast(bytes.count - cut(bytes.span, limit: WireLimits.mqttReasonBytes))
        return bytes
    }

    func append(_ property: MQTTProperty, _ value: UInt16, to bytes: inout [UInt8]) {
        bytes += [property.rawValue, UInt8(value >> 8), UInt8(value & 0xff)]
    }

    func append(_ property: MQTTProperty, _ value: UInt32, to bytes: inout [UInt8]) {
        bytes.append(property.rawValue)
        appendBigEndian(value, to: &bytes)
    }

    func append(_ property: MQTTProperty, _ text: [UInt8], to bytes: inout [UInt8]) {
        append(property, UInt16(text.count), to: &bytes)
        bytes += text
    }

    // MARK: What every client of version 5 is told

    /// Topics that a client may give a number.
    package static let topicAliases = 10
    /// A packet behind its first bytes.
    package static let maximumPacketBytes = 2_000_000
    /// Messages of a client that may be unacknowledged at one time.
    package static let receiveMaximum = 20
}

extension MQTTReason {
    /// What CONNACK says of it in MQTT 3.1.1 (section 3.2.2.3).
    fileprivate var oldConnectCode: UInt8 {
        switch self {
        case .unsupportedVersion: 1
        case .badClientID: 2
        case .badCredentials, .notAuthorized, .badTopicName: 5
        default: 3
        }
    }
}
