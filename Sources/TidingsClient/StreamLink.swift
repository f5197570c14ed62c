// What a sender and its TCP connection share: what has been sent and not acknowledged, and who waits for that.

package import Events
import NIOCore
import Synchronization
import Wire

/// Events or lines that were sent together and are kept until they are acknowledged.
package struct Parcel: Sendable {
    package enum Content: Sendable {
        case events(EventBatch)
        /// JSON lines, each with its newline.
        case lines([UInt8])
    }

    var content: Content
    /// How many events or lines.
    var count: Int
    /// The number of its first event or line, from 1.
    var firstSeq: UInt64

    var lastSeq: UInt64 { firstSeq + UInt64(count) - 1 }

    package init(content: Content, count: Int, firstSeq: UInt64) {
        self.content = content
        self.count = count
        self.firstSeq = firstSeq
    }
}

/// Shared by one sending task and the event loop of its connection.
package final class StreamLink: Sendable {
    /// How the connection stands.
    enum Health: Sendable, Equatable {
        case down
        case connecting
        case up
        /// The daemon refused for good; the text says why.
        case refused(String)
    }

    private struct State {
        var health = Health.down
        var parcels: [Parcel] = []
        var outstanding = 0
        var totals = SendTotals()
        var waiter: CheckedContinuation<Void, Never>?
        /// Number of the last line before this connection; acks count from its start.
        var lineBase: UInt64 = 0
        /// Refused lines whose parcels have not been acknowledged yet.
        var refusedLines: UInt64 = 0
        var generation = 0

        /// Lets go of the parcels up to `durable`; returns how many events or lines they held.
        mutating func release(through durable: UInt64) -> UInt64 {
            var count = 0
            var events = 0
            while count < parcels.count, parcels[count].lastSeq <= durable {
                events += parcels[count].count
                count += 1
            }
            parcels.removeFirst(count)
            outstanding -= events
            return UInt64(events)
        }
    }

    private let state = Mutex(State())

    package init() {}

    var health: Health { state.withLock { $0.health } }
    package var totals: SendTotals { state.withLock { $0.totals } }
    package var outstanding: Int { state.withLock { $0.outstanding } }

    /// The first event that has not been acknowledged; past the end when there is none.
    var oldestSeq: UInt64 { state.withLock { $0.parcels.first?.firstSeq ?? .max } }

    /// Everything that has not been acknowledged, oldest first; counted as sent once more.
    func parcelsToRepeat() -> [Parcel] {
        state.withLock { state in
            state.totals.retried += UInt64(state.outstanding)
            return state.parcels
        }
    }

    package func keep(_ parcel: Parcel) {
        state.withLock { state in
            state.parcels.append(parcel)
            state.outstanding += parcel.count
            state.totals.sent += UInt64(parcel.count)
        }
    }

    /// Starts a connection; what the one before it still has to say is ignored.
    ///
    /// - Returns: the number by which its handler speaks.
    package func connecting() -> Int {
        state.withLock { state in
            state.generation += 1
            state.health = .connecting
            state.lineBase = (state.parcels.first?.firstSeq).map { $0 - 1 } ?? state.lineBase
            state.refusedLines = 0
            return state.generation
        }
    }

    /// For lines: acks count from the parcel that is sent first on this connection.
    package func startLines(after seq: UInt64) { state.withLock { $0.lineBase = seq } }

    func up(_ generation: Int) { change(generation) { $0.health = .up } }

    func down(_ generation: Int) {
        change(generation) { state in
            if case .refused = state.health { return }
            state.health = .down
        }
    }

    func refused(_ text: String, _ generation: Int) { change(generation) { $0.health = .refused(text) } }

    /// All events up to `durable` are stored.
    func acked(through durable: UInt64, quarantined: Int, _ generation: Int) {
        change(generation) { state in
            state.totals.quarantined += UInt64(quarantined)
            state.totals.acked += state.release(through: durable)
        }
    }

    /// All lines up to the `count`th of this connection have been dealt with: stored, or refused before.
    func ackedLines(_ count: UInt64, _ generation: Int) {
        change(generation) { state in
            let released = state.release(through: state.lineBase + count)
            let refused = min(state.refusedLines, released)
            state.totals.acked += released - refused
            state.totals.rejected += refused
            state.refusedLines -= refused
        }
    }

    func refusedLines(_ count: UInt64, _ generation: Int) {
        change(generation) { state in
            // More than wait for a verdict cannot be refused, whatever the daemon says.
            let waiting = UInt64(state.outstanding)
            state.refusedLines = min(state.refusedLines + min(count, waiting), waiting)
        }
    }

    func quarantinedLine(_ generation: Int) { change(generation) { $0.totals.quarantined += 1 } }

    /// Waits until an ack has come or the health has changed, unless `isDue` says at once that there is no need.
    func wait(unless isDue: @Sendable (_ outstanding: Int, _ health: Health) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isWaiting = state.withLock { state in
                if isDue(state.outstanding, state.health) { return false }
                state.waiter = continuation
                return true
            }
            if !isWaiting { continuation.resume() }
        }
    }

    /// Waits until everything below `seq` is acknowledged or the connection is gone.
    func wait(untilOldest seq: UInt64) async {
        await withCheckedContinuation { continuation in
            let isWaiting = state.withLock { state in
                if (state.parcels.first?.firstSeq ?? .max) >= seq || state.health != .up { return false }
                state.waiter = continuation
                return true
            }
            if !isWaiting { continuation.resume() }
        }
    }

    private func change(_ generation: Int, _ body: (inout State) -> Void) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.generation == generation else { return nil }
            body(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
