// All TCP connections of the ingest loop: how many there may be, and when they are seen to.

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

    package init() {}
}

/// Confined to the ingest event loop.
final class TCPDoor {
    var counts = ConnectionCounts()
    let reception: Reception
    private let eventLoop: any EventLoop
    private var handlers: [ObjectIdentifier: TCPHandler] = [:]
    private var isTurnEnding = false
    private var drained: EventLoopPromise<Void>?

    init(reception: Reception, eventLoop: any EventLoop) {
        self.reception = reception
        self.eventLoop = eventLoop
    }

    /// - Returns: whether there was room for the connection.
    func enter(_ handler: TCPHandler) -> Bool {
        handlers[ObjectIdentifier(handler)] = handler
        guard handlers.count <= reception.settings.maxConnections else {
            counts.refused += 1
            return false
        }
        counts.accepted += 1
        counts.open = handlers.count
        return true
    }

    /// Whether even those who are told that there is no room are too many.
    var isCrowded: Bool { handlers.count > reception.settings.maxConnections + reception.settings.refusedAtOnce }

    func leave(_ handler: TCPHandler) {
        handlers[ObjectIdentifier(handler)] = nil
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
        let idleTimeout = TimeAmount.seconds(reception.settings.idleTimeoutSeconds)
        for handler in Array(handlers.values) { handler.sweep(now: now, idleTimeout: idleTimeout) }
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
