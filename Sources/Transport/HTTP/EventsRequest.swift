// The body of a request that posts events: unpacked and bounded here, and made into events by what its type says.

import Admission
import Bytes
import Events
import Wire

/// The state machine of one body. Lines become events as they arrive; of everything else the whole is read before the
/// first event is taken.
struct EventsRequest {
    enum Form: Sendable {
        case lines
        /// One event, or an array of them.
        case json
        /// One CloudEvent.
        case event
        /// An array of CloudEvents.
        case batch
        /// A CloudEvent whose attributes stand in the head.
        case binary
        /// A native batch.
        case protobuf
    }

    enum Outcome: Hashable, Sendable {
        /// What was given is dealt with.
        case done
        case needsRoom
        case needsTime(Uptime)
        /// It has been at work for long enough.
        case needsTurn
        /// The request is refused from here on: what follows of its body is of no interest.
        case ends
    }

    let form: Form
    /// The attributes of an event of the binary form.
    var attributes: [(name: Substring, value: String)] = []
    var contentType: String?
    var report = EventsReport()
    /// The block that the last of the events stand in; 0 when nothing has to be waited for.
    var ticket: UInt64 = 0
    /// From when on the sender is within its quotas again.
    var due: Uptime = 0
    /// Events seen so far.
    var count = 0

    private let contentLength: Int?
    private var inflater: StreamInflater?
    private var held: HeldBytes?
    /// What has come and is not inflated, from `packedAt` on.
    private var packed: [UInt8] = []
    private var packedAt = 0
    /// What is inflated and not dealt with: at most an unfinished line and a piece, or the whole of the body.
    var tail: [UInt8] = []
    /// How much of the unfinished line has been searched for its end, so that no byte is looked at twice.
    var searched = 0
    /// The line at hand is too long, and passed over up to its end.
    var passesOver = false
    /// The tail holds whole lines that must wait.
    private var isBlocked = false
    /// The whole body has come, and been dealt with.
    private(set) var isTaken = false
    /// Bytes of the body, inflated.
    private var bytes = 0

    init(_ form: Form, _ head: HTTPHead) {
        self.form = form
        contentLength = head.coding == .none ? head.contentLength : nil
        if form == .binary { (attributes, contentType) = (head.attributes, head.contentType) }
    }

    /// Makes ready to inflate; false when there is no memory for it.
    mutating func inflates(_ coding: HTTPHead.Coding, in ingest: IngestContext) -> Bool {
        guard coding != .none else { return true }
        guard hold(HTTPLimits.inflaterBytes, in: ingest),
            let made = try? StreamInflater(coding == .gzip ? .gzip : .zlib)
        else { return false }
        inflater = made
        return true
    }

    private mutating func hold(_ more: Int, in ingest: IngestContext) -> Bool {
        if held == nil { held = HeldBytes(ingest.requests) }
        return held?.grow(by: more) ?? false
    }

    private var limit: Int { form == .lines ? HTTPLimits.linesBytes : HTTPLimits.wholeBytes }

    // MARK: Parts

    /// Deals with a part of the body and with what is left of those before it; keeps what must wait.
    ///
    /// - Parameter isEnd: nothing follows.
    mutating func receive(
        _ part: Span<UInt8>, isEnd: Bool, in ingest: IngestContext, as peer: any CommitListener
    ) -> Outcome {
        guard inflater != nil else {
            bytes += part.count
            guard bytes <= limit else { return refuseRest(.tooBig, ingest) }
            return take(part, isEnd: isEnd, ingest, peer)
        }
        packed.append(copying: part)
        if isBlocked {
            let outcome = take(Span(), isEnd: false, ingest, peer)
            guard outcome == .done else { return outcome }
        }
        let outcome = inflate(ingest, peer)
        guard outcome == .done else { return outcome }
        guard isEnd else { return .done }
        guard inflater?.isAtEnd == true else {
            return refuseRest(.truncated, ingest, text: "the packed body ends in the middle; send it whole")
        }
        return take(Span(), isEnd: true, ingest, peer)
    }

