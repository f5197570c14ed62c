// Devices whose counter begins again without an epoch: how a number that was taken is told from a repetition.

import Bytes
package import Events

/// The newest time of each device that numbers its events without an epoch, by its own clock; and how many of its
/// numbers were taken twice today.
///
/// A number that was taken, with a time of the device's own well after everything that it has sent so far, is no
/// repetition: a repetition has the time of its original. A fold over the log: only events that are stored and good
/// move the newest time.
package struct ReusedNumbers: Sendable {
    /// By device, as long as needed; `unknown` for one without a time.
    private var newest: [Int64] = []
    private var days: [UInt32: Day] = [:]

    static var unknown: Int64 { .min }

    /// Reused numbers of a device that arrived on one day.
    struct Day: Sendable, BitwiseCopyable {
        var day: Int32
        var count: UInt32
    }

    init() {}

    /// Notes the time of an event that is new and good. Means nothing for one with an epoch: a hot loop may leave it out.
    @inline(never)
    package mutating func note(_ event: borrowing Event) {
        guard event.epoch == 0, case .device = event.clock, case .sequence = event.identity else { return }
        note(event.time.rawValue, of: Int(event.device.rawValue))
    }

    mutating func note(_ time: Int64, of device: Int) {
        if device >= newest.count {
            newest.append(contentsOf: repeatElement(Self.unknown, count: device + 1 - newest.count))
        }
        if newest[device] < time { newest[device] = time }
    }

    /// Asks for the time of a device (`DedupeTable.prefetch`).
    @inline(__always) func prefetch(_ device: DeviceID) { newest.span.prefetch(Int(device.rawValue)) }

    /// Whether an event whose number was taken is later than its device's newest one by so much that it cannot be a
    /// repetition. A time that nobody believes says nothing.
    func isLater(_ event: borrowing Event) -> Bool {
        guard event.epoch == 0, case .sequence = event.identity, case .device = event.clock,
            Int(event.device.rawValue) < newest.count, isCredible(event.time, arrival: event.arrival)
        else { return false }
        let (known, time) = (newest[Int(event.device.rawValue)], event.time.rawValue)
        return known != Self.unknown && time &- known >= AdmissionLimits.reuseMilliseconds
    }

    /// Whether one more reused number of this day may be stored.
    func hasRoom(for event: borrowing Event) -> Bool {
        guard let day = days[event.device.rawValue], day.day == event.arrival.day else { return true }
        return day.count < UInt32(AdmissionLimits.reusedPerDay)
    }

    /// Counts a reused number that is stored.
    mutating func count(_ event: borrowing Event) {
        let today = event.arrival.day
        var day = days[event.device.rawValue] ?? Day(day: today, count: 0)
        if day.day != today { day = Day(day: today, count: 0) }
        day.count = min(day.count + 1, UInt32(AdmissionLimits.reusedPerDay))
        days[event.device.rawValue] = day
    }

    /// Under what an event is remembered among the ids of its device: a domain of its own.
    static func hash(_ event: borrowing Event) -> UInt64 {
        var bytes: [UInt8] = []
        appendLittleEndian(event.seq, size: 8, to: &bytes)
        appendLittleEndian(UInt64(bitPattern: event.time.rawValue), size: 8, to: &bytes)
        let domain: UInt64 = 0x6e75_6d62_6572_2032
        return hashBytes(bytes.span, seed: domain)
    }

    // MARK: Snapshots

    func newestTime(of device: UInt32) -> Int64? {
        guard Int(device) < newest.count, newest[Int(device)] != Self.unknown else { return nil }
        return newest[Int(device)]
    }

    func day(of device: UInt32) -> Day? { days[device] }

    mutating func restore(_ day: Day, of device: UInt32) { days[device] = day }
}
