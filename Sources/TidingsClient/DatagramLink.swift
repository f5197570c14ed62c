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

        package init(
            device: UInt32, epoch: UInt32, firstSeq: UInt64, lastSeq: UInt64, events: Int, bytes: ByteBuffer,
            due: NIODeadline, pause: TimeAmount
        ) {
            self.device = device
            self.epoch = epoch
            self.firstSeq = firstSeq
            self.lastSeq = lastSeq
            self.events = events
            self.bytes = bytes
            self.due = due
            self.pause = pause
        }
    }

    private struct State {
        /// By the counter in the datagram's header.
        var flights: [UInt32: Flight] = [:]
        /// The counters of a device's flights.
        var devices: [UInt32: [UInt32]] = [:]
        /// Devices of which a datagram was given up: from then on they say what their oldest event is.
        var devicesWithLoss: Set<UInt32> = []
        var totals = SendTotals()
        /// When the daemon last answered anything.
        var heard = NIODeadline.distantPast
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let options: DatagramOptions

    package init(options: DatagramOptions) { self.options = options }

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
        while !state.withLock({ hasRoom(for: device, lastSeq: lastSeq, in: $0) }) {
            await withCheckedContinuation { continuation in
                let isWaiting = state.withLock { state in
                    if hasRoom(for: device, lastSeq: lastSeq, in: state) { return false }
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
            state.totals.acked += UInt64(flight.events)
            state.totals.quarantined += UInt64(ack.rejects.count)
            guard ack.durable > 0 else { return }
            for other in state.devices[flight.device] ?? [] {
                guard let one = state.flights[other], one.epoch == flight.epoch, isStored(one, ack) else { continue }
                _ = land(other, &state)
                state.totals.acked += UInt64(one.events)
            }
        }
    }

    /// The daemon refuses a datagram; it is sent again only if it may be. One that asks for patience is there: its
    /// datagram's tries are counted anew.
    private func refused(_ counter: UInt32, _ reject: Reject, _ now: NIODeadline) {
        wake { state in
            state.heard = now
            if reject.refusal?.isRetryable == true {
                state.flights[counter]?.tries = 0
                state.flights[counter]?.due = now + .milliseconds(100)
            } else if let flight = land(counter, &state) {
                state.totals.rejected += UInt64(flight.events)
                state.devicesWithLoss.insert(flight.device)
            }
        }
    }

    /// What is due to be sent again now; what has been tried too often is given up.
    package func due(_ now: NIODeadline) -> [ByteBuffer] {
        wake { state in
            var buffers: [ByteBuffer] = []
            for (counter, flight) in state.flights where flight.due <= now {
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
        guard state.flights.count < options.window else { return false }
        guard let lowest = lowest(of: device, in: state) else { return true }
        return lastSeq < lowest || lastSeq - lowest < UInt64(options.deviceWindow)
    }

    private func lowest(of device: UInt32, in state: State) -> UInt64? {
        state.devices[device]?.compactMap { state.flights[$0]?.firstSeq }.min()
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
        state.devices[flight.device]?.removeAll { $0 == counter }
        if state.devices[flight.device]?.isEmpty == true { state.devices[flight.device] = nil }
        return flight
    }

    private func wake<Result>(_ body: (inout State) -> Result) -> Result {
        let (result, waiter) = state.withLock { state in
            let result = body(&state)
            defer { state.waiter = nil }
            return (result, state.waiter)
        }
        waiter?.resume()
        return result
    }
}
