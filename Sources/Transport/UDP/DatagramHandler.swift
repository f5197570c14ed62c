// The datagram socket around a `DatagramSession`: reads many at once, answers each when it is durable.

import Admission
import Events
import NIOCore

/// Confined to the ingest event loop.
final class DatagramHandler: ChannelInboundHandler, Acknowledged {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private struct Waiting {
        var receipt: DatagramReceipt
        var sender: SocketAddress
    }

    private let reception: Reception
    private let turnEnds: () -> Void
    private var session: DatagramSession
    private var context: ChannelHandlerContext?
    private var waiting = CircularBuffer<Waiting>(initialCapacity: 1_024)
    /// Read before the intake was full, and not dealt with; at most what one wakeup of the loop reads.
    private var held: [AddressedEnvelope<ByteBuffer>] = []
    private var awaitsRoomSince: NIODeadline?
    private var isDraining = false
    private var drained: EventLoopPromise<Void>?

    init(reception: Reception, turnEnds: @escaping () -> Void) {
        self.reception = reception
        self.turnEnds = turnEnds
        session = DatagramSession(settings: reception.settings)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDraining else { return }
        let envelope = unwrapInboundIn(data)
        guard awaitsRoomSince == nil, reception.intake.hasRoom() else {
            hold(envelope)
            return
        }
        take(envelope)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
        turnEnds()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An ICMP answer to one of our acks; the socket lives on.
    }

    func committed(through ticket: UInt64) {
        guard let context else { return }
        while let first = waiting.first, first.receipt.ticket <= ticket {
            waiting.removeFirst()
            first.receipt.write(into: &reception.output)
            send(to: first.sender)
        }
        context.flush()
        finishDraining()
    }

    func resume() {
        guard context != nil, awaitsRoomSince != nil else { return }
        awaitsRoomSince = nil
        let envelopes = held
        held = []
        for envelope in envelopes {
            if awaitsRoomSince == nil, reception.intake.hasRoom() { take(envelope) } else { hold(envelope) }
        }
        if awaitsRoomSince == nil { setReading(true) }
        context?.flush()
        turnEnds()
    }

    /// Called about once a second. When there has been no room for so long, senders are told instead of being left
    /// to the kernel's buffer.
    func sweep(now: NIODeadline) {
        guard let since = awaitsRoomSince, now - since >= .seconds(1) else { return }
        for envelope in held { refuseBusy(envelope) }
        held = []
        setReading(true)
        context?.flush()
    }

    func drain() -> EventLoopFuture<Void>? {
        guard let context else { return nil }
        isDraining = true
        held = []
        setReading(false)
        let promise = context.eventLoop.makePromise(of: Void.self)
        drained = promise
        finishDraining()
        return promise.futureResult
    }

    private func take(_ envelope: AddressedEnvelope<ByteBuffer>) {
        if reception.quotas != nil { reception.sender = SenderAddress(envelope.remoteAddress) }
        let outcome = session.receive(
            envelope.data.readableBytesUInt8Span, at: reception, as: self, output: &reception.output)
        switch outcome {
        case .silence: reception.output.removeAll(keepingCapacity: true)
        case .answer: send(to: envelope.remoteAddress)
        case .receipt(let receipt):
            send(to: envelope.remoteAddress)
            guard waiting.count < TransportLimits.datagramsAwaitingAck else { return }
            waiting.append(Waiting(receipt: receipt, sender: envelope.remoteAddress))
        }
    }

    private func hold(_ envelope: AddressedEnvelope<ByteBuffer>) {
        if awaitsRoomSince == nil {
            awaitsRoomSince = .now()
            setReading(false)
            reception.intake.awaitRoom(self)
        }
        if held.count < TransportLimits.datagramsHeld {
            held.append(envelope)
        } else {
            refuseBusy(envelope)
        }
    }

    private func refuseBusy(_ envelope: AddressedEnvelope<ByteBuffer>) {
        let outcome = session.refuse(
            .busy, envelope.data.readableBytesUInt8Span, at: reception, output: &reception.output)
        if case .answer = outcome { send(to: envelope.remoteAddress) }
    }

    /// Sends what is in `output`, if anything.
    private func send(to sender: SocketAddress) {
        guard let context, !reception.output.isEmpty else { return }
        let answer = context.channel.allocator.buffer(bytes: reception.output)
        reception.output.removeAll(keepingCapacity: true)
        context.write(wrapOutboundOut(AddressedEnvelope(remoteAddress: sender, data: answer)), promise: nil)
    }

    private func setReading(_ isReading: Bool) {
        context?.channel.setOption(.autoRead, value: isReading).whenFailure { _ in }
    }

    private func finishDraining() {
        guard let drained, waiting.isEmpty else { return }
        self.drained = nil
        drained.succeed(())
    }

    private func leave() {
        guard context != nil else { return }
        context = nil
        waiting.removeAll()
        held = []
        reception.intake.forget(self)
        finishDraining()
    }
}
