// The outside of an MQTT packet: its kind, its flags and its length.

import Bytes

/// The kinds of packets (MQTT 5.0, section 2.1.2).
package enum MQTTPacketKind: UInt8, Sendable, BitwiseCopyable {
    case connect = 1
    case connack = 2
    case publish = 3
    case puback = 4
    case pubrec = 5
    case pubrel = 6
    case pubcomp = 7
    case subscribe = 8
    case suback = 9
    case unsubscribe = 10
    case unsuback = 11
    case pingreq = 12
    case pingresp = 13
    case disconnect = 14
    case auth = 15

    /// What the low four bits of the first byte have to be; nil where they say something.
    fileprivate var fixedFlags: UInt8? {
        switch self {
        case .publish: nil
        case .pubrel, .subscribe, .unsubscribe: 2
        default: 0
        }
    }

    /// Whether a client may send it without having agreed on something that nobody here agrees on.
    fileprivate var isFromClients: Bool {
        switch self {
        case .connack, .suback, .unsuback, .pingresp, .auth: false
        default: true
        }
    }

    /// With what it is refused when its flags are others.
    fileprivate var faultOfFlags: MQTTReason {
        switch self {
        case .pubrel, .disconnect, .connack, .auth: .protocolError
        default: .malformedPacket
        }
    }
}

/// A whole packet, as ranges of the bytes that it was found in.
package struct MQTTFrame: Hashable, Sendable {
    package var kind: MQTTPacketKind
    /// The low four bits of the first byte.
    package var flags: UInt8
    /// Behind the length.
    package var body: Range<Int>

    package var end: Int { body.upperBound }
}

/// Finds the packet that begins at `start`.
///
/// - Parameter limit: how long a body may be, bytes.
/// - Returns: nil when it is not there as a whole.
/// - Throws: `.protocolError` for a kind that there is none of or that no client sends, `.malformedPacket` for a length
///   of more than four bytes, either for wrong flags, `.unspecifiedError` for a ping that is none; `.packetTooLarge`.
///   Each as soon as the bytes that show it are there.
package func readMQTTFrame(
    _ bytes: Span<UInt8>, at start: Int, limit: Int
) throws(MQTTReason) -> MQTTFrame? {
    guard start < bytes.count else { return nil }
    let first = bytes[start]
    guard let kind = MQTTPacketKind(rawValue: first &>> 4) else { throw .protocolError }
    if let fixed = kind.fixedFlags, fixed != first & 0x0f { throw kind.faultOfFlags }
    // A ping with something in it is no ping at all: the peer speaks another language.
    let isPing = kind == .pingreq || kind == .pingresp
    if isPing, start + 1 < bytes.count, bytes[start + 1] != 0 { throw .unspecifiedError }
    guard kind.isFromClients else { throw .protocolError }
    var at = start &+ 1
    guard let length = try readMQTTInteger(bytes, &at, end: bytes.count) else { return nil }
    guard length <= limit else { throw .packetTooLarge }
    guard bytes.count &- at >= length else { return nil }
    return MQTTFrame(kind: kind, flags: first & 0x0f, body: at..<(at &+ length))
}

/// Reads a number of one to four bytes, seven bits in each, the lowest first (MQTT 5.0, section 1.5.5).
///
/// - Returns: nil when it does not end before `end`.
/// - Throws: `.malformedPacket` when it goes on behind the fourth byte.
package func readMQTTInteger(
    _ bytes: Span<UInt8>, _ at: inout Int, end: Int
) throws(MQTTReason) -> Int? {
    var value = 0
    var shift = 0
    while at < end {
        let byte = bytes[at]
        at &+= 1
        value |= Int(byte & 0x7f) &<< shift
        if byte < 0x80 { return value }
        shift &+= 7
        if shift == 28 { throw .malformedPacket }
    }
    return nil
}

/// Appends such a number.
package func appendMQTTInteger(_ value: Int, to bytes: inout [UInt8]) {
    var rest = value
    repeat {
        bytes.append(UInt8(truncatingIfNeeded: rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
        rest >>= 7
    } while rest > 0
}
