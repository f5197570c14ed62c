// What Transport offers its events to: the one seam between sockets and the log.

package import Admission
package import Events

/// What Transport offers events to; the Daemon implements it.
///
/// Every call is made on the ingest event loop, and every call back (`CommitListener`) must be made there too, never
/// from within one of these calls. Blocks are numbered by *tickets* that count up. The order of calls for one unit
/// (a frame, a datagram, a run of JSON lines of one read) is `hasRoom`, decoding into `filling`, `closeGap` if the
/// sender asks for it, `admit`, `notifyOnCommit`; and once after all units of one read, `readComplete`.
package protocol Intake: AnyObject {
    /// The block that is being filled. Transport only appends to it, and takes back what it has itself appended
    /// since the last `admit`. Implement as a stored property, so that it is changed in place.
    var filling: EventBatch { get set }
    /// The names; the decoders give out numbers. Implement as a stored property.
    var vocabulary: Vocabulary { get set }
    /// Whether whoever sends what is read now wants nothing stored that names a person. False between two reads; to be
    /// set before the first name is looked up.
    var isOptedOut: Bool { get set }
    /// The arrival time of what is being read now.
    var now: Timestamp { get }
    /// Whether another unit of `Limits.batchEvents` events and `Limits.frameBytes` of text fits. May close the
    /// filling block and hand it on to make room; only this and `readComplete` close it. Cheap when true: it is asked
    /// for every frame, datagram and line.
    func hasRoom() -> Bool
    /// Judges the events appended to `filling` since the last call: schema, duplicates (dropped in place, so that
    /// the rest move up), consents, counting. Never closes the block.
    func admit(_ transport: TransportKind) -> AdmissionResult
    /// Promises `listener.committed(through:)` once everything admitted so far, and whatever an admitted duplicate
    /// repeats, is durable; returns the ticket that will be named. A second call for the same ticket does no harm.
    /// A block that holds no events has a ticket too; it is due as soon as all blocks before it are.
    func notifyOnCommit(_ listener: any CommitListener) -> UInt64
    /// All units of one read are in: an idle appender should start now.
    func readComplete()
    /// Whether the log cannot be written now; what has been admitted is tried again and again.
    var isStorageFailing: Bool { get }
    /// Promises one `listener.resume()` when `hasRoom` has become true again.
    func awaitRoom(_ listener: any CommitListener)
    /// Two clients of MQTT use one client id in turns, each of them from its address. Default: nobody is told.
    func noteSharedClientID(_ first: SenderAddress?, _ second: SenderAddress?)
    /// Takes `listener` out of all lists: its connection is gone.
    func remove(_ listener: any CommitListener)
    /// Counts `events` (a unit that cannot be read counts as one) turned away, and logs it at most once a second for
    /// each reason.
    func refuse(_ reason: Refusal, events: Int, transport: TransportKind)
    /// How far an epoch of a device has been received, with what has only been admitted so far counted in; nil when
    /// nothing is remembered of it.
    ///
    /// - Parameter epoch: nil for the one that the device was heard of last.
    func ackState(of device: DeviceID, epoch: UInt32?) -> AckState?
    /// Whether a datagram with a key may name an epoch of a device, or is refused as one that may be repeated.
    ///
    /// - Returns: nil when it may; else the highest epoch of the device.
    func highestEpoch(refusing epoch: UInt32, of device: DeviceID) -> UInt32?
    /// The device no longer has anything below `oldest`: each run below it that was never received becomes one `gap`
    /// event in the log, and its ack moves on.
    func closeGap(_ device: DeviceID, epoch: UInt32, below oldest: UInt64, transport: TransportKind)
    /// A hint: an event of the device is probably about to be admitted, so its window is fetched into the processor's
    /// caches. Changes nothing.
    func prefetch(_ device: DeviceID)
}

extension Intake {
    package func noteSharedClientID(_ first: SenderAddress?, _ second: SenderAddress?) {}
}

/// Someone who waits for a commit or for room: a connection, or the datagram socket.
package protocol CommitListener: AnyObject {
    /// Every block up to and including `ticket` is durable. On the ingest event loop.
    func committed(through ticket: UInt64)
    /// There is room again after `Intake.awaitRoom`. On the ingest event loop.
    func resume()
    /// Another connection has taken over what this one stands for: says so, and ends, once this call is over. Default:
    /// nobody can take it over.
    func displace()
}

extension CommitListener {
    package func displace() {}
}
