// A connection: the socket around a `StreamSession`, whatever protocol that speaks.

import Admission
import Events
import NIOCore

/// Reads whole chunks, lets the session deal with every unit in them in one call, and writes the answers in one go. The
/// session is called through its protocol some four times a read. A handler that is generic over its session costs
/// more: NIO knows handlers only by their protocol, and what is called by that is not specialised.
///
/// Confined to the ingest event loop.
final class StreamHandler: ChannelInboundHandler, CommitListener, Connection {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let ingest: IngestContext
    private let table: ConnectionTable
    private var session: any StreamSession
    /// The device at the other end, as the table knows it.
    private(set) var device = DeviceID.none
    /// On whose behalf the peer speaks.
    private var principal = Principal.anybody
    /// Whether what the peer sends is encrypted.
    private let isEncrypted: Bool
    private var context: ChannelHandlerContext?
    private var life = ConnectionLife()
    /// What has been read and not dealt with: at most one unfinished unit, unless the intake is full.
    private var tail: ByteBuffer?
    private var awaitsRoom = false
    /// Goes off when the peer, which has sent more than its quota, is read again.
    private var pause: Scheduled<Void>?
    private var timeouts = ConnectionTimeouts(since: .now())
    private var storageWait = StorageWait()
    /// The peer is to send again what was not acknowledged: it is not waited for any more.
    private var isGivenUp = false
    /// The peer's address.
    private(set) var sender: SenderAddress?
    var isAccepted = false
    /// Whether the table counts this connection against its address.
    var isCountedForAddress = false

    /// Whose connection it is until this handler is added; nil for a new one.
    private var handshake: TLSHandshake?

    init(_ session: any StreamSession, table: ConnectionTable, after handshake: TLSHandshake? = nil) {
        self.session = session
        self.table = table
        self.handshake = handshake
        isEncrypted = handshake != nil
        ingest = table.ingest
    }

    // MARK: From the socket

