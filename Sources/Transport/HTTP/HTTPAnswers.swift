// Answers as bytes: the status line, the few fields that each needs, and the body.

import Bytes
import Events

/// What an answer says besides its status and body.
struct HTTPFields: Sendable, Equatable {
    var contentType = "application/json"
    /// Nil when it is not to be said.
    var allow: StaticString?
    var retryAfter: Int?
    /// Repeated to a web hook that asks whether it may send.
    var allowedOrigin: String?
    var allowsAnyRate = false
    var acceptsCodings = false
    /// Of an answer with messages: what the next request says of them. Empty for one without.
    var token: [UInt8]?
    var closes = false
    /// Said only to those who would close otherwise.
    var keepsAlive = false

    static func == (one: HTTPFields, other: HTTPFields) -> Bool {
        one.contentType == other.contentType && one.allow?.description == other.allow?.description
            && one.retryAfter == other.retryAfter && one.allowedOrigin == other.allowedOrigin
            && one.allowsAnyRate == other.allowsAnyRate && one.acceptsCodings == other.acceptsCodings
            && one.token == other.token && one.closes == other.closes && one.keepsAlive == other.keepsAlive
    }
}

/// Appends a whole answer.
///
/// - Parameter body: left out when only the head was asked for; its length is said even so.
func writeAnswer(
    _ status: HTTPStatus, _ fields: HTTPFields, _ body: Span<UInt8>, date: [UInt8], isHeadOnly: Bool = false,
    into output: inout [UInt8]
) {
    if status == .ok {
        output.append("HTTP/1.1 200 OK\r\n")
    } else {
        output.append("HTTP/1.1 ")
        appendDecimal(UInt64(status.rawValue), to: &output)
        output.append(" ")
        output.append(status.phrase)
        output.append("\r\n")
    }
    output += date
    if body.count > 0 {
        output.append("Content-Type: ")
        output += fields.contentType.utf8
        output.append("\r\n")
    }
    if status != .noContent {
        output.append("Content-Length: ")
        appendDecimal(UInt64(body.count), to: &output)
        output.append("\r\n")
    }
    if status == .unauthorized { output.append("WWW-Authenticate: Bearer\r\n") }
    if let allow = fields.allow {
        output.append("Allow: ")
        output.append(allow)
        output.append("\r\n")
    }
    if let seconds = fields.retryAfter {
        output.append("Retry-After: ")
        appendDecimal(UInt64(seconds), to: &output)
        output.append("\r\n")
    }
    if let origin = fields.allowedOrigin {
        output.append("WebHook-Allowed-Origin: ")
        output += origin.utf8
        output.append("\r\n")
    }
    if fields.allowsAnyRate { output.append("WebHook-Allowed-Rate: *\r\n") }
    if fields.acceptsCodings { output.append("Accept-Encoding: gzip, deflate\r\n") }
    if let token = fields.token {
        // What is for one device is for nobody's store.
        output.append("Cache-Control: no-store\r\n")
        if !token.isEmpty {
            output.append("Tidings-Token: ")
            output += token
            output.append("\r\n")
        }
    }
    if fields.closes {
        output.append("Connection: close\r\n")
    } else if fields.keepsAlive {
        output.append("Connection: keep-alive\r\n")
    }
    output.append("\r\n")
    if !isHeadOnly, status != .noContent { output.append(copying: body) }
}

/// Appends the head of an answer that is a stream of events. To HTTP/1.1 it comes in chunks, so that its end can be
/// told from a cut; older clients read until the connection ends.
func writeStreamHead(date: [UInt8], isChunked: Bool, closes: Bool, into output: inout [UInt8]) {
    output.append("HTTP/1.1 200 OK\r\n")
    output += date
    // The last field has proxies pass on each event as it comes.
    output.append("Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n")
    if isChunked { output.append("Transfer-Encoding: chunked\r\n") }
    if closes { output.append("Connection: close\r\n") }
    output.append("\r\n")
}

/// Appends a piece of such a stream; an empty one ends it.
func writeStreamPiece(_ piece: [UInt8], isChunked: Bool, into output: inout [UInt8]) {
    guard isChunked else {
        output += piece
        return
    }
    output.append(String(piece.count, radix: 16))
    output.append("\r\n")
    output += piece
    output.append("\r\n")
}

/// `{"error":{"status":404,"text":"..."}}` and a newline.
func writeFaultBody(_ status: HTTPStatus, _ text: StaticString, into output: inout [UInt8]) {
    output.append("{\"error\":{\"status\":")
    appendDecimal(UInt64(status.rawValue), to: &output)
    output.append(",\"text\":\"")
    output.append(text)
    output.append("\"}}\n")
}

extension [UInt8] {
    /// Appends a text as it is.
    mutating func append(_ text: String) { append(contentsOf: text.utf8) }

    mutating func append(_ text: StaticString) { append(contentsOf: text.description.utf8) }
}

/// The field `Date` (RFC 9110, 6.6.1), made once a second.
struct HTTPDate: Sendable {
    private var second: Int64 = .min
    private var line: [UInt8] = []

    /// `Date: Mon, 30 Nov 2026 04:40:27 GMT` and the end of the line.
    mutating func field(at now: Timestamp) -> [UInt8] {
        let second = now.rawValue >= 0 ? now.rawValue / 1_000 : 0
        if second != self.second {
            self.second = second
            line = Self.field(second)
        }
        return line
    }

    private static func field(_ second: Int64) -> [UInt8] {
        let days = Int(second / 86_400)
        let ofDay = Int(second % 86_400)
        let date = CivilDate(daysSinceEpoch: days)
        let weekdays: [StaticString] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months: [StaticString] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        var line: [UInt8] = []
        line.append("Date: ")
        line.append(weekdays[days % 7])
        line.append(", ")
        line.appendTwoDigits(date.day)
        line.append(" ")
        line.append(months[date.month - 1])
        line.append(" ")
        appendDecimal(UInt64(date.year), to: &line)
        line.append(" ")
        line.appendTwoDigits(ofDay / 3_600)
        line.append(":")
        line.appendTwoDigits(ofDay / 60 % 60)
        line.append(":")
        line.appendTwoDigits(ofDay % 60)
        line.append(" GMT\r\n")
        return line
    }
}

extension [UInt8] {
    fileprivate mutating func appendTwoDigits(_ number: Int) {
        append(UInt8(ascii: "0") + UInt8(number / 10))
        append(UInt8(ascii: "0") + UInt8(number % 10))
    }
}
