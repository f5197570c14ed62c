// Fair shares: how much each device and each address may send. Pure arithmetic on a clock that is given.

package import Events

/// Nanoseconds of a clock that never steps back.
package typealias Uptime = UInt64

/// So many units in so much time, and so many at once after a silence.
package struct Rate: Hashable, Sendable, BitwiseCopyable {
    private var units: UInt64
    private var nanoseconds: UInt64
    /// The time in which a full bucket's worth is earned.
    fileprivate var burstTime: UInt64

    package init(_ units: Int, perSeconds seconds: Int, burst: Int) {
        self.units = UInt64(max(units, 1))
        nanoseconds = UInt64(max(seconds, 1)) * 1_000_000_000
        burstTime = 0
        burstTime = time(burst)
    }

    /// The time in which so many units are earned.
    fileprivate func time(_ count: Int) -> UInt64 {
        let product = UInt64(max(count, 0)).multipliedFullWidth(by: nanoseconds)
        return product.high < units ? units.dividingFullWidth(product).quotient : .max / 4
    }

    fileprivate func count(in time: UInt64) -> Int {
        let product = time.multipliedFullWidth(by: units)
        return product.high < nanoseconds ? Int(clamping: nanoseconds.dividingFullWidth(product).quotient) : .max
    }
}

/// A bucket that fills at a rate. It may be overdrawn: what is read in one go is taken whole, and the debt is waited
/// for, so that the rate holds in the long run whatever the size of a unit.
package struct TokenBucket: Hashable, Sendable, BitwiseCopyable {
    /// When it is full again if nothing more is taken.
    private var fullAt: Uptime = 0

    package init() {}

    package mutating func take(_ count: Int, at now: Uptime, of rate: Rate) {
        let (sum, overflow) = max(fullAt, now).addingReportingOverflow(rate.time(count))
        fullAt = overflow ? .max : sum
    }

    /// From when on it is not overdrawn; in the past when it is not now.
    package func ready(of rate: Rate) -> Uptime { fullAt > rate.burstTime ? fullAt - rate.burstTime : 0 }

    /// Goes on at another rate. What was taken stays taken, and nobody waits longer because of the change: used share
    /// and debt are kept as units or as the time in which they are earned, whichever is the shorter at the new rate.
    package mutating func change(from old: Rate, to new: Rate, at now: Uptime) {
        guard fullAt > now else { return }
        func shorter(_ time: UInt64) -> UInt64 { min(time, new.time(old.count(in: time))) }
        let used = min(fullAt - now, old.burstTime)
        let debt = fullAt - now - used
        fullAt = now + min(shorter(used), new.burstTime) + shorter(debt)
    }

    /// How much may be taken without a debt.
    package func available(at now: Uptime, of rate: Rate) -> Int {
        let missing = fullAt > now ? fullAt - now : 0
        return missing < rate.burstTime ? rate.count(in: rate.burstTime - missing) : 0
    }
}

/// The buckets of many, no more than `limit`: when it is full, the one that was not used for the longest time goes, and
/// its owner begins anew with a full one.
package struct BucketTable<Key: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        var key: Key
        var bucket = TokenBucket()
        /// Neighbours in the order of use; -1 at the ends.
        var newer: Int32 = -1
        var older: Int32 = -1
    }

    private let limit: Int
    private var rate: Rate
    private var indices: [Key: Int32] = [:]
    private var entries: [Entry] = []
    private var newest: Int32 = -1
    private var oldest: Int32 = -1

    package init(rate: Rate, limit: Int) {
        self.rate = rate
        self.limit = max(limit, 1)
    }

    package var count: Int { entries.count }

    /// Goes on at another rate; every bucket keeps what was taken from it.
    package mutating func change(to new: Rate, at now: Uptime) {
        for index in entries.indices { entries[index].bucket.change(from: rate, to: new, at: now) }
        rate = new
    }

    /// Takes from the bucket of `key`, and returns from when on it is not overdrawn.
    package mutating func take(_ count: Int, of key: Key, at now: Uptime) -> Uptime {
        let index = use(key)
        entries[Int(index)].bucket.take(count, at: now, of: rate)
        return entries[Int(index)].bucket.ready(of: rate)
    }

    /// From when on the bucket of `key` is not overdrawn.
    package func ready(_ key: Key) -> Uptime {
        guard let index = indices[key] else { return 0 }
        return entries[Int(index)].bucket.ready(of: rate)
    }

    package func available(_ key: Key, at now: Uptime) -> Int {
        let bucket = indices[key].map { entries[Int($0)].bucket } ?? TokenBucket()
        return bucket.available(at: now, of: rate)
    }

    /// The index of `key`, which is now the newest.
    private mutating func use(_ key: Key) -> Int32 {
        if let index = indices[key] {
            guard index != newest else { return index }
            unlink(index)
            link(index)
            return index
        }
        let index: Int32
        if entries.count < limit {
            index = Int32(entries.count)
            entries.append(Entry(key: key))
        } else {
            index = oldest
            unlink(index)
            indices[entries[Int(index)].key] = nil
            entries[Int(index)] = Entry(key: key)
        }
        indices[key] = index
        link(index)
        return index
    }

    private mutating func unlink(_ index: Int32) {
        let (newer, older) = (entries[Int(index)].newer, entries[Int(index)].older)
        if newer >= 0 { entries[Int(newer)].older = older } else { newest = older }
        if older >= 0 { entries[Int(older)].newer = newer } else { oldest = newer }
    }

    private mutating func link(_ index: Int32) {
        entries[Int(index)].newer = -1
        entries[Int(index)].older = newest
        if newest >= 0 { entries[Int(newest)].newer = index } else { oldest = index }
        newest = index
    }
}