    private mutating func inflate(_ ingest: IngestContext, _ peer: any CommitListener) -> Outcome {
        guard let inflater else { return .done }
        let given = packed
        let begun = ingest.uptime()
        while true {
            let position: StreamInflater.Position
            do throws(ZlibError) {
                position = try inflater.inflate(
                    given.span, from: &packedAt, room: min(HTTPLimits.inflatedPiece, limit - bytes + 1),
                    into: &ingest.requests.inflated)
            } catch {
                if error == .tooLarge { return refuseRest(.inflatesTooBig, ingest, text: tooMuch) }
                return refuseRest(
                    .badInflate, ingest,
                    text: "the packed body is damaged, or followed by something else; send gzip, or deflate as zlib")
            }
            bytes += ingest.requests.inflated.count
            guard bytes <= limit else { return refuseRest(.inflatesTooBig, ingest, text: tooMuch) }
            let piece = ingest.requests.inflated
            let outcome = piece.isEmpty ? .done : take(piece.span, isEnd: false, ingest, peer)
            if position == .needsInput {
                packed = []
                packedAt = 0
            }
            guard outcome == .done, position == .hasMore else { return outcome }
            if ingest.uptime() > begun + HTTPLimits.turnNanoseconds { return .needsTurn }
        }
    }

    private var tooMuch: String {
        "the body inflates to more than \(limit >> 20) MiB, or has over \(HTTPLimits.gzipMembers) members; split it"
    }

    /// Takes inflated bytes.
    private mutating func take(
        _ bytes: Span<UInt8>, isEnd: Bool, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> Outcome {
        form == .lines
            ? takeLines(bytes, isEnd: isEnd, ingest, peer) : takeWhole(bytes, isEnd: isEnd, ingest, peer)
    }

    private mutating func takeLines(
        _ bytes: Span<UInt8>, isEnd: Bool, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> Outcome {
        let (consumed, outcome): (Int, Outcome)
        if tail.isEmpty {
            (consumed, outcome) = readLines(bytes, isEnd: isEnd, ingest, peer)
            tail.append(copying: bytes.extracting(consumed..<bytes.count))
        } else {
            tail.append(copying: bytes)
            let given = tail
            tail = []
            (consumed, outcome) = readLines(given.span, isEnd: isEnd, ingest, peer)
            if consumed < given.count { tail = Array(given[consumed...]) }
        }
        isBlocked = outcome != .done && outcome != .ends
        return outcome
    }

    private mutating func takeWhole(
        _ bytes: Span<UInt8>, isEnd: Bool, _ ingest: IngestContext, _ peer: any CommitListener
    ) -> Outcome {
        if isTaken { return .done }
        // What comes in one piece needs no copy.
        if !isEnd, tail.isEmpty, bytes.count == contentLength, canRead(ingest) == .done {
            isTaken = true
            _ = readWhole(bytes, ingest, peer)
            return .done
        }
        if bytes.count > 0 {
            guard hold(bytes.count, in: ingest) else { return refuseRest(.busy, ingest) }
            tail.append(copying: bytes)
        }
        guard isEnd else { return .done }
        let outcome = canRead(ingest)
        guard outcome == .done else { return outcome }
        isTaken = true
        let given = tail
        tail = []
        return readWhole(given.span, ingest, peer)
    }

    /// Whether events may be taken now.
    func canRead(_ ingest: IngestContext) -> Outcome {
        guard ingest.intake.hasRoom() else { return .needsRoom }
        if let until = ingest.pause(due) { return .needsTime(until) }
        return .done
    }

    // MARK: The end before the end

    /// Refuses the rest of the request: its body is too large, damaged, or is not waited for any longer.
    @discardableResult
    mutating func refuseRest(_ refusal: Refusal, _ ingest: IngestContext, text: String? = nil) -> Outcome {
        ingest.intake.refuse(refusal, events: 1, transport: .http)
        report.refuseRest(refusal, index: count, text: text ?? refusal.explanation.description)
        count += 1
        (tail, packed) = ([], [])
        return .ends
    }

    /// The body breaks off: what has been taken is taken, what was begun is not.
    mutating func breakOff(_ ingest: IngestContext) {
        let hasBegun = form != .lines || passesOver || tail.contains { !isBlank($0) } || !packed.isEmpty
        if isTaken || !hasBegun {
            report.refuseRest(.truncated, index: nil, text: "")
        } else {
            refuseRest(.truncated, ingest)
        }
    }
}
