// The workload is the same every time, and what it claims to be.
import Testing
import Workload

@Suite struct WorkloadTests {
    static let fleet = Fleet(seed: 1)

    static func events(_ count: Int) -> [Occurrence] {
        var occurrences = Occurrences(fleet: fleet, count: count, seed: 1)
        var slice: [Occurrence] = []
        var all: [Occurrence] = []
        while occurrences.next(into: &slice) { all += slice }
        return all
    }

    @Test func checksumIsTheOneOfZlib() {
        let checksum = Checksum()
        #expect(checksum.value(of: Array("123456789".utf8)) == 0xcbf4_3926)
        #expect(checksum.value(of: []) == 0)
        // The whole frame: type, length, one rating, CRC-32 8e7f9e88.
        let frame: [UInt8] = [
            0x03, 0x12, 0x10, 0x92, 0x08, 0x18, 0xf5, 0x98, 0x83, 0xb2, 0x9f, 0x34, 0x3a, 0x06, 0x08, 0x02, 0x20, 0x03,
            0x28, 0x08,
        ]
        #expect(checksum.value(of: frame) == 0x889e_7f8e)
        var written: [UInt8] = []
        appendFrame(LoadFrame.batch, body: Array(frame.dropFirst(2)), checksum: checksum, to: &written)
        #expect(written == frame + [0x8e, 0x7f, 0x9e, 0x88])
    }

    /// Written down once; a change of one event anywhere makes old figures incomparable and must be deliberate.
    @Test func sameSeedSameBytes() {
        var recorder = LineRecorder(fleet: Self.fleet, fileName: "x")
        recorder.add(Self.events(100_000))
        #expect(recorder.bytes.count == 18_232_175)
        #expect(Checksum().value(of: recorder.bytes) == 0x2fbe_a706)
        let first = recorder.bytes.prefix { $0 != UInt8(ascii: "\n") }
        #expect(
            String(decoding: first, as: UTF8.self)
                == #"{"product":"lumen-wearable-0003","device":"dv-0040a1fffe3d368a""#
                + #","customer":"cu-77dd2cef","id":1,"time":1767225608668,"type":"feature.used""#
                + #","aspect":"watch.face","value":16}"#)
    }

    @Test func kindsHaveTheirShares() {
        let events = Self.events(400_000)
        for (kind, share) in [
            (OccurrenceKind.preference, 0.55), (.rating, 0.15), (.use, 0.20), (.text, 0.05), (.fault, 0.05),
        ] {
            let measured = Double(events.count { $0.kind == kind }) / Double(events.count)
            #expect(abs(measured - share) < 0.005, "\(kind.name): \(measured)")
        }
        let ratings = events.filter { $0.kind == .rating }.map { Double($0.value) }
        #expect(abs(ratings.reduce(0, +) / Double(ratings.count) - 3.74) < 0.02)
        let uses = events.filter { $0.kind == .use }.map { Double($0.value) }
        #expect(abs(uses.reduce(0, +) / Double(uses.count) - 40) < 0.6)
    }

    @Test func timesAscendButForTheLate() {
        let events = Self.events(200_000)
        var latest = Int64.min
        var late = 0
        for event in events {
            if event.time < latest { late += 1 }
            latest = max(latest, event.time)
            #expect(event.time > Occurrences.start - 3_600_000 && event.time < Occurrences.start + Occurrences.week)
        }
        #expect((1_700...2_300).contains(late), "\(late)")
    }

    @Test func deviceNumbersItsEventsFromOne() {
        var next: [Int32: Int32] = [:]
        for event in Self.events(150_000) {
            let expected = next[event.device, default: 0] + 1
            #expect(event.seq == expected)
            next[event.device] = expected
        }
    }

    @Test func distributionFollowsItsWeights() {
        let weights = [1.0, 2, 3, 0, 4]
        let distribution = Distribution(weights: weights)
        var random = SplitMix64(seed: 7)
        var counts = [0, 0, 0, 0, 0]
        for _ in 0..<100_000 { counts[distribution.draw(&random)] += 1 }
        for (index, weight) in weights.enumerated() {
            #expect(abs(Double(counts[index]) / 100_000 - weight / 10) < 0.01, "\(index): \(counts[index])")
        }
    }

    /// A daemon with default limits must accept the standard load.
    @Test func tablesStayBelowTheDefaultLimits() {
        var recorder = FrameRecorder(fleet: Self.fleet, fileName: "x", gateways: 128, batch: 256)
        var occurrences = Occurrences(fleet: Self.fleet, count: 2_000_000, seed: 1)
        var slice: [Occurrence] = []
        while occurrences.next(into: &slice) {
            recorder.add(slice)
            recorder.bytes.removeAll(keepingCapacity: true)
        }
        recorder.finish()
        #expect(recorder.largestTable.entries <= 4_096)
        #expect(recorder.largestTable.bytes <= 64 * 1024)
        #expect(recorder.largestTable.entries > 1_500, "nothing was recorded")
    }
}
