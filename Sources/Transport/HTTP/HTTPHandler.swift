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

    private enum Phase {
        case open
        /// Nothing more is read; what was asked is still to be answered.
        case draining
        /// All is said and our side is closed; the peer may still read it.
        case halfClosed
        case closed
    }

    private let ingest: IngestContext
    private let table: ConnectionTable
    private let framing: HTTPFraming
    private let routes: HTTPRoutes
    private var session: HTTPSession
    private var context: ChannelHandlerContext?
    private var phase = Phase.open
    private var parts = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 1)
    private var next = HTTPSession.Next.reads
    /// Since when the intake has had no room.
    private var fullSince: NIODeadline?
    private var pause: Scheduled<Void>?
    private var timeouts = HTTPTimeouts(since: .now())
    private var halfClosedSince = NIODeadline.now()
    private var isInputClosed = false
    /// What is wrong with what stands behind the parts that wait.
    private var fault: HTTPFault?
    private var hasReadPart = false
    private var isReading = true
    /// Bytes of the connection when the body at hand began, and those of the body.
    private var bodyStart = 0
    private var bodyBytes = 0

    let device = DeviceID.none
    private(set) var sender: SenderAddress?
    var isCountedForAddress = false

    init(_ routes: HTTPRoutes, framing: HTTPFraming, ingest: IngestContext, table: ConnectionTable) {
        session = HTTPSession(routes)
        (self.routes, self.framing, self.ingest, self.table) = (routes, framing, ingest, table)
    }

    // MARK: From the socket

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        sender = SenderAddress(context.remoteAddress)
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
        guard phase == .open else { return }
        parts.append(unwrapInboundIn(data))
        takeParts()
        // Whoever has closed his side is read to the end, whether we want or not.
        if parts.count > HTTPLimits.waitingParts { stop(.busy) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if phase == .open {
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
        isInputClosed = true
        endInput()
        table.readEnds()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !context.channel.isWritable, phase != .closed {
            table.counts.closedUnread += 1
            close()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What comes behind a fault is read and dropped: were it not, the peer's system would drop our answer.
        if error is ByteToMessageDecoderError { return }
        guard error is HTTPParserError else { return close() }
        guard phase == .open else { return }
        switch error as? HTTPParserError {
        case .headerOverflow: fault = .headTooBig
        case .invalidEOFState: fault = .brokenOff
        default: fault = framing.fault
        }
        if parts.isEmpty { endInput() }
    }

    // MARK: From the intake

    func committed(through ticket: UInt64) {
        guard phase != .closed else { return }
        session.committed(through: ticket, in: ingest, output: &ingest.output)
        goOn()
    }

    func resume() {
        guard phase == .open, next == .needsRoom else { return }
        resumeSession()
    }

    private func pauseEnds() {
        pause = nil
        guard phase == .open else { return }
        resumeSession()
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
    private func goOn() {
        finish()
        guard phase == .open else { return }
        if next == .awaitsAnswers {
            next = session.next
            settle()
        }
        takeParts()
    }

    // MARK: Parts

    private func enter() { ingest.sender = sender }

    private func takeParts() {
        while phase == .open, next == .reads, let part = parts.popFirst() {
            enter()
            take(part)
            settle()
            finish()
        }
        if phase == .open, next == .reads, isInputClosed || fault != nil { endInput() }
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
        }
    }

    /// Does what the session wants next.
    private func settle() {
        guard phase == .open else { return }
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
        case .awaitsAnswers: rest()
        case .ends:
            phase = .draining
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

    /// Has a question answered aside of the ingest event loop.
    private func ask(_ asked: (number: UInt64, route: Int, question: HTTPQuestion)) {
        guard case .reading(let answer) = routes.all[asked.route].service else { return }
        let (question, number) = (asked.question, asked.number)
        let handler = NIOLoopBound(self, eventLoop: table.eventLoop)
        table.eventLoop.makeFutureWithTask { await answer(question) }.whenSuccess { reply in
            handler.value.answered(number, reply)
        }
    }

    private func answered(_ number: UInt64, _ reply: HTTPReply) {
        guard phase != .closed else { return }
        session.answered(number, reply, in: ingest, output: &ingest.output)
        goOn()
    }

    // MARK: From the table

    var isSilent: Bool { phase == .open && !timeouts.hasReceived }

    func sweep(now: NIODeadline) {
        switch phase {
        case .open:
            if let fullSince, now - fullSince > .seconds(HTTPLimits.patienceSeconds) { return stop(.busy) }
            switch timeouts.expired(at: now, ingest.settings, awaitsAnswer: !session.isAnswered) {
            case .noFirstByte:
                table.counts.closedSilent += 1
                close()
            case .unfinished:
                table.counts.closedSlow += 1
                stop(.tooSlow)
            case .idle:
                table.counts.closedIdle += 1
                close()
            case nil: break
            }
        case .halfClosed:
            if now - halfClosedSince > .seconds(TransportLimits.halfClosedSeconds) { close() }
        case .draining, .closed: break
        }
    }

    func push(_ message: Span<UInt8>) -> Bool { false }

    func drain() {
        guard phase == .open else { return }
        if session.isInRequest { return stop(.shuttingDown) }
        phase = .draining
        parts.removeAll()
        finish()
    }

    var isDrained: Bool { phase != .draining || session.isAnswered }

    func close() {
        guard phase != .closed else { return }
        let context = context
        leave()
        context?.close(promise: nil)
    }

    // MARK: The end

    /// The peer sends nothing more, or nothing that could be read.
    private func endInput() {
        guard phase == .open, parts.isEmpty else { return finish() }
        if let fault { return stop(fault) }
        if session.isInRequest {
            guard next == .reads else { return }
            return stop(.brokenOff)
        }
        phase = .draining
        finish()
    }

    /// The connection is gone: what was begun is counted, if nobody is told of it.
    private func breakOff() {
        guard phase == .open, session.isInRequest else { return }
        session.fail(.brokenOff, in: ingest, output: &ingest.output)
        ingest.output.removeAll(keepingCapacity: true)
        table.readEnds()
    }

    /// Reads no more, and says why.
    private func stop(_ fault: HTTPFault) {
        enter()
        session.fail(fault, in: ingest, output: &ingest.output)
        phase = .draining
        parts.removeAll()
        fullSince = nil
        finish()
    }

    /// Writes what is in `output`, and closes when the last word is said.
    private func finish() {
        guard let context else {
            ingest.output.removeAll(keepingCapacity: true)
            return
        }
        if !ingest.output.isEmpty {
            let answer = context.channel.allocator.buffer(bytes: ingest.output)
            ingest.output.removeAll(keepingCapacity: true)
            timeouts.answered(at: .now())
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        }
        guard phase == .draining, session.isAnswered else {
            if phase == .halfClosed, isInputClosed { close() }
            return
        }
        if isInputClosed {
            close()
        } else {
            phase = .halfClosed
            halfClosedSince = .now()
            setReading(true)
            context.close(mode: .output, promise: nil)
            table.finishDraining()
        }
    }

    private func leave() {
        guard phase != .closed else { return }
        phase = .closed
        context = nil
        parts.removeAll()
        pause?.cancel()
        pause = nil
        ingest.intake.remove(self)
        table.leave(self)
    }
}
