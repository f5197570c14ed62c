// A false block with right checksums cannot make its reader keep a gigabyte.

import Events
import Log
import Synchronization
import Testing

struct DeviceBoundTests {
    /// 72 MB of predictions, as if there were three million devices.
    private static let many: UInt32 = 3_000_000

    private func block() throws -> EncodedBlock {
        var batch = EventBatch()
        var event = Event()
        event.device = DeviceID(rawValue: Self.many)
        batch.events.append(event)
        var encoder = try BlockEncoder()
        return try encoder.encode(batch)
    }

    @Test func aBlockFarBeyondTheNamesIsRefused() throws {
        let block = try block()
        var decoder = try BlockDecoder(devices: DeviceBound { 100 })
        var decoded = EventBatch()
        let fault = try #require(decoder.decode(block, into: &decoded))
        #expect(fault.contains("3000000") && fault.contains("identity.sqlite"))
        #expect(decoded.isEmpty && decoder.state.count == 0 && !decoder.isCertain)
        // There are as many names, or nothing says how many.
        for known in [2_000_000, nil] as [Int?] {
            var decoder = try BlockDecoder(devices: DeviceBound { known })
            #expect(decoder.decode(block, into: &decoded) == nil)
        }
    }

    @Test func aKeyframeFarBeyondTheNamesIsRefused() throws {
        var state = DevicePrediction()
        state.entries = Array(repeating: DevicePrediction.Entry(), count: Int(Self.many))
        let body = try state.keyframe(at: .zero)
        #expect(try DevicePrediction(keyframe: body, at: .zero, devices: DeviceBound { 100 }) == nil)
        #expect(
            try DevicePrediction(keyframe: body, at: .zero, devices: DeviceBound { 2_000_000 })?.count == Int(Self.many)
        )
    }

    @Test func namesAreAskedForOnlyWhenTheyMatter() {
        let asked = Mutex(0)
        let bound = DeviceBound {
            asked.withLock { $0 += 1 }
            return 5_000_000
        }
        #expect(bound.allows(0) && bound.allows(LogLimits.believedDevices))
        #expect(asked.withLock { $0 } == 0)
        #expect(bound.allows(6_000_000) && bound.allows(11_000_000))
        #expect(asked.withLock { $0 } == 1)
        #expect(!bound.allows(Limits.devices + 1))
    }
}
