// What an ack says of a device: how far its events have been received.

package import Admission

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

    package init(epoch: UInt32, durable: UInt64, ranges: [Run] = []) {
        self.epoch = epoch
        self.durable = durable
        self.ranges = ranges
    }
}
