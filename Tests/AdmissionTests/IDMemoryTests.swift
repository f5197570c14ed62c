// The memory of ids against one that searches lists.

import Admission
import Events
import Testing
import TidingsTesting

@Suite struct IDMemoryTests {
    /// The rule of `IDHashes` with plain arrays.
    private struct Model {
        var perDevice: Int
        var total: Int
        var ids: [UInt32: [UInt64]] = [:]
        var next: UInt32 = 0
        var end: UInt32 = 0
        var forgotten = 0

        var count: Int { ids.values.reduce(0) { $0 + $1.count } }

        mutating func admit(_ device: UInt32, _ id: UInt64) -> DedupeVerdict {
            if ids[device]?.contains(id) == true { return .duplicate }
            ids[device, default: []].append(id)
            end = max(end, device + 1)
            if ids[device, default: []].count > perDevice {
                ids[device]?.removeFirst()
            } else if count > total {
                forget(device)
            }
            return .new
        }

        private mutating func forget(_ newcomer: UInt32) {
            while true {
                if next >= end { next = 0 }
                let device = next
                next += 1
                let known = ids[device] ?? []
                if known.count > (device == newcomer ? 1 : 0) {
                    ids[device] = known.suffix(known.count / 2)
                    forgotten += known.count - known.count / 2
                    return
                }
            }
        }
    }

    @Test(arguments: [31, 32, 33, 34] as [UInt64])
    func agreesWithLists(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let perDevice = Int.random(in: 1...200, using: &generator)
        let total = Int.random(in: 50...600, using: &generator)
        var model = Model(perDevice: perDevice, total: total)
        var ids = IDHashes(perDevice: perDevice, total: total)
        for step in 0..<20_000 {
            let device = UInt32.random(in: 1...12, using: &generator)
            // Hashes that differ in few bits, and come again.
            let shift = UInt64.random(in: 0...2, using: &generator) * 28
            let id = UInt64.random(in: 0...400, using: &generator) << shift
            let expected = model.admit(device, id)
            let got = ids.admit(DeviceID(rawValue: device), hash: id)
            #expect(got == expected, "seed \(seed) step \(step)")
            if step % 500 == 0 {
                #expect(ids.count == model.count, "seed \(seed) step \(step)")
                #expect(ids.forgottenForAll == UInt64(model.forgotten), "seed \(seed) step \(step)")
                for (device, known) in model.ids {
                    #expect(known.allSatisfy { ids.contains(DeviceID(rawValue: device), hash: $0) }, "seed \(seed)")
                }
            }
        }
        print("ids against lists, seed \(seed): \(perDevice) a device, \(total) in all, \(model.forgotten) forgotten")
    }

    @Test func aFullMemoryIsTheSameAfterARestart() throws {
        var table = DedupeTable()
        let (device, other) = (DeviceID(rawValue: 1), DeviceID(rawValue: 2))
        for id in 0..<20_000 as Range<UInt64> { _ = table.admit(device, hash: id &* 0x9e37_79b9_7f4a_7c15) }
        for id in 0..<40 as Range<UInt64> { _ = table.admit(other, hash: id) }
        #expect(table.memory.ids.count == AdmissionLimits.idsPerDevice + 40)
        #expect(table.memory.ids.forgottenForOwn == 20_000 - UInt64(AdmissionLimits.idsPerDevice))
        var restored = try #require(table.restored)
        #expect(restored == table)
        for id in 19_990..<60_000 as Range<UInt64> {
            let hash = id % 30_000 &* 0x9e37_79b9_7f4a_7c15
            let (got, expected) = (restored.admit(device, hash: hash), table.admit(device, hash: hash))
            #expect(got == expected)
        }
        #expect(restored == table)
    }

    /// Both the table that goes on and the one that is read from a snapshot ask the same device next.
    @Test func whoseTurnItIsToForgetIsPartOfTheSnapshot() {
        var ids = IDHashes(perDevice: 100, total: 100)
        for id in 0..<1_000 as Range<UInt64> { _ = ids.admit(DeviceID(rawValue: UInt32(id % 7)), hash: id) }
        #expect(ids.count <= 100)
        #expect(ids.forgottenForAll >= 900)
        // The last one of each device is always there.
        for device in 0..<7 as Range<UInt64> {
            let last = (0..<1_000 as Range<UInt64>).last { $0 % 7 == device }
            #expect(ids.contains(DeviceID(rawValue: UInt32(device)), hash: last ?? 0))
        }
    }
}
