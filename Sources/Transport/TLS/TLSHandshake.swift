// A connection to a port that speaks TLS, until the handshake is done: then a handler of the port's protocol has it.

import Admission
import Events
import NIOCore
import NIOSSL
import NIOTLS
import TLS
import Wire

/// What the connections of one listener begin with. Confined to the ingest event loop.
final class TLSListener {
    /// Replaced at a reload; a connection keeps the one that it began with.
    var context: TLSContext
    /// Adds the handlers that speak behind TLS; they take over from the handshake.
    let addHandlers: (ChannelPipeline.SynchronousOperations, ConnectionTable, TLSHandshake) throws -> Void
    /// Answers, in plain text and with the remedy, who does not speak TLS.
    let refuse: (_ beginning: [UInt8], IngestContext) -> Void

    init(
        _ context: TLSContext,
        addHandlers: @escaping (ChannelPipeline.SynchronousOperations, ConnectionTable, TLSHandshake) throws -> Void,
        refuse: @escaping ([UInt8], IngestContext) -> Void
    ) {
        (self.context, self.addHandlers, self.refuse) = (context, addHandlers, refuse)
    }
}

/// In front of TLS. Costs little until its turn has come, and goes when the handshake is done.
///
/// Confined to the ingest event loop.
final class TLSHandshake: ChannelInboundHandler, RemovableChannelHandler, Connection {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Stage {
        /// Nothing has come.
        case silent
        /// For its turn, with what has come.
        case waits(ByteBuffer)
        case underWay
        /// All is said in plain text; what comes is dropped.
        case refused
        case over
    }

    private let listener: TLSListener
    private let table: ConnectionTable
    private var stage = Stage.silent
    private var life = ConnectionLife()
    private var context: ChannelHandlerContext?
    private var ssl: NIOSSLServerHandler?
    private let accepted = NIODeadline.now()
    private(set) var began = NIODeadline.uptimeNanoseconds(0)
    /// On whose behalf the client speaks, by its certificate.
    private(set) var principal = Principal.anybody

    let device = DeviceID.none
    private(set) var sender: SenderAddress?
    var isAccepted = false
    var isCountedForAddress = false

    init(_ listener: TLSListener, table: ConnectionTable) { (self.listener, self.table) = (listener, table) }

    var isWaiting: Bool { if case .waits = stage { true } else { false } }

