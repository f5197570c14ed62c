// The list of the forgotten: lines, digests, and what admission does about devices that come back.

import Admission
import Events
import Testing

@Suite struct ErasureListTests {
    private let digests = NameDigests(key: Array(0..<32))

    private func digest(_ customer: String) -> NameDigest { digests.digest(ofCustomer: Array(customer.utf8).span) }

    private func line(_ customer: String, _ state: ErasureLine.State = .erased, at time: Int64 = 5) -> ErasureLine {
        ErasureLine(
            time: Timestamp(rawValue: time), state: state, kind: .customer, log: String(repeating: "a", count: 32),
            check: digests.check, digest: digest(customer))
    }

    @Test func aLineComesBackAsItWas() throws {
        for state in [ErasureLine.State.erased, .readmitted] {
            let line = line("anna", state, at: 1_767_225_600_123)
            let text = Array(line.text.utf8)
            #expect(ErasureLine(text.span) == line, "\(line.text)")
            // Every line that is shorter, or has a wrong character, is none.
            for cut in 0..<text.count { #expect(ErasureLine(text.span.extracting(0..<cut)) == nil) }
            var other = text
            other[text.count - 1] = UInt8(ascii: "g")
            #expect(ErasureLine(other.span) == nil)
        }
        #expect(!line("anna").text.contains("anna"))
    }

    @Test func aNameHasOneDigestInEveryForm() {
        #expect(digest("Jos\u{e9}") == digest("Jose\u{301}"))
        #expect(digest("Jos\u{e9}") != digest("Jose"))
        #expect(digest("\u{212b}") == digest("\u{c5}"))
        #expect(NameDigests(key: Array(1...32)).digest(ofCustomer: Array("anna".utf8).span) != digest("anna"))
        let device = digests.digest(ofDevice: Array("b".utf8).span, product: Array("a".utf8).span)
        #expect(device != digests.digest(ofDevice: Array("ab".utf8).span, product: [UInt8]().span))
        #expect(device != digest("a\u{0}b"))
    }

    @Test func theLastLineCounts() {
        let index = ErasureIndex(digests: digests, lines: [line("anna", at: 1), line("berta", at: 2)])
        #expect(index.erasure(ofCustomer: Array("berta".utf8).span)?.rawValue == 2)
        index.add([line("berta", .readmitted, at: 3)])
        #expect(index.count == 1 && index.erasure(ofCustomer: Array("berta".utf8).span) == nil)
        index.add([line("berta", at: 4)])
        #expect(index.erasure(ofCustomer: Array("berta".utf8).span)?.rawValue == 4)
        #expect(index.erasure(ofCustomer: Array("carla".utf8).span) == nil)
    }

    @Test func whatHappenedBeforeItsErasureIsStaleForADevice() {
        var admission = Admission()
        admission.forgottenDevices = [2: Timestamp(rawValue: 1_767_225_600_000)]
        var batch = EventBatch()
        func add(_ device: UInt32, _ seq: UInt64, _ time: Int64, _ clock: Clock = .device) {
            var event = Event()
            event.kind = .featureUsed
            event.device = DeviceID(rawValue: device)
            event.aspect = SymbolID(rawValue: 1)
            (event.identity, event.seq, event.clock) = (.sequence, seq, clock)
            event.time = Timestamp(rawValue: 1_767_225_600_000 + time)
            event.arrival = Timestamp(rawValue: 1_767_225_700_000)
            batch.events.append(event)
        }
        add(1, 1, -5)
        add(2, 1, -5)
        add(2, 2, 0)
        add(2, 3, 5)
        add(2, 4, -5, .arrival)
        add(2, 5, -5, .age)
        let result = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcp)
        #expect(result.accepted == 3 && result.stale == 3)
        #expect(batch.events.map(\.seq) == [1, 3, 4])
        #expect(result.named.map(\.verdict) == [.stale, .stale, .stale])
        #expect(admission.counts[Int(TransportKind.tcp.rawValue)].stale == 3)
    }
}
