// A datagram socket around a `DatagramSession`, whatever protocol that speaks: reads many at once, answers each when it
// is durable.

import Admission
import Events
import NIOCore

/// Confined to the ingest event loop.
final class DatagramHandler: ChannelInboundHandler, CommitListener {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    /// The acks that one block makes due.
    private struct PendingAcks {
        var ticket: UInt64
        var acks: DatagramOutbox
    }

    private let ingest: IngestContext
    private let readEnds: () -> Void
    private var session: any DatagramSession
    private var context: ChannelHandlerContext?
    private var socket: DatagramSocket?
    /// Whether several of our addresses may be asked.
    private let isWildcard: Bool
    private var canSegment = DatagramSocket.canSegment
    /// Answers that wait for nothing.
    private var answers = DatagramOutbox()
    /// Acks that wait for their blocks, in the order of the tickets.
    private var pending: [PendingAcks] = []
    private var pendingCount = 0
    /// Acks that are due and found the socket full.
    private var unsent: [DatagramOutbox] = []
    private var retry: Scheduled<Void>?
    /// An empty one that has memory.
    private var spare = DatagramOutbox()
    /// Read, and to be dealt with together with what comes next.
    private var read: [AddressedEnvelope<ByteBuffer>] = []
    /// Read before the intake was full, and not dealt with; at most what one wakeup of the loop reads.
    private var deferred: [AddressedEnvelope<ByteBuffer>] = []
    private var awaitsRoomSince: NIODeadline?
    private var isDraining = false
    private var drained: EventLoopPromise<Void>?

    /// - Parameter isWildcard: whether the socket is bound to all addresses of the machine.
    init(
        _ session: any DatagramSession, socket: DatagramSocket, isWildcard: Bool, ingest: IngestContext,
        readEnds: @escaping () -> Void
    ) {
        self.session = session
        self.socket = socket
        self.isWildcard = isWildcard
        self.ingest = ingest
        self.readEnds = readEnds
    }

    func channelActive(context: ChannelHandlerContext) {
        // Only then the channel knows of what family its socket is; nothing has been read so far.
        if isWildcard { context.channel.setOption(.receivePacketInfo, value: true).whenFailure { _ in } }
        context.fireChannelActive()
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDraining else { return }
        read.append(unwrapInboundIn(data))
        if read.count == TransportLimits.datagramsAtOnce { takeRead() }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        takeRead()
        sendAnswers()
        readEnds()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An ICMP answer to one of our acks; the socket lives on.
    }

    func committed(through ticket: UInt64) {
        guard context != nil else { return }
        let due = pending.prefix { $0.ticket <= ticket }.count
        for index in 0..<due {
            pendingCount -= pending[index].acks.count
            unsent.append(pending[index].acks)
        }
        pending.removeFirst(due)
        sendUnsent()
        finishDraining()
    }

    func resume() {
        guard context != nil, awaitsRoomSince != nil else { return }
        awaitsRoomSince = nil
        let envelopes = deferred
        deferred = []
        for envelope in envelopes {
            if awaitsRoomSince == nil, ingest.intake.hasRoom() { take(envelope) } else { deferReading(envelope) }
        }
        if awaitsRoomSince == nil { setReading(true) }
        sendAnswers()
        readEnds()
    }

    /// Called about once a second. When there has been no room for so long, senders are told instead of being left
    /// to the kernel's buffer.
    func sweep(now: NIODeadline) {
        guard let since = awaitsRoomSince, now - since >= .seconds(1) else { return }
        for envelope in deferred { refuseBusy(envelope) }
        deferred = []
        setReading(true)
        sendAnswers()
    }

    func drain() -> EventLoopFuture<Void>? {
        guard let context else { return nil }
        isDraining = true
        takeRead()
        deferred = []
        setReading(false)
        let promise = context.eventLoop.makePromise(of: Void.self)
        drained = promise
        finishDraining()
        return promise.futureResult
    }

    /// Deals with what has been read: the names of all are looked for together.
    private func takeRead() {
        guard !read.isEmpty else { return }
        for envelope in read { session.announce(envelope.data.readableBytesUInt8Span, in: ingest) }
        session.prefetchAnnounced(in: ingest)
        for number in read.indices {
            if awaitsRoomSince == nil, ingest.intake.hasRoom() {
                take(read[number], announced: number)
            } else {
                deferReading(read[number])
            }
        }
        session.clearAnnounced()
        read.removeAll(keepingCapacity: true)
    }

