// What a native ack says of events that are acknowledged and yet are not as good as the others.

import Admission
import Events
import Wire

/// The verdicts on the events of some batches: all of them counted, the first of them named.
struct AckVerdicts: Sendable {
    private(set) var quarantined = 0
    private(set) var stale = 0
    /// In the order of the events.
    private(set) var rejects: [Reject] = []

    init() {}

    init(_ result: AdmissionResult, _ header: BatchHeader) {
        guard result.quarantined + result.stale > 0 else { return }
        (quarantined, stale) = (result.quarantined, result.stale)
        // Only when no number is left out is an event's number that of its place.
        let isUnbroken = header.firstSeq > 0 && header.lastSeq - header.firstSeq + 1 == UInt64(header.count)
        rejects = result.named.prefix(TransportLimits.verdictsPerAck).map { one in
            Reject(
                seq: one.seq, code: UInt32(one.verdict.code),
                text: explanation(of: one.verdict, one.event, line: Span()),
                number: isUnbroken ? header.firstSeq + UInt64(one.index) : 0)
        }
    }

    /// Whether there is anything to say.
    var saysMore: Bool { quarantined + stale > 0 }

    mutating func add(_ other: AckVerdicts) {
        guard other.saysMore else { return }
        quarantined += other.quarantined
        stale += other.stale
        rejects += other.rejects.prefix(max(TransportLimits.verdictsPerAck - rejects.count, 0))
    }

    func put(into ack: inout Ack) {
        guard saysMore else { return }
        ack.quarantined = UInt32(clamping: quarantined)
        ack.stale = UInt32(clamping: stale)
        ack.rejects = rejects
    }
}
