// Native frames over TCP: HELLO, batches in order, cumulative acks.

import Admission
import Bytes
import Events
import Wire

/// The state machine of a connection that speaks frames.
///
/// Acks are cumulative, so nothing may be admitted behind a batch that was refused: until that batch has been sent
/// again, later ones are turned away unheard (go-back-N). This also keeps a device's numbers within its dedupe window.
struct NativeSession: Sendable {
    private struct Pending: Sendable {
        var ticket: UInt64
        var epoch: UInt32
        var durable: UInt64
        /// What the ack says besides: of events, and how many messages wait for the device.
        var verdicts = AckVerdicts()
        var waiting: UInt32?
    }

    /// A HELLO that names a key, until that is proved.
    private struct Unproved: Sendable {
        var hello: Hello
        /// The HELLO as it came.
        var body: [UInt8]
        /// What the daemon has given to be proved with.
        var nonce: [UInt8]
    }

    private var table: StringTable
    private var hasGreeted = false
    private var unproved: Unproved?
    /// The device that said HELLO; `.none` for a gateway whose events name their devices.
    private var source = DeviceID.none
    /// The reset counter of HELLO, for batches that name none.
    private var greetedEpoch: UInt32 = 0
    /// Whose numbers the batches carry; fixed by the first batch.
    private var numbered: DeviceID?
    private var epoch: UInt32 = 0
    /// The last number of this epoch that was admitted; nil before the first batch.
    private var through: UInt64?
    /// A batch was refused, and what follows it is turned away until it is sent again.
    private var awaitsResend = false
    private var hasLeft = false
    /// Whether the batches are of several devices: such a connection is sent nothing unless it has asked.
    private var speaksForMany = false
    private var asksForMessages = false
    private var pending: [Pending] = []
    /// The WELCOME that waits for its ticket, since what it calls durable may still be on its way to the disk, and the
    /// messages behind it: a client knows nobody who speaks before.
    private var welcome: (ticket: UInt64, frames: [UInt8])?
    /// From when on the sender is within its quotas again.
    private var due: Uptime = 0

    init(settings: TransportSettings) {
        table = StringTable(maxEntries: settings.tableEntries, maxBytes: settings.tableBytes)
    }

    var isAcknowledged: Bool { pending.isEmpty && welcome == nil }

