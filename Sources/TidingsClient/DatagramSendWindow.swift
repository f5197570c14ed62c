// What a sender of datagrams and its socket share: which are in flight, which are due again, and who waits.

import Bytes
import Events
package import NIOCore
import Wire

/// Shared by one sending task and the event loop of its socket.
package final class DatagramSendWindow: Sendable {
    private struct State {
        /// By the counter in the datagram's header.
        var inFlight: [UInt32: InFlightDatagram] = [:]
        /// How many of them are stored, and only wait for their own acks.
        var stored = 0
        /// The counters of a device's datagrams.
        var devices: [UInt32: [UInt32]] = [:]
        /// Devices of which a datagram was given up: from then on they say what their oldest event is.
        var devicesWithLoss: Set<UInt32> = []
        /// Under a key: the epochs of devices whose first one the daemon has refused.
        var epochs: [UInt32: UInt32] = [:]
        /// Under a key: devices of which something was stored.
        var devicesStored: Set<UInt32> = []
        var totals = SendTotals()
        /// When the daemon last answered anything.
        var lastAnswer = NIODeadline.distantPast
        /// Verdicts that are still to be told, once the lock is let go.
        var unreported: [SendVerdict] = []
        /// How many messages wait, as the daemon has answered to the last datagram that asked.
        var pending: UInt32?
        /// ACK datagrams that say which messages have come; to be written at once.
        var outgoing: [[UInt8]] = []
    }

    private let state = WaitableState(State())
    private let options: DatagramOptions
    private let verdicts: VerdictQueue
    /// The key that answers are signed with, too.
    private let signer: DatagramSigner?
    /// Where messages to this side go; nil when nobody wants any.
    private let inbox: MessageInbox?

    package init(
        options: DatagramOptions, verdicts: VerdictQueue = VerdictQueue(), inbox: MessageInbox? = nil
    ) {
        self.inbox = inbox
        signer = options.credential?.signer
        self.options = options
        self.verdicts = verdicts
    }

    package var totals: SendTotals { state.withLock { $0.totals } }

    /// Under which epoch a device's events are counted that have no numbers of their own.
    package func epoch(of device: UInt32) -> UInt32 {
        guard signer != nil else { return options.epoch }
        return state.withLock { $0.epochs[device] ?? options.epoch }
    }

    /// The highest epoch in use.
    package var highestEpoch: UInt32 { state.withLock { max(options.epoch, $0.epochs.values.max() ?? 0) } }

    /// A datagram is on its way.
    package func track(_ datagram: InFlightDatagram, counter: UInt32) {
        state.withLock { state in
            state.inFlight[counter] = datagram
            state.devices[datagram.device, default: []].append(counter)
            state.totals.sent += UInt64(datagram.events)
        }
    }

    /// The lowest number that `device` still holds when it is about to send `seq`; 0 when it need not say.
    func oldest(of device: UInt32, sending seq: UInt64) -> UInt64 {
        state.withLock { state in
            guard state.devicesWithLoss.contains(device) else { return 0 }
            return min(seq, lowest(of: device, in: state) ?? seq)
        }
    }

    /// Waits until there is room for a datagram of `device` that ends with `lastSeq`; nil = until nothing is in flight.
    func wait(for device: UInt32?, lastSeq: UInt64 = 0) async {
        await state.wait { hasRoom(for: device, lastSeq: lastSeq, in: $0) }
    }

    /// Waits until every datagram of a device that is in flight is stored.
    func waitUntilStored(_ device: UInt32) async { await state.wait { lowest(of: device, in: $0) == nil } }

    func hasRoom(for device: UInt32, lastSeq: UInt64) -> Bool {
        state.withLock { hasRoom(for: device, lastSeq: lastSeq, in: $0) }
    }

    /// Gives everything up that has no verdict.
    func abandon() {
        update { state in
            for (counter, datagram) in state.inFlight {
                _ = complete(counter, &state)
                if !datagram.isStored { state.totals.lost += UInt64(datagram.events) }
            }
        }
    }

    /// Takes a datagram from the daemon.
    package func take(_ bytes: Span<UInt8>, now: NIODeadline = .now()) {
        do throws(Refusal) {
            let header = try DatagramHeader.read(bytes)
            // What is said of signed datagrams has to be signed, or anybody could say that they are stored.
            guard header.keyID == options.credential?.keyID ?? 0,
                signer?.hasSigned(Array(copying: bytes)) ?? true
            else { return }
            let body = bytes.extracting(DatagramHeader.body(count: bytes.count))
            switch header.type {
            case .ack: acked(header.counter, try Ack(decoding: body), now)
            case .push: received(body, header)
            case .error: refused(header.counter, try Reject(decoding: body), now)
            default: break
            }
        } catch {
            // Not from our daemon, or damaged: as good as not received.
        }
    }

    /// A message to this side; the daemon is told that it is here.
    private func received(_ message: Span<UInt8>, _ push: DatagramHeader) {
        guard let signer, let id = inbox?.take(message) else { return }
        var (ack, header, bytes) = (Ack(), push, [UInt8]())
        ack.received = [id]
        (header.type, header.flags) = (.ack, [])
        header.write(ack, into: &bytes)
        signer.sign(&bytes, from: 0)
        state.withLock { $0.outgoing.append(bytes) }
    }

    /// What is to be written at once.
    package func takeOutgoing() -> [[UInt8]] {
        state.withLock { state in
            defer { state.outgoing = [] }
            return state.outgoing
        }
    }

    /// Waits until a datagram that asks for messages has its answer, or is given up.
    ///
    /// - Returns: how many wait; nil when that is not known.
    func waitForPending(_ counter: UInt32) async -> UInt32? {
        await state.wait { $0.inFlight[counter] == nil }
        return state.withLock { state in
            defer { state.pending = nil }
            return state.pending
        }
    }

    /// An ack that answers the datagram `counter`: it is stored, and so is what the ack says of its device.
    private func acked(_ counter: UInt32, _ ack: Ack, _ now: NIODeadline) {
        update { state in
            state.lastAnswer = now
            guard let datagram = complete(counter, &state) else { return }
            if datagram.events == 0 { state.pending = ack.pending }
            for reject in ack.rejects {
                state.unreported.append(datagram.verdict(reject, now: verdicts.now))
            }
            if !datagram.isStored { state.totals.acked += UInt64(datagram.events) }
            if signer != nil { state.devicesStored.insert(datagram.device) }
            state.totals.count(ack, room: state.totals.acked)
            guard ack.durable > 0 else { return }
            for other in state.devices[datagram.device] ?? [] {
                guard let one = state.inFlight[other], one.epoch == datagram.epoch, !one.isStored, isStored(one, ack)
                else { continue }
                state.inFlight[other]?.isStored = true
                state.stored += 1
                state.totals.acked += UInt64(one.events)
            }
        }
    }

    /// The daemon refuses a datagram; it is sent again only if it may be. A daemon that asks to wait is there: the
    /// datagram's tries are counted anew.
    private func refused(_ counter: UInt32, _ reject: Reject, _ now: NIODeadline) {
        update { state in
            state.lastAnswer = now
            // What is stored cannot be refused: it came twice.
            guard let datagram = state.inFlight[counter], !datagram.isStored else { return }
            if reject.refusal?.isRetryable == true {
                state.inFlight[counter]?.tries = 0
                state.inFlight[counter]?.due = now + .milliseconds(100)
                return
            }
            if let signer, let epoch = nextEpoch(datagram, reject, state) {
                state.epochs[datagram.device] = epoch
                state.inFlight[counter]?.move(to: epoch, signer, now: now)
                return
            }
            _ = complete(counter, &state)
            state.totals.rejected += UInt64(datagram.events)
            state.devicesWithLoss.insert(datagram.device)
            // Which of its events is to blame the daemon does not say, and none of them is stored.
            if datagram.traced.isEmpty { state.unreported.append(SendVerdict(reject, of: nil, nil, now: nil)) }
            for one in datagram.traced {
                state.unreported.append(SendVerdict(reject, of: one.event, one.origin, now: nil))
            }
        }
    }

    /// How often one datagram may be put under another epoch.
    private static let mostMoves = 8

    /// Under which epoch a refused datagram is sent again: one above the highest that the daemon knows of the device,
    /// which may be lower than ours if our clock is far ahead. What was under way when that was told follows.
    ///
    /// - Returns: nil when the epoch is not to blame.
    private func nextEpoch(_ datagram: InFlightDatagram, _ reject: Reject, _ state: State) -> UInt32? {
        guard reject.refusal == .badIdentity, datagram.isNumberedHere, datagram.moves < Self.mostMoves,
            let highest = UInt32(exactly: reject.number), highest < .max
        else { return nil }
        let epoch = state.epochs[datagram.device] ?? options.epoch
        guard datagram.epoch == epoch else { return epoch }
        // Of a device that it does not know the daemon says 0, and of a customer without a name too.
        guard highest > 0 || !state.devicesStored.contains(datagram.device), highest + 1 != epoch else { return nil }
        return highest + 1
    }

    /// What is due to be sent again now; what has been tried too often is given up.
    package func due(_ now: NIODeadline) -> [ByteBuffer] {
        update { state in
            var buffers: [ByteBuffer] = []
            for (counter, datagram) in state.inFlight where datagram.due <= now {
                if datagram.isStored {
                    // Its own ack is lost.
                    _ = complete(counter, &state)
                    continue
                }
                guard !isExhausted(datagram, state.lastAnswer) else {
                    _ = complete(counter, &state)
                    state.totals.lost += UInt64(datagram.events)
                    state.devicesWithLoss.insert(datagram.device)
                    continue
                }
                let pause = min(datagram.pause * 2, .seconds(5))
                state.inFlight[counter]?.tries += 1
                state.inFlight[counter]?.pause = pause
                state.inFlight[counter]?.due = now + pause
                state.totals.retried += UInt64(datagram.events)
                buffers.append(datagram.bytes)
            }
            return buffers
        }
    }

    /// Whether to give a datagram up: the daemon has been silent since its last try, or answers others but never this.
    ///
    /// While a daemon answers, what the network lost is worth more tries: one way in ten lost, eight tries are all in
    /// vain for one datagram in a few million, and the sender would say that events are lost.
    private func isExhausted(_ datagram: InFlightDatagram, _ lastAnswer: NIODeadline) -> Bool {
        guard datagram.tries >= options.maxTries else { return false }
        return lastAnswer < datagram.due - datagram.pause || datagram.tries >= 4 * options.maxTries
    }

    private func hasRoom(for device: UInt32?, lastSeq: UInt64, in state: State) -> Bool {
        guard let device else { return state.inFlight.isEmpty }
        guard state.inFlight.count - state.stored < options.window else { return false }
        guard let lowest = lowest(of: device, in: state) else { return true }
        return lastSeq < lowest || lastSeq - lowest < UInt64(options.deviceWindow)
    }

    private func lowest(of device: UInt32, in state: State) -> UInt64? {
        state.devices[device]?.compactMap { counter in
            state.inFlight[counter].flatMap { $0.isStored || $0.events == 0 ? nil : $0.seqs.lowerBound }
        }.min()
    }

    private func isStored(_ datagram: InFlightDatagram, _ ack: Ack) -> Bool {
        if datagram.seqs.upperBound <= ack.durable { return true }
        var last = ack.durable
        for range in ack.ranges {
            // Numbers end at 2^64 - 1; a daemon that says more is not believed.
            let (first, isFirstBeyond) = last.addingReportingOverflow(UInt64(range.missing) + 1)
            let (end, isEndBeyond) = first.addingReportingOverflow(UInt64(range.present))
            if isFirstBeyond || isEndBeyond { return false }
            if datagram.seqs.lowerBound >= first, datagram.seqs.upperBound < end { return true }
            last = end - 1
        }
        return false
    }

    /// A datagram that is in flight no longer; nil when it was not.
    private func complete(_ counter: UInt32, _ state: inout State) -> InFlightDatagram? {
        guard let datagram = state.inFlight.removeValue(forKey: counter) else { return nil }
        if datagram.isStored { state.stored -= 1 }
        state.devices[datagram.device]?.removeAll { $0 == counter }
        if state.devices[datagram.device]?.isEmpty == true { state.devices[datagram.device] = nil }
        return datagram
    }

    /// Changes the state, hands over the verdicts of that, and wakes whoever waits.
    private func update<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        let (result, unreported) = state.withLock { state in
            let result = body(&state)
            defer { state.unreported = [] }
            return (result, state.unreported)
        }
        verdicts.add(unreported)
        state.wake()
        return result
    }
}
