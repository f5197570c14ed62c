// What a sender of datagrams and its socket share: which datagrams fly, which are due again, and who waits.

import Events
package import NIOCore
import Synchronization
import Wire

/// Shared by one sending task and the event loop of its socket.
package final class DatagramLink: Sendable {
    /// A datagram that has been sent and not acknowledged.
    package struct Flight: Sendable {
        var device: UInt32
        var epoch: UInt32
        var firstSeq: UInt64
        var lastSeq: UInt64
        var events: Int
        var bytes: ByteBuffer
        var tries = 1
        var due: NIODeadline
        /// Twice as long after every try.
        var pause: TimeAmount
        /// Its events, and where each comes from; empty for those that are not told one by one.
        var told: [Told]
        /// Stored, as the ack of another datagram says; its own ack, which says how, is still awaited for a while.
        var isStored = false

        package init(
            device: UInt32, epoch: UInt32, firstSeq: UInt64, lastSeq: UInt64, events: Int, bytes: ByteBuffer,
            due: NIODeadline, pause: TimeAmount, told: [Told] = []
        ) {
            self.device = device
            self.epoch = epoch
            self.firstSeq = firstSeq
            self.lastSeq = lastSeq
            self.events = events
            self.bytes = bytes
            self.due = due
            self.pause = pause
            self.told = told
        }

        /// What an answer says of the event that it names.
        func verdict(_ reject: Reject, now: Timestamp?) -> SendVerdict {
            let seqs = [reject.seq, reject.number]
            let one = told.first { seqs.contains($0.event.seq) } ?? (told.count == 1 ? told[0] : nil)
            return SendVerdict(reject, of: one?.event, one?.origin, now: now)
        }
    }

    /// An event, and where it comes from.
    package struct Told: Sendable {
        var event: Event
        var origin: EventOrigin
    }

    private struct State {
        /// By the counter in the datagram's header.
        var flights: [UInt32: Flight] = [:]
        /// How many of them are stored, and only wait for their own acks.
        var stored = 0
        /// The counters of a device's flights.
        var devices: [UInt32: [UInt32]] = [:]
        /// Devices of which a datagram was given up: from then on they say what their oldest event is.
        var devicesWithLoss: Set<UInt32> = []
        var totals = SendTotals()
        /// When the daemon last answered anything.
        var heard = NIODeadline.distantPast
        var waiter: CheckedContinuation<Void, Never>?
        /// Verdicts that are still to be told, once the lock is let go.
        var said: [SendVerdict] = []
    }

    private let state = Mutex(State())
    private let options: DatagramOptions
    private let book: VerdictBook

    package init(options: DatagramOptions, book: VerdictBook = VerdictBook()) {
        self.options = options
        self.book = book
    }

    package var totals: SendTotals { state.withLock { $0.totals } }

    package func launch(_ flight: Flight, counter: UInt32) {
        state.withLock { state in
            state.flights[counter] = flight
            state.devices[flight.device, default: []].append(counter)
            state.totals.sent += UInt64(flight.events)
        }
    }

    /// The lowest number that `device` still holds when it is about to send `seq`; 0 when it need not say.
    func oldest(of device: UInt32, sending seq: UInt64) -> UInt64 {
        state.withLock { state in
            guard state.devicesWithLoss.contains(device) else { return 0 }
            return min(seq, lowest(of: device, in: state) ?? seq)
        }
    }

    /// Waits until there is room for a datagram of `device` that ends with `lastSeq`; nil = until nothing flies.
    func wait(for device: UInt32?, lastSeq: UInt64 = 0) async {
        await wait { hasRoom(for: device, lastSeq: lastSeq, in: $0) }
    }

    /// Waits until no datagram of a device flies that is not stored.
    func settle(_ device: UInt32) async { await wait { lowest(of: device, in: $0) == nil } }

    private func wait(_ isDue: (State) -> Bool) async {
        while !state.withLock({ isDue($0) }) {
            await withCheckedContinuation { continuation in
                let isWaiting = state.withLock { state in
                    if isDue(state) { return false }
                    state.waiter = continuation
                    return true
                }
                if !isWaiting { continuation.resume() }
            }
        }
    }

    func hasRoom(for device: UInt32, lastSeq: UInt64) -> Bool {
        state.withLock { hasRoom(for: device, lastSeq: lastSeq, in: $0) }
    }

    /// Gives everything up that has no verdict.
    func abandon() {
        wake { state in
            for (counter, flight) in state.flights {
                _ = land(counter, &state)
                if !flight.isStored { state.totals.lost += UInt64(flight.events) }
            }
        }
    }

    /// Takes a datagram from the daemon.
    package func take(_ bytes: Span<UInt8>, now: NIODeadline = .now()) {
        do throws(Refusal) {
            let header = try DatagramHeader.read(bytes)
            let body = bytes.extracting(DatagramHeader.body(count: bytes.count))
            switch header.type {
            case .ack: acked(header.counter, try Ack(decoding: body), now)
            case .error: refused(header.counter, try Reject(decoding: body), now)
            default: break
            }
        } catch {
            // Not from our daemon, or damaged: as good as not received.
        }
    }

    /// An ack that answers the datagram `counter`: it is stored, and so is what the ack says of its device.
    private func acked(_ counter: UInt32, _ ack: Ack, _ now: NIODeadline) {
        wake { state in
            state.heard = now
            guard let flight = land(counter, &state) else { return }
            for reject in ack.rejects {
                state.said.append(flight.verdict(reject, now: book.now))
            }
            if !flight.isStored { state.totals.acked += UInt64(flight.events) }
            state.totals.count(ack, room: state.totals.acked)
            guard ack.durable > 0 else { return }
            for other in state.devices[flight.device] ?? [] {
                guard let one = state.flights[other], one.epoch == flight.epoch, !one.isStored, isStored(one, ack)
                else { continue }
                state.flights[other]?.isStored = true
                state.stored += 1
                state.totals.acked += UInt64(one.events)
            }
        }
    }

    /// The daemon refuses a datagram; it is sent again only if it may be. One that asks for patience is there: its
    /// datagram's tries are counted anew.
    private func refused(_ counter: UInt32, _ reject: Reject, _ now: NIODeadline) {
        wake { state in
            state.heard = now
            // What is stored cannot be refused: it came twice.
            guard let flight = state.flights[counter], !flight.isStored else { return }
            if reject.refusal?.isRetryable == true {
                state.flights[counter]?.tries = 0
                state.flights[counter]?.due = now + .milliseconds(100)
                return
            }
            _ = land(counter, &state)
            state.totals.rejected += UInt64(flight.events)
            state.devicesWithLoss.insert(flight.device)
            // Which of its events is to blame the daemon does not say, and none of them is stored.
            if flight.told.isEmpty { state.said.append(SendVerdict(reject, of: nil, nil, now: nil)) }
            for one in flight.told { state.said.append(SendVerdict(reject, of: one.event, one.origin, now: nil)) }
        }
    }

    /// What is due to be sent again now; what has been tried too often is given up.
    package func due(_ now: NIODeadline) -> [ByteBuffer] {
        wake { state in
            var buffers: [ByteBuffer] = []
            for (counter, flight) in state.flights where flight.due <= now {
                if flight.isStored {
                    // Its own ack is lost.
                    _ = land(counter, &state)
                    continue
                }
                guard !isVain(flight, state.heard) else {
                    _ = land(counter, &state)
                    state.totals.lost += UInt64(flight.events)
                    state.devicesWithLoss.insert(flight.device)
                    continue
                }
                let pause = min(flight.pause * 2, .seconds(5))
                state.flights[counter]?.tries += 1
                state.flights[counter]?.pause = pause
                state.flights[counter]?.due = now + pause
                state.totals.retried += UInt64(flight.events)
                buffers.append(flight.bytes)
            }
            return buffers
        }
    }

    /// Whether to give a datagram up: the daemon has been silent since its last try, or answers others but never this.
    ///
    /// While a daemon answers, what the network lost is worth more tries: one way in ten lost, eight tries are all in
    /// vain for one datagram in a few million, and the sender would say that events are lost.
    private func isVain(_ flight: Flight, _ heard: NIODeadline) -> Bool {
        guard flight.tries >= options.maxTries else { return false }
        return heard < flight.due - flight.pause || flight.tries >= 4 * options.maxTries
    }

    private func hasRoom(for device: UInt32?, lastSeq: UInt64, in state: State) -> Bool {
        guard let device else { return state.flights.isEmpty }
        guard state.flights.count - state.stored < options.window else { return false }
        guard let lowest = lowest(of: device, in: state) else { return true }
        return lastSeq < lowest || lastSeq - lowest < UInt64(options.deviceWindow)
    }

    private func lowest(of device: UInt32, in state: State) -> UInt64? {
        state.devices[device]?.compactMap { counter in
            state.flights[counter].flatMap { $0.isStored ? nil : $0.firstSeq }
        }.min()
    }

    private func isStored(_ flight: Flight, _ ack: Ack) -> Bool {
        if flight.lastSeq <= ack.durable { return true }
        var last = ack.durable
        for range in ack.ranges {
            // Numbers end at 2^64 - 1; a daemon that says more is not believed.
            let (first, isFirstBeyond) = last.addingReportingOverflow(UInt64(range.missing) + 1)
            let (end, isEndBeyond) = first.addingReportingOverflow(UInt64(range.present))
            if isFirstBeyond || isEndBeyond { return false }
            if flight.firstSeq >= first, flight.lastSeq < end { return true }
            last = end - 1
        }
        return false
    }

    private func land(_ counter: UInt32, _ state: inout State) -> Flight? {
        guard let flight = state.flights.removeValue(forKey: counter) else { return nil }
        if flight.isStored { state.stored -= 1 }
        state.devices[flight.device]?.removeAll { $0 == counter }
        if state.devices[flight.device]?.isEmpty == true { state.devices[flight.device] = nil }
        return flight
    }

    private func wake<Result>(_ body: (inout State) -> Result) -> Result {
        let (result, waiter, said) = state.withLock { state in
            let result = body(&state)
            defer { (state.waiter, state.said) = (nil, []) }
            return (result, state.waiter, state.said)
        }
        book.add(said)
        waiter?.resume()
        return result
    }
}
