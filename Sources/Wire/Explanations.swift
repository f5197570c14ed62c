// What a sender is told of input that was refused: cause, place and remedy in one line.

import Bytes
package import Events

extension Refusal {
    /// Cause and remedy in one line. No quotes and no control characters, so that it needs no escaping.
    package var explanation: StaticString {
        switch self {
        case .malformedFrame: "not a frame that belongs here; check type, flags and length, and say HELLO only once"
        case .badChecksum: "the CRC-32 does not match the bytes; check the sender's framing"
        case .badMagic: "neither TDG1, a JSON object nor a datagram of ours; see docs/wire.md"
        case .malformedBody: "the body is not a valid message; check it against schemas/wire/v1/tidings.proto"
        case .badInflate: "the deflated body is damaged; send a zlib stream or no flag"
        case .malformedJSON: "not one JSON object per line; check the syntax"
        case .badUTF8: "a string is not valid UTF-8; encode it as UTF-8"
        case .duplicateKey: "a key occurs twice in one object; send each once"
        case .tooDeep: "nested more than 16 levels deep; flatten it"
        case .truncated: "the input ends in the middle of a unit; send it whole"
        case .noDevice: "the event names no device; add device, or source"
        case .noProduct: "the event names no product; add product, or a source of the form product/serial"
        case .badIdentity: "the id or customer is not usable; send up to 64 bytes, or epoch-seq without leading zeros"
        case .tooLong: "a name is too long (product and device 128 bytes, customer and id 64); send a shorter one"
        case .wrongType: "a name is no string, or a number no number; send product, device, customer, type as strings"
        case .alreadyQuarantined:
            "an export's quarantined event would come back as a valid one; mend it, then leave out the key quarantined"
        case .unauthorized:
            "the credential is missing, wrong, revoked or has expired; give the device a key: tidings device add"
        case .forbidden:
            "this credential may not send for that device; send each device's events by its own, or its gateway's"
        case .foreignTopic:
            "the topic is none of a device here; publish to tidings/v1/<product>/<device>/event, …/batch, t/e or t/b"
        case .takenOver: "another connection has the same client id; give each device an id of its own"
        case .badMessage: "not a message that can be sent; see docs/messages.md"
        case .badCohort: "the condition of the target cannot be read; see docs/messages.md"
        case .noConsent: "the customer has not agreed to be written to; ask on the device, or give another basis"
        case .unknownMessage: "there is no such message; tidings outbox list names them"
        case .unknownTarget: "the log knows no such product, device, customer or feedback; check the spelling"
        case .versionConflict: "a newer setting is in force; read it, and send with its version"
        case .alreadyClosed: "the message is over"
        case .rolloutActive: "a rollout of the product and aspect is under way; end it first"
        case .messageTooBig: "more than 4096 bytes of message; send less"
        case .tooManyOpen: "as many messages are open as there may be; cancel some, or try again later"
        case .tooSlow: "a frame or line was begun and not ended in time; send each in one go"
        case .tooBig:
            "larger than allowed (line 64 KiB, frame 1 MiB, datagram 8 KiB, native event 8 KiB); send less at once"
        case .tooManyEvents: "more than 1000 events in one batch; split it"
        case .inflatesTooBig: "the body inflates to more than 1 MiB; split it"
        case .tableFull: "this connection's string table is full; open another connection for the rest"
        case .vocabularyFull: "the log has as many different words as it can hold; send fewer distinct ones"
        case .mediaType:
            """
            the content type or its coding is not taken here; send application/json, application/x-ndjson, \
            application/cloudevents+json, application/cloudevents-batch+json or application/x-protobuf, plain, \
            gzip or deflate
            """
        case .unknownReference:
            "a table reference was never defined here; send everything from the first unacked event again"
        case .tooManyConnections:
            "as many connections as allowed, in all or from one address; close some or try later"
        case .overQuota: "more events than this device or address may send; send fewer, or again later"
        case .tooManyNewNames: "more new names from this address than allowed in a minute; send again later"
        case .busy: "the daemon is full; try again in a second"
        case .storageUnavailable: "the log cannot be written now; try again later"
        case .shuttingDown: "the daemon is stopping; connect again later"
        }
    }
}