    private func take(_ envelope: AddressedEnvelope<ByteBuffer>, announced number: Int? = nil) {
        ingest.isPrivate = false
        if ingest.quotas != nil || ingest.settings.authMode != .off || !ingest.access.isEmpty {
            ingest.sender = SenderAddress(envelope.remoteAddress)
        }
        let outcome = session.receive(
            envelope.data.readableBytesUInt8Span, announced: number, in: ingest, as: self,
            output: &ingest.output)
        if ingest.principal.isKnown { ingest.principal = .anybody }
        switch outcome {
        case .silence: ingest.output.removeAll(keepingCapacity: true)
        case .answer: answer(envelope)
        case .answerWhenDurable(let ticket):
            if pendingCount < TransportLimits.datagramsAwaitingAck {
                acknowledge(ticket, envelope)
            } else {
                ingest.output.removeAll(keepingCapacity: true)
            }
        }
    }

    private func deferReading(_ envelope: AddressedEnvelope<ByteBuffer>) {
        if awaitsRoomSince == nil {
            awaitsRoomSince = .now()
            setReading(false)
            ingest.intake.awaitRoom(self)
        }
        if deferred.count < TransportLimits.datagramsDeferred {
            deferred.append(envelope)
        } else {
            refuseBusy(envelope)
        }
    }

    private func refuseBusy(_ envelope: AddressedEnvelope<ByteBuffer>) {
        let outcome = session.refuse(
            .busy, envelope.data.readableBytesUInt8Span, in: ingest, output: &ingest.output)
        if case .answer = outcome { answer(envelope) }
    }

    /// What is in `output`, if anything, goes out at the end of the read.
    private func answer(_ envelope: AddressedEnvelope<ByteBuffer>) {
        guard !ingest.output.isEmpty else { return }
        answers.add(ingest.output, to: envelope.remoteAddress, from: envelope.metadata?.packetInfo)
        ingest.output.removeAll(keepingCapacity: true)
    }

    /// What is in `output` goes out when its block is durable.
    private func acknowledge(_ ticket: UInt64, _ envelope: AddressedEnvelope<ByteBuffer>) {
        if pending.last?.ticket != ticket {
            pending.append(PendingAcks(ticket: ticket, acks: spare))
            spare = DatagramOutbox()
        }
        let last = pending.count - 1
        let before = pending[last].acks.count
        pending[last].acks.add(ingest.output, to: envelope.remoteAddress, from: envelope.metadata?.packetInfo)
        pendingCount += pending[last].acks.count - before
        ingest.output.removeAll(keepingCapacity: true)
    }

    private func sendAnswers() {
        guard context != nil, !answers.isEmpty else { return }
        if unsent.isEmpty, flush(&answers) { return }
        unsent.append(answers)
        answers = DatagramOutbox()
        retryLater()
    }

    private func sendUnsent() {
        var sent = 0
        while sent < unsent.count, flush(&unsent[sent]) { sent += 1 }
        if sent > 0 { spare = unsent[0] }
        unsent.removeFirst(sent)
        retryLater()
    }

    private func flush(_ outbox: inout DatagramOutbox) -> Bool {
        guard let socket else { return true }
        return outbox.flush(canSegment: &canSegment) {
            socket.send($0, segmentSize: $1, to: $2.address, from: $2.source)
        }
    }

    /// The kernel does not say when a datagram socket has room again, but it never takes long.
    private func retryLater() {
        guard !unsent.isEmpty, retry == nil, let context else { return }
        // Whoever waits for more answers than this repeats what it needs to know.
        while unsent.count > 1, unsent.reduce(0, { $0 + $1.bytes.count }) > TransportLimits.unreadAnswerBytes {
            unsent.removeFirst()
        }
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        retry = context.eventLoop.scheduleTask(in: .milliseconds(1)) {
            handler.value.retry = nil
            if handler.value.context != nil { handler.value.sendUnsent() }
        }
    }

    private func setReading(_ isReading: Bool) {
        context?.channel.setOption(.autoRead, value: isReading).whenFailure { _ in }
    }

    private func finishDraining() {
        guard let drained, pending.isEmpty else { return }
        self.drained = nil
        drained.succeed(())
    }

    private func leave() {
        guard context != nil else { return }
        context = nil
        socket = nil
        retry?.cancel()
        retry = nil
        read = []
        pending.removeAll()
        pendingCount = 0
        unsent.removeAll()
        deferred = []
        ingest.intake.remove(self)
        finishDraining()
    }
}
