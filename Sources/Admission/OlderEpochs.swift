// The epochs of a device that are not the one heard last: their windows, and the numbers of those that went.

package import Events

/// The epoch that the log heard last of a device, and where those before it stand (`OlderEpochs`). 24 bytes.
@usableFromInline package struct DeviceEpochs: Sendable, BitwiseCopyable {
    /// Empty only while the device has numbered nothing.
    @usableFromInline package var latest = SequenceWindow()
    /// The row of the epoch heard before; the others follow it.
    var older = OlderEpochs.none

    package init() {}
}

/// What is looked at for every numbered event of a device. 32 bytes.
@usableFromInline package struct DeviceIdentity: Sendable, BitwiseCopyable {
    package var epochs: DeviceEpochs
    /// The newest time by the device's own clock of all its good events without an epoch (`ReusedNumbers`).
    package var newestTime: Int64

    package init(_ epochs: DeviceEpochs = DeviceEpochs(), newestTime: Int64 = Self.noTime) {
        (self.epochs, self.newestTime) = (epochs, newestTime)
    }

    @inlinable package static var noTime: Int64 { .min }

    /// Notes the time of a numbered event that is new and good.
    @inline(__always) mutating func note(_ event: borrowing Event) {
        guard event.epoch == 0, case .device = event.clock else { return }
        newestTime = max(newestTime, event.time.rawValue)
    }
}

