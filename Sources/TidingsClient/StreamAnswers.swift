// The daemon's answers on one connection, frames or lines, without the socket.

import Events
import Wire

/// Tells a link what the bytes of a connection say. Owned by the connection's handler.
package struct StreamAnswers {
    private let link: StreamLink
    private let generation: Int
    let isNative: Bool
    /// Nothing more is to be expected: the connection should be closed.
    private(set) var areOver = false

    package init(link: StreamLink, generation: Int, isNative: Bool) {
        self.link = link
        self.generation = generation
        self.isNative = isNative
    }

    /// Deals with the whole answers in `bytes`.
    ///
    /// - Returns: how many bytes are done with; the rest must be given again, with more behind it.
    package mutating func take(_ bytes: Span<UInt8>) -> Int {
        isNative && !startsAsLine(bytes) ? takeFrames(bytes) : takeLines(bytes)
    }

    /// A daemon that has too many connections says so as a line before it knows the language.
    private func startsAsLine(_ bytes: Span<UInt8>) -> Bool { bytes.count > 0 && bytes[0] == UInt8(ascii: "{") }

    private mutating func takeFrames(_ bytes: Span<UInt8>) -> Int {
        var at = 0
        do throws(Refusal) {
            while let frame = try readFrame(bytes, at: at) {
                at = frame.end
                let body = bytes.extracting(frame.body)
                switch frame.type {
                case .welcome:
                    _ = try Welcome(decoding: body)
                    link.up(generation)
                case .ack:
                    let ack = try Ack(decoding: body)
                    link.acked(through: ack.durable, quarantined: ack.rejects.count, generation)
                case .error: take(try Reject(decoding: body))
                default: break
                }
            }
        } catch {
            areOver = true
        }
        return at
    }

    /// The daemon refuses something. What can be mended by a new connection is: it starts with an empty table and
    /// with everything that was not acknowledged.
    private mutating func take(_ reject: Reject) {
        let canBeRepeated =
            switch reject.refusal {
            case .unknownReference, .tableFull, .badChecksum: true
            case let refusal?: refusal.isRetryable
            case nil: false
            }
        if !canBeRepeated { link.refused("\(reject.code): \(reject.text)", generation) }
        areOver = true
    }

    private mutating func takeLines(_ bytes: Span<UInt8>) -> Int {
        var start = 0
        for index in bytes.indices where bytes[index] == 0x0a {
            takeLine(bytes.extracting(start..<index))
            start = index + 1
        }
        return start
    }

    private mutating func takeLine(_ line: Span<UInt8>) {
        if let count = number(after: "{\"ack\":", in: line) {
            link.ackedLines(count, generation)
        } else if let more = number(after: "{\"error\":{\"more\":", in: line) {
            link.refusedLines(more, generation)
        } else if number(after: "{\"error\":{\"line\":", in: line) != nil {
            link.refusedLines(1, generation)
        } else if let code = number(after: "{\"error\":{\"code\":", in: line) {
            let refusal = UInt16(exactly: code).flatMap(Refusal.init(rawValue:))
            if refusal?.isRetryable != true { link.refused("\(code): \(text(line))", generation) }
            areOver = true
        } else if number(after: "{\"quarantined\":{\"line\":", in: line) != nil {
            link.quarantinedLine(generation)
        }
    }

    private func number(after prefix: String, in line: Span<UInt8>) -> UInt64? {
        var at = 0
        for byte in prefix.utf8 {
            guard at < line.count, line[at] == byte else { return nil }
            at += 1
        }
        var number: UInt64?
        while at < line.count, (0x30...0x39).contains(line[at]), (number ?? 0) < 1 << 59 {
            number = (number ?? 0) * 10 + UInt64(line[at] - 0x30)
            at += 1
        }
        return number
    }

    private func text(_ line: Span<UInt8>) -> String {
        String(decoding: Array(copying: line), as: UTF8.self)
    }
}