/// What the configuration says of quotas; 0 is "no quota".
package struct QuotaSettings: Hashable, Sendable {
    package var deviceEventsPerSecond = 0
    package var addressEventsPerSecond = 0
    /// How many seconds' worth may come at once after a silence.
    package var burstSeconds = 10
    package var connectionsPerAddress = 64
    package var newNamesPerMinute = 10_000
    /// Whether the quotas of an address hold for senders on this machine too.
    package var countsLoopback = false

    package init() {}

    package var limitsEvents: Bool { deviceEventsPerSecond > 0 || addressEventsPerSecond > 0 }
    package var limitsNames: Bool { newNamesPerMinute > 0 }

    fileprivate var deviceRate: Rate? { events(deviceEventsPerSecond) }
    fileprivate var addressRate: Rate? { events(addressEventsPerSecond) }
    fileprivate var nameRate: Rate? {
        limitsNames ? Rate(newNamesPerMinute, perSeconds: 60, burst: newNamesPerMinute) : nil
    }

    private func events(_ perSecond: Int) -> Rate? {
        guard perSecond > 0 else { return nil }
        return Rate(perSecond, perSeconds: 1, burst: perSecond * max(burstSeconds, 1))
    }

    /// Whether the quotas of an address hold for this one.
    package func apply(to address: SenderAddress) -> Bool { countsLoopback || !address.isLoopback }
}

/// The shares of all senders. Owned by the ingest event loop.
package struct Quotas: Sendable {
    private var settings: QuotaSettings
    private let limit: Int
    private var devices: BucketTable<DeviceID>?
    private var addresses: BucketTable<SenderAddress>?
    private var names: BucketTable<SenderAddress>?

    package init(_ settings: QuotaSettings, limit: Int = AdmissionLimits.quotaEntries) {
        self.settings = settings
        self.limit = limit
        devices = settings.deviceRate.map { BucketTable(rate: $0, limit: limit) }
        addresses = settings.addressRate.map { BucketTable(rate: $0, limit: limit) }
        names = settings.nameRate.map { BucketTable(rate: $0, limit: limit) }
    }

    /// Goes on with other settings. Shares that were used stay used; where there was no quota, all are full.
    package mutating func change(to new: QuotaSettings, at now: Uptime) {
        Self.change(&devices, to: new.deviceRate, limit, now)
        Self.change(&addresses, to: new.addressRate, limit, now)
        Self.change(&names, to: new.nameRate, limit, now)
        settings = new
    }

    private static func change<Key>(_ table: inout BucketTable<Key>?, to rate: Rate?, _ limit: Int, _ now: Uptime) {
        if let rate, table != nil {
            table?.change(to: rate, at: now)
        } else {
            table = rate.map { BucketTable(rate: $0, limit: limit) }
        }
    }

    /// From when on anything may be read from an address.
    package func ready(_ address: SenderAddress?) -> Uptime {
        guard let addresses, let address, settings.apply(to: address) else { return 0 }
        return addresses.ready(address)
    }

    /// From when on anything may be read from a device.
    package func ready(_ device: DeviceID) -> Uptime {
        guard let devices, device != .none else { return 0 }
        return devices.ready(device)
    }

    /// From when on all devices of some events are within their quotas.
    package func ready(_ events: ArraySlice<Event>) -> Uptime {
        guard devices != nil else { return 0 }
        var (latest, last) = (Uptime(0), DeviceID.none)
        for event in events where event.device != last {
            last = event.device
            latest = max(latest, ready(last))
        }
        return latest
    }

    /// Takes events off the shares of their devices, and `units` (refused ones too) off that of the address. Events of
    /// one device in a row are taken in one step.
    ///
    /// - Returns: from when on the sender may be read again.
    package mutating func take(
        _ events: ArraySlice<Event>, units: Int, from address: SenderAddress?, at now: Uptime
    ) -> Uptime {
        var ready: Uptime = 0
        if addresses != nil, let address, settings.apply(to: address) {
            ready = addresses?.take(max(units, events.count), of: address, at: now) ?? 0
        }
        guard devices != nil else { return ready }
        var start = events.startIndex
        while start < events.endIndex {
            let device = events[start].device
            var end = start + 1
            while end < events.endIndex, events[end].device == device { end += 1 }
            ready = max(ready, devices?.take(end - start, of: device, at: now) ?? 0)
            start = end
        }
        return ready
    }

    /// How many names that the log does not have yet an address may bring now; nil when it is not limited.
    package func newNames(_ address: SenderAddress?, at now: @autoclosure () -> Uptime) -> Int? {
        guard let names, let address, settings.apply(to: address) else { return nil }
        return names.available(address, at: now())
    }

    package mutating func takeNewNames(_ count: Int, from address: SenderAddress?, at now: Uptime) {
        guard let address, count > 0 else { return }
        _ = names?.take(count, of: address, at: now)
    }
}
