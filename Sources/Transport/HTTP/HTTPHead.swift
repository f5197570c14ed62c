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
    /// The media type as it stands there.
    package private(set) var contentType: String?
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
    /// `Sec-GPC: 1`, Global Privacy Control: nothing that names a person is to be kept of what is sent.
    package private(set) var optsOut = false
    /// The credential, as it came, and how many there are.
    package private(set) var authorization: String?
    package private(set) var authorizations = 0
    /// Where proxies say the request came from, in their order: `X-Forwarded-For`, as it came.
    package private(set) var forwardedFor: [String] = []
    /// Whether any proxy says that it has passed the request on.
    package private(set) var isForwarded = false
    /// The id of the last event of a stream that a client has had.
    package private(set) var lastEventID: String?
    /// The first thing that is wrong with the head; what follows on the connection cannot be trusted then.
    package private(set) var fault: HTTPFault?

    private var hosts = 0
    private var host = ""
    /// Whether the target names a host, which goes before the field.
    private var isAbsolute = false
    private var codings = 0
    private var contentTypes = 0
    private var asksForUpgrade = false

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
    package var isHostLoopback: Bool { hosts == 1 && !isAbsolute && isLoopback(host: trimmed(host)) }

    /// Whether the event's attributes stand in the head.
    package var isBinaryEvent: Bool {
        guard mediaType != .cloudEvent, mediaType != .cloudEventBatch else { return false }
        return attributes.contains { same($0.name.utf8Span.span, "specversion") }
    }

    private mutating func blame(_ fault: HTTPFault) {
        if self.fault == nil { self.fault = fault }
    }

    // MARK: The target

    /// RFC 9112, 3.2: the path of the origin form, of the absolute form, or `*`.
    private mutating func splitTarget(_ target: String) {
        let bytes = target.utf8Span.span
        guard bytes.count <= HTTPLimits.targetBytes else { return blame(.targetTooLong) }
        var hasQuery = false
        for index in bytes.indices {
            let byte = bytes[index]
            guard asciiVisible.contains(byte), byte != UInt8(ascii: "#") else { return blame(.badTarget) }
            if byte == UInt8(ascii: "?") { hasQuery = true }
        }
        var rest = target[...]
        if method == .connect { return }
        if bytes.isEmpty || bytes[0] != UInt8(ascii: "/") {
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
        guard hasQuery, let end = rest.utf8.firstIndex(of: UInt8(ascii: "?")) else {
            path = rest
            return
        }
        path = rest[..<end]
        query = rest[rest.utf8.index(after: end)...]
    }

    /// Where the host of an absolute target begins; nil when it is none of `http` or `https`, or has none.
    private func authorityStart(_ target: Substring) -> Substring.Index? {
        for scheme in ["http://", "https://"] where startsWith(target.utf8Span.span, scheme) {
            let start = target.utf8.index(target.startIndex, offsetBy: scheme.utf8.count)
            let host = target.utf8[start...].prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
            return host.isEmpty || host.contains(UInt8(ascii: "@")) ? nil : start
        }
        return nil
    }

    // MARK: Fields

    /// Names are told apart by their lengths first: most are of no interest here.
    private mutating func take(_ name: String, _ value: String) {
        let key = name.utf8Span.span
        let text = value.utf8Span.span
        switch key.count {
        case 3 where same(key, "via"), 9 where same(key, "forwarded"), 9 where same(key, "x-real-ip"):
            isForwarded = true
        case 4 where same(key, "host"):
            host = value
            takeHost(text)
        case 6 where same(key, "expect"): takeExpectation(text)
        case 7 where same(key, "upgrade"): asksForUpgrade = true
        case 7 where same(key, "sec-gpc"): if same(text, trimmed(text, 0..<text.count), "1") { optsOut = true }
        case 10 where same(key, "connection"): takeConnection(text)
        case 12 where same(key, "content-type"): takeContentType(value)
        case 13 where same(key, "authorization"):
            authorization = value
            authorizations += 1
        case 13 where same(key, "last-event-id"): lastEventID = value
        case 14 where same(key, "content-length"): takeContentLength(text)
        case 16 where same(key, "content-encoding"): takeCoding(text)
        case 17 where same(key, "transfer-encoding"): takeTransferEncoding(text)
        case 20 where same(key, "webhook-request-rate"): asksForRate = true
        case 22 where same(key, "webhook-request-origin"): webHookOrigin = value
        default: break
        }
        if key.count > 12, key[0] | 0x20 == UInt8(ascii: "x"), startsWith(key, "x-forwarded-") {
            isForwarded = true
            if same(key, "x-forwarded-for") { forwardedFor.append(value) }
        }
        if startsWith(key, "ce-") {
            attributes.append((name[name.utf8.index(name.startIndex, offsetBy: 3)...], value))
        }
    }

    private mutating func takeHost(_ value: Span<UInt8>) {
        hosts += 1
        if hosts > 1 { return blame(.twoHosts) }
        for index in trimmed(value, 0..<value.count) where !isOfHost(value[index]) { return blame(.badHost) }
    }

    private mutating func takeExpectation(_ value: Span<UInt8>) {
        let isContinue = same(value, trimmed(value, 0..<value.count), "100-continue")
        expectation = isContinue && expectation != .other ? .continue : .other
    }

    private mutating func takeConnection(_ value: Span<UInt8>) {
        var rest = 0..<value.count
        while let token = nextToken(value, &rest, UInt8(ascii: ",")) {
            if same(value, token, "close") { isKeptAlive = false }
            if isOldVersion, same(value, token, "keep-alive") { isKeptAlive = true }
        }
    }

    private mutating func takeContentLength(_ value: Span<UInt8>) {
        let digits = trimmed(value, 0..<value.count)
        guard contentLength == nil, !digits.isEmpty, digits.count <= 18 else { return blame(.badLength) }
        var length = 0
        for index in digits {
            guard asciiDigits.contains(value[index]) else { return blame(.badLength) }
            length = length * 10 + Int(value[index] - UInt8(ascii: "0"))
        }
        contentLength = length
    }

    private mutating func takeTransferEncoding(_ value: Span<UInt8>) {
        guard !isChunked, same(value, trimmed(value, 0..<value.count), "chunked") else {
            return blame(.badTransferEncoding)
        }
        isChunked = true
    }

    private mutating func takeContentType(_ text: String) {
        contentTypes += 1
        contentType = text
        let value = text.utf8Span.span
        let end = value.first(UInt8(ascii: ";"), from: 0)
        mediaType = contentTypes > 1 ? .other : MediaType(value)
        if end < value.count, !isUTF8(value, parameters: end..<value.count) { mediaType = .other }
    }

    /// Whether a character set, if one is named, is UTF-8 or a part of it.
    private func isUTF8(_ value: Span<UInt8>, parameters: Range<Int>) -> Bool {
        var rest = parameters
        while let parameter = nextToken(value, &rest, UInt8(ascii: ";")) {
            guard startsWith(value.extracting(parameter), "charset=") else { continue }
            var name: [UInt8] = []
            for index in parameter.dropFirst(8) where value[index] != UInt8(ascii: "\"") { name.append(value[index]) }
            guard same(name.span, "utf-8") || same(name.span, "utf8") || same(name.span, "us-ascii") else {
                return false
            }
        }
        return true
    }

    private mutating func takeCoding(_ value: Span<UInt8>) {
        var rest = 0..<value.count
        while let token = nextToken(value, &rest, UInt8(ascii: ",")) {
            if token.isEmpty || same(value, token, "identity") { continue }
            codings += 1
            if codings > 1 {
                coding = .other
            } else if same(value, token, "gzip") || same(value, token, "x-gzip") {
                coding = .gzip
            } else {
                coding = same(value, token, "deflate") ? .deflate : .other
            }
        }
    }

    /// What only the whole of the fields tells.
    private mutating func check() {
        if hosts == 0, !isOldVersion { blame(.noHost) }
        if isChunked, isOldVersion { blame(.chunkedInOldVersion) }
        if isChunked, contentLength != nil { blame(.badLength) }
        if isOldVersion, expectation == .continue { expectation = .none }
        // The parser takes whatever follows such a request for another protocol, and reads no more.
        if asksForUpgrade { isKeptAlive = false }
    }
}

