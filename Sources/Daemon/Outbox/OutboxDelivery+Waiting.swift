// Has the ingest loop know how many messages wait for each device: its acks say it.

import Events
import Projection
import Transport

extension OutboxDelivery {
    /// Tells it of all devices, if anything is another than before; of none while no message is open.
    func publishWaiting(isOpen: Bool) async {
        let counts = WaitingCounts(isOpen ? await storage.projector.ask { $0.waitingCounts } ?? [] : [])
        guard published.use({ $0.replace(by: counts) }) else { return }
        await ingest.withListeners { _, listeners in listeners.waiting = counts }
    }

    /// Tells it of some devices, of which something was learnt just now.
    func publishWaiting(for devices: [DeviceID]) async {
        let counts = await storage.projector.ask { state in
            devices.map { (device: $0, count: state.waitingCount(of: $0)) }
        }
        guard let counts else { return }
        published.use { $0.set(counts) }
        await ingest.withListeners { _, listeners in listeners.waiting.set(counts) }
    }
}
