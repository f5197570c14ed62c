// What a request for messages says: of which device, what it has had, and for how long it waits.

import Bytes
import Events
import Wire

/// The words of a request for messages, taken out of its address.
struct HTTPDownRequest: Sendable {
    /// What is wrong with one, with its remedy.
    enum Fault: Error {
        case token, wait, source

        var text: StaticString {
            switch self {
            case .token: "after is no token of an answer; send what stood in Tidings-Token, or leave it out"
            case .wait: "wait is no whole number of seconds from 0 to 55"
            case .source: "source is not one device; send source=PRODUCT/DEVICE, percent-encoded"
            }
        }
    }

    let isStream: Bool
    /// The messages that the device has.
    var after = DownToken()
    var waitSeconds = 0
    /// The device as the request names it; nil when it does not.
    var source: (product: [UInt8], name: [UInt8])?
    /// Its number.
    var device = DeviceID.none
    /// Whether nobody but this machine sees the answer, however it is sent.
    var isOfThisMachine = false

    init(_ head: HTTPHead, isStream: Bool) throws(Fault) {
        self.isStream = isStream
        if let id = head.lastEventID { after = try Self.token(trimmed(id)) }
        for pair in head.query.split(separator: "&") {
            let name = pair.prefix { $0 != "=" }
            let value = percentDecoded(pair.dropFirst(name.count + 1))
            switch name {
            case "after": after = try Self.token(value)
            case "wait" where !isStream:
                guard let seconds = Int(String(decoding: value, as: UTF8.self)),
                    (0...HTTPLimits.pollSeconds).contains(seconds), value.allSatisfy(asciiDigits.contains)
                else { throw .wait }
                waitSeconds = seconds
            case "source":
                guard source == nil, let names = try? deviceNames(ofSource: value.span) else { throw .source }
                source = names
            default: break
            }
        }
    }

    private static func token(_ text: [UInt8]) throws(Fault) -> DownToken {
        guard let token = DownToken(text.span) else { throw .token }
        return token
    }
}

/// The bytes that a part of an address stands for (RFC 3986, 2.1); a `%` that begins no number stands for itself.
private func percentDecoded(_ text: Substring) -> [UInt8] {
    var plain: [UInt8] = []
    let bytes = Array(text.utf8)
    var at = 0
    while at < bytes.count {
        if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count,
            let value = UInt8(String(decoding: bytes[(at + 1)...(at + 2)], as: UTF8.self), radix: 16)
        {
            plain.append(value)
            at += 3
        } else {
            plain.append(bytes[at])
            at += 1
        }
    }
    return plain
}
