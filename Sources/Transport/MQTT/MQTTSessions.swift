// What is kept of MQTT clients between their connections, and who of two with one id may stay.

import Admission
import Events
import NIOCore

/// What is kept of one client (MQTT 5.0, section 4.1). Confined to the ingest event loop.
final class MQTTClient {
    /// A client id is good only for whoever has used the same credential: nobody else can take the session over.
    struct Key: Hashable {
        var holder: Credential.Holder?
        var clientID: [UInt8]
    }

    let key: Key
    /// Messages of QoS 2 that were taken and not released, by their packet ids, and how often each has come.
    var unreleased: [UInt16: UInt8] = [:]
    var subscriptions: [MQTTSubscription] = []
    /// Messages to it that are not acknowledged, and the number of the last.
    var underWay: [MQTTUnderWay] = []
    var lastPacketID: UInt16 = 0
    /// How long all this is kept when the connection ends, seconds.
    var expiry: UInt32 = 0
    fileprivate(set) var connection: (any CommitListener)?
    fileprivate var sender: SenderAddress?
    fileprivate var takenOver: Uptime?
    fileprivate var isDuelTold = false
    /// When it is forgotten, once it is not connected.
    fileprivate var due: Uptime = 0
    /// What is then published, or at a time before that.
    fileprivate var will: (message: MQTTWillMessage, due: Uptime)?

    fileprivate init(_ key: Key) { self.key = key }

    /// Whether it has not been back since its connection ended, when it was to be forgotten at `due`.
    fileprivate func isAway(_ due: Uptime) -> Bool { connection == nil && self.due == due }
}

/// A message that is published in a client's name when that is gone.
struct MQTTWillMessage: Sendable {
    var topic: [UInt8]
    var payload: [UInt8]
    /// On whose behalf, and for which device.
    var principal: Principal
    var ownName: (product: [UInt8], name: [UInt8])?
    /// Seconds from the end of the connection on.
    var delay: UInt32

    var size: Int { topic.count + payload.count }
}

/// How much there was of what only MQTT has, since the start.
package struct MQTTCounts: Sendable, Hashable {
    /// Clients whose sessions are kept, connected or not.
    package var sessions = 0
    /// Connections that were closed because another one has the same client id.
    package var takenOver: UInt64 = 0
    /// Messages and subscriptions for topics of nobody here, which were acknowledged and are nowhere.
    package var foreign: UInt64 = 0
    /// Wills that were published.
    package var wills: UInt64 = 0

    package init() {}
}

/// All clients of MQTT. Confined to the ingest event loop.
final class MQTTSessions {
    enum Arrival {
        case accepted(MQTTClient, isPresent: Bool)
        /// Two clients use one id in turns; this one has to wait.
        case mustWait
    }

    private var clients: [MQTTClient.Key: MQTTClient] = [:]
    /// Those that are not connected, in the order in which their connections ended; some may be back.
    private var parted = CircularBuffer<(client: MQTTClient, due: Uptime)>()
    /// The wills that are due.
    private var dueWills = CircularBuffer<MQTTWillMessage>()
    /// Bytes of all wills.
    private(set) var heldWillBytes = 0
    private var countsSoFar = MQTTCounts()

    var counts: MQTTCounts {
        var counts = countsSoFar
        counts.sessions = clients.count
        return counts
    }

    func noteForeign() { countsSoFar.foreign += 1 }

    /// A client has come.
    ///
    /// - Parameters:
    ///   - startsClean: whether nothing is to be left of an earlier session.
    ///   - duel: is called with the addresses of two clients that use one id in turns, once for each id.
    func arrive(
        _ key: MQTTClient.Key, startsClean: Bool, on connection: any CommitListener, from sender: SenderAddress?,
        at now: Uptime, duel: (SenderAddress?, SenderAddress?) -> Void
    ) -> Arrival {
        let known = clients[key]
        if let known, let other = known.connection {
            if let last = known.takenOver, now < last + MQTTLimits.takeoverSeconds * 1_000_000_000 {
                if !known.isDuelTold {
                    known.isDuelTold = true
                    duel(known.sender, sender)
                }
                return .mustWait
            }
            known.takenOver = now
            countsSoFar.takenOver += 1
            other.displace()
        }
        let client: MQTTClient
        let isPresent = known != nil && !startsClean
        if let known, isPresent {
            client = known
            // A session that goes on needs no will.
            if let will = known.will { forget(will.message) }
            known.will = nil
        } else {
            client = MQTTClient(key)
            (client.takenOver, client.isDuelTold) = (known?.takenOver, known?.isDuelTold ?? false)
            if let known { releaseWill(of: known) }
            clients[key] = client
        }
        (client.connection, client.sender) = (connection, sender)
        return .accepted(client, isPresent: isPresent)
    }

    /// A connection has ended.
    ///
    /// - Parameter will: what is to be published; nil when the client has taken leave.
    func part(_ client: MQTTClient, from connection: any CommitListener, will: MQTTWillMessage?, at now: Uptime) {
        var will = will
        if client.connection === connection {
            client.connection = nil
            client.due = now + UInt64(client.expiry) * 1_000_000_000
            if client.expiry == 0 {
                forget(client)
            } else if clients[client.key] === client {
                if let delayed = will, delayed.delay > 0 {
                    client.will = (delayed, now + UInt64(delayed.delay) * 1_000_000_000)
                    will = nil
                }
                parted.append((client, client.due))
                if parted.count > MQTTLimits.sessions, let (oldest, due) = parted.popFirst(), oldest.isAway(due) {
                    forget(oldest)
                }
            }
        }
        if let will { dueWills.append(will) }
    }

    private func forget(_ client: MQTTClient) {
        releaseWill(of: client)
        if clients[client.key] === client { clients[client.key] = nil }
    }

    /// A device is forgotten: nothing is kept of what clients have subscribed to of it.
    func forget(_ device: DeviceID) {
        for client in clients.values {
            client.subscriptions.removeAll { $0.device == device }
            client.underWay.removeAll { $0.device == device }
        }
    }

    private func releaseWill(of client: MQTTClient) {
        if let will = client.will { dueWills.append(will.message) }
        client.will = nil
    }

    /// Forgets the sessions whose time is over, and finds the wills that are due. About once a second.
    func sweep(at now: Uptime) {
        parted.removeAll { client, due in
            guard client.isAway(due) else { return true }
            if let will = client.will, will.due <= now { releaseWill(of: client) }
            if due <= now { forget(client) }
            return due <= now
        }
    }

    // MARK: Wills

    /// Whether there is memory for a will.
    func hold(_ will: MQTTWillMessage) -> Bool {
        guard heldWillBytes + will.size <= MQTTLimits.heldWillBytes else { return false }
        heldWillBytes += will.size
        return true
    }

    /// A will is done with.
    func forget(_ will: MQTTWillMessage) { heldWillBytes -= will.size }

    /// Takes the next will that is due; nil when there is none.
    func takeWill() -> MQTTWillMessage? {
        guard let will = dueWills.popFirst() else { return nil }
        forget(will)
        countsSoFar.wills += 1
        return will
    }
}