    // MARK: From the socket

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        sender = SenderAddress(context.remoteAddress)
        // Nothing can be told before the handshake, which is what there is no room for.
        if !table.enter(self) { close() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch stage {
        case .silent:
            let buffer = unwrapInboundIn(data)
            if buffer.readableBytesView.first == Self.handshakeRecord { return wait(buffer) }
            refusePlainText(Array(buffer.readableBytesView.prefix(8)))
        case .waits(var held):
            var buffer = unwrapInboundIn(data)
            stage = .over
            held.writeBuffer(&buffer)
            stage = .waits(held)
        case .underWay: context.fireChannelRead(data)
        case .refused, .over: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, event == .inputClosed else {
            return context.fireUserInboundEventTriggered(event)
        }
        switch stage {
        case .underWay: context.fireUserInboundEventTriggered(event)
        case .silent, .waits, .refused, .over: close()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        context.fireChannelInactive()
        leave()
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    /// The content type of the first record of TLS.
    private static let handshakeRecord: UInt8 = 0x16

    // MARK: Its course

    private func wait(_ beginning: ByteBuffer) {
        stage = .waits(beginning)
        setReading(false)
        table.handshakes.enter(self)
    }

    /// Its turn has come.
    func begin(at now: NIODeadline) {
        guard case .waits(let beginning) = stage, let context else { return }
        (stage, began) = (.underWay, now)
        setReading(true)
        let ssl = NIOSSLServerHandler(context: listener.context.ssl)
        self.ssl = ssl
        do {
            try context.pipeline.syncOperations.addHandlers([ssl, TLSHandshakeEnd(self)])
        } catch {
            return fail(.other)
        }
        context.fireChannelRead(wrapInboundOut(beginning))
        if case .underWay = stage { context.fireChannelReadComplete() }
    }

    /// Both sides are agreed: who it is, is looked at, and the port's protocol begins.
    fileprivate func complete(_ end: TLSHandshakeEnd) {
        guard case .underWay = stage, let context else { return }
        do throws(TLSFailure) {
            try identify()
        } catch {
            return fail(error)
        }
        let operations = context.pipeline.syncOperations
        do {
            try listener.addHandlers(operations, table, self)
        } catch {
            return fail(.other)
        }
        stage = .over
        life.close()
        self.context = nil
        ssl = nil
        table.handshakes.leave(self, isCompleted: true)
        operations.removeHandler(self).whenFailure { _ in }
        operations.removeHandler(end).whenFailure { _ in }
    }

    /// A resumed session shows the certificate that it began with, which may have been revoked since.
    private func identify() throws(TLSFailure) {
        guard let clients = listener.context.clients, let certificate = ssl?.peerCertificate else { return }
        let intake = table.ingest.intake
        let fields: CertificateFields
        let source: [UInt8]
        do throws(ClientCertificateFault) {
            fields = try ClientCertificates.fields(of: certificate)
            source = try clients.source(of: fields, at: intake.now.rawValue / 1_000)
        } catch {
            throw .clientCertificate(error)
        }
        do throws(Refusal) {
            let device = try readDevice(source.span, vocabulary: &intake.vocabulary)
            let product = intake.vocabulary.text(.product, intake.vocabulary.product(of: device))
            let own = Scope.device(product: Array(product), name: Array(intake.vocabulary.name(of: device)))
            principal = .holder(
                Credential(
                    .certificate(issuer: fields.issuer, serial: fields.serial), own, .send,
                    expires: Timestamp(rawValue: (fields.notAfter + 1) * 1_000)))
        } catch {
            throw .clientCertificate(.noDevice)
        }
    }

    /// The handshake came to nothing.
    func fail(_ failure: TLSFailure) {
        guard case .underWay = stage else { return }
        table.handshakes.note(failure)
        close()
    }

    private func refusePlainText(_ beginning: [UInt8]) {
        stage = .refused
        table.handshakes.note(.plainText)
        let ingest = table.ingest
        ingest.sender = sender
        listener.refuse(beginning, ingest)
        guard let context, let answer = ingest.takeOutput(context.channel.allocator) else { return close() }
        life.drain()
        context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        _ = life.written(isAnswered: true, at: .now())
        context.close(mode: .output, promise: nil)
    }

    private func setReading(_ isReading: Bool) {
        context?.channel.setOption(.autoRead, value: isReading).whenFailure { _ in }
    }

    // MARK: From the table

    var isSilent: Bool { if case .silent = stage { !life.isClosed } else { false } }
    var isDrained: Bool { true }

    func sweep(now: NIODeadline) {
        let settings = table.ingest.settings
        switch stage {
        case .silent:
            guard now - accepted > .seconds(settings.firstByteTimeoutSeconds) else { return }
            table.counts.note(.noFirstByte)
            close()
        case .underWay:
            guard now - began > .seconds(settings.handshakeTimeoutSeconds) else { return }
            table.counts.note(.unfinished)
            fail(.tooSlow)
        case .refused: if life.isOver(at: now) { close() }
        case .waits, .over: break
        }
    }

    func quotasChanged() {}
    /// What the client shows is looked at when the handshake is done.
    func checkAccess() {}
    func push(_ message: DownEnvelope) -> Bool { false }
    func drain() { close() }

    func close() {
        guard !life.isClosed else { return }
        let context = context
        leave()
        context?.close(promise: nil)
    }

    private func leave() {
        guard !life.isClosed else { return }
        life.close()
        stage = .over
        context = nil
        ssl = nil
        table.handshakes.leave(self, isCompleted: false)
        table.leave(self)
    }
}

/// Behind TLS: sees how the handshake ends, and goes.
private final class TLSHandshakeEnd: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let handshake: TLSHandshake

    init(_ handshake: TLSHandshake) { self.handshake = handshake }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { handshake.complete(self) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { handshake.fail(TLSFailure(error)) }
}

/// Whether an error only says that the peer has gone without saying goodbye in TLS. What came before is whole: a frame
/// or a line that was cut off is seen as such by its session.
func isUncleanEnd(_ error: any Error) -> Bool {
    if case .uncleanShutdown? = error as? NIOSSLError { true } else { false }
}
