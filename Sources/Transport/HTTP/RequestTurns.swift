// Requests that have had their turn and have more to do: one at a time goes on, and sockets are read in between.

import NIOCore

/// An event loop runs every task that is due before it looks at its sockets again, so requests that scheduled
/// themselves anew would keep everybody else from being read. Here only one is scheduled at a time, a moment ahead.
///
/// Confined to the ingest event loop.
final class RequestTurns {
    private var waiting = CircularBuffer<HTTPHandler>(initialCapacity: 1)
    private var isScheduled = false

    /// `handler.turnComes` is called when those before it have had a turn, and sockets have been read.
    func await(_ handler: HTTPHandler, on eventLoop: any EventLoop) {
        waiting.append(handler)
        schedule(on: eventLoop)
    }

    private func schedule(on eventLoop: any EventLoop) {
        guard !isScheduled, !waiting.isEmpty else { return }
        isScheduled = true
        let turns = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .nanoseconds(HTTPLimits.turnGapNanoseconds)) {
            turns.value.giveTurn(on: eventLoop)
        }
    }

    private func giveTurn(on eventLoop: any EventLoop) {
        while let handler = waiting.popFirst(), !handler.turnComes() {}
        isScheduled = false
        schedule(on: eventLoop)
    }
}
