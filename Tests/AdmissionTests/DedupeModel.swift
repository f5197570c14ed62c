// What has been taken from whom, said as plainly as it can be: a model that keeps everything, and events for it.

import Admission
import Events

/// An oracle for `DedupeTable`: it forgets nothing, and looks only at what the bounds allow.
struct DedupeModel {
    struct Epoch {
        var name: UInt32
        var highest: UInt64
        var taken: Set<UInt64>

        func verdict(_ seq: UInt64) -> DedupeVerdict {
            if highest >= 64, seq <= highest - 64 { return .stale }
            return taken.contains(seq) ? .duplicate : .new
        }

        mutating func take(_ seq: UInt64) {
            taken.insert(seq)
            highest = max(highest, seq)
        }
    }

    struct Reused: Hashable {
        var seq: UInt64
        var time: Int64
    }

    struct Device {
        /// The one heard last first.
        var epochs: [Epoch] = []
        var gone: [UInt32] = []
        var ids: [UInt64] = []
        var newestTime: Int64?
        var reused: Set<Reused> = []
        var reusedToday: [Int32: Int] = [:]
    }

    var devices: [UInt32: Device] = [:]

    /// What the event is; what is stored of it is remembered.
    mutating func admit(_ event: Event, isGood: Bool) -> DedupeVerdict {
        var device = devices[event.device.rawValue] ?? Device()
        defer { devices[event.device.rawValue] = device }
        switch event.identity {
        case .none: return .new
        case .hash:
            if device.ids.suffix(AdmissionLimits.idsPerDevice).contains(event.seq) { return .duplicate }
            device.ids.append(event.seq)
            return .new
        case .sequence: break
        }
        let verdict = Self.take(event, &device)
        if verdict == .new, isGood, event.epoch == 0, event.clock == .device {
            device.newestTime = max(device.newestTime ?? .min, event.time.rawValue)
        }
        return verdict
    }

    private static func take(_ event: Event, _ device: inout Device) -> DedupeVerdict {
        guard let index = device.epochs.firstIndex(where: { $0.name == event.epoch }) else {
            if device.gone.suffix(AdmissionLimits.epochsGone).contains(event.epoch) { return .stale }
            device.gone.removeAll { $0 == event.epoch }
            device.epochs.insert(Epoch(name: event.epoch, highest: event.seq, taken: [event.seq]), at: 0)
            if device.epochs.count > AdmissionLimits.epochsPerDevice {
                device.gone.append(device.epochs.removeLast().name)
            }
            return .new
        }
        let verdict = device.epochs[index].verdict(event.seq)
        if verdict == .new {
            device.epochs[index].take(event.seq)
            device.epochs.insert(device.epochs.remove(at: index), at: 0)
            return .new
        }
        guard event.epoch == 0, event.clock == .device, let newest = device.newestTime,
            event.time.rawValue >= newest + 60_000
        else { return verdict }
        let reused = Reused(seq: event.seq, time: event.time.rawValue)
        if device.reused.contains(reused) { return .duplicate }
        guard device.reusedToday[event.arrival.day, default: 0] < 1_000 else { return .stale }
        device.reused.insert(reused)
        device.reusedToday[event.arrival.day, default: 0] += 1
        return .reused
    }

    /// Numbers that the device says are lost: those that are in reach, or above all that was taken, and did not come.
    mutating func close(_ device: UInt32, _ name: UInt32, below oldest: UInt64) -> Int {
        guard let index = devices[device]?.epochs.firstIndex(where: { $0.name == name }),
            var epoch = devices[device]?.epochs[index]
        else { return 0 }
        let lowest = epoch.highest > 63 ? epoch.highest - 63 : 1
        guard lowest < oldest else { return 0 }
        let lost = (lowest..<oldest).filter { !epoch.taken.contains($0) }
        guard !lost.isEmpty else { return 0 }
        for seq in lost { epoch.take(seq) }
        devices[device]?.epochs.remove(at: index)
        devices[device]?.epochs.insert(epoch, at: 0)
        return lost.count
    }
}

/// A daemon's admission without its daemon: events one by one, and the log that they make.
struct AdmittedLog {
    var admission = Admission()
    private(set) var events: [Event] = []
    private var batch = EventBatch()

    /// What became of an event.
    mutating func admit(_ event: Event) -> DedupeVerdict {
        batch.events = [event]
        let result = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcp)
        events += batch.events
        if result.duplicates > 0 { return .duplicate }
        if result.stale > 0 { return .stale }
        return batch.events[0].quarantine == .numberReused ? .reused : .new
    }

    /// How many numbers a device has lost.
    mutating func close(_ device: UInt32, _ epoch: UInt32, below oldest: UInt64, arrival: Timestamp) -> Int {
        let gaps = admission.close(
            DeviceID(rawValue: device), product: .none, epoch: epoch, below: oldest, arrival: arrival, transport: .tcp)
        admission.dedupe.foldClosed(gaps)
        events += gaps
        return gaps.reduce(0) { $0 + Int($1.count) }
    }

    /// The table that the log alone gives.
    var folded: DedupeTable {
        var table = DedupeTable()
        for event in events { _ = table.fold(event) }
        return table
    }
}

extension DedupeTable {
    /// The table that its snapshot gives; nil when the snapshot is refused.
    var restored: DedupeTable? {
        var table = DedupeTable()
        for page in 0..<pageCount where !table.restore(self.page(page).span) { return nil }
        return table
    }
}

/// 2026-01-01.
let newYear: Int64 = 1_767_225_600_000

/// A good event of a device; its time is its own unless `clock` says otherwise.
func use(
    _ seq: UInt64, of device: UInt32 = 1, epoch: UInt32 = 0, at time: Int64 = newYear, arrival: Int64? = nil,
    clock: Clock = .device
) -> Event {
    var event = Event()
    (event.kind, event.identity, event.epoch, event.seq) = (.featureUsed, .sequence, epoch, seq)
    event.device = DeviceID(rawValue: device)
    event.aspect = SymbolID(rawValue: 1)
    (event.time, event.clock) = (Timestamp(rawValue: time), clock)
    event.arrival = Timestamp(rawValue: arrival ?? time)
    return event
}