/// What the sender of a line that was refused is told: cause, place and remedy. May hold text of the sender's, so it
/// must be escaped where it goes.
///
/// - Parameter line: without its newline; empty when there is none, which gives the refusal's own explanation.
package func explanation(of refusal: Refusal, line: Span<UInt8>) -> String {
    let told: String?
    if line.isEmpty || line.count > Limits.jsonEventBytes {
        told = nil
    } else {
        let contents = LineContents(line)
        told =
            switch refusal {
            case .badMagic: otherProtocol(line) ?? notAnObject(line, 0)
            case .malformedJSON: malformed(line, contents)
            case .badUTF8: badUTF8(line)
            case .duplicateKey: duplicate(contents)
            case .wrongType: wrongType(line, contents)
            case .tooLong: tooLong(line, contents)
            case .badIdentity: badIdentity(line, contents)
            case .noDevice: missing([.device, .source], line, contents)
            case .noProduct: missing([.product], line, contents)
            default: nil
            }
    }
    return told ?? refusal.explanation.description
}

/// What is said to those who speak another protocol.
private func otherProtocol(_ bytes: Span<UInt8>) -> String? {
    let (handshake, connect) = (0x16 as UInt8, 0x10 as UInt8)
    if bytes[0] == handshake { return "TLS is not spoken here; send JSON lines or native frames as they are" }
    if bytes[0] == connect { return "MQTT is not spoken here; send JSON lines or native frames" }
    for method in ["GET ", "POST ", "PUT ", "HEAD ", "OPTIONS "] where bytes.count >= method.utf8.count {
        let isMethod = method.utf8.enumerated().allSatisfy { bytes[$0.offset] == $0.element }
        if isMethod {
            return "HTTP is not spoken here; post to /v1/events on the HTTP port, 7480 if nothing else is set"
        }
    }
    return nil
}

/// What is said of a line that begins with something else than a brace.
private func notAnObject(_ line: Span<UInt8>, _ at: Int) -> String? {
    guard at < line.count, line[at] != UInt8(ascii: "{") else { return nil }
    let form = "send each event as one JSON object on a line of its own"
    switch line[at] {
    case UInt8(ascii: "["): return "an array; \(form)"
    case 0xff, 0xfe: return "UTF-16; encode it as UTF-8, and \(form)"
    case 0xef: return "a byte order mark in the middle of the input; leave it out"
    case asciiVisible: return "not a JSON object: it begins with \(Character(Unicode.Scalar(line[at]))); \(form)"
    default: return "not a JSON object; \(form)"
    }
}

private func malformed(_ line: Span<UInt8>, _ contents: LineContents) -> String? {
    var start = 0
    _ = nextByte(line, &start)
    if let told = notAnObject(line, start) { return told }
    guard let fault = contents.faultAt else {
        return contents.unknown.count > Limits.jsonKeys
            ? "more than \(Limits.jsonKeys) keys in one object; send fewer" : nil
    }
    guard fault < line.count else { return "the line ends before its object does; close quotes, brackets and braces" }
    let advice = "keys and strings stand in double quotes, nothing follows the last value or the object"
    switch line[fault] {
    case asciiVisible:
        return "not JSON at byte \(fault + 1), near \(Character(Unicode.Scalar(line[fault]))); \(advice)"
    default: return "not JSON at byte \(fault + 1); \(advice)"
    }
}

private func badUTF8(_ line: Span<UInt8>) -> String? {
    do {
        _ = try UTF8Span(validating: line)
        return "an escape \\u is half of a surrogate pair; send both halves, or the character as UTF-8"
    } catch {
        return "not UTF-8 at byte \(error.byteOffsets.lowerBound + 1); encode it as UTF-8"
    }
}

private func duplicate(_ contents: LineContents) -> String? {
    var seen: Set<String> = []
    for entry in contents.entries {
        let inserted = seen.insert((entry.isInData ? "data." : "") + entry.key).inserted
        if !inserted { return "the key \(entry.key) occurs twice; send it once" }
    }
    return nil
}

