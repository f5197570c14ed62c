// JSON lines over TCP: one event a line, answered by counting lines.

import Admission
import Bytes
import Events
import Wire

/// The state machine of a connection that sends JSON lines.
///
/// Lines are numbered from 1 as an editor would; `{"ack":N}` says that all lines up to N have been dealt with: stored
/// durably, or refused with an answer of its own. Blank lines have a number and are nothing else.
struct LineSession: Sendable {
    private struct Pending: Sendable {
        var ticket: UInt64
        var lines: UInt64
    }

    /// Lines dealt with so far; those of the run at hand are numbered from `lines + 1`.
    private var lines: UInt64
    private var pending: [Pending] = []
    /// How much of the unfinished line has been searched for its end, so that no byte is looked at twice.
    private var searched = 0
    /// Where an event comes from: the number of its line, and where that begins in the bytes of the read.
    private struct Origin: Sendable, BitwiseCopyable {
        var line: UInt64
        var start: Int

        /// Where the line stands. It is looked for once more, as only those that something is told of are needed.
        func range(in bytes: Span<UInt8>) -> Range<Int> {
            start..<lineEnd(bytes, in: start..<bytes.first(UInt8(ascii: "\n"), from: start))
        }
    }

    /// Those of the events of the run at hand.
    private var origins: [Origin] = []
    /// Those of the entries of the ingest's window.
    private var windowOrigins: [Origin] = []
    /// From when on the sender is within its quotas again.
    private var due: Uptime = 0
    /// The keys that nobody knows of which the sender was told.
    private var toldKeys: Set<String> = []
    /// The last form of line that was looked through for such keys, and how many were.
    private var lastForm: UInt32 = 0
    private var formsLookedAt = 0
    /// Whether the first line was looked at, which may say who sends the others.
    private var hasBegun = false
    /// The device of all lines so far; and whether there are several, which are sent nothing unless they have asked.
    private var device = DeviceID.none
    private var speaksForMany = false
    private var asksForMessages = false

    /// - Parameter blankLines: lines without anything in them that came before.
    init(after blankLines: UInt64 = 0) { lines = blankLines }

    var isAcknowledged: Bool { pending.isEmpty }

