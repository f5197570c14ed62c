// A datagram socket around a `DatagramSession`, whatever protocol that speaks: reads many at once, answers each when it
// is durable.

import Admission
import Bytes
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

    private struct DeferredDatagram {
        var bytes: [UInt8]
        var peer: Peer
    }

    /// Where an answer goes to, and from where.
    private struct Peer {
        var address: DatagramAddress
        var source: DatagramSource?
    }

    private let ingest: IngestContext
    private let table: ConnectionTable
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
    /// Read, and to be dealt with together.
    private var inbox = DatagramInbox()
    /// Read before the intake was full, and not dealt with; at most what one wakeup of the loop reads.
    private var deferred: [DeferredDatagram] = []
    private var awaitsRoomSince: NIODeadline?
    private var isDraining = false
    private var drained: EventLoopPromise<Void>?

    /// - Parameter isWildcard: whether the socket is bound to all addresses of the machine.
    init(
        _ session: any DatagramSession, socket: DatagramSocket, isWildcard: Bool, table: ConnectionTable
    ) {
        self.session = session
        self.socket = socket
        self.isWildcard = isWildcard
        self.table = table
        ingest = table.ingest
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
        if inbox.isFull { takeRead() }
        inbox.add(unwrapInboundIn(data))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        for _ in 0..<TransportLimits.readsPerTurn {
            guard let socket, !isDraining else { break }
            let mayBeMore = inbox.fill(from: socket)
            takeRead()
            guard mayBeMore, awaitsRoomSince == nil else { break }
        }
        sendAnswers()
        table.readEnds()
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
        let datagrams = deferred
        deferred = []
        for datagram in datagrams {
            if awaitsRoomSince == nil, ingest.intake.hasRoom() {
                take(datagram.bytes.span, from: datagram.peer)
            } else {
                deferReading(datagram.bytes.span, from: datagram.peer)
            }
        }
        if awaitsRoomSince == nil { setReading(true) }
        sendAnswers()
        table.readEnds()
    }

    /// Called about once a second. When there has been no room for so long, senders are told instead of being left
    /// to the kernel's buffer.
    func sweep(now: NIODeadline) {
        guard let since = awaitsRoomSince, now - since >= .seconds(1) else { return }
        for datagram in deferred { refuseBusy(datagram.bytes.span, from: datagram.peer) }
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

    /// Deals with what has been read: the names of several are looked for together.
    private func takeRead() {
        guard !inbox.isEmpty else { return }
        let (bytes, received, count) = (inbox.bytes, inbox.received, inbox.count)
        for first in stride(from: 0, to: count, by: TransportLimits.datagramsAtOnce) {
            let numbers = first..<min(first + TransportLimits.datagramsAtOnce, count)
            for number in numbers {
                session.announce(bytes.span.extracting(DatagramInbox.range(number, received[number].size)), in: ingest)
            }
            session.prefetchAnnounced(in: ingest)
            for number in numbers {
                let datagram = received[number]
                let content = bytes.span.extracting(DatagramInbox.range(number, datagram.size))
                let peer = Peer(address: datagram.address, source: datagram.source)
                if awaitsRoomSince == nil, ingest.intake.hasRoom() {
                    take(content, from: peer, announced: number - first)
                } else {
                    deferReading(content, from: peer)
                }
            }
            session.clearAnnounced()
        }
        inbox.removeAll()
    }

    private func take(_ bytes: Span<UInt8>, from peer: Peer, announced number: Int? = nil) {
        ingest.isPrivate = false
        ingest.sender = SenderAddress(InternetAddress(peer.address))
        let outcome = session.receive(bytes, announced: number, in: ingest, as: self, output: &ingest.output)
        if ingest.principal.isKnown { ingest.principal = .anybody }
        if ingest.contact != nil || ingest.acknowledged != nil { noteWayBack(peer) }
        switch outcome {
        case .silence: ingest.output.removeAll(keepingCapacity: true)
        case .answer: answer(peer)
        case .answerWhenDurable(let ticket):
            if pendingCount < TransportLimits.datagramsAwaitingAck {
                acknowledge(ticket, peer)
            } else {
                ingest.output.removeAll(keepingCapacity: true)
            }
        }
    }

    /// The datagram has opened a way back to its device, or says what has come by one.
    private func noteWayBack(_ peer: Peer) {
        if let contact = ingest.contact { table.note(contact, at: peer.address, from: peer.source, by: self) }
        if let (request, received) = ingest.acknowledged { table.note(received, for: request) }
        (ingest.contact, ingest.acknowledged) = (nil, nil)
    }

    /// Sends a message to a device.
    ///
    /// - Returns: whether the socket is open.
    func send(_ push: DatagramPush) -> Bool {
        guard context != nil, !isDraining else { return false }
        answers.add(push.bytes, to: push.address, from: push.source)
        sendAnswers()
        return true
    }

    private func deferReading(_ bytes: Span<UInt8>, from peer: Peer) {
        if awaitsRoomSince == nil {
            awaitsRoomSince = .now()
            setReading(false)
            ingest.intake.awaitRoom(self)
        }
        if deferred.count < TransportLimits.datagramsDeferred {
            deferred.append(DeferredDatagram(bytes: Array(copying: bytes), peer: peer))
        } else {
            refuseBusy(bytes, from: peer)
        }
    }

    private func refuseBusy(_ bytes: Span<UInt8>, from peer: Peer) {
        let outcome = session.refuse(.busy, bytes, in: ingest, output: &ingest.output)
        if case .answer = outcome { answer(peer) }
    }

    /// What is in `output`, if anything, goes out at the end of the read.
    private func answer(_ peer: Peer) {
        guard !ingest.output.isEmpty else { return }
        answers.add(ingest.output, to: peer.address, from: peer.source)
        ingest.output.removeAll(keepingCapacity: true)
    }

    /// What is in `output` goes out when its block is durable.
    private func acknowledge(_ ticket: UInt64, _ peer: Peer) {
        if pending.last?.ticket != ticket {
            pending.append(PendingAcks(ticket: ticket, acks: spare))
            spare = DatagramOutbox()
        }
        let last = pending.count - 1
        let before = pending[last].acks.count
        pending[last].acks.add(ingest.output, to: peer.address, from: peer.source)
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
        return outbox.flush(canSegment: &canSegment) { socket.send($0, $1) }
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
        inbox.removeAll()
        pending.removeAll()
        pendingCount = 0
        unsent.removeAll()
        deferred = []
        ingest.intake.remove(self)
        table.leave(self)
        finishDraining()
    }
}
