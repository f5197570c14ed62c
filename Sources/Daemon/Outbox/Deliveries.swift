// What is under way to which device: pure, and nothing in it that a kill may not take.

package import Events
package import Projection

/// The messages that were given to connections and of which nothing was heard yet. Time goes in as a number of
/// milliseconds that never goes back.
///
/// What is lost with the process is sent once more, with the same id.
package struct Deliveries: Sendable {
    private var peers: [DeviceID: DeliveryPeer] = [:]
    /// What the log is to be told at once.
    private var notes: [DeliveryNote] = []
    /// How many messages may go now over all devices, and when that was counted.
    private var allowance = Double(MessageLimits.perSecond)
    private var countedAt: Int64 = 0
    private var sweptAt: Int64 = 0

    /// How often a message is offered on one connection.
    package static let offersOnConnection = 5
    /// After so long without an answer the log is told that the message was sent.
    static let noteAfter: Int64 = 1_000
    /// How often is looked who need not be remembered.
    private static let sweepAfter: Int64 = 60_000

    package init() {}

    /// The devices to which something is under way.
    package var devices: [DeviceID] { peers.filter { !$0.value.flights.isEmpty }.map(\.key) }
    package func underWay(to device: DeviceID) -> Int { peers[device]?.flights.count ?? 0 }
    package var count: Int { peers.values.reduce(0) { $0 + $1.flights.count } }
    /// Devices of which something is remembered.
    package var peerCount: Int { peers.count }

    /// A device has a new connection: what was under way on another one is offered again.
    package mutating func begin(_ device: DeviceID, at now: Int64) { peers[device]?.begin(at: now) }

    /// Nothing waits for a device any more.
    package mutating func end(_ device: DeviceID) {
        peers[device]?.end()
        if peers[device]?.isBlank == true { peers[device] = nil }
    }

    /// What is to be sent to a device now, in its order: at most so many are under way at a time.
    ///
    /// - Parameter waiting: all that is to be brought to the device; what is under way and not among it has arrived, or
    ///   is over.
    package mutating func take(_ waiting: WaitingDevice, at now: Int64) -> [Outgoing] {
        fill(at: now)
        var peer = peers[waiting.device] ?? DeliveryPeer(at: now)
        let (sent, told) = peer.take(waiting, at: now, most: Int(allowance))
        notes += told
        allowance -= Double(sent.count)
        peers[waiting.device] = peer.isBlank ? nil : peer
        return sent
    }

    private mutating func fill(at now: Int64) {
        let most = Double(MessageLimits.perSecond)
        allowance = min(most, allowance + Double(now - countedAt) * most / 1_000)
        countedAt = now
    }

    /// A message could not be given to the connection: others go before it for a while.
    package mutating func fail(_ number: UInt32, for device: DeviceID, at now: Int64) {
        peers[device]?.hold(number, at: now)
        allowance += 1
    }

    /// What the log is to be told: that a message was sent, of which nothing was heard for a second, and how often; and
    /// which are given up.
    package mutating func takeNotes(at now: Int64) -> [DeliveryNote] {
        defer { notes = [] }
        for device in Array(peers.keys) { notes += peers[device]?.takeNotes(of: device, at: now) ?? [] }
        if now - sweptAt >= Self.sweepAfter { sweep(at: now) }
        return notes.sorted { ($0.device, $0.number) < ($1.device, $1.number) }
    }

    /// Forgets what is too old to matter; when there is too much of it, all that is not under way. Then at worst
    /// something is offered again sooner than it should be.
    private mutating func sweep(at now: Int64) {
        sweptAt = now
        for device in Array(peers.keys) { peers[device]?.forget(at: now) }
        let isFull = peers.count > MessageLimits.peers
        peers = peers.filter { !$0.value.isBlank && !(isFull && $0.value.flights.isEmpty) }
    }
}

/// What the log is to be told of a message on its way to a device.
package struct DeliveryNote: Sendable, Equatable {
    package var device: DeviceID
    package var number: UInt32
    package var attempt: Int
    /// Whether the daemon gives up.
    package var isFailed = false
}
