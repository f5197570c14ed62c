// Devices whose counter begins again without an epoch: how a number that was taken is told from a repetition.

import Bytes
import Events

/// How many numbers of each device were taken twice today.
///
/// A number that was taken, with a time of the device's own well after everything that it has sent so far, is no
/// repetition: a repetition has the time of its original. A fold over the log: only events that are stored and good
/// move a device's newest time (`DeviceIdentity`).
package struct ReusedNumbers: Sendable {
    private var days: [UInt32: Day] = [:]

    /// Reused numbers of a device that arrived on one day.
    struct Day: Sendable, BitwiseCopyable {
        var day: Int32
        var count: UInt32
    }

    init() {}

    /// Whether an event whose number was taken is later than its device's newest one by so much that it cannot be a
    /// repetition. A time that nobody believes says nothing.
    static func isLater(_ event: borrowing Event, than newest: Int64) -> Bool {
        guard event.epoch == 0, case .sequence = event.identity, case .device = event.clock,
            newest != DeviceIdentity.noTime, isCredible(event.time, arrival: event.arrival)
        else { return false }
        return event.time.rawValue &- newest >= AdmissionLimits.reuseMilliseconds
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

    func day(of device: UInt32) -> Day? { days[device] }

    mutating func restore(_ day: Day, of device: UInt32) { days[device] = day }
}