    mutating func receive(
        _ bytes: Span<UInt8>, from start: Int, isEnd: Bool, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> Progress {
        var at = start
        while true {
            guard ingest.intake.hasRoom() else { return Progress(consumed: at, next: .needsRoom) }
            if let until = ingest.pause(due, device: numbered ?? source) {
                return Progress(consumed: at, next: .needsTime(until))
            }
            do throws(Refusal) {
                guard let frame = try readFrame(bytes, at: at) else { break }
                at = frame.end
                try take(frame, bytes.extracting(frame.body), in: ingest, as: peer, output: &output)
            } catch {
                due = max(due, ingest.charge(events: 0, units: 1))
                refuse(error, events: 1, in: ingest, output: &output)
                if error.closesConnection { return Progress(consumed: at, next: .ends) }
            }
            if hasLeft { return Progress(consumed: bytes.count, next: .ends) }
        }
        guard isEnd else { return Progress(consumed: at, next: .needsMore) }
        if at < bytes.count { refuse(.truncated, events: 1, in: ingest, output: &output) }
        return Progress(consumed: bytes.count, next: .ends)
    }

    /// What the sender owes stands in the quotas too.
    mutating func quotasChanged() { due = 0 }

    mutating func committed(through ticket: UInt64, output: inout [UInt8]) {
        if let held = welcome, held.ticket <= ticket {
            welcome = nil
            output += held.frames
        }
        var due = 0
        while due < pending.count, pending[due].ticket <= ticket {
            let isLast = due + 1 == pending.count || pending[due + 1].ticket > ticket
            if !isLast, pending[due + 1].epoch == pending[due].epoch, !pending[due].verdicts.saysMore {
                due += 1
                continue
            }
            var ack = Ack(durable: pending[due].durable)
            ack.epoch = pending[due].epoch
            ack.pending = pending[due].waiting
            pending[due].verdicts.put(into: &ack)
            writeFrame(.ack, body: ack.encode().span, into: &output)
            due += 1
        }
        pending.removeFirst(due)
    }

    /// Appends a message to the device at the other end.
    ///
    /// - Returns: false when there are several, and none has asked.
    mutating func push(_ message: Span<UInt8>, into output: inout [UInt8]) -> Bool {
        guard asksForMessages || !speaksForMany else { return false }
        guard var held = welcome else {
            writeFrame(.push, body: message, into: &output)
            return true
        }
        writeFrame(.push, body: message, into: &held.frames)
        welcome = held
        return true
    }

    static func writeError(
        _ reason: Refusal, seq: UInt64, text: StaticString? = nil, into output: inout [UInt8]
    ) {
        let text = (text ?? reason.explanation).description
        let reject = Reject(seq: seq, code: UInt32(reason.rawValue), text: text)
        writeFrame(.error, body: reject.encode().span, into: &output)
    }

    private func refuse(_ refusal: Refusal, events: Int, in ingest: IngestContext, output: inout [UInt8]) {
        let reason = ingest.reason(refusal)
        ingest.intake.refuse(reason, events: events, transport: .tcp)
        let text = ingest.explanation(of: reason)
        Self.writeError(reason, seq: through.map { $0 + 1 } ?? 0, text: text, into: &output)
    }

    private mutating func take(
        _ frame: Frame, _ body: Span<UInt8>, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) throws(Refusal) {
        switch frame.type {
        case .batch:
            if unproved != nil { throw ingest.refusal(.unproved) }
            try ingest.requireCredential()
            if frame.flags.contains(.deflated) {
                ingest.inflated.removeAll(keepingCapacity: true)
                try inflateBody(body, limit: Limits.frameBytes, into: &ingest.inflated)
                let inflated = ingest.inflated
                try takeBatch(inflated.span, in: ingest, as: peer)
            } else {
                try takeBatch(body, in: ingest, as: peer)
            }
        case .hello:
            guard !hasGreeted, through == nil, frame.flags.isEmpty, body.count <= TransportLimits.helloBytes else {
                throw .malformedFrame
            }
            try greet(body, in: ingest, as: peer, output: &output)
        case .ping:
            guard frame.flags.isEmpty, body.count <= TransportLimits.pingBytes else { throw .malformedFrame }
            writeFrame(.pong, body: body, into: &output)
        case .bye: hasLeft = true
        case .ack:
            if unproved != nil { throw ingest.refusal(.unproved) }
            guard frame.flags.isEmpty, body.count <= TransportLimits.receivedBytes else { throw .malformedFrame }
            try noteReceived(body, .ofAck, in: ingest)
        case .proof:
            guard let unproved, frame.flags.isEmpty, body.count == DeviceKey.byteCount else { throw .malformedFrame }
            try prove(unproved, Array(copying: body), in: ingest)
            self.unproved = nil
            try welcome(unproved.hello, in: ingest, as: peer, output: &output)
        case .welcome, .error, .push, .pong, .columns: throw .malformedFrame
        }
    }

    private mutating func greet(
        _ body: Span<UInt8>, in ingest: IngestContext, as peer: any CommitListener, output: inout [UInt8]
    ) throws(Refusal) {
        let hello = try Hello(decoding: body)
        guard hello.version <= 1 else { throw .malformedBody }
        if !hello.token.isEmpty {
            guard ingest.isPrivate else { throw ingest.refusal(.readable) }
            let isWhole = hello.keyID == 0 || hello.token.utf8.contains(UInt8(ascii: "."))
            let bearer = Array((isWhole ? hello.token : "\(hello.keyID).\(hello.token)").utf8)
            ingest.principal = try ingest.principal(bearer: bearer.span)
        } else if hello.keyID != 0, !ingest.principal.isKnown {
            return try askForProof(of: hello, body, output: &output)
        } else {
            try ingest.requireCredential()
        }
        try welcome(hello, in: ingest, as: peer, output: &output)
    }

    /// Gives the client what it has to prove its key with; it hears nothing else before it has.
    private mutating func askForProof(
        of hello: Hello, _ body: Span<UInt8>, output: inout [UInt8]
    ) throws(Refusal) {
        guard DeviceKey.nonceBytes.contains(hello.nonce.count) else { throw .malformedBody }
        var welcome = Welcome()
        welcome.nonce = randomBytes(TransportLimits.nonceBytes)
        writeFrame(.welcome, body: welcome.encode().span, into: &output)
        hasGreeted = true
        unproved = Unproved(hello: hello, body: Array(copying: body), nonce: welcome.nonce)
    }

    private func prove(_ unproved: Unproved, _ proof: [UInt8], in ingest: IngestContext) throws(Refusal) {
        ingest.principal = try ingest.principal(key: unproved.hello.keyID) { key in
            let right = key.proof(nonce: unproved.nonce, ownNonce: unproved.hello.nonce, hello: unproved.body)
            return isSameSecret(right, proof)
        }
    }

    /// Tells a client that may send what the daemon has of it.
    private mutating func welcome(
        _ hello: Hello, in ingest: IngestContext, as peer: any CommitListener, output: inout [UInt8]
    ) throws(Refusal) {
        let intake = ingest.intake
        if !hello.source.isEmpty {
            source = try readDevice(hello.source.span, vocabulary: &intake.vocabulary)
            ingest.device = source
        }
        hasGreeted = true
        asksForMessages = hello.features.contains(.messages)
        greetedEpoch = hello.epoch
        var welcome = Welcome()
        welcome.time = intake.now
        welcome.maxFrameBytes = UInt32(Limits.frameBytes)
        welcome.maxBatchEvents = UInt32(Limits.batchEvents)
        if let state = source == .none ? nil : ackState(for: hello, intake) {
            welcome.epoch = state.epoch
            welcome.durable = state.durable
            // This state counts what has only been admitted: it is told when that is durable, as an ack is.
            var frames: [UInt8] = []
            writeFrame(.welcome, body: welcome.encode().span, into: &frames)
            self.welcome = (intake.notifyOnCommit(peer), frames)
            return
        }
        writeFrame(.welcome, body: welcome.encode().span, into: &output)
    }

    /// How far the epoch that a client is going to send is received; that of the one heard last, when it is a new one.
    private func ackState(for hello: Hello, _ intake: any Intake) -> AckState? {
        intake.ackState(of: source, epoch: hello.epoch) ?? intake.ackState(of: source, epoch: nil)
    }

    private mutating func takeBatch(
        _ body: Span<UInt8>, in ingest: IngestContext, as peer: any CommitListener
    ) throws(Refusal) {
        let intake = ingest.intake
        let mark = intake.filling.mark
        let header: BatchHeader
        do throws(Refusal) {
            let context = ingest.batchContext(source: source, epoch: greetedEpoch)
            header = try readBatch(
                body, context: context, table: &table, vocabulary: &intake.vocabulary, into: &intake.filling)
        } catch {
            requireResend(from: firstSeq(ofUnreadable: body))
            throw error
        }
        if let numbered, numbered != header.device {
            intake.filling.truncate(to: mark)
            requireResend(from: header.firstSeq)
            throw .badIdentity
        }
        // Who sends for one device without a hello is that device.
        if numbered == nil, source == .none, header.device != .none { ingest.device = header.device }
        numbered = header.device
        noteSpeakers(since: mark, intake)
        if header.hasReceived, own != .none { try? noteReceived(body, .ofBatch, in: ingest) }
        due = max(due, ingest.charge(events: header.count, units: header.count))
        if !follows(header) {
            intake.filling.truncate(to: mark)
            intake.refuse(.unknownReference, events: max(header.count, 1), transport: .tcp)
            return
        }
        if header.oldest > 0, header.device != .none {
            intake.closeGap(header.device, epoch: header.epoch, below: header.oldest, transport: .tcp)
        }
        let result = intake.admit(.tcp)
        epoch = header.epoch
        through = max(through ?? 0, header.lastSeq)
        acknowledge(ticket: intake.notifyOnCommit(peer), AckVerdicts(result, header), ingest.waiting[own])
    }

    /// The device at the other end, as far as the connection has said.
    private var own: DeviceID { source == .none ? numbered ?? .none : source }

    /// Looks whether the events of a batch are all of the device at the other end.
    private mutating func noteSpeakers(since mark: EventBatch.Mark, _ intake: any Intake) {
        guard !speaksForMany, !asksForMessages else { return }
        let (own, events) = (own, intake.filling.events)
        for index in mark.events..<events.count where events[index].device != own {
            speaksForMany = true
            return
        }
    }

    /// The device has these messages.
    private func noteReceived(
        _ body: Span<UInt8>, _ field: ReceivedField, in ingest: IngestContext
    ) throws(Refusal) {
        guard own != .none else { throw .noDevice }
        for id in try readReceived(body, field) { ingest.note(TransportReceipt(own, id)) }
    }

    /// A batch that starts at `seq` was refused: nothing behind it may be taken before it has come again.
    private mutating func requireResend(from seq: UInt64) {
        awaitsResend = true
        if through == nil { through = seq > 0 ? seq - 1 : 0 }
    }

    /// Whether a batch may be taken now: always, unless it comes behind one that was refused.
    private mutating func follows(_ header: BatchHeader) -> Bool {
        guard awaitsResend, let last = through else {
            if header.epoch != epoch { through = nil }
            return true
        }
        let closed = header.oldest > 0 ? header.oldest - 1 : 0
        guard header.firstSeq <= max(last, closed) + 1 else { return false }
        awaitsResend = false
        return true
    }

    private mutating func acknowledge(ticket: UInt64, _ verdicts: AckVerdicts, _ waiting: UInt32?) {
        let durable = through ?? 0
        if let last = pending.indices.last, pending[last].ticket == ticket, pending[last].epoch == epoch {
            (pending[last].durable, pending[last].waiting) = (durable, waiting)
            pending[last].verdicts.add(verdicts)
        } else {
            pending.append(
                Pending(ticket: ticket, epoch: epoch, durable: durable, verdicts: verdicts, waiting: waiting))
        }
    }
}