/// Keys of the envelope that hold names, and those that hold numbers.
private let nameKeys: [EventKey] = [
    .product, .device, .source, .customer, .subject, .type, .specversion, .datacontenttype, .dataschema,
]
private let numberKeys: [EventKey] = [.seq, .epoch]

private func wrongType(_ line: Span<UInt8>, _ contents: LineContents) -> String? {
    if let told = contents.mistyped(nameKeys, in: line, wanted: .string) { return told }
    if let told = contents.mistyped(numberKeys, in: line, wanted: .number) { return told }
    guard let id = contents[.id], !id.isString(in: line), !id.isNumber(in: line) else { return nil }
    return "id is \(id.type(in: line)) (\(id.shown(in: line))); send a whole number or a string"
}

private func tooLong(_ line: Span<UInt8>, _ contents: LineContents) -> String? {
    let limits: [(EventKey, Int)] = [
        (.product, Limits.productBytes), (.device, Limits.deviceBytes), (.customer, Limits.customerBytes),
        (.subject, Limits.customerBytes), (.id, Limits.idBytes),
    ]
    for (key, limit) in limits {
        guard let count = contents[key]?.plain(in: line).count, count > limit else { continue }
        return "\(key) is \(count) bytes long; at most \(limit)"
    }
    guard let source = contents[.source]?.plain(in: line) else { return nil }
    return "source is \(source.count) bytes long; at most \(Limits.productBytes) for the product in it and "
        + "\(Limits.deviceBytes) for the device"
}

private func badIdentity(_ line: Span<UInt8>, _ contents: LineContents) -> String? {
    for key in [EventKey.customer, .subject] {
        guard let entry = contents[key], entry.plain(in: line).isEmpty, entry.isString(in: line) else { continue }
        return "\(key) is empty; send a name of up to \(Limits.customerBytes) bytes, or leave it out"
    }
    for key in [EventKey.id, .seq, .epoch] {
        guard let entry = contents[key], !entry.isNull(in: line) else { continue }
        if entry.isNumber(in: line) {
            let most = key == .epoch ? UInt64(UInt32.max) : .max
            if let number = entry.unsigned(in: line), number <= most { continue }
            return "\(key) is \(entry.shown(in: line)); send a whole number from 0 to \(most)"
        }
        guard entry.plain(in: line).isEmpty else { continue }
        return "\(key) is empty; send a whole number or up to \(Limits.idBytes) bytes, or leave it out"
    }
    guard contents[.specversion] != nil, contents[.id] == nil else { return nil }
    return "a CloudEvent needs an id; add one that no other event of its source has"
}

/// What is said of a line without one of the keys that an event must have.
private func missing(_ keys: [EventKey], _ line: Span<UInt8>, _ contents: LineContents) -> String? {
    for key in keys {
        if let entry = contents[key], entry.isString(in: line), entry.plain(in: line).isEmpty {
            return "\(key) is empty; send its name"
        }
    }
    let names = keys.map { "\($0)" }
    for entry in contents.unknown {
        guard let name = nearestWord(to: entry.key, among: names) else { continue }
        return "the event names no \(keys[0]); did you mean \(name) by \(shortened(entry.key))?"
    }
    return nil
}

/// A word of a sender's, cut when it is long.
package func shortened(_ word: String) -> String {
    let bytes = Array(word.utf8)
    let end = cut(bytes.span, limit: WireLimits.explainedBytes)
    return end < bytes.count ? String(decoding: bytes[..<end], as: UTF8.self) + "…" : word
}

/// What is told of a key that nobody knows.
package func explanation(ofUnknownKey key: String) -> String {
    let known = EventKey.allCases.map { "\($0)" }
    let hint = nearestWord(to: key, among: known).map { "; did you mean \($0)?" } ?? "; see docs/wire.md for the keys"
    return "the key \(shortened(key)) is not known and is left out\(hint)"
}

/// The keys of a line that nobody knows, each once.
package func unknownKeys(of line: Span<UInt8>) -> [String] {
    var seen: Set<String> = []
    return LineContents(line).unknown.map(\.key).filter { seen.insert($0).inserted }
}