/// The windows of all epochs but the latest of each device, and the numbers of the epochs that went.
///
/// A device keeps `AdmissionLimits.epochsPerDevice` epochs, in the order in which the log heard them; when one more
/// begins, the one that was silent longest goes. Numbers of epochs are names: nothing follows from their order. A fold
/// over the log: what is not in it (duplicates, stale events) does not change the order.
package struct OlderEpochs: Sendable {
    /// An epoch of some device. 32 bytes.
    private struct Row: Sendable, BitwiseCopyable {
        var window = SequenceWindow()
        /// The device's next older one; of a free row, the next free one.
        var older = OlderEpochs.none
        /// The epoch's number in the order in which the device's epochs began.
        var rank: UInt32 = 0
    }

    /// What is left of the epochs that a device has had too many.
    struct Gone: Sendable {
        /// The last `AdmissionLimits.epochsGone` of them, the first to go first.
        var numbers: [UInt32] = []
        /// How many went in all.
        var total: UInt32 = 0
    }

    /// No row.
    static var none: UInt32 { .max }

    private var rows: [Row] = []
    private var free = none
    private var gone: [UInt32: Gone] = [:]

    init() {}

    /// Takes a number of any epoch of a device. An accepted one makes its epoch the latest.
    ///
    /// - Parameters:
    ///   - arrival: when it came.
    ///   - rank: that of the latest epoch.
    mutating func admit(
        _ seq: UInt64, of epoch: UInt32, _ device: DeviceID, _ epochs: inout DeviceEpochs, at arrival: Timestamp,
        rank: inout UInt32
    ) -> DedupeVerdict {
        if epochs.latest.epoch == epoch { return epochs.latest.insert(seq) }
        if let (row, before) = find(epoch, epochs) {
            let verdict = rows[row].window.insert(seq)
            if case .new = verdict { moveToFront(row, before, &epochs, &rank) }
            return verdict
        }
        guard begin(epoch, device, &epochs, arrival, &rank) else { return .stale }
        return epochs.latest.insert(seq)
    }

    /// Makes an epoch the latest, which begins if it is not remembered.
    ///
    /// - Returns: false for an epoch that went; then nothing changes.
    mutating func hear(
        _ epoch: UInt32, _ device: DeviceID, _ epochs: inout DeviceEpochs, at arrival: Timestamp, rank: inout UInt32
    ) -> Bool {
        if epochs.latest.epoch == epoch { return true }
        guard let (row, before) = find(epoch, epochs) else { return begin(epoch, device, &epochs, arrival, &rank) }
        moveToFront(row, before, &epochs, &rank)
        return true
    }

    /// Closes an epoch's numbers below `oldest`; nil when there is none. Leaves the order as it is.
    mutating func close(_ epoch: UInt32, below oldest: UInt64, _ epochs: inout DeviceEpochs) -> [SequenceGap]? {
        if epochs.latest.epoch == epoch { return epochs.latest.isEmpty ? nil : epochs.latest.close(below: oldest) }
        return find(epoch, epochs).map { rows[$0.row].window.close(below: oldest) }
    }

    /// Takes numbers of a remembered epoch, and leaves the order as it is.
    ///
    /// - Returns: false when the epoch is not remembered.
    mutating func take(_ numbers: ClosedRange<UInt64>, of epoch: UInt32, _ epochs: inout DeviceEpochs) -> Bool {
        if epochs.latest.epoch == epoch {
            guard !epochs.latest.isEmpty else { return false }
            epochs.latest.take(numbers)
        } else {
            guard let row = find(epoch, epochs)?.row else { return false }
            rows[row].window.take(numbers)
        }
        return true
    }

    /// The window of an epoch, if something was taken of it and it is remembered.
    func window(of epoch: UInt32, _ epochs: DeviceEpochs) -> SequenceWindow? {
        if epochs.latest.epoch == epoch { return epochs.latest.isEmpty ? nil : epochs.latest }
        return find(epoch, epochs).map { rows[$0.row].window }
    }

    /// Whether an epoch of a device is among those of which only the number is left.
    func hasGone(_ epoch: UInt32, of device: DeviceID) -> Bool {
        gone[device.rawValue]?.numbers.contains(epoch) ?? false
    }

    private func find(_ epoch: UInt32, _ epochs: DeviceEpochs) -> (row: Int, before: Int?)? {
        var before: Int?
        var next = epochs.older
        while next != Self.none {
            let row = Int(next)
            if rows[row].window.epoch == epoch { return (row, before) }
            (before, next) = (row, rows[row].older)
        }
        return nil
    }

    /// The row takes the latest epoch in, and follows it.
    private mutating func moveToFront(_ row: Int, _ before: Int?, _ epochs: inout DeviceEpochs, _ rank: inout UInt32) {
        if let before {
            rows[before].older = rows[row].older
            rows[row].older = epochs.older
            epochs.older = UInt32(row)
        }
        swap(&rows[row].window, &epochs.latest)
        swap(&rows[row].rank, &rank)
    }

    private mutating func begin(
        _ epoch: UInt32, _ device: DeviceID, _ epochs: inout DeviceEpochs, _ arrival: Timestamp, _ rank: inout UInt32
    ) -> Bool {
        if hasGone(epoch, of: device) { return false }
        if !epochs.latest.isEmpty {
            epochs.older = add(Row(window: epochs.latest, older: epochs.older, rank: rank))
            let olderCount = letGo(device, &epochs, arrival)
            rank = 1 + UInt32(olderCount) &+ (gone[device.rawValue]?.total ?? 0)
        }
        epochs.latest = SequenceWindow(epoch: epoch)
        return true
    }

    private mutating func add(_ row: Row) -> UInt32 {
        guard free != Self.none else {
            rows.append(row)
            return UInt32(rows.count - 1)
        }
        let index = free
        free = rows[Int(index)].older
        rows[Int(index)] = row
        return index
    }

    /// Lets the oldest epoch go if there is one too many.
    ///
    /// - Returns: how many there are now beside the latest.
    private mutating func letGo(
        _ device: DeviceID, _ epochs: inout DeviceEpochs, _ arrival: Timestamp
    ) -> Int {
        var count = 0
        var (last, beforeLast) = (Self.none, Self.none)
        var next = epochs.older
        while next != Self.none {
            (beforeLast, last, next) = (last, next, rows[Int(next)].older)
            count += 1
        }
        guard count >= AdmissionLimits.epochsPerDevice, beforeLast != Self.none else { return count }
        let epoch = rows[Int(last)].window.epoch
        rows[Int(beforeLast)].older = Self.none
        rows[Int(last)].older = free
        free = last
        gone[device.rawValue, default: Gone()].add(epoch, at: arrival)
        return count - 1
    }
}

