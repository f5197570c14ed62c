// A connection to the HTTP port: the socket around an `HTTPSession`, behind NIO's parser.

import Admission
import Events
import NIOCore
import NIOHTTP1

/// Gives the session what the parser makes of the bytes, and writes its answers, each as one buffer. Parts that the
/// parser has made of one read wait here while the session does not take them.
///
/// Confined to the ingest event loop.
final class HTTPHandler: ChannelInboundHandler, CommitListener, Connection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    let ingest: IngestContext
    let table: ConnectionTable
    private let framing: HTTPFraming
    let routes: HTTPRoutes
    var session: HTTPSession
    private var context: ChannelHandlerContext?
    var life = ConnectionLife()
    private var parts = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 1)
    private var next = HTTPSession.Next.reads
    /// Since when the intake has had no room.
    private var fullSince: NIODeadline?
    private var pause: Scheduled<Void>?
    private var storageWait = StorageWait()
    private var timeouts = HTTPTimeouts(since: .now())
    /// What is wrong with what stands behind the parts that wait.
    private var fault: HTTPFault?
    private var hasReadPart = false
    private var isReading = true
    /// Bytes of the connection when the body at hand began, and those of the body.
    private var (bodyStart, bodyBytes) = (0, 0)

    /// The request that waits for messages.
    var waiting = HTTPWaiting()
    /// When something was last said in a stream.
    private var streamedAt = NIODeadline.now()
    private(set) var sender: SenderAddress?
    var isAccepted = false
    var isCountedForAddress = false

    /// Whose connection it is until this handler is added; nil for a new one.
    private var handshake: TLSHandshake?
    let isEncrypted: Bool

    init(_ routes: HTTPRoutes, framing: HTTPFraming, table: ConnectionTable, after handshake: TLSHandshake?) {
        session = HTTPSession(routes, client: handshake?.principal ?? .anybody)
        (self.routes, self.framing, self.table, self.handshake) = (routes, framing, table, handshake)
        isEncrypted = handshake != nil
        ingest = table.ingest
    }

    // MARK: From the socket

    func handlerAdded(context: ChannelHandlerContext) {
        guard let handshake else { return }
        self.handshake = nil
        self.context = context
        session.peer = InternetAddress(context.remoteAddress)
        sender = handshake.sender
        table.take(over: handshake, as: self)
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        session.peer = InternetAddress(context.remoteAddress)
        sender = session.peer.map { SenderAddress($0) }
        guard table.enter(self) else {
            if table.isCrowded { return close() }
            ingest.intake.refuse(.tooManyConnections, events: 0, transport: .http)
            stop(.tooManyConnections)
            return
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        breakOff()
        leave()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasReadPart = true
        guard life.isOpen else { return }
        let part = unwrapInboundIn(data)
        if parts.isEmpty, next == .reads {
            takeOne(part)
            endIfOver()
        } else {
            parts.append(part)
            takeParts()
        }
        // Whoever has closed his side is read to the end, whether we want or not.
        if parts.count > HTTPLimits.waitingParts { stop(.busy) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if life.isOpen {
            if !hasReadPart, !session.isInRequest { timeouts.receivedOfHead(at: .now()) }
            checkFraming()
        }
        hasReadPart = false
        table.readEnds()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, event == .inputClosed else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        life.inputCloses()
        endInput()
        table.readEnds()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !context.channel.isWritable, !life.isClosed {
            table.counts.closedUnread += 1
            close()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What comes behind a fault is read and dropped: were it not, the peer's system would drop our answer.
        if error is ByteToMessageDecoderError || isUncleanEnd(error) { return }
        guard let error = error as? HTTPParserError else { return close() }
        guard life.isOpen else { return }
        fault = error == .headerOverflow ? .headTooBig : error == .invalidEOFState ? .brokenOff : framing.fault
        if parts.isEmpty { endInput() }
    }

    // MARK: From the intake

    func committed(through ticket: UInt64) {
        guard !life.isClosed else { return }
        session.committed(through: ticket, in: ingest, output: &ingest.output)
        goOn()
    }

    func resume() {
        guard life.isOpen, next == .needsRoom else { return }
        resumeSession()
    }

    private func pauseEnds() {
        pause = nil
        if life.isOpen { resumeSession() }
    }

    /// Others have been read since its last turn; false when it has no use for another one.
    func turnComes() -> Bool {
        guard life.isOpen, next == .needsTurn else { return false }
        resumeSession()
        return true
    }

    func quotasChanged() {
        session.quotasChanged()
        guard let pause else { return }
        pause.cancel()
        pauseEnds()
    }

    private func resumeSession() {
        fullSince = nil
        enter()
        next = session.resume(in: ingest, as: self, output: &ingest.output)
        settle()
        goOn()
        table.readEnds()
    }

    /// An answer has left, or there is room again: what waits here is taken.
    func goOn() {
        finish()
        guard life.isOpen else { return }
        if next == .awaitsAnswers {
            next = session.next
            settle()
        }
        takeParts()
    }

    // MARK: Parts

    private func enter() {
        ingest.sender = session.forwardedSender ?? sender
        ingest.isPrivate = false
    }

    private func takeParts() {
        while life.isOpen, next == .reads, let part = parts.popFirst() { takeOne(part) }
        endIfOver()
    }

    private func takeOne(_ part: HTTPServerRequestPart) {
        enter()
        take(part)
        settle()
        finish()
    }

    private func endIfOver() {
        if life.isOpen, next == .reads, life.isInputClosed || fault != nil { endInput() }
    }

    private func take(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head):
            bodyStart = framing.bytes
            bodyBytes = 0
            timeouts.begins(at: .now())
            let own = HTTPHead(
                method: head.method.rawValue, target: head.uri, minorVersion: head.version.minor,
                fields: head.headers)
            next = session.begin(own, in: ingest, as: self, output: &ingest.output)
        case .body(let buffer):
            bodyBytes += buffer.readableBytes
            timeouts.received(buffer.readableBytes)
            next = session.receive(
                buffer.readableBytesUInt8Span, in: ingest, as: self, output: &ingest.output)
        case .end:
            timeouts.rests(at: .now())
            next = session.finish(in: ingest, as: self, output: &ingest.output)
            if let question = session.takeQuestion() { ask(question) }
            if let wait = session.takeDown() { begin(wait) }
        }
    }

    /// Does what the session wants next.
    private func settle() {
        guard life.isOpen else { return }
        switch next {
        case .reads:
            guard !isReading else { return }
            timeouts.resumes(at: .now())
            setReading(true)
        case .needsRoom:
            fullSince = .now()
            rest()
            ingest.intake.awaitRoom(self)
        case .needsTime(let until):
            table.counts.pauses += 1
            rest()
            let handler = NIOLoopBound(self, eventLoop: table.eventLoop)
            pause = table.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(until)) { handler.value.pauseEnds() }
        case .needsTurn:
            rest()
            ingest.requests.turns.await(self, on: table.eventLoop)
        case .awaitsAnswers: rest()
        case .ends:
            life.drain()
            parts.removeAll()
        }
    }

    private func rest() {
        timeouts.pauses(at: .now())
        setReading(false)
    }

    private func setReading(_ isReading: Bool) {
        guard self.isReading != isReading else { return }
        self.isReading = isReading
        context?.channel.setOption(.autoRead, value: isReading).whenFailure { _ in }
    }

    /// What only frames a body may not be much more than the body.
    private func checkFraming() {
        guard session.isInRequest, parts.isEmpty else { return }
        let overhead = framing.bytes - bodyStart - bodyBytes
        if overhead > HTTPLimits.framingBytes + HTTPLimits.framingPerByte * bodyBytes { stop(.framingTooBig) }
    }

    // MARK: From the table

    var isSilent: Bool { life.isOpen && !timeouts.hasReceived }

    func sweep(now: NIODeadline) {
        if life.isOver(at: now) { return close() }
        if !life.isClosed, session.isStreaming, now - streamedAt >= .seconds(HTTPLimits.heartbeatSeconds) {
            session.heartbeat(output: &ingest.output)
            finish()
        }
        guard life.isOpen else { return }
        let isInVain = ingest.intake.isStorageFailing && session.awaitsCommit
        if storageWait.isOver(at: now, isInVain: isInVain) { return giveUp() }
        if let fullSince, now - fullSince > .seconds(HTTPLimits.patienceSeconds) { return stop(.busy) }
        guard let expiry = timeouts.expired(at: now, ingest.settings, awaitsAnswer: !session.isAnswered) else {
            return
        }
        table.counts.note(expiry)
        if expiry == .unfinished { stop(.tooSlow) } else { close() }
    }

    /// The log cannot be written: who waits for it is told so, and may ask again on another connection.
    private func giveUp() {
        enter()
        session.storageFails(in: ingest, output: &ingest.output)
        readNoMore()
    }

    /// A request that was begun is answered so; between two requests nobody waits to be told.
    func checkAccess() {
        guard life.isOpen, !ingest.isInForce(session.principal) || !ingest.isInForce(session.client) else { return }
        if session.isInRequest { stop(.notInForce) } else { readNoMore() }
    }

    func drain() {
        guard life.isOpen else { return endDown() }
        if session.isInRequest { stop(.shuttingDown) } else { readNoMore() }
    }

    var isDrained: Bool { life.phase != .draining || session.isAnswered }

    func close() {
        guard !life.isClosed else { return }
        let context = context
        leave()
        context?.close(promise: nil)
    }

    // MARK: The end

    /// The peer sends nothing more, or nothing that could be read.
    private func endInput() {
        guard life.isOpen, parts.isEmpty else { return finish() }
        if let fault { return stop(fault) }
        if session.isInRequest {
            guard next == .reads else { return }
            return stop(.brokenOff)
        }
        life.drain()
        finish()
    }

    /// The connection is gone: what was begun is counted, if nobody is told of it.
    private func breakOff() {
        guard life.isOpen, session.isInRequest else { return }
        session.fail(.brokenOff, in: ingest, output: &ingest.output)
        ingest.dropOutput()
        table.readEnds()
    }

    /// Reads no more, and says why.
    private func stop(_ fault: HTTPFault) {
        enter()
        session.fail(fault, in: ingest, output: &ingest.output)
        readNoMore()
    }

    private func readNoMore() {
        pause?.cancel()
        (pause, fullSince) = (nil, nil)
        life.drain()
        parts.removeAll()
        endDown()
        finish()
    }

    /// Writes what is in `output`, and closes when the last word is said.
    func finish() {
        guard let context else { return ingest.dropOutput() }
        if let answer = ingest.takeOutput(context.channel.allocator) {
            timeouts.answered(at: .now())
            streamedAt = .now()
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        }
        switch life.written(isAnswered: session.isAnswered, at: .now()) {
        case .stays: break
        case .closes: close()
        case .halfCloses:
            setReading(true)
            context.close(mode: .output, promise: nil)
            table.finishDraining()
        }
    }

    private func leave() {
        guard !life.isClosed else { return }
        life.close()
        parts.removeAll()
        pause?.cancel()
        waiting.end?.cancel()
        (pause, waiting.end, context) = (nil, nil, nil)
        ingest.intake.remove(self)
        table.leave(self)
    }
}
