// What an ack says of a device: how far its events have been received.

package import Admission
package import Wire

/// How far the events of one device have been received: what an ack says.
package struct AckState: Hashable, Sendable {
    package var epoch: UInt32
    /// Every sequence number up to this one has been received or given up as lost.
    package var durable: UInt64
    /// What has been received above `durable`, lowest first.
    package var ranges: [Run]

    /// A run of missing numbers and the run of received ones that follows it.
    package struct Run: Hashable, Sendable, BitwiseCopyable {
        package var missing: UInt32
        package var received: UInt32

        package init(missing: UInt32, received: UInt32) {
            self.missing = missing
            self.received = received
        }
    }

    /// What a device's window says; nil when the device has never sent a numbered event.
    package init?(_ window: SequenceWindow) {
        guard !window.isEmpty else { return nil }
        self.init(
            epoch: window.epoch, durable: window.contiguous,
            ranges: window.ranges.map { Run(missing: $0.gap, received: $0.length) })
    }

    /// What is said to a batch whose events have ids of their own: what the device's window says, if it says anything
    /// of this epoch, and that the batch's own numbers have arrived, of which the window knows nothing. Nil when it has
    /// no numbers either.
    package init?(_ state: AckState?, covering header: BatchHeader) {
        guard header.firstSeq > 0 else {
            guard let state else { return nil }
            self = state
            return
        }
        var arrived: [ClosedRange<UInt64>] = [header.firstSeq...max(header.firstSeq, header.lastSeq)]
        var last = state?.durable ?? 0
        for run in state?.ranges ?? [] {
            let first = last + UInt64(run.missing) + 1
            last += UInt64(run.missing) + UInt64(run.received)
            if first <= last { arrived.append(first...last) }
        }
        self.init(epoch: header.epoch, durable: state?.durable ?? 0)
        var end = durable
        for run in arrived.sorted(by: { $0.lowerBound < $1.lowerBound }) where run.upperBound > end {
            if run.lowerBound <= end + 1 {
                if let index = ranges.indices.last {
                    ranges[index].received = UInt32(clamping: UInt64(ranges[index].received) + run.upperBound - end)
                } else {
                    durable = run.upperBound
                }
            } else {
                let (missing, received) = (run.lowerBound - end - 1, run.upperBound - run.lowerBound + 1)
                // What cannot be said is left out: it is sent again, which does no harm.
                guard let missing = UInt32(exactly: missing), let received = UInt32(exactly: received) else { return }
                ranges.append(Run(missing: missing, received: received))
            }
            end = run.upperBound
        }
    }

    package init(epoch: UInt32, durable: UInt64, ranges: [Run] = []) {
        self.epoch = epoch
        self.durable = durable
        self.ranges = ranges
    }
}