    mutating func receive(
        _ bytes: Span<UInt8>, from start: Int, isEnd: Bool, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> Progress {
        var at = start
        if !hasBegun, let next = begin(bytes, &at, isEnd: isEnd, ingest, output: &output) {
            return Progress(consumed: at, next: next)
        }
        var refused = 0
        defer {
            writeMore(refused - TransportLimits.answersPerRead, "error", into: &output)
        }
        while true {
            guard ingest.intake.hasRoom() else { return Progress(consumed: at, next: .needsRoom) }
            if let until = ingest.pause(due) { return Progress(consumed: at, next: .needsTime(until)) }
            let before = lines
            let next = receiveRun(
                bytes, at: &at, isEnd: isEnd, ingest: ingest, refused: &refused, output: &output)
            if lines > before {
                due = max(due, ingest.charge(events: origins.count, units: Int(lines - before)))
                admitRun(bytes, ingest, output: &output)
                acknowledge(lines, ticket: ingest.intake.notifyOnCommit(peer))
            }
            if let next { return Progress(consumed: at, next: next) }
        }
    }

    /// Looks at the first line, once it is there.
    ///
    /// - Returns: how the read ends; nil when it goes on.
    private mutating func begin(
        _ bytes: Span<UInt8>, _ at: inout Int, isEnd: Bool, _ ingest: IngestContext, output: inout [UInt8]
    ) -> Progress.Next? {
        let end = bytes.first(UInt8(ascii: "\n"), from: at + searched)
        if end == bytes.count, !isEnd, end - at <= Limits.jsonEventBytes {
            searched = end - at
            return .needsMore
        }
        hasBegun = true
        searched = 0
        do throws(Refusal) {
            guard let hello = try LineHello(bytes.extracting(lineContent(bytes, in: at..<end))) else {
                try ingest.requireCredential()
                return nil
            }
            try greet(hello, ingest)
        } catch {
            let reason = ingest.reason(error)
            ingest.intake.refuse(reason, events: 1, transport: .tcpLines)
            let text = ingest.explanation(of: reason).description
            writeLineVerdict(.refused(reason), line: 0, text: text, into: &output)
            at = bytes.count
            return .ends
        }
        lines += 1
        at = min(end + 1, bytes.count)
        writeLineAck(lines, into: &output)
        return nil
    }

    private mutating func greet(_ hello: LineHello, _ ingest: IngestContext) throws(Refusal) {
        if hello.token.isEmpty {
            try ingest.requireCredential()
        } else {
            guard ingest.isPrivate else { throw ingest.refusal(.readable) }
            ingest.principal = try ingest.principal(bearer: hello.token.span)
        }
        asksForMessages = hello.asksForMessages
        guard !hello.source.isEmpty else { return }
        device = try readDevice(hello.source.span, vocabulary: &ingest.intake.vocabulary)
        ingest.device = device
    }

    /// Of a connection whose lines all name one device, that device is at the other end.
    private mutating func noteDevice(_ ingest: IngestContext) {
        guard !speaksForMany else { return }
        let events = ingest.intake.filling.events
        for index in (events.count - origins.count)..<events.count where events[index].device != device {
            guard device == .none else {
                speaksForMany = true
                return
            }
            device = events[index].device
            ingest.device = device
        }
    }

    /// Appends a message to the device at the other end.
    ///
    /// - Returns: false when there are several, and none has asked.
    mutating func push(_ message: Span<UInt8>, into output: inout [UInt8]) -> Bool {
        guard asksForMessages || !speaksForMany else { return false }
        output.append(contentsOf: "{\"down\":".utf8)
        output.append(copying: message)
        output.append(contentsOf: "}\n".utf8)
        return true
    }

    /// What the sender owes stands in the quotas too.
    mutating func quotasChanged() { due = 0 }

    mutating func committed(through ticket: UInt64, output: inout [UInt8]) {
        var due = 0
        while due < pending.count, pending[due].ticket <= ticket { due += 1 }
        guard due > 0 else { return }
        writeLineAck(pending[due - 1].lines, into: &output)
        pending.removeFirst(due)
    }

    /// Decodes lines until there is no whole one left or as many as the intake has promised room for.
    ///
    /// - Returns: how the read ends; nil when there may be more lines.
    private mutating func receiveRun(
        _ bytes: Span<UInt8>, at: inout Int, isEnd: Bool, ingest: IngestContext, refused: inout Int,
        output: inout [UInt8]
    ) -> Progress.Next? {
        let arrival = ingest.intake.now
        var left = 256
        while left > 0 {
            let next = gather(bytes, at: &at, isEnd: isEnd, &left, ingest)
            if let forbidden = takeWindow(bytes, arrival: arrival, ingest, &refused, output: &output) {
                // Nothing behind that line is looked at.
                lines = forbidden
                at = bytes.count
                return .ends
            }
            guard let next else { continue }
            if next == .tooLong {
                lines += 1
                refuse(.tooBig, line: lines, Span(), ingest, &refused, output: &output)
                at = bytes.count
            }
            return next == .needsMore ? .needsMore : .ends
        }
        return nil
    }

    private enum GatherEnd {
        case needsMore
        case isOver
        /// What comes next is longer than any line may be.
        case tooLong
    }

    /// Finds whole lines and puts them into the window, until it is full or `left` of them were seen.
    ///
    /// - Returns: why no more of them follow; nil when there may be more.
    private mutating func gather(
        _ bytes: Span<UInt8>, at: inout Int, isEnd: Bool, _ left: inout Int, _ ingest: IngestContext
    ) -> GatherEnd? {
        while left > 0, ingest.window.count < EventLineWindow.capacity {
            let end = bytes.first(UInt8(ascii: "\n"), from: at + searched)
            if end - at > Limits.jsonEventBytes { return .tooLong }
            let isLast = end == bytes.count
            if isLast, !isEnd {
                // What is blank so far is no line that was begun: it may be there to keep the connection open.
                while at < end, isBlank(bytes[at]) { at += 1 }
                searched = end - at
                return .needsMore
            }
            searched = 0
            if isLast, at == end { return .isOver }
            lines += 1
            left -= 1
            let content = lineContent(bytes, in: at..<end)
            if !content.isEmpty {
                ingest.window.add(bytes, content)
                windowOrigins.append(Origin(line: lines, start: content.lowerBound))
            }
            at = isLast ? end : end + 1
        }
        return nil
    }

    /// Makes events of the lines in the window, and empties it.
    ///
    /// - Returns: the number of the line after which the sender is not listened to any more; nil when there is none.
    private mutating func takeWindow(
        _ bytes: Span<UInt8>, arrival: Timestamp, _ ingest: IngestContext, _ refused: inout Int,
        output: inout [UInt8]
    ) -> UInt64? {
        let intake = ingest.intake
        var last: UInt64?
        ingest.window.search(bytes, &intake.vocabulary)
        for index in 0..<ingest.window.count where last == nil {
            do throws(Refusal) {
                let form = try ingest.window.append(
                    index, bytes, arrival: arrival, vocabulary: &intake.vocabulary, into: &intake.filling)
                origins.append(windowOrigins[index])
                if form != 0, form != lastForm, !ingest.settings.keepsUnknown {
                    tellUnknownKeys(form, windowOrigins[index], bytes, output: &output)
                }
            } catch {
                let origin = windowOrigins[index]
                let line = bytes.extracting(origin.range(in: bytes))
                refuse(error, line: origin.line, line, ingest, &refused, output: &output)
                if error.closesConnection { last = origin.line }
            }
        }
        ingest.window.removeAll()
        windowOrigins.removeAll(keepingCapacity: true)
        return last
    }

    @inline(never)
    private func refuse(
        _ refusal: Refusal, line number: UInt64, _ line: Span<UInt8>, _ ingest: IngestContext, _ refused: inout Int,
        output: inout [UInt8]
    ) {
        let reason = ingest.reason(refusal)
        ingest.intake.refuse(reason, events: 1, transport: .tcpLines)
        refused += 1
        guard refused <= TransportLimits.answersPerRead else { return }
        let isLateHello = (reason == .noProduct || reason == .noDevice) && LineHello.isHello(line)
        let text = isLateHello ? "a hello is for the first line of a connection" : explanation(of: reason, line: line)
        writeLineVerdict(.refused(reason), line: number, text: text, into: &output)
    }

    /// Tells of the keys of a stored line that nobody knows, each once. Lines of one form are looked through once.
    @inline(never)
    private mutating func tellUnknownKeys(
        _ form: UInt32, _ origin: Origin, _ bytes: Span<UInt8>, output: inout [UInt8]
    ) {
        lastForm = form
        guard formsLookedAt < TransportLimits.formsLookedAt, toldKeys.count < TransportLimits.keysTold else { return }
        formsLookedAt += 1
        for key in unknownKeys(of: bytes.extracting(origin.range(in: bytes))) {
            guard toldKeys.count < TransportLimits.keysTold, toldKeys.insert(key).inserted else { continue }
            writeNote(key: key, line: origin.line, into: &output)
        }
    }

    private mutating func admitRun(_ bytes: Span<UInt8>, _ ingest: IngestContext, output: inout [UInt8]) {
        guard !origins.isEmpty else { return }
        noteDevice(ingest)
        let result = ingest.intake.admit(.tcpLines)
        var (quarantined, stale) = (result.quarantined, result.stale)
        for one in result.named where one.index < origins.count {
            let origin = origins[one.index]
            let text = explanation(of: one.verdict, one.event, line: bytes.extracting(origin.range(in: bytes)))
            writeLineVerdict(.told(one.verdict), line: origin.line, text: text, into: &output)
            if case .stale = one.verdict { stale -= 1 } else { quarantined -= 1 }
        }
        writeMore(quarantined, "quarantined", into: &output)
        writeMore(stale, "stale", into: &output)
        origins.removeAll(keepingCapacity: true)
    }

    private mutating func acknowledge(_ lines: UInt64, ticket: UInt64) {
        if let last = pending.indices.last, pending[last].ticket == ticket {
            pending[last].lines = lines
        } else {
            pending.append(Pending(ticket: ticket, lines: lines))
        }
    }
}
