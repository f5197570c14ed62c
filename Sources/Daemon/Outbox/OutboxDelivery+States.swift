// Tells the connections that have asked how their devices are to stand: the settings in force, computed and never kept.

import Events
import Ingest
import Log
import Projection
import Transport

/// To whom the settings in force are to be told; volatile.
struct StatesToTell: Sendable {
    private var revision: Int?
    private var waiting: Set<DeviceID> = []

    var isEmpty: Bool { waiting.isEmpty }

    /// These have asked, or could not be told.
    mutating func add(_ devices: some Sequence<DeviceID>) { waiting.formUnion(devices) }

    /// The settings are others now: everybody is told who watches.
    ///
    /// - Returns: whether that is so.
    mutating func isChanged(to new: Int) -> Bool {
        defer { revision = new }
        return new != revision
    }

    /// Takes some of them; the others are told in the next round.
    mutating func take(_ most: Int) -> [DeviceID] {
        let some = Array(waiting.prefix(most))
        waiting.subtract(some)
        return some
    }
}

extension OutboxDelivery {
    /// A connection asks how a device is to stand.
    func tellState(of device: DeviceID) async {
        states.use { $0.add([device]) }
        await tellStates()
    }

    /// Tells everybody who watches, when the settings in force are others than before.
    func tellChanges() async {
        let watched = await ingest.withListeners { _, listeners in listeners.watchedDevices }
        guard !watched.isEmpty else { return }
        let now = storage.now
        guard let revision = await storage.projector.ask({ state in state.settingsRevision(at: now) }) else { return }
        if states.use({ $0.isChanged(to: revision) }) { states.use { $0.add(watched) } }
        await tellStates()
    }

    private func tellStates() async {
        let devices = states.use { $0.take(Self.devicesInRound) }
        guard !devices.isEmpty else { return }
        let now = storage.now
        let found = await storage.projector.ask { state in
            devices.map { ($0, state.settings(inForceAt: $0, at: now)) }
        }
        guard let found else { return states.use { $0.add(devices) } }
        let envelopes = found.map { StateEnvelope($0.0, json: StateDocument($0.1).json) }
        let later = await ingest.withListeners { _, listeners in
            envelopes.filter { !listeners.pushNow($0) }.map { $0.device }
        }
        if !later.isEmpty { states.use { $0.add(later) } }
    }
}
