// At-least-once from the device becomes once in the log: what has been taken from whom.

import Bytes
package import Events

/// What has been taken from every device: a sequence window for each of its last epochs and, for senders with ids of
/// their own, the hashes of the last ids.
///
/// A fold over the log: the state after offset N depends only on events 0 ..< N in their order, so it is right after
/// any crash. Owned by one thread at a time; the ingest loop has one, the projection folds another.
package struct DedupeTable: Sendable {
    /// The epoch that each device was heard of last, and its newest time, by pseudonym. Kept apart from all else, which
    /// is rarely looked at, so that the processor's cache holds as many as it can.
    package private(set) var current: [DeviceIdentity] = []
    package private(set) var memory = IdentityMemory()
    /// Devices that have said what they lost of an epoch before the log has anything of it, as a window in which all of
    /// that is taken. No part of the fold, and forgotten at the end of the process.
    private var announced: [UInt32: SequenceWindow] = [:]
    /// Those of them that did so since the last `foldClosed`.
    private var announcing: [DeviceID] = []

    /// Devices in one page of a snapshot.
    package static let pageDevices = 1_024

    package init() {}

    /// The table of the given devices, by pseudonym, and memory.
    package init(current: [DeviceIdentity], memory: IdentityMemory) {
        self.current = current
        self.memory = memory
    }

    /// Ids forgotten before do not count.
    mutating func beginCounting() { memory.ids.beginCounting() }

    /// Takes an event's identity, unless it was taken before. An event without one is always new.
    ///
    /// - Parameter isGood: whether the event, if it is new, is not going to be quarantined.
    @inline(__always)
    package mutating func admit(_ event: Event, isGood: Bool = true) -> DedupeVerdict {
        switch event.identity {
        case .none: return .new
        case .hash: return admit(event.device, hash: event.seq)
        case .sequence: break
        }
        let index = Int(event.device.rawValue)
        guard index < current.count, current[index].epochs.latest.epoch == event.epoch else {
            return admit(ofOtherEpoch: event, isGood)
        }
        let verdict = Self.take(event, isGood, &current[index])
        if case .new = verdict { return verdict }
        return event.epoch == 0 ? judge(event, verdict) : verdict
    }

    /// Takes a number of the latest epoch.
    @inline(__always)
    private static func take(_ event: Event, _ isGood: Bool, _ device: inout DeviceIdentity) -> DedupeVerdict {
        let verdict = device.epochs.latest.insert(event.seq)
        if isGood, case .new = verdict { device.note(event) }
        return verdict
    }

    @inline(never)
    private mutating func admit(ofOtherEpoch event: borrowing Event, _ isGood: Bool) -> DedupeVerdict {
        let verdict = admit(event.device, epoch: event.epoch, seq: event.seq, at: event.arrival)
        if case .new = verdict {
            if isGood { current[Int(event.device.rawValue)].note(event) }
            return verdict
        }
        return judge(event, verdict)
    }

    @inline(never)
    private mutating func judge(_ event: borrowing Event, _ verdict: DedupeVerdict) -> DedupeVerdict {
        let index = slot(of: event.device)
        return memory.judge(event, verdict, current[index])
    }

    /// Takes a sequence number of a device's epoch. One that is neither remembered nor among those that went begins.
    package mutating func admit(
        _ device: DeviceID, epoch: UInt32, seq: UInt64, at arrival: Timestamp = Limits.earliestTime
    ) -> DedupeVerdict {
        let index = slot(of: device)
        // Only the summaries put the epochs of a device in the order in which they began.
        var rank: UInt32 = 0
        return memory.older.admit(seq, of: epoch, device, &current[index].epochs, at: arrival, rank: &rank)
    }

    /// Asks for the window of a device. Devices come in no order, and each window is a cache miss of its own: many
    /// asked for in a row come side by side, where `admit` would wait for one after another.
    @inline(__always)
    package func prefetch(_ device: DeviceID) { current.span.prefetch(Int(device.rawValue)) }

    /// Takes an id, known by its hash, among the last `AdmissionLimits.idsPerDevice` of the device.
    package mutating func admit(_ device: DeviceID, hash: UInt64) -> DedupeVerdict {
        _ = slot(of: device)
        return memory.ids.admit(device, hash: hash)
    }

    /// Folds an event that is already in the log; for a gap this closes its run.
    package mutating func fold(_ event: borrowing Event) -> DedupeVerdict {
        if case .none = event.identity { return .new }
        let index = slot(of: event.device)
        var rank: UInt32 = 0
        return memory.fold(event, &current[index], rank: &rank)
    }

    // MARK: Gaps

    /// The device says that it no longer has anything below `oldest`.
    ///
    /// - Returns: the runs that never came, each to be appended to the log as a `gap` event. `foldClosed` must follow.
    package mutating func close(_ device: DeviceID, epoch: UInt32, below oldest: UInt64) -> [SequenceGap] {
        let index = Int(device.rawValue)
        if index < current.count {
            // What was said before the first event came.
            merge(device)
            if let gaps = memory.older.close(epoch, below: oldest, &current[index].epochs) { return gaps }
            if memory.older.hasGone(epoch, of: device) { return [] }
        }
        var window = announced[device.rawValue] ?? SequenceWindow()
        if window.epoch != epoch { window = SequenceWindow(epoch: epoch) }
        let gaps = window.close(below: oldest)
        guard !window.isEmpty else { return gaps }
        announced[device.rawValue] = window
        announcing.append(device)
        return gaps
    }

    /// Whether a device has said what it lost of an epoch that the log may have heard of by now.
    package var hasAnnouncements: Bool { !announcing.isEmpty }

    /// The events of the unit in which devices said what they lost are admitted, and the gaps follow them in the log.
    package mutating func foldClosed(_ gaps: [Event]) {
        for gap in gaps { _ = fold(gap) }
        for device in announcing { merge(device) }
        announcing.removeAll(keepingCapacity: true)
    }

    /// What a device had lost before the log heard of an epoch is closed in it, now that it has.
    private mutating func merge(_ device: DeviceID) {
        let index = Int(device.rawValue)
        guard !announced.isEmpty, index < current.count, let window = announced[device.rawValue] else { return }
        let lowest = window.highest - min(window.highest, SequenceWindow.width - 1)
        if memory.older.take(lowest...window.highest, of: window.epoch, &current[index].epochs)
            || memory.older.hasGone(window.epoch, of: device)
        {
            announced[device.rawValue] = nil
        }
    }

    // MARK: Looking up

    /// The window of the epoch that a device was heard of last; an empty one for a device that is not known.
    package func window(of device: DeviceID) -> SequenceWindow {
        let index = Int(device.rawValue)
        if index < current.count, !current[index].epochs.latest.isEmpty { return current[index].epochs.latest }
        return announced[device.rawValue] ?? SequenceWindow()
    }

    /// The window of a given epoch of a device, if it is remembered.
    package func window(of device: DeviceID, epoch: UInt32) -> SequenceWindow? {
        let index = Int(device.rawValue)
        if index < current.count, let window = memory.older.window(of: epoch, current[index].epochs) { return window }
        return announced[device.rawValue].flatMap { $0.epoch == epoch ? $0 : nil }
    }

    /// Whether a datagram with a key may name an epoch of a device. It may be a repetition of one from long ago: so an
    /// epoch must be remembered, or gone (then its events are stale), or above all that were ever heard of and could be
    /// a clock's; and none may be more than a day ahead.
    ///
    /// - Returns: nil when it may; else the highest epoch of the device, 0 when there is none.
    package func highestEpoch(refusing epoch: UInt32, of device: DeviceID, at now: Timestamp) -> UInt32? {
        let index = Int(device.rawValue)
        let epochs = index < current.count ? current[index].epochs : DeviceEpochs()
        if epochs.latest.epoch == epoch, !epochs.latest.isEmpty { return nil }
        if memory.older.window(of: epoch, epochs) != nil || memory.older.hasGone(epoch, of: device) { return nil }
        let highest = memory.older.highest(of: device, epochs, at: now)
        let isNew = highest.map { epoch > $0 } ?? true
        return isNew && epoch <= latestEpoch(at: now) ? nil : highest ?? 0
    }

    /// One more than the highest device number seen.
    package var deviceCount: Int { current.count }

    private mutating func slot(of device: DeviceID) -> Int {
        let index = Int(device.rawValue)
        if index >= current.count {
            current.append(contentsOf: repeatElement(DeviceIdentity(), count: index + 1 - current.count))
        }
        return index
    }
}

extension DedupeTable {
    /// The number of pages that a snapshot of the whole table has.
    package var pageCount: Int { (current.count + Self.pageDevices - 1) / Self.pageDevices }

    /// One page of a snapshot.
    package func page(_ page: Int) -> [UInt8] { memory.page(page, of: current.count) { current[$0] } }

    /// Puts back a page; pages come in order from 0. Returns false when it is damaged; then the table is of no use.
    package mutating func restore(_ bytes: Span<UInt8>) -> Bool { memory.restore(bytes, &current) }
}

/// Two tables are equal when they tell the same events apart, whatever they count and however they lie in memory.
extension DedupeTable: Equatable {
    package static func == (a: DedupeTable, b: DedupeTable) -> Bool {
        func record(_ table: DedupeTable, _ device: Int) -> [UInt8] {
            table.memory.record(
                of: UInt32(device), device < table.current.count ? table.current[device] : DeviceIdentity())
        }
        return (a.memory.ids.next, a.memory.ids.end) == (b.memory.ids.next, b.memory.ids.end)
            && (0..<max(a.current.count, b.current.count)).allSatisfy { record(a, $0) == record(b, $0) }
    }
}
