// What a sender and its TCP connection share: what has been sent and not acknowledged, and who waits for that.

import Events
import NIOCore
import Wire

/// Shared by one sending task and the event loop of its connection.
package final class StreamSendWindow: Sendable {
    /// How the connection stands.
    enum Health: Sendable, Equatable {
        case down
        case connecting
        case up
        /// The daemon refused for good; the text says why.
        case refused(String)
    }

    /// How it went since the sender last asked.
    struct ConnectionOutcome: Sendable {
        /// Something got its verdict.
        var hasProgress = false
        /// A connection came up.
        var wasUp = false
        /// The daemon asked to wait: it is there.
        var isAskedToWait = false
        /// What it said last before it closed a connection.
        var lastMessage = ""
    }

    struct State: Sendable {
        var health = Health.down
        var batches: [InFlightBatch] = []
        var lines = LineTally()
        var outstanding = 0
        var totals = SendTotals()
        var generation = 0
        var outcome = ConnectionOutcome()
        /// Verdicts that are still to be told, once the lock is let go.
        var unreported: [SendVerdict] = []

        /// Lets go of the batches up to `durable`; returns how many events they held.
        mutating func release(through durable: UInt64) -> UInt64 {
            var count = 0
            var events = 0
            while count < batches.count, batches[count].lastSeq <= durable {
                events += batches[count].count
                count += 1
            }
            guard count > 0 else { return 0 }
            batches.removeFirst(count)
            outstanding -= events
            outcome.hasProgress = true
            return UInt64(events)
        }

        /// What a native answer says of the event that has this number in the connection's own count.
        func verdict(_ reject: Reject, number: UInt64, now: Timestamp?) -> SendVerdict {
            guard number > 0, let batch = batches.first(where: { $0.lastSeq >= number }), number >= batch.firstSeq
            else { return SendVerdict(reject, of: nil, nil, now: now) }
            let index = Int(number - batch.firstSeq)
            return SendVerdict(reject, of: batch.event(index), batch.origin(index), now: now)
        }
    }

    private let state = WaitableState(State())
    private let verdicts: VerdictQueue

    package init(verdicts: VerdictQueue = VerdictQueue()) { self.verdicts = verdicts }

    var health: Health { state.withLock { $0.health } }
    package var totals: SendTotals { state.withLock { $0.totals } }
    package var outstanding: Int { state.withLock { $0.outstanding } }

    /// The first event that has not been acknowledged; past the end when there is none.
    var oldestSeq: UInt64 { state.withLock { $0.batches.first?.firstSeq ?? .max } }

    /// How it went since the last call.
    func takeOutcome() -> ConnectionOutcome {
        state.withLock { state in
            defer { state.outcome = ConnectionOutcome() }
            return state.outcome
        }
    }

    /// Everything that has not been acknowledged, oldest first.
    var batches: [InFlightBatch] { state.withLock { $0.batches } }

    /// Puts each event of the oldest batch into a batch of its own; false when there is no more than one.
    func splitOldest() -> Bool {
        state.withLock { state in
            guard let single = state.batches.first?.split(), single.count > 1 else { return false }
            state.batches.replaceSubrange(0..<1, with: single)
            return true
        }
    }

    /// Everything that has not been acknowledged, oldest first; counted as sent once more.
    func batchesToRepeat() -> [InFlightBatch] {
        state.withLock { state in
            state.totals.retried += UInt64(state.batches.reduce(0) { $0 + $1.rest })
            return state.batches
        }
    }

    /// Events or lines are on their way.
    package func track(_ batch: InFlightBatch) {
        state.withLock { state in
            state.batches.append(batch)
            state.outstanding += batch.count
            state.totals.sent += UInt64(batch.count)
        }
    }

    /// Keeps lines that the daemon wanted to have later; they are counted already.
    func trackAgain(_ batch: InFlightBatch) { state.withLock { $0.batches.append(batch) } }

    /// The lines that the daemon wants to have later, without newlines in between; nil when there are none.
    func takeDeferred() -> (lines: [UInt8], origins: [EventOrigin])? {
        state.withLock { state in
            guard !state.lines.deferred.isEmpty else { return nil }
            defer { state.lines.deferred = [] }
            return (state.lines.deferred.flatMap(\.line), state.lines.deferred.map { EventOrigin(number: $0.origin) })
        }
    }

    /// Gives everything up that has no verdict.
    func abandon() {
        state.withLock { state in
            state.totals.lost += UInt64(state.outstanding)
            state.outstanding = 0
            state.batches = []
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
            state.outcome.wasUp = true
        }
    }

    /// Something else than a verdict has come: the daemon serves this connection.
    func received(_ generation: Int) { change(generation) { $0.outcome.hasProgress = true } }

    func down(_ generation: Int) {
        change(generation) { state in
            if case .refused = state.health { return }
            state.health = .down
        }
    }

    func refused(_ text: String, _ generation: Int) { change(generation) { $0.health = .refused(text) } }

    /// The daemon said something before it closes, and a new connection may mend it.
    func closing(_ text: String, isAskedToWait: Bool, _ generation: Int) {
        change(generation) { state in
            state.outcome.lastMessage = text
            state.outcome.isAskedToWait = state.outcome.isAskedToWait || isAskedToWait
        }
    }

    /// All events up to `ack.durable` are dealt with.
    func acked(_ ack: Ack, _ generation: Int) {
        change(generation) { state in
            for reject in ack.rejects {
                state.unreported.append(state.verdict(reject, number: reject.number, now: verdicts.now))
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
            guard let index = state.batches.firstIndex(where: { $0.lastSeq >= reject.seq }) else { return }
            let batch = state.batches[index]
            let single = batch.split()
            guard !single.isEmpty else { return }
            isKnown = true
            guard single.count == 1 else {
                state.batches.replaceSubrange(index...index, with: single)
                state.outcome.hasProgress = true
                return
            }
            state.batches.remove(at: index)
            state.outstanding -= 1
            state.totals.rejected += 1
            state.outcome.hasProgress = true
            state.unreported.append(SendVerdict(reject, of: batch.event(0), batch.origin(0), now: nil))
        }
        return isKnown
    }

    /// What a daemon answers to lines: a verdict, or an ack of all lines up to one of this connection.
    func answered(_ answer: AnswerLine, _ generation: Int) { change(generation) { $0.take(answer) } }

    /// Waits until it is `isDue`, or, if deferred lines are minded, until there are some.
    func wait(
        orDeferred mindsDeferred: Bool = false, until isDue: (_ outstanding: Int, _ health: Health) -> Bool
    ) async {
        await state.wait { state in
            isDue(state.outstanding, state.health) || mindsDeferred && !state.lines.deferred.isEmpty
        }
    }

    /// Waits until everything below `seq` is acknowledged or the connection is gone.
    func wait(untilOldest seq: UInt64) async {
        await state.wait { state in (state.batches.first?.firstSeq ?? .max) >= seq || state.health != .up }
    }

    /// Changes the state, hands over the verdicts of that, and wakes whoever waits; nothing for an earlier connection.
    private func change(_ generation: Int, _ body: (inout State) -> Void) {
        let unreported = state.withLock { state -> [SendVerdict]? in
            guard state.generation == generation else { return nil }
            body(&state)
            defer { state.unreported = [] }
            return state.unreported
        }
        guard let unreported else { return }
        verdicts.add(unreported)
        state.wake()
    }
}