extension OlderEpochs.Gone {
    /// Of too many the first one goes, but for the highest that a clock can have said by now: it is what epochs of
    /// signed datagrams have to be above.
    fileprivate mutating func add(_ epoch: UInt32, at now: Timestamp) {
        numbers.append(epoch)
        total &+= 1
        guard numbers.count > AdmissionLimits.epochsGone else { return }
        let highest = numbers.lazy.filter { $0 <= latestEpoch(at: now) }.max()
        numbers.remove(at: numbers.first == highest ? 1 : 0)
    }
}

// MARK: Signed datagrams

/// The highest epoch that a datagram with a key may name: of seconds since 2000, with a day for clocks that are ahead.
package func latestEpoch(at now: Timestamp) -> UInt32 {
    let ahead = now.rawValue + Int64(Limits.clockAheadMilliseconds) - Limits.earliestTime.rawValue
    return UInt32(clamping: ahead / 1_000)
}

extension OlderEpochs {
    /// The highest epoch of a device, remembered or gone, that a clock can have said by now; nil when there is none.
    func highest(of device: DeviceID, _ epochs: DeviceEpochs, at now: Timestamp) -> UInt32? {
        let latest = latestEpoch(at: now)
        var highest: UInt32?
        func look(_ epoch: UInt32) {
            if epoch <= latest { highest = max(highest ?? 0, epoch) }
        }
        forEachWindow(of: epochs) { look($0.epoch) }
        for epoch in gone[device.rawValue]?.numbers ?? [] { look(epoch) }
        return highest
    }
}

// MARK: Snapshots

extension OlderEpochs {
    func gone(of device: UInt32) -> Gone? { gone[device] }

    /// Goes through the windows of a device, the latest first; there are none when it has numbered nothing.
    func forEachWindow(of epochs: DeviceEpochs, _ body: (SequenceWindow) -> Void) {
        guard !epochs.latest.isEmpty else { return }
        body(epochs.latest)
        forEachRow(of: epochs) { body($0.window) }
    }

    private func forEachRow(of epochs: DeviceEpochs, _ body: (Row) -> Void) {
        var next = epochs.older
        while next != Self.none {
            body(rows[Int(next)])
            next = rows[Int(next)].older
        }
    }

    /// Puts a device's epochs back. False when they contradict each other.
    mutating func restore(_ windows: [SequenceWindow], gone: Gone?, of device: UInt32) -> DeviceEpochs? {
        var names = Set(windows.map(\.epoch))
        guard names.count == windows.count, windows.count <= AdmissionLimits.epochsPerDevice,
            windows.allSatisfy({ $0.bits & 1 == 1 })
        else { return nil }
        if let gone {
            // Epochs go only when there are too many.
            guard windows.count == AdmissionLimits.epochsPerDevice, !gone.numbers.isEmpty,
                gone.numbers.allSatisfy({ names.insert($0).inserted })
            else { return nil }
            self.gone[device] = gone
        }
        var epochs = DeviceEpochs()
        for window in windows.dropFirst().reversed() { epochs.older = add(Row(window: window, older: epochs.older)) }
        if let latest = windows.first { epochs.latest = latest }
        return epochs
    }

    /// The ranks of a device's epochs behind the latest, in their order.
    package func forEachRank(of epochs: DeviceEpochs, _ body: (UInt32) -> Void) {
        forEachRow(of: epochs) { body($0.rank) }
    }

    /// Gives the epochs behind the latest their ranks back.
    ///
    /// - Parameter rank: the next rank in their order; nil when there is none left.
    /// - Returns: false when there was none for one of them.
    package mutating func restoreRanks(of epochs: DeviceEpochs, _ rank: () -> UInt32?) -> Bool {
        var next = epochs.older
        while next != Self.none {
            guard let rank = rank() else { return false }
            rows[Int(next)].rank = rank
            next = rows[Int(next)].older
        }
        return true
    }
}
