// What Transport offers its events to: the one seam between sockets and the log.

package import Admission
package import Events

/// How far the events of one device have been received: what an ack says.
package struct Standing: Hashable, Sendable {
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

/// What Transport offers events to; the Daemon implements it.
///
/// Every call is made on the ingest event loop, and every call back (`Acknowledged`) must be made there too, never
/// from within one of these calls. Blocks are numbered by *tickets* that count up. The order of calls for one unit
/// (a frame, a datagram, a run of JSON lines of one read) is `hasRoom`, decoding into `filling`, `closeGap` if the
/// sender asks for it, `admit`, `enlist`; and once after all units of one read, `readComplete`.
package protocol Intake: AnyObject {
    /// The block that is being filled. Transport only appends to it, and takes back what it has itself appended
    /// since the last `admit`. Implement as a stored property, so that it is changed in place.
    var filling: EventBatch { get set }
    /// The names; the decoders give out numbers. Implement as a stored property.
    var vocabulary: Vocabulary { get set }
    /// The arrival time of what is being read now.
    var now: Timestamp { get }
    /// Whether another unit of `Limits.batchEvents` events and `Limits.frameBytes` of text fits. May close the
    /// filling block and hand it on to make room; only this and `readComplete` close it. Cheap when true: it is asked
    /// for every frame, datagram and line.
    func hasRoom() -> Bool
    /// Judges the events appended to `filling` since the last call: schema, duplicates (dropped in place, so that
    /// the rest move up), counting. Never closes the block.
    func admit(_ transport: TransportKind) -> AdmissionResult
    /// Promises `peer.committed(through:)` once everything admitted so far, and whatever an admitted duplicate
    /// repeats, is durable; returns the ticket that will be named. A second call for the same ticket does no harm.
    /// A block that holds no events has a ticket too; it is due as soon as all blocks before it are.
    func enlist(_ peer: any Acknowledged) -> UInt64
    /// All units of one read are in: an idle appender should start now.
    func readComplete()
    /// Promises one `peer.resume()` when `hasRoom` has become true again.
    func awaitRoom(_ peer: any Acknowledged)
    /// Takes `peer` out of all lists: its connection is gone.
    func forget(_ peer: any Acknowledged)
    /// Counts `events` (a unit that cannot be read counts as one) turned away, and logs it at most once a second for
    /// each reason.
    func refuse(_ reason: Refusal, events: Int, transport: TransportKind)
    /// How far a device's current epoch has been received, with what has only been admitted so far counted in; nil
    /// when the device has never sent a numbered event.
    func standing(of device: DeviceID) -> Standing?
    /// The device no longer has anything below `oldest`: each run below it that was never received becomes one `gap`
    /// event in the log, and its standing moves on.
    func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind)
    /// A hint: an event of the device is probably about to be admitted. Changes nothing.
    func expect(_ device: DeviceID)
}

/// Someone who waits for a commit or for room: a connection, or the datagram socket.
package protocol Acknowledged: AnyObject {
    /// Every block up to and including `ticket` is durable. On the ingest event loop.
    func committed(through ticket: UInt64)
    /// There is room again after `Intake.awaitRoom`. On the ingest event loop.
    func resume()
}
