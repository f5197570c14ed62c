// Brings messages to the devices that are connected, and tells the log what was sent and not answered.

import Events
import Ingest
import Log
import NIOCore
import Projection
import Transport
import Wire

/// Gives connections what waits for their devices. Used by one task at a time (`OutboxService`).
///
/// Effects come after facts: only what is in the log, addressed and folded is given to a socket.
struct OutboxDelivery<Engine: EventLog>: Sendable {
    let ingest: IngestLoop<Engine>
    let storage: Storage<Engine>
    private let deliveries = Locked(Deliveries())
    let states = Locked(StatesToTell())
    /// How many messages wait for each device, as the ingest loop was last told.
    let published = Locked(WaitingCounts())

    init(ingest: IngestLoop<Engine>, storage: Storage<Engine>) { (self.ingest, self.storage) = (ingest, storage) }

    /// How many devices are served in one round; the others are in the next.
    static var devicesInRound: Int { 2_000 }

    /// Devices have connected.
    func contact(_ devices: [DeviceID]) async {
        let uptime = Self.milliseconds
        deliveries.use { deliveries in for device in devices { deliveries.begin(device, at: uptime) } }
        await offer(devices, isContact: true)
    }

    /// What protocols have learnt of messages, as events for the log; what names no message that went to the device, or
    /// says what is known, is nothing.
    func events(of receipts: [TransportReceipt]) async -> EventBatch {
        let time = wallClock()
        return await storage.projector.ask { state in
            var batch = EventBatch()
            for receipt in receipts {
                guard state.isNews(receipt.stage, of: receipt.message, from: receipt.device),
                    let message = state.standing(ofMessage: receipt.message.number)
                else { continue }
                batch.append(
                    receipt: receipt.stage, of: message.id, receipt.device, product: message.product, at: time)
            }
            return batch
        } ?? EventBatch()
    }

    /// These devices have answered: what waits for them is offered.
    func proceed(_ devices: [DeviceID]) async { await offer(devices) }

    /// Gives everybody who is connected what is due.
    /// - Returns: the events that the log is to be told.
    func round() async -> EventBatch {
        let connected = await ingest.withListeners { _, listeners in listeners.connectedDevices }
        if !connected.isEmpty {
            // Not always the same first, where there are more than are served in a round.
            let first = Int.random(in: connected.indices)
            await offer(Array(connected[first...] + connected[..<first]))
        }
        let now = Self.milliseconds
        let notes = deliveries.use { $0.takeNotes(at: now) }
        guard !notes.isEmpty else { return EventBatch() }
        let time = wallClock()
        return await storage.projector.ask { state in
            var batch = EventBatch()
            for note in notes {
                guard let message = state.standing(ofMessage: note.number) else { continue }
                let stage: ReceiptStage = note.isFailed ? .failed : .sent
                batch.append(
                    receipt: stage, of: message.id, note.device, product: message.product,
                    attempt: UInt32(note.attempt), at: time)
            }
            return batch
        } ?? EventBatch()
    }

    private static var milliseconds: Int64 {
        let now = ContinuousClock.now - started
        return now.components.seconds * 1_000 + now.components.attoseconds / 1_000_000_000_000_000
    }

    /// What waits for some devices, and the one message at hand for each of its connections.
    private func offer(_ devices: [DeviceID], isContact: Bool = false) async {
        let now = storage.now
        let waiting = await storage.projector.ask { state in
            state.outgoing(among: devices, at: now, most: Self.devicesInRound, isContact: isContact)
        }
        guard let waiting else { return }
        let uptime = Self.milliseconds
        // Of those for whom nothing waits any more, nothing is under way; unless there was no room to look at all.
        if waiting.count < Self.devicesInRound {
            let busy = Set(waiting.map(\.device))
            deliveries.use { deliveries in
                for device in devices where !busy.contains(device) { deliveries.end(device) }
            }
        }
        // What is urgent goes before what is not, whomever it is for.
        let ordered = waiting.sorted { Self.rank($0) < Self.rank($1) }
        for one in ordered {
            while true {
                let due = deliveries.use { $0.take(one, at: uptime) }
                guard !due.isEmpty else { break }
                let failed = await push(due, behind: one.messages.count - due.count, to: one.device)
                // What this connection cannot carry stands in nobody's way.
                guard !failed.isEmpty else { break }
                deliveries.use { deliveries in
                    for number in failed { deliveries.fail(number, for: one.device, at: uptime) }
                }
            }
        }
    }

    private static func rank(_ waiting: WaitingDevice) -> UInt8 { waiting.messages[0].terms.priority.rank }

    /// - Returns: the messages that the connection did not take.
    private func push(_ messages: [Outgoing], behind: Int, to device: DeviceID) async -> [UInt32] {
        await ingest.withListeners { pipeline, listeners in
            let product = Array(pipeline.vocabulary.text(.product, pipeline.vocabulary.product(of: device)))
            let name = Array(pipeline.vocabulary.name(of: device))
            guard !name.isEmpty else { return messages.map(\.id.number) }
            var failed: [UInt32] = []
            for (index, message) in messages.enumerated() {
                var bytes: [UInt8] = []
                DownMessage(
                    message.id, message.kind, priority: message.terms.priority, time: message.accepted,
                    expires: message.expires, seen: message.seen, more: behind + messages.count - index - 1,
                    payload: message.payload
                ).write(product: product.span, device: name.span, to: &bytes)
                let envelope = DownEnvelope(message.id, message.kind, expires: message.expires, json: bytes)
                if !listeners.pushNow(envelope, to: device) { failed.append(message.id.number) }
            }
            return failed
        }
    }
}

private let started = ContinuousClock.now
