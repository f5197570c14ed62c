// Has the ingest loop know how many messages wait for each device: its acks say it.

import Events
import Projection
import Synchronization
import Transport

extension OutboxDelivery {
    /// Tells it of all devices, if anything is another than before; of none while no message is open.
    func publishWaiting(isOpen: Bool) async {
        let counts = isOpen ? await storage.projector.ask { $0.waitingCounts } ?? [] : []
        guard published.replace(by: counts) else { return }
        await onLoop { _, listeners in listeners.waiting = WaitingCounts(counts) }
    }

    /// Tells it of some devices, of which something was learnt just now.
    func publishWaiting(for devices: [DeviceID]) async {
        let counts = await storage.projector.ask { state in
            devices.map { (device: $0, count: state.waitingCount(of: $0)) }
        }
        guard let counts else { return }
        published.set(counts)
        await onLoop { _, listeners in listeners.waiting.set(counts) }
    }
}

/// What was published last.
final class PublishedCounts: Sendable {
    private let counts = Mutex<[UInt8]>([])

    /// - Returns: whether these are others.
    func replace(by new: [UInt8]) -> Bool {
        counts.withLock { counts in
            guard counts != new else { return false }
            counts = new
            return true
        }
    }

    func set(_ some: [(device: DeviceID, count: UInt8)]) {
        counts.withLock { counts in
            for one in some where Int(one.device.rawValue) < counts.count {
                counts[Int(one.device.rawValue)] = one.count
            }
        }
    }
}
