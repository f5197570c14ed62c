// All TCP connections of the ingest loop: how many there may be, and when they are seen to.

import Admission
import NIOCore

/// What became of connections since the start, and how many there are now.
package struct ConnectionCounts: Sendable, Hashable {
    package var open = 0
    package var accepted: UInt64 = 0
    /// Told that there are too many, and closed.
    package var refused: UInt64 = 0
    package var closedIdle: UInt64 = 0
    /// Closed because the peer did not read its answers.
    package var closedUnread: UInt64 = 0
    /// Closed because nothing ever came, in time or before others had need of the place.
    package var closedSilent: UInt64 = 0
    /// Closed because a frame or a line that had begun did not end in time.
    package var closedSlow: UInt64 = 0
    /// How often a connection was not read for a while because its sender was over its quota.
    package var pauses: UInt64 = 0

    package init() {}
}

/// Confined to the ingest event loop.
final class TCPDoor {
    var counts = ConnectionCounts()
    let reception: Reception
    let eventLoop: any EventLoop
    private var handlers: [ObjectIdentifier: TCPHandler] = [:]
    /// Connections that had sent nothing when they were last looked at, oldest first.
    private var silent = CircularBuffer<TCPHandler>()
    /// Connections of each address.
    private var perAddress: [SenderAddress: Int] = [:]
    private var isTurnEnding = false
    private var drained: EventLoopPromise<Void>?

    init(reception: Reception, eventLoop: any EventLoop) {
        self.reception = reception
        self.eventLoop = eventLoop
    }

    /// - Returns: whether there was room for the connection.
    func enter(_ handler: TCPHandler) -> Bool {
        handlers[ObjectIdentifier(handler)] = handler
        guard mayCount(handler), handlers.count <= reception.settings.maxConnections || closeOldestSilent() else {
            counts.refused += 1
            return false
        }
        if let address = handler.sender, limitsConnections(of: address) {
            perAddress[address, default: 0] += 1
            handler.isCountedForAddress = true
        }
        silent.append(handler)
        counts.accepted += 1
        counts.open = handlers.count
        return true
    }

    /// Whether even those who are told that there is no room are too many.
    var isCrowded: Bool { handlers.count > reception.settings.maxConnections + reception.settings.refusedAtOnce }

    private func limitsConnections(of address: SenderAddress) -> Bool {
        let quotas = reception.settings.quotas
        return quotas.connectionsPerAddress > 0 && quotas.apply(to: address)
    }

    /// Whether the handler's address may have one more connection.
    private func mayCount(_ handler: TCPHandler) -> Bool {
        guard let address = handler.sender, limitsConnections(of: address) else { return true }
        return perAddress[address, default: 0] < reception.settings.quotas.connectionsPerAddress
    }

    /// Makes a place by closing the connection that has been open for the longest time without a byte, if there is one.
    private func closeOldestSilent() -> Bool {
        while let handler = silent.popFirst() {
            guard handler.isSilent else { continue }
            counts.closedSilent += 1
            handler.close()
            return true
        }
        return false
    }

    func leave(_ handler: TCPHandler) {
        handlers[ObjectIdentifier(handler)] = nil
        if handler.isCountedForAddress, let address = handler.sender {
            handler.isCountedForAddress = false
            let left = perAddress[address, default: 1] - 1
            perAddress[address] = left > 0 ? left : nil
        }
        counts.open = handlers.count
        finishDraining()
    }

    /// Tells the intake once, after all sockets that were readable in this turn of the loop have been read, so that
    /// many small reads become one block.
    func turnEnds() {
        guard !isTurnEnding else { return }
        isTurnEnding = true
        let door = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            door.value.isTurnEnding = false
            door.value.reception.intake.readComplete()
        }
    }

    func sweep() {
        let now = NIODeadline.now()
        for handler in Array(handlers.values) { handler.sweep(now: now) }
        silent.removeAll { !$0.isSilent }
    }

    /// Reads no more from any connection; succeeds when all that was read has been acknowledged.
    func drain() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        drained = promise
        for handler in Array(handlers.values) { handler.drain() }
        turnEnds()
        finishDraining()
        return promise.futureResult
    }

    func closeAll() {
        for handler in Array(handlers.values) { handler.close() }
    }

    func finishDraining() {
        guard let drained, handlers.values.allSatisfy(\.isSettled) else { return }
        self.drained = nil
        drained.succeed(())
    }
}
