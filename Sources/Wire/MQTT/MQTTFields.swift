// The fields inside MQTT packets: numbers, strings, properties. Every bound is checked here.

import Bytes

/// Two bytes, the highest first.
func readMQTTNumber(_ bytes: Span<UInt8>, _ at: inout Int, end: Int) throws(MQTTReason) -> UInt16 {
    guard end &- at >= 2 else { throw .malformedPacket }
    defer { at &+= 2 }
    return UInt16(bytes[at]) &<< 8 | UInt16(bytes[at &+ 1])
}

func readMQTTWord(_ bytes: Span<UInt8>, _ at: inout Int, end: Int) throws(MQTTReason) -> UInt32 {
    let high = try readMQTTNumber(bytes, &at, end: end)
    return UInt32(high) << 16 | UInt32(try readMQTTNumber(bytes, &at, end: end))
}

func readMQTTByte(_ bytes: Span<UInt8>, _ at: inout Int, end: Int) throws(MQTTReason) -> UInt8 {
    guard at < end else { throw .malformedPacket }
    defer { at += 1 }
    return bytes[at]
}

/// A packet's number; 0 is none (MQTT 5.0, section 2.2.1).
func readMQTTPacketID(_ bytes: Span<UInt8>, _ at: inout Int, end: Int) throws(MQTTReason) -> UInt16 {
    let id = try readMQTTNumber(bytes, &at, end: end)
    guard id != 0 else { throw .protocolError }
    return id
}

/// Bytes with their length before them.
func readMQTTBinary(_ bytes: Span<UInt8>, _ at: inout Int, end: Int) throws(MQTTReason) -> Range<Int> {
    let count = Int(try readMQTTNumber(bytes, &at, end: end))
    guard end &- at >= count else { throw .malformedPacket }
    defer { at &+= count }
    return at..<(at &+ count)
}

/// A string with its length before it.
///
/// - Throws: `.malformedPacket` also for what no string may hold: bytes that are no UTF-8, U+0000, and, as MQTT lets a
///   server refuse them (section 1.5.4), control characters and U+FFFF.
func readMQTTString(_ bytes: Span<UInt8>, _ at: inout Int, end: Int) throws(MQTTReason) -> Range<Int> {
    let range = try readMQTTBinary(bytes, &at, end: end)
    guard isMQTTText(bytes.extracting(range)) else { throw .malformedPacket }
    return range
}

/// Whether bytes may stand in a string of MQTT.
package func isMQTTText(_ text: Span<UInt8>) -> Bool {
    var isASCII = true
    for index in text.indices {
        let byte = text[index]
        if byte < 0x20 || byte == 0x7f { return false }
        isASCII = isASCII && byte < 0x80
    }
    if isASCII { return true }
    guard isUTF8(text) else { return false }
    for index in text.indices.dropFirst() {
        // U+0080 to U+009F; U+FFFE and U+FFFF.
        if text[index - 1] == 0xc2, text[index] < 0xa0 { return false }
        if index >= 2, text[index - 2] == 0xef, text[index - 1] == 0xbf, text[index] >= 0xbe { return false }
    }
    return true
}

// MARK: Properties

/// The properties that a packet may have, and what each is (MQTT 5.0, section 2.2.2.2).
enum MQTTProperty: UInt8, CaseIterable {
    case payloadFormat = 0x01
    case messageExpiry = 0x02
    case contentType = 0x03
    case responseTopic = 0x08
    case correlationData = 0x09
    case subscriptionID = 0x0b
    case sessionExpiry = 0x11
    case assignedClientID = 0x12
    case serverKeepAlive = 0x13
    case authenticationMethod = 0x15
    case authenticationData = 0x16
    case requestProblem = 0x17
    case willDelay = 0x18
    case requestResponse = 0x19
    case responseInformation = 0x1a
    case serverReference = 0x1c
    case reasonString = 0x1f
    case receiveMaximum = 0x21
    case topicAliasMaximum = 0x22
    case topicAlias = 0x23
    case maximumQoS = 0x24
    case retainAvailable = 0x25
    case userProperty = 0x26
    case maximumPacketSize = 0x27
    case wildcardAvailable = 0x28
    case subscriptionIDAvailable = 0x29
    case sharedAvailable = 0x2a

    enum Form { case byte, number, word, integer, string, binary, pair }

    var form: Form {
        switch self {
        case .payloadFormat, .requestProblem, .requestResponse, .maximumQoS, .retainAvailable, .wildcardAvailable,
            .subscriptionIDAvailable, .sharedAvailable:
            .byte
        case .serverKeepAlive, .receiveMaximum, .topicAliasMaximum, .topicAlias: .number
        case .messageExpiry, .sessionExpiry, .willDelay, .maximumPacketSize: .word
        case .subscriptionID: .integer
        case .contentType, .responseTopic, .assignedClientID, .authenticationMethod, .responseInformation,
            .serverReference, .reasonString:
            .string
        case .correlationData, .authenticationData: .binary
        case .userProperty: .pair
        }
    }
}

/// Some kinds of properties.
struct MQTTPropertySet: OptionSet {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(_ properties: MQTTProperty...) {
        rawValue = properties.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    }

    func contains(_ property: MQTTProperty) -> Bool { rawValue >> UInt64(property.rawValue) & 1 == 1 }

    mutating func insert(_ property: MQTTProperty) { self = union(MQTTPropertySet(property)) }

