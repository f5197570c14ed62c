// What a sender and its TCP connection share: what has been sent and not acknowledged, and who waits for that.

import Events
import NIOCore
import Synchronization
import Wire

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

    /// How it went since the sender last asked.
    struct Standing {
        /// Something got its verdict.
        var hasProgress = false
        /// A connection came up.
        var hasMet = false
        /// The daemon asked for patience: it is there.
        var isAskedForPatience = false
        /// What it said last before it closed a connection.
        var lastWord = ""
    }

    struct State {
        var health = Health.down
        var parcels: [Parcel] = []
        var lines = LineTally()
        var outstanding = 0
        var totals = SendTotals()
        var waiter: CheckedContinuation<Void, Never>?
        var generation = 0
        var standing = Standing()
        /// Verdicts that are still to be told, once the lock is let go.
        var said: [SendVerdict] = []

        /// Lets go of the parcels up to `durable`; returns how many events they held.
        mutating func release(through durable: UInt64) -> UInt64 {
            var count = 0
            var events = 0
            while count < parcels.count, parcels[count].lastSeq <= durable {
                events += parcels[count].count
                count += 1
            }
            guard count > 0 else { return 0 }
            parcels.removeFirst(count)
            outstanding -= events
            standing.hasProgress = true
            return UInt64(events)
        }

        /// What a native answer says of the event that has this number in the connection's own count.
        func verdict(_ reject: Reject, number: UInt64, now: Timestamp?) -> SendVerdict {
            guard number > 0, let parcel = parcels.first(where: { $0.lastSeq >= number }), number >= parcel.firstSeq
            else { return SendVerdict(reject, of: nil, nil, now: now) }
            let index = Int(number - parcel.firstSeq)
            return SendVerdict(reject, of: parcel.event(index), parcel.origin(index), now: now)
        }
    }

    private let state = Mutex(State())
    private let book: VerdictBook

    package init(book: VerdictBook = VerdictBook()) { self.book = book }

    var health: Health { state.withLock { $0.health } }
    package var totals: SendTotals { state.withLock { $0.totals } }
    package var outstanding: Int { state.withLock { $0.outstanding } }

    /// The first event that has not been acknowledged; past the end when there is none.
    var oldestSeq: UInt64 { state.withLock { $0.parcels.first?.firstSeq ?? .max } }

    /// How it went since the last call.
    func takeStanding() -> Standing {
        state.withLock { state in
            defer { state.standing = Standing() }
            return state.standing
        }
    }

    /// Everything that has not been acknowledged, oldest first.
    var parcels: [Parcel] { state.withLock { $0.parcels } }

    /// Puts each event of the oldest parcel into a parcel of its own; false when there is no more than one.
    func splitOldest() -> Bool {
        state.withLock { state in
            guard let single = state.parcels.first?.split(), single.count > 1 else { return false }
            state.parcels.replaceSubrange(0..<1, with: single)
            return true
        }
    }

    /// Everything that has not been acknowledged, oldest first; counted as sent once more.
    func parcelsToRepeat() -> [Parcel] {
        state.withLock { state in
            state.totals.retried += UInt64(state.parcels.reduce(0) { $0 + $1.rest })
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

    /// Keeps lines that the daemon wanted to have later; they are counted already.
    func keepAgain(_ parcel: Parcel) { state.withLock { $0.parcels.append(parcel) } }

    /// The lines that the daemon wants to have later, without newlines in between; nil when there are none.
    func takeLater() -> (lines: [UInt8], origins: [EventOrigin])? {
        state.withLock { state in
            guard !state.lines.later.isEmpty else { return nil }
            defer { state.lines.later = [] }
            return (state.lines.later.flatMap(\.line), state.lines.later.map { EventOrigin(number: $0.origin) })
        }
    }

    /// Gives everything up that has no verdict.
    func abandon() {
        state.withLock { state in
            state.totals.lost += UInt64(state.outstanding)
            state.outstanding = 0
            state.parcels = []
            state.lines = LineTally()
        }
    }

    /// Starts a connection; what the one before it still has to say is ignored.
    ///
    /// - Returns: the number by which its handler speaks.
    package func connecting() -> Int {
        state.withLock { state in
            state.generation += 1
            state.health = .connecting
            state.startLines()
            return state.generation
        }
    }

    func up(_ generation: Int) {
        change(generation) { state in
            state.health = .up
            state.standing.hasMet = true
        }
    }

    func down(_ generation: Int) {
        change(generation) { state in
            if case .refused = state.health { return }
            state.health = .down
        }
    }

    func refused(_ text: String, _ generation: Int) { change(generation) { $0.health = .refused(text) } }

    /// The daemon said something before it closes, and a new connection may mend it.
    func parted(_ text: String, isAskedForPatience: Bool, _ generation: Int) {
        change(generation) { state in
            state.standing.lastWord = text
            state.standing.isAskedForPatience = state.standing.isAskedForPatience || isAskedForPatience
        }
    }

    /// All events up to `ack.durable` are dealt with.
    func acked(_ ack: Ack, _ generation: Int) {
        change(generation) { state in
            for reject in ack.rejects {
                state.said.append(state.verdict(reject, number: reject.number, now: book.now))
            }
            state.totals.count(ack, room: state.totals.acked + UInt64(state.outstanding))
            state.totals.acked += state.release(through: ack.durable)
        }
    }

    /// The daemon will never take the batch that the event `seq` is in (0 = the oldest). Sent again one by one, the
    /// event that is to blame shows itself; it then is rejected, and the others go on.
    ///
    /// - Returns: false when nothing is there to be refused.
    func refusedBatch(_ reject: Reject, _ generation: Int) -> Bool {
        var isKnown = false
        change(generation) { state in
            guard let index = state.parcels.firstIndex(where: { $0.lastSeq >= reject.seq }) else { return }
            let parcel = state.parcels[index]
            let single = parcel.split()
            guard !single.isEmpty else { return }
            isKnown = true
            guard single.count == 1 else {
                state.parcels.replaceSubrange(index...index, with: single)
                state.standing.hasProgress = true
                return
            }
            state.parcels.remove(at: index)
            state.outstanding -= 1
            state.totals.rejected += 1
            state.standing.hasProgress = true
            state.said.append(SendVerdict(reject, of: parcel.event(0), parcel.origin(0), now: nil))
        }
        return isKnown
    }

    /// What a daemon answers to lines: a verdict, or an ack of all lines up to one of this connection.
    func answered(_ answer: AnswerLine, _ generation: Int) { change(generation) { $0.take(answer) } }

    /// Waits until an ack has come or the health has changed, unless `isDue` says at once that there is no need.
    ///
    /// - Parameter orLater: whether there is no need either when there are lines to be sent again.
    func wait(orLater: Bool = false, unless isDue: @Sendable (_ outstanding: Int, _ health: Health) -> Bool) async {
        await wait { state in
            isDue(state.outstanding, state.health) || orLater && !state.lines.later.isEmpty
        }
    }

    /// Waits until everything below `seq` is acknowledged or the connection is gone.
    func wait(untilOldest seq: UInt64) async {
        await wait { state in (state.parcels.first?.firstSeq ?? .max) >= seq || state.health != .up }
    }

    private func wait(_ isDue: @Sendable (State) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isWaiting = state.withLock { state in
                if isDue(state) { return false }
                state.waiter = continuation
                return true
            }
            if !isWaiting { continuation.resume() }
        }
    }

    private func change(_ generation: Int, _ body: (inout State) -> Void) {
        let (waiter, said) = state.withLock { state -> (CheckedContinuation<Void, Never>?, [SendVerdict]) in
            guard state.generation == generation else { return (nil, []) }
            body(&state)
            defer { (state.waiter, state.said) = (nil, []) }
            return (state.waiter, state.said)
        }
        book.add(said)
        waiter?.resume()
    }
}
