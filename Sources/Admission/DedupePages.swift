// Snapshots of what has been taken from whom: pages of variable-length numbers.

import Bytes
import Events

// A page: the number of its format, on the first page whose turn it is to forget ids, and a record for each device. A
// record begins with a number whose lowest bits say which parts follow, and whose upper ones how many windows.
extension IdentityMemory {
    private static let pageFormat: UInt64 = 1

    private static let hasTime: UInt64 = 1
    private static let hasGone: UInt64 = 2
    private static let hasIDs: UInt64 = 4
    private static let hasReused: UInt64 = 8
    private static let partBits: UInt64 = 4

    /// A page of a snapshot of `count` devices.
    package func page(_ page: Int, of count: Int, _ identity: (Int) -> DeviceIdentity) -> [UInt8] {
        let first = page * DedupeTable.pageDevices
        let end = min(first + DedupeTable.pageDevices, count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(max(end - first, 0) * 16)
        appendVarint(Self.pageFormat, to: &bytes)
        if page == 0 {
            appendVarint(UInt64(ids.next), to: &bytes)
            appendVarint(UInt64(ids.end), to: &bytes)
        }
        for device in first..<max(first, end) { append(UInt32(device), identity(device), to: &bytes) }
        return bytes
    }

    func record(of device: UInt32, _ identity: DeviceIdentity) -> [UInt8] {
        var bytes: [UInt8] = []
        append(device, identity, to: &bytes)
        return bytes
    }

    private func append(_ device: UInt32, _ identity: DeviceIdentity, to bytes: inout [UInt8]) {
        var windows: UInt64 = 0
        older.forEachWindow(of: identity.epochs) { _ in windows += 1 }
        let time = identity.newestTime == DeviceIdentity.noTime ? nil : identity.newestTime
        let (gone, day) = (older.gone(of: device), reused.day(of: device))
        let hashes = ids.ordered(of: device)
        var parts = windows << Self.partBits
        if time != nil { parts |= Self.hasTime }
        if gone != nil { parts |= Self.hasGone }
        if !hashes.isEmpty { parts |= Self.hasIDs }
        if day != nil { parts |= Self.hasReused }
        appendVarint(parts, to: &bytes)
        older.forEachWindow(of: identity.epochs) { window in
            appendVarint(UInt64(window.epoch), to: &bytes)
            appendVarint(window.highest, to: &bytes)
            // 0 when nothing is missing.
            appendVarint(window.bits ^ Self.allTaken(upTo: window.highest), to: &bytes)
        }
        if let time { appendVarint(zigzag(time), to: &bytes) }
        if let gone {
            appendVarint(UInt64(gone.total), to: &bytes)
            appendVarint(UInt64(gone.numbers.count), to: &bytes)
            for epoch in gone.numbers { appendVarint(UInt64(epoch), to: &bytes) }
        }
        if !hashes.isEmpty {
            appendVarint(UInt64(hashes.count), to: &bytes)
            for hash in hashes { appendLittleEndian(hash, size: 8, to: &bytes) }
        }
        if let day {
            appendVarint(zigzag(Int64(day.day)), to: &bytes)
            appendVarint(UInt64(day.count), to: &bytes)
        }
    }

    /// The bits of a window of which every number from 1 on was taken.
    private static func allTaken(upTo highest: UInt64) -> UInt64 {
        highest < SequenceWindow.width ? (1 << highest) - 1 : .max
    }

    /// Puts back a page, its devices behind those of the pages before it.
    mutating func restore(_ bytes: Span<UInt8>, _ current: inout [DeviceIdentity]) -> Bool {
        var page = PageReader(bytes)
        guard page.number() == Self.pageFormat else { return false }
        if current.isEmpty {
            guard let next = page.number32(), let end = page.number32() else { return false }
            ids.restoreTurn(next: next, end: end)
        }
        while !page.isAtEnd {
            guard let device = restore(UInt32(current.count), &page) else { return false }
            current.append(device)
        }
        return true
    }

    private mutating func restore(_ device: UInt32, _ page: inout PageReader) -> DeviceIdentity? {
        guard let parts = page.number(), parts >> Self.partBits <= UInt64(AdmissionLimits.epochsPerDevice) else {
            return nil
        }
        var windows: [SequenceWindow] = []
        for _ in 0..<(parts >> Self.partBits) {
            guard let epoch = page.number32(), let highest = page.number(), let missing = page.number() else {
                return nil
            }
            let bits = missing ^ Self.allTaken(upTo: highest)
            windows.append(SequenceWindow(epoch: epoch, highest: highest, bits: bits))
        }
        var newest = DeviceIdentity.noTime
        if parts & Self.hasTime != 0 {
            guard let time = page.number().map(unzigzag), time != DeviceIdentity.noTime else { return nil }
            newest = time
        }
        var gone: OlderEpochs.Gone?
        if parts & Self.hasGone != 0 {
            guard let restored = Self.gone(&page) else { return nil }
            gone = restored
        }
        if parts & Self.hasIDs != 0 {
            guard let hashes = Self.hashes(&page), ids.restore(hashes, of: device) else { return nil }
        }
        if parts & Self.hasReused != 0 {
            guard let day = page.number().map(unzigzag).flatMap({ Int32(exactly: $0) }), let count = page.number32(),
                (1...UInt32(AdmissionLimits.reusedPerDay)).contains(count)
            else { return nil }
            reused.restore(.init(day: day, count: count), of: device)
        }
        return older.restore(windows, gone: gone, of: device).map { DeviceIdentity($0, newestTime: newest) }
    }

    private static func gone(_ page: inout PageReader) -> OlderEpochs.Gone? {
        guard let total = page.number32(), let count = page.number32(),
            (1...UInt32(AdmissionLimits.epochsGone)).contains(count)
        else { return nil }
        var gone = OlderEpochs.Gone(numbers: [], total: total)
        for _ in 0..<count {
            guard let epoch = page.number32() else { return nil }
            gone.numbers.append(epoch)
        }
        return gone
    }

    private static func hashes(_ page: inout PageReader) -> [UInt64]? {
        guard let count = page.number32(), (1...UInt32(AdmissionLimits.idsPerDevice)).contains(count) else {
            return nil
        }
        var hashes: [UInt64] = []
        for _ in 0..<count {
            guard let hash = page.eightBytes() else { return nil }
            hashes.append(hash)
        }
        return hashes
    }
}

/// Reads the numbers of a page, of which nothing is believed.
private struct PageReader {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: Span<UInt8>) { self.bytes = Array(copying: bytes) }

    var isAtEnd: Bool { at >= bytes.count }

    mutating func number() -> UInt64? {
        // A number that does not end says nothing of where the next one begins.
        var next = at
        let number = bytes.span.varint(&next, end: bytes.count)
        at = number == nil ? bytes.count : next
        return number
    }

    mutating func number32() -> UInt32? { number().flatMap { UInt32(exactly: $0) } }

    mutating func eightBytes() -> UInt64? {
        guard at + 8 <= bytes.count else { return nil }
        defer { at += 8 }
        return bytes.span.littleEndian(at: at, size: 8)
    }
}