    static let connect = MQTTPropertySet(
        .sessionExpiry, .receiveMaximum, .maximumPacketSize, .topicAliasMaximum, .requestResponse, .requestProblem,
        .userProperty, .authenticationMethod, .authenticationData)
    static let will = MQTTPropertySet(
        .willDelay, .payloadFormat, .messageExpiry, .contentType, .responseTopic, .correlationData, .userProperty)
    static let publish = MQTTPropertySet(
        .payloadFormat, .messageExpiry, .topicAlias, .responseTopic, .correlationData, .userProperty, .contentType)
    static let acknowledgement = MQTTPropertySet(.reasonString, .userProperty)
    static let subscribe = MQTTPropertySet(.subscriptionID, .userProperty)
    static let unsubscribe = MQTTPropertySet(.userProperty)
    static let disconnect = MQTTPropertySet(.sessionExpiry, .reasonString, .userProperty, .serverReference)
}

/// The properties of a packet that mean something to the daemon; strings are ranges of the packet's bytes.
package struct MQTTProperties: Sendable {
    /// Seconds.
    package var sessionExpiry: UInt32?
    package var receiveMaximum: UInt16?
    package var maximumPacketSize: UInt32?
    /// Whether reasons may be told in words.
    package var requestsProblems = true
    package var topicAlias: UInt16?
    /// Seconds.
    package var willDelay: UInt32?
    /// The number that a client gives a subscription.
    package var subscriptionID: Int?
    package var contentType: Range<Int>?
    package var hasAuthenticationMethod = false
    /// Names and values.
    package var user: [(name: Range<Int>, value: Range<Int>)] = []

    package init() {}
}

/// Reads the properties of a packet, their length before them.
///
/// - Parameter faultOfOthers: with what a property is refused that this packet may not have.
/// - Throws: `.malformedPacket` for what there is none of, does not fit or is cut; `.protocolError` for a property that
///   stands there twice, or whose value is none of those that it may have.
func readMQTTProperties(
    _ bytes: Span<UInt8>, _ at: inout Int, end: Int, allowed: MQTTPropertySet,
    faultOfOthers: MQTTReason = .protocolError
) throws(MQTTReason) -> MQTTProperties {
    var properties = MQTTProperties()
    guard let length = try readMQTTInteger(bytes, &at, end: end), length <= end - at else { throw .malformedPacket }
    guard length > 0 else { return properties }
    let end = at + length
    var seen = MQTTPropertySet()
    var fault: MQTTReason?
    while at < end {
        guard let id = try readMQTTInteger(bytes, &at, end: end), id <= 0x2a,
            let property = MQTTProperty(rawValue: UInt8(id))
        else { throw .malformedPacket }
        // A property that is cut is malformed, whether it may stand here or not.
        try properties.read(property, bytes, &at, end: end, &fault)
        if property != .userProperty, seen.contains(property) { fault = .protocolError }
        if !allowed.contains(property) { fault = faultOfOthers }
        seen.insert(property)
    }
    if let fault { throw fault }
    return properties
}

extension MQTTProperties {
    /// Reads the value of a property.
    ///
    /// - Parameter fault: is set when it is none of those that the property may have.
    mutating func read(
        _ property: MQTTProperty, _ bytes: Span<UInt8>, _ at: inout Int, end: Int, _ fault: inout MQTTReason?
    ) throws(MQTTReason) {
        switch property.form {
        case .byte:
            let value = try readMQTTByte(bytes, &at, end: end)
            if value > 1 { fault = .protocolError }
            if property == .requestProblem { requestsProblems = value != 0 }
        case .number:
            let value = try readMQTTNumber(bytes, &at, end: end)
            switch property {
            case .receiveMaximum:
                receiveMaximum = value
                if value == 0 { fault = .protocolError }
            case .topicAlias: topicAlias = value
            default: break
            }
        case .word:
            let value = try readMQTTWord(bytes, &at, end: end)
            switch property {
            case .sessionExpiry: sessionExpiry = value
            case .willDelay: willDelay = value
            case .maximumPacketSize:
                maximumPacketSize = value
                if value == 0 { fault = .protocolError }
            default: break
            }
        case .integer:
            let start = at
            guard let value = try readMQTTInteger(bytes, &at, end: end), bytes[at - 1] != 0 || at == start + 1 else {
                throw .malformedPacket
            }
            if value == 0 { fault = .protocolError }
            subscriptionID = value
        case .string:
            let range = try readMQTTString(bytes, &at, end: end)
            switch property {
            case .contentType: contentType = range
            case .authenticationMethod: hasAuthenticationMethod = true
            case .responseTopic:
                if hasWildcard(bytes.extracting(range)) || range.isEmpty { fault = .protocolError }
            default: break
            }
        case .binary: _ = try readMQTTBinary(bytes, &at, end: end)
        case .pair:
            let name = try readMQTTString(bytes, &at, end: end)
            let value = try readMQTTString(bytes, &at, end: end)
            if user.count < WireLimits.mqttUserProperties { user.append((name, value)) }
        }
    }
}

/// Whether a topic has `+` or `#` in it.
func hasWildcard(_ topic: Span<UInt8>) -> Bool {
    for index in topic.indices where topic[index] == UInt8(ascii: "+") || topic[index] == UInt8(ascii: "#") {
        return true
    }
    return false
}

/// Whether bytes are those of a word.
func equals(_ bytes: Span<UInt8>, _ word: [UInt8]) -> Bool {
    guard bytes.count == word.count else { return false }
    for index in word.indices where bytes[index] != word[index] { return false }
    return true
}