    func handlerAdded(context: ChannelHandlerContext) {
        guard let handshake else { return }
        self.handshake = nil
        self.context = context
        (sender, principal) = (handshake.sender, handshake.principal)
        table.take(over: handshake, as: self)
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        sender = SenderAddress(context.remoteAddress)
        guard table.enter(self) else {
            // Only so many can be told at one time; a flood of connections is simply closed.
            if table.isCrowded {
                close()
                return
            }
            ingest.intake.refuse(.tooManyConnections, events: 0, transport: session.transport)
            session.writeCloseReason(.tooManyConnections, into: &ingest.output)
            life.drain()
            finishRead()
            return
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard life.isOpen else { return }
        timeouts.received(at: .now())
        var read = unwrapInboundIn(data)
        if tail == nil {
            tail = read
        } else {
            tail?.writeBuffer(&read)
        }
        receive()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        table.readEnds()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, event == .inputClosed else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        life.inputCloses()
        if life.isOpen { receive() } else { finishRead() }
        table.readEnds()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !context.channel.isWritable, !life.isClosed {
            table.counts.closedUnread += 1
            close()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isUncleanEnd(error) { close() }
    }

    // MARK: From the intake

    func committed(through ticket: UInt64) {
        guard !life.isClosed else { return }
        session.committed(through: ticket, output: &ingest.output)
        finishRead()
    }

    func resume() {
        guard awaitsRoom, !life.isClosed else { return }
        awaitsRoom = false
        continueReading()
    }

    /// The peer is within its quota again.
    private func pauseEnds() {
        pause = nil
        guard life.isOpen else { return }
        continueReading()
    }

    func quotasChanged() {
        session.quotasChanged()
        guard let pause else { return }
        pause.cancel()
        pauseEnds()
    }

    private func continueReading() {
        timeouts.resumed(at: .now())
        receive()
        if isReading { setReading(true) }
        table.readEnds()
    }

    private var isReading: Bool { !awaitsRoom && pause == nil }

    // MARK: From the table

    /// Whether nothing has ever come.
    var isSilent: Bool { life.isOpen && !timeouts.hasReceived }

    /// Called about once a second: closes what has been silent, or unfinished, for too long.
    func sweep(now: NIODeadline) {
        if life.isOver(at: now) { return close() }
        guard life.isOpen else { return }
        let isInVain = ingest.intake.isStorageFailing && !session.isAcknowledged
        if storageWait.isOver(at: now, isInVain: isInVain) { return giveUp() }
        guard isReading,
            let expiry = timeouts.expired(
                at: now, ingest.settings, idleSeconds: session.idleTimeoutSeconds, awaitsAck: !session.isAcknowledged)
        else { return }
        table.counts.note(expiry)
        guard expiry == .unfinished else { return close() }
        ingest.intake.refuse(.tooSlow, events: 1, transport: session.transport)
        stopReading(.tooSlow)
    }

    func checkAccess() {
        guard life.isOpen, principal.isKnown, !ingest.isInForce(principal) else { return }
        stopWaiting()
        ingest.intake.refuse(.unauthorized, events: 0, transport: session.transport)
        stopReading(.unauthorized)
    }

    func displace() {
        let handler = NIOLoopBound(self, eventLoop: table.eventLoop)
        table.eventLoop.execute { handler.value.giveWay() }
    }

    private func giveWay() {
        guard life.isOpen else { return }
        stopWaiting()
        ingest.intake.refuse(.takenOver, events: 0, transport: session.transport)
        stopReading(.takenOver)
    }

    /// The log cannot be written: what the peer waits for may never come.
    private func giveUp() {
        stopWaiting()
        ingest.intake.refuse(.storageUnavailable, events: 0, transport: session.transport)
        ingest.intake.remove(self)
        isGivenUp = true
        stopReading(.storageUnavailable)
    }

    private func stopWaiting() {
        awaitsRoom = false
        pause?.cancel()
        pause = nil
    }

    var isPrivate: Bool { isEncrypted || sender?.isLoopback == true }

    /// Sends a message to the device; false when the protocol cannot carry it now.
    func push(_ message: DownEnvelope) -> Bool {
        guard life.isOpen, session.push(message, in: ingest, output: &ingest.output) else { return false }
        finishRead()
        return true
    }

    /// Tells how a device is to stand; false when that is to be told later.
    func push(_ state: StateEnvelope) -> Bool {
        guard life.isOpen else { return true }
        let isTold = session.push(state, in: ingest, output: &ingest.output)
        finishRead()
        return isTold
    }

    /// Reads no more; the connection is closed when all that was read has been acknowledged.
    func drain() {
        guard life.isOpen else { return }
        awaitsRoom = false
        stopReading(.shuttingDown)
    }

    /// Reads no more, and says why.
    private func stopReading(_ reason: Refusal) {
        life.drain()
        tail = nil
        session.writeCloseReason(reason, into: &ingest.output)
        finishRead()
    }

    /// Whether it has not begun to close, or everything that was read before has been acknowledged.
    var isDrained: Bool { life.phase != .draining || session.isAcknowledged || isGivenUp }

    func close() {
        guard !life.isClosed else { return }
        let context = context
        leave()
        context?.close(promise: nil)
    }

    // MARK: One read

    private func receive() {
        guard isReading else { return }
        ingest.sender = sender
        ingest.isPrivate = isEncrypted || sender?.isLoopback == true
        if principal.isKnown { ingest.principal = principal }
        let buffer = tail ?? ByteBuffer()
        let progress = session.receive(
            buffer.readableBytesUInt8Span, isEnd: life.isInputClosed, in: ingest, as: self, output: &ingest.output)
        if ingest.principal.isKnown {
            principal = ingest.principal
            ingest.principal = .anybody
        }
        if ingest.device != .none {
            table.register(self, as: ingest.device)
            device = ingest.device
            ingest.device = .none
        }
        if !ingest.served.isEmpty { table.serve(ingest.takeServed(), on: self) }
        if !ingest.watched.isEmpty { table.watch(ingest.takeWatched(), on: self) }
        keep(buffer, from: progress.consumed)
        timeouts.processed(consumed: progress.consumed, rest: tail?.readableBytes ?? 0, at: .now())
        switch progress.next {
        case .needsMore: break
        case .needsRoom:
            awaitsRoom = true
            setReading(false)
            ingest.intake.awaitRoom(self)
        case .needsTime(let until):
            table.counts.pauses += 1
            setReading(false)
            let handler = NIOLoopBound(self, eventLoop: table.eventLoop)
            pause = table.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(until)) { handler.value.pauseEnds() }
        case .ends:
            life.drain()
            tail = nil
        }
        finishRead()
    }

    /// Keeps what the session has not dealt with, copied out of the buffer that was read into so that an idle
    /// connection holds no more than it must.
    private func keep(_ buffer: ByteBuffer, from consumed: Int) {
        var rest = buffer
        rest.moveReaderIndex(forwardBy: consumed)
        guard rest.readableBytes > 0 else {
            tail = nil
            return
        }
        if consumed == 0, buffer.readerIndex == 0, buffer.storageCapacity < 2 * buffer.readableBytes { return }
        var kept = ByteBuffer()
        kept.reserveCapacity(rest.readableBytes)
        kept.writeBuffer(&rest)
        tail = kept
    }

    /// Writes what the read has put into `output`, and closes when the last word is said.
    private func finishRead() {
        guard let context else { return ingest.dropOutput() }
        if let answer = ingest.takeOutput(context.channel.allocator) {
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        }
        switch life.written(isAnswered: session.isAcknowledged || isGivenUp, at: .now()) {
        case .stays: break
        case .closes: close()
        case .halfCloses:
            setReading(true)
            context.close(mode: .output, promise: nil)
            table.finishDraining()
        }
    }

    private func setReading(_ isReading: Bool) {
        context?.channel.setOption(.autoRead, value: isReading).whenFailure { _ in }
    }

    private func leave() {
        guard !life.isClosed else { return }
        life.close()
        context = nil
        tail = nil
        pause?.cancel()
        pause = nil
        ingest.intake.remove(self)
        session.ends(in: ingest, as: self)
        table.leave(self)
    }
}
