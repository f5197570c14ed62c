// At-least-once from the device becomes once in the log: what has been taken from whom.

import Bytes
package import Events

/// What has been taken from every device: two sequence windows (the current epoch and the one before) and, for
/// senders with ids of their own, the hashes of the last ids.
///
/// A fold over the log: the state after offset N depends only on events 0 ..< N in their order, so it is right after
/// any crash. Owned by one thread at a time; the ingest loop has one, the projection folds another.
package struct DedupeTable: Sendable {
    /// The window of each device's current epoch, by pseudonym. Kept apart from `previous`, which is rarely looked at,
    /// so that the processor's cache holds twice as many.
    package private(set) var current: [SequenceWindow] = []
    /// The window of the epoch before; as many as `current`.
    package private(set) var previous: [SequenceWindow] = []
    package private(set) var ids = IDHashes()

    /// Devices in one page of a snapshot.
    package static let pageDevices = 1_024

    package init() {}

    /// The table with the given windows, of as many devices, and ids.
    package init(current: [SequenceWindow], previous: [SequenceWindow], ids: IDHashes) {
        self.current = current
        self.previous = previous
        self.ids = ids
    }

    /// Takes an event's identity, unless it was taken before. An event without one is always new.
    @inline(__always)
    package mutating func admit(_ event: Event) -> DedupeVerdict {
        switch event.identity {
        case .none: .new
        case .sequence: admit(event.device, epoch: event.epoch, seq: event.seq)
        case .hash: admit(event.device, hash: event.seq)
        }
    }

    /// Takes a sequence number of a device's epoch. An epoch that is neither the current nor the last one starts anew.
    @inline(__always)
    package mutating func admit(_ device: DeviceID, epoch: UInt32, seq: UInt64) -> DedupeVerdict {
        let index = Int(device.rawValue)
        if index < current.count, current[index].epoch == epoch { return current[index].insert(seq) }
        return admit(otherEpoch: epoch, seq, of: device)
    }

    @inline(never)
    private mutating func admit(otherEpoch epoch: UInt32, _ seq: UInt64, of device: DeviceID) -> DedupeVerdict {
        let index = slot(of: device)
        return SequenceWindow.admit(seq, of: epoch, &current[index], &previous[index]).verdict
    }

    /// Asks for the window of a device. Devices come in no order, and each window is a cache miss of its own: many
    /// asked for in a row come side by side, where `admit` would wait for one after another.
    @inline(__always)
    package func prefetch(_ device: DeviceID) { current.span.prefetch(Int(device.rawValue)) }

    /// Takes an id, known by its hash, among the last `AdmissionLimits.idsPerDevice` of the device.
    package mutating func admit(_ device: DeviceID, hash: UInt64) -> DedupeVerdict {
        _ = slot(of: device)
        return ids.admit(device, hash: hash)
    }

    /// The device says that it no longer has anything below `oldest`.
    ///
    /// - Returns: the runs that never came, each to be appended to the log as a `gap` event.
    package mutating func close(_ device: DeviceID, epoch: UInt32, below oldest: UInt64) -> [SequenceGap] {
        let index = slot(of: device)
        if current[index].epoch != epoch {
            guard previous[index].epoch != epoch || previous[index].isEmpty else {
                return previous[index].close(below: oldest)
            }
            SequenceWindow.start(epoch, &current[index], &previous[index])
        }
        return current[index].close(below: oldest)
    }

    /// Folds an event that is already in the log; for a gap this closes its run.
    package mutating func fold(_ event: Event) -> DedupeVerdict {
        guard let gap = SequenceWindow.gap(of: event) else { return admit(event) }
        for seq in gap { _ = admit(event.device, epoch: event.epoch, seq: seq) }
        return .new
    }

    /// The window of a device's current epoch; an empty one for a device that is not known.
    package func window(of device: DeviceID) -> SequenceWindow {
        Int(device.rawValue) < current.count ? current[Int(device.rawValue)] : SequenceWindow()
    }

    /// The window of a given epoch of a device, if it is one of the two remembered.
    package func window(of device: DeviceID, epoch: UInt32) -> SequenceWindow? {
        let index = Int(device.rawValue)
        guard index < current.count else { return nil }
        if current[index].epoch == epoch { return current[index] }
        return previous[index].epoch == epoch && !previous[index].isEmpty ? previous[index] : nil
    }

    /// One more than the highest device number seen.
    package var deviceCount: Int { current.count }

    private mutating func slot(of device: DeviceID) -> Int {
        let index = Int(device.rawValue)
        if index >= current.count {
            let missing = repeatElement(SequenceWindow(), count: index + 1 - current.count)
            current.append(contentsOf: missing)
            previous.append(contentsOf: missing)
        }
        return index
    }
}

extension DedupeTable {
    /// The number of pages that a snapshot of the whole table has.
    package var pageCount: Int { (current.count + Self.pageDevices - 1) / Self.pageDevices }

    /// One page of a snapshot: for each of its devices both windows, then the ids, all little-endian.
    package func page(_ page: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        let first = page * Self.pageDevices
        let end = min(first + Self.pageDevices, current.count)
        bytes.reserveCapacity((end - first) * 44)
        for index in first..<end {
            for window in [current[index], previous[index]] {
                appendLittleEndian(UInt64(window.epoch), size: 4, to: &bytes)
                appendLittleEndian(window.highest, size: 8, to: &bytes)
                appendLittleEndian(window.bits, size: 8, to: &bytes)
            }
            let ring = ids[UInt32(index)]
            appendLittleEndian(UInt64(ring?.hashes.count ?? 0), size: 2, to: &bytes)
            appendLittleEndian(UInt64(ring?.next ?? 0), size: 2, to: &bytes)
            for hash in ring?.hashes ?? [] { appendLittleEndian(hash, size: 8, to: &bytes) }
        }
        return bytes
    }

    /// Puts back a page; pages come in order from 0. Returns false, changing nothing further, when it is damaged.
    package mutating func restore(_ bytes: Span<UInt8>) -> Bool {
        var at = 0
        while at < bytes.count {
            guard at + 44 <= bytes.count else { return false }
            let newer = window(bytes, &at)
            let older = window(bytes, &at)
            let count = Int(number(bytes, &at, 2))
            let next = Int(number(bytes, &at, 2))
            guard count <= AdmissionLimits.idsPerDevice, next <= count, at + count * 8 <= bytes.count else {
                return false
            }
            if count > 0 {
                var ring = IDRing()
                for _ in 0..<count { ring.hashes.append(number(bytes, &at, 8)) }
                ring.next = next
                ids.restore(ring, of: UInt32(current.count))
            }
            current.append(newer)
            previous.append(older)
        }
        return true
    }

    private func window(_ bytes: Span<UInt8>, _ at: inout Int) -> SequenceWindow {
        let epoch = UInt32(truncatingIfNeeded: number(bytes, &at, 4))
        let highest = number(bytes, &at, 8)
        return SequenceWindow(epoch: epoch, highest: highest, bits: number(bytes, &at, 8))
    }

    private func number(_ bytes: Span<UInt8>, _ at: inout Int, _ count: Int) -> UInt64 {
        defer { at += count }
        return bytes.littleEndian(at: at, size: count)
    }
}