/// Whether a byte may stand in a host and its port; those that end a host may not.
private func isOfHost(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "\\"),
        UInt8(ascii: ","), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""):
        false
    default: asciiVisible.contains(byte)
    }
}

/// Whether a host, with or without its port, is this machine by a name that needs no name server: `localhost`,
/// `127.0.0.0/8`, `[::1]`.
private func isLoopback(host: [UInt8]) -> Bool {
    var name = Substring(decoding: host, as: UTF8.self)
    if let colon = name.lastIndex(of: ":"), !name[colon...].contains("]") {
        guard name[colon...].dropFirst().utf8.allSatisfy(asciiDigits.contains) else { return false }
        name = name[..<colon]
    }
    if same(String(name).utf8Span.span, "localhost") { return true }
    if name.first == "[", name.last == "]" {
        return InternetAddress(String(name.dropFirst().dropLast())).map { SenderAddress($0).isLoopback } ?? false
    }
    guard !name.contains(":"), let address = InternetAddress(String(name)) else { return false }
    return SenderAddress(address).isLoopback
}

/// Whether text is this word; letters of either case are one. The word is written in small letters.
func same(_ text: Span<UInt8>, _ word: String) -> Bool {
    text.count == word.utf8.count && startsWith(text, word)
}

private func same(_ text: Span<UInt8>, _ range: Range<Int>, _ word: String) -> Bool {
    same(text.extracting(range), word)
}

func startsWith(_ text: Span<UInt8>, _ word: String) -> Bool {
    let word = word.utf8Span.span
    guard text.count >= word.count else { return false }
    for index in word.indices {
        let (byte, own) = (word[index], text[index])
        guard own == byte || asciiUppercase.contains(own) && own | 0x20 == byte else { return false }
    }
    return true
}

/// A part of the text without the blanks around it.
func trimmed(_ text: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, text[start] == 0x20 || text[start] == 0x09 { start += 1 }
    while end > start, text[end - 1] == 0x20 || text[end - 1] == 0x09 { end -= 1 }
    return start..<end
}

/// The text without the blanks around it.
func trimmed(_ text: String) -> [UInt8] {
    let all = text.utf8Span.span
    var bytes: [UInt8] = []
    bytes.append(copying: all.extracting(trimmed(all, 0..<all.count)))
    return bytes
}

/// Takes what stands before the next separator, without the blanks around it, off the front of `rest`; nil at the end.
private func nextToken(_ text: Span<UInt8>, _ rest: inout Range<Int>, _ separator: UInt8) -> Range<Int>? {
    guard !rest.isEmpty else { return nil }
    let end = min(text.first(separator, from: rest.lowerBound), rest.upperBound)
    defer { rest = min(end + 1, rest.upperBound)..<rest.upperBound }
    return trimmed(text, rest.lowerBound..<end)
}
