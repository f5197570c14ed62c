// The head of a request, as far as it says something here: taken out of the fields once, without copying the others.

import Admission
import Bytes

/// What a request asks for, and how its body is to be read.
///
/// The parser before it refuses what cannot be told apart as one request; what it lets pass and RFC 9110 and RFC 9112
/// forbid is noted here as a `fault`.
package struct HTTPHead: Sendable {
    package enum Method: Sendable {
        case get, head, post, options, connect, other
    }

    /// What a body is called.
    package enum MediaType: Sendable {
        case none, lines, json, cloudEvent, cloudEventBatch, protobuf, other
    }

    /// How it is packed.
    package enum Coding: Sendable {
        case none, gzip, deflate, other
    }

    package enum Expectation: Sendable {
        case none, `continue`, other
    }

    package private(set) var method = Method.other
    /// Where the path stands in `target`; the query follows it behind a `?`.
    package private(set) var path: Substring = ""
    package private(set) var query: Substring = ""
    package private(set) var mediaType = MediaType.none
    package private(set) var coding = Coding.none
    package private(set) var expectation = Expectation.none
    /// Nil when the head does not say.
    package private(set) var contentLength: Int?
    package private(set) var isChunked = false
    /// Whether another request may follow on the connection.
    package private(set) var isKeptAlive: Bool
    /// HTTP/1.0.
    package let isOldVersion: Bool
    /// The attributes of an event whose body is only its data (`ce-*`), in their order.
    package private(set) var attributes: [(name: Substring, value: String)] = []
    /// Who asks whether it may send events here, and how many a minute.
    package private(set) var webHookOrigin: String?
    package private(set) var asksForRate = false
    /// The credential, as it came, and how many there are.
    package private(set) var authorization: String?
    package private(set) var authorizations = 0
    /// Where proxies say the request came from, in their order: `X-Forwarded-For`, as it came.
    package private(set) var forwardedFor: [String] = []
    /// Whether any proxy says that it has passed the request on.
    package private(set) var isForwarded = false
    /// The first thing that is wrong with the head; what follows on the connection cannot be trusted then.
    package private(set) var fault: HTTPFault?

    private var hosts = 0
    private var host = ""
    /// Whether the target names a host, which goes before the field.
    private var isAbsolute = false
    private var codings = 0
    private var contentTypes = 0

    package init(
        method: String, target: String, minorVersion: Int,
        fields: some Sequence<(name: String, value: String)>
    ) {
        isOldVersion = minorVersion == 0
        isKeptAlive = !isOldVersion
        self.method =
            switch method {
            case "POST": .post
            case "GET": .get
            case "HEAD": .head
            case "OPTIONS": .options
            case "CONNECT": .connect
            default: .other
            }
        splitTarget(target)
        for (name, value) in fields { take(name, value) }
        check()
    }

    /// Whether the client has asked this machine by a name that nobody else can give it.
    package var isHostLoopback: Bool { hosts == 1 && !isAbsolute && isLoopback(host: trimmed(host.utf8)) }

    /// Whether the event's attributes stand in the head.
    package var isBinaryEvent: Bool {
        guard mediaType != .cloudEvent, mediaType != .cloudEventBatch else { return false }
        return attributes.contains { same($0.name.utf8, "specversion") }
    }

    private mutating func blame(_ fault: HTTPFault) {
        if self.fault == nil { self.fault = fault }
    }

    // MARK: The target

    /// RFC 9112, 3.2: the path of the origin form, of the absolute form, or `*`.
    private mutating func splitTarget(_ target: String) {
        guard target.utf8.count <= HTTPLimits.targetBytes else { return blame(.targetTooLong) }
        guard target.utf8.allSatisfy({ asciiVisible.contains($0) && $0 != UInt8(ascii: "#") }) else {
            return blame(.badTarget)
        }
        var rest = target[...]
        if method == .connect { return }
        if !rest.utf8.starts(with: "/".utf8) {
            if rest == "*" {
                path = rest
                if method != .options { blame(.badTarget) }
                return
            }
            isAbsolute = true
            guard let authority = authorityStart(rest) else { return blame(.badTarget) }
            let end = rest.utf8[authority...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
            rest = end.map { rest[$0...] } ?? "/"
            if rest.utf8.first == UInt8(ascii: "?") {
                (path, query) = ("/", rest.dropFirst())
                return
            }
        }
        let end = rest.utf8.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        path = rest[..<end]
        query = end < rest.endIndex ? rest[rest.utf8.index(after: end)...] : ""
    }

    /// Where the host of an absolute target begins; nil when it is none of `http` or `https`, or has none.
    private func authorityStart(_ target: Substring) -> Substring.Index? {
        for scheme in ["http://", "https://"] as [StaticString] where startsWith(target.utf8, scheme) {
            let start = target.utf8.index(target.startIndex, offsetBy: scheme.utf8CodeUnitCount)
            let host = target.utf8[start...].prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
            return host.isEmpty || host.contains(UInt8(ascii: "@")) ? nil : start
        }
        return nil
    }

    // MARK: Fields

    /// Names are told apart by their lengths first: most are of no interest here.
    private mutating func take(_ name: String, _ value: String) {
        let utf8 = name.utf8
        switch utf8.count {
        case 4 where same(utf8, "host"): takeHost(value)
        case 6 where same(utf8, "expect"): takeExpectation(value)
        case 10 where same(utf8, "connection"): takeConnection(value)
        case 12 where same(utf8, "content-type"): takeContentType(value)
        case 3 where same(utf8, "via"), 9 where same(utf8, "forwarded"), 9 where same(utf8, "x-real-ip"):
            isForwarded = true
        case 13 where same(utf8, "authorization"):
            authorization = value
            authorizations += 1
        case 14 where same(utf8, "content-length"): takeContentLength(value)
        case 16 where same(utf8, "content-encoding"): takeCoding(value)
        case 17 where same(utf8, "transfer-encoding"): takeTransferEncoding(value)
        case 20 where same(utf8, "webhook-request-rate"): asksForRate = true
        case 22 where same(utf8, "webhook-request-origin"): webHookOrigin = value
        default: break
        }
        if utf8.count > 12, utf8.first.map({ $0 | 0x20 }) == UInt8(ascii: "x"), startsWith(utf8, "x-forwarded-") {
            isForwarded = true
            if same(utf8, "x-forwarded-for") { forwardedFor.append(value) }
        }
        if startsWith(utf8, "ce-") {
            attributes.append((name[utf8.index(name.startIndex, offsetBy: 3)...], value))
        }
    }

    private mutating func takeHost(_ value: String) {
        hosts += 1
        let isBad = trimmed(value.utf8).contains { byte in
            !asciiVisible.contains(byte) || hostStops.contains(byte)
        }
        host = value
        if hosts > 1 || isBad { blame(hosts > 1 ? .twoHosts : .badHost) }
    }

    private mutating func takeExpectation(_ value: String) {
        let isContinue = same(trimmed(value.utf8), "100-continue")
        expectation = isContinue && expectation != .other ? .continue : .other
    }

    private mutating func takeConnection(_ value: String) {
        for token in value.utf8.split(separator: UInt8(ascii: ",")) {
            let token = trimmed(token)
            if same(token, "close") { isKeptAlive = false }
            if isOldVersion, same(token, "keep-alive") { isKeptAlive = true }
        }
    }

    private mutating func takeContentLength(_ value: String) {
        let digits = trimmed(value.utf8)
        guard contentLength == nil, !digits.isEmpty, digits.count <= 18,
            digits.allSatisfy(asciiDigits.contains)
        else { return blame(.badLength) }
        contentLength = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    private mutating func takeTransferEncoding(_ value: String) {
        guard !isChunked, same(trimmed(value.utf8), "chunked") else { return blame(.badTransferEncoding) }
        isChunked = true
    }

    private mutating func takeContentType(_ value: String) {
        contentTypes += 1
        let whole = value.utf8
        let end = whole.firstIndex(of: UInt8(ascii: ";")) ?? whole.endIndex
        let name = trimmed(whole[..<end])
        mediaType =
            if contentTypes > 1 {
                .other
            } else if same(name, "application/x-ndjson") || same(name, "application/ndjson")
                || same(name, "application/jsonl")
            {
                .lines
            } else if same(name, "application/json") {
                .json
            } else if same(name, "application/cloudevents+json") {
                .cloudEvent
            } else if same(name, "application/cloudevents-batch+json") {
                .cloudEventBatch
            } else if same(name, "application/x-protobuf") || same(name, "application/protobuf") {
                .protobuf
            } else {
                .other
            }
        if end < whole.endIndex, !isUTF8(parameters: whole[end...]) { mediaType = .other }
    }

    /// Whether a character set, if one is named, is UTF-8 or a part of it.
    private func isUTF8(parameters: Substring.UTF8View) -> Bool {
        for parameter in parameters.split(separator: UInt8(ascii: ";")) {
            let parameter = trimmed(parameter)
            guard startsWith(parameter, "charset=") else { continue }
            let name = parameter.dropFirst(8).filter { $0 != UInt8(ascii: "\"") }
            guard same(name, "utf-8") || same(name, "utf8") || same(name, "us-ascii") else { return false }
        }
        return true
    }

    private mutating func takeCoding(_ value: String) {
        for token in value.utf8.split(separator: UInt8(ascii: ",")) {
            let token = trimmed(token)
            if token.isEmpty || same(token, "identity") { continue }
            codings += 1
            if codings > 1 {
                coding = .other
            } else if same(token, "gzip") || same(token, "x-gzip") {
                coding = .gzip
            } else {
                coding = same(token, "deflate") ? .deflate : .other
            }
        }
    }

    /// What only the whole of the fields tells.
    private mutating func check() {
        if hosts == 0, !isOldVersion { blame(.noHost) }
        if isChunked, isOldVersion { blame(.chunkedInOldVersion) }
        if isChunked, contentLength != nil { blame(.badLength) }
        if isOldVersion, expectation == .continue { expectation = .none }
    }
}

/// Whether a host, with or without its port, is this machine by a name that needs no name server: `localhost`,
/// `127.0.0.0/8`, `[::1]`.
private func isLoopback(host: Substring.UTF8View) -> Bool {
    var name = Substring(host)
    if let colon = name.lastIndex(of: ":"), !name[colon...].contains("]") {
        guard name[colon...].dropFirst().utf8.allSatisfy(asciiDigits.contains) else { return false }
        name = name[..<colon]
    }
    if same(name.utf8, "localhost") { return true }
    if name.first == "[", name.last == "]" {
        return InternetAddress(String(name.dropFirst().dropLast())).map { SenderAddress($0).isLoopback } ?? false
    }
    guard !name.contains(":"), let address = InternetAddress(String(name)) else { return false }
    return SenderAddress(address).isLoopback
}

/// What ends a host, and so cannot be in one.
private let hostStops: Set<UInt8> = Set("/?#@\\,<>\"".utf8)

/// Whether text is this word; letters of either case are one. The word is written in small letters.
func same(_ text: some Collection<UInt8>, _ word: StaticString) -> Bool {
    text.count == word.utf8CodeUnitCount && startsWith(text, word)
}

func startsWith(_ text: some Collection<UInt8>, _ word: StaticString) -> Bool {
    var at = text.startIndex
    for byte in word.description.utf8 {
        guard at < text.endIndex else { return false }
        let own = text[at]
        guard own == byte || asciiUppercase.contains(own) && own | 0x20 == byte else { return false }
        text.formIndex(after: &at)
    }
    return true
}

/// Without the blanks around it.
func trimmed<Text: BidirectionalCollection<UInt8>>(_ text: Text) -> Text.SubSequence {
    var rest = text[...]
    while let first = rest.first, first == 0x20 || first == 0x09 { rest = rest.dropFirst() }
    while let last = rest.last, last == 0x20 || last == 0x09 { rest = rest.dropLast() }
    return rest
}
