// The daemon's answers on one connection, frames or lines, without the socket.

import Events
import Wire

/// Tells a send window what the bytes of a connection say. Owned by the connection's handler.
package struct StreamAnswers {
    private let window: StreamSendWindow
    private let generation: Int
    let isNative: Bool
    /// How this side began.
    private let greeting: Greeting?
    private var hasProved = false
    /// Where messages to this side go; nil when nobody wants any.
    private let inbox: MessageInbox?
    /// What is to be written now.
    package internal(set) var outgoing: [UInt8] = []
    /// Nothing more is to be expected: the connection should be closed.
    private(set) var areOver = false
    /// After this line the daemon reads no more; the acks up to it are still to come.
    private var lastLine = UInt64.max

    package init(window: StreamSendWindow, generation: Int, isNative: Bool, inbox: MessageInbox? = nil) {
        self.init(window: window, generation: generation, isNative: isNative, greeting: nil, inbox: inbox)
    }

    init(
        window: StreamSendWindow, generation: Int, isNative: Bool, greeting: Greeting?, inbox: MessageInbox?
    ) {
        self.greeting = greeting
        self.inbox = inbox
        self.window = window
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
            while !areOver, let frame = try readFrame(bytes, at: at) {
                at = frame.end
                let body = bytes.extracting(frame.body)
                switch frame.type {
                case .welcome:
                    let welcome = try Welcome(decoding: body)
                    if welcome.nonce.isEmpty { window.up(generation) } else { try prove(welcome.nonce) }
                case .ack: window.acked(try Ack(decoding: body), generation)
                case .error: take(try Reject(decoding: body))
                case .push: receive(body)
                default: break
                }
            }
        } catch {
            window.closing("its answer cannot be read (\(error.name))", isAskedToWait: false, generation)
            areOver = true
        }
        return at
    }

    /// A message to this side; the daemon is told that it is here.
    private mutating func receive(_ message: Span<UInt8>) {
        guard let id = inbox?.take(message) else { return }
        window.received(generation)
        var ack = Ack()
        ack.received = [id]
        writeFrame(.ack, body: ack.encode().span, into: &outgoing)
    }

    /// The daemon wants the key proved before it says anything else.
    private mutating func prove(_ nonce: [UInt8]) throws(Refusal) {
        guard !hasProved, let proof = greeting?.proof(of: nonce) else { throw .unauthorized }
        hasProved = true
        writeFrame(.proof, body: proof.span, into: &outgoing)
    }

    /// The daemon refuses something. What a new connection mends is sent again on one: it starts with an empty table
    /// and with everything that was not acknowledged. What is wrong with a batch is found out event by event.
    private mutating func take(_ reject: Reject) {
        let (window, generation) = (window, generation)
        end(reject.refusal, "\(reject.code): \(reject.text)") { window.refusedBatch(reject, generation) }
    }

    /// The connection ends for a reason that the daemon gave.
    ///
    /// - Parameter leaveOut: leaves out what the daemon does not want; says whether there was anything to be left out.
    private mutating func end(_ refusal: Refusal?, _ text: String, leaveOut: () -> Bool = { false }) {
        areOver = true
        switch remedy(refusal) {
        case .later: window.closing(text, isAskedToWait: true, generation)
        case .anotherConnection: window.closing(text, isAskedToWait: false, generation)
        case .without where leaveOut(): window.closing(text, isAskedToWait: false, generation)
        case .without, .none: window.refused(text, generation)
        }
    }

    /// What helps when the daemon refuses.
    private enum Remedy {
        /// To wait a while.
        case later
        case anotherConnection
        /// To leave out what it does not want.
        case without
        case none
    }

    private func remedy(_ refusal: Refusal?) -> Remedy {
        switch refusal {
        case nil, .unauthorized, .forbidden, .badMagic, .malformedFrame: .none
        case .unknownReference, .tableFull, .badChecksum, .truncated, .tooSlow: .anotherConnection
        case let refusal? where refusal.isRetryable: .later
        case .some: .without
        }
    }

    private mutating func takeLines(_ bytes: Span<UInt8>) -> Int {
        var start = 0
        for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") {
            takeLine(bytes.extracting(start..<index))
            start = index + 1
        }
        return start
    }

    private mutating func takeLine(_ bytes: Span<UInt8>) {
        guard var answer = AnswerLine(bytes) else { return }
        if greeting?.isLine == true {
            // The daemon counts the line that this side began with.
            if answer.kind == .ack, answer.count == 1 { return }
            answer.count = max(answer.count, 1) - 1
            answer.line = max(answer.line, 1) - 1
        }
        let refusal = UInt16(exactly: answer.code).flatMap(Refusal.init(rawValue:))
        if answer.kind == .error, answer.line == 0, answer.more == nil {
            return end(refusal, "\(answer.code): \(answer.text.isEmpty ? answer.reason : answer.text)")
        }
        // A connection that speaks frames is told of no lines.
        guard !isNative else { return }
        window.answered(answer, generation)
        if answer.kind == .error, refusal?.closesConnection == true { lastLine = min(lastLine, answer.line) }
        if answer.kind == .ack, answer.count >= lastLine { areOver = true }
    }
}
