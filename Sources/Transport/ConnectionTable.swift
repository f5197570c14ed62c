// All connections of the ingest loop: how many there may be, what closes them, and which leads to which device.

import Admission
import Events
import NIOCore
import TLS
import Wire

/// What became of connections since the start, and how many there are now.
package struct ConnectionCounts: Sendable, Hashable {
    package var open = 0
    package var accepted: UInt64 = 0
    /// Told that there are too many, and closed.
    package var refused: UInt64 = 0
    package var closedIdle: UInt64 = 0
    /// Closed because the peer did not read its answers.
    package var closedUnread: UInt64 = 0
    /// Closed because nothing ever came, in time or before others needed the room.
    package var closedSilent: UInt64 = 0
    /// Closed because a frame or a line that had begun did not end in time.
    package var closedSlow: UInt64 = 0
    /// How often a connection was not read for a while because its sender was over its quota.
    package var pauses: UInt64 = 0
    package var tls = TLSCounts()
    package var mqtt = MQTTCounts()

    package init() {}

    /// A connection is closed because it took too long.
    mutating func note(_ expiry: ConnectionExpiry) {
        switch expiry {
        case .noFirstByte: closedSilent += 1
        case .unfinished: closedSlow += 1
        case .idle: closedIdle += 1
        }
    }
}

/// What the table knows of a connection, whatever it speaks.
protocol Connection: AnyObject {
    /// The peer's address.
    var sender: SenderAddress? { get }
    /// The device at the other end; `.none` while that is not known.
    var device: DeviceID { get }
    /// Whether there was room for it: it is no connection that is only told that there is none.
    var isAccepted: Bool { get set }
    /// Whether the table counts this connection against its address.
    var isCountedForAddress: Bool { get set }
    /// Whether nothing has ever come.
    var isSilent: Bool { get }
    /// Whether it has not begun to close, or everything that was read before has been acknowledged.
    var isDrained: Bool { get }
    /// Called about once a second: closes what has been silent, or unfinished, for too long.
    func sweep(now: NIODeadline)
    /// The quotas are others now: looks again whether the peer has to wait.
    func quotasChanged()
    /// Closes the connection, and says why, when what the peer has shown is no more in force.
    func checkAccess()
    /// Sends a message to the device; false when the protocol cannot carry it now.
    func push(_ message: DownEnvelope) -> Bool
    /// Whether nobody on the way can read what is sent.
    var isPrivate: Bool { get }
    /// Tells how a device is to stand; false when that is to be told later.
    func push(_ state: StateEnvelope) -> Bool
    /// Another connection is that of a device from now on.
    func loses(_ device: DeviceID)
    /// Reads no more; the connection is closed when all that was read has been acknowledged.
    func drain()
    func close()
}

extension Connection {
    var isPrivate: Bool { false }
    func push(_ state: StateEnvelope) -> Bool { true }
    func loses(_ device: DeviceID) {}
}

/// Confined to the ingest event loop.
final class ConnectionTable {
    var counts = ConnectionCounts()
    let ingest: IngestContext
    let eventLoop: any EventLoop
    let handshakes: HandshakeQueue
    private var connections: [ObjectIdentifier: any Connection] = [:]
    /// The connection on which a device has last said who it is; an older one of the same device is not sent to.
    private var byDevice: [DeviceID: any Connection] = [:]
    /// The devices of connections that have asked for what is meant for several by their names.
    private var served: [ObjectIdentifier: Set<DeviceID>] = [:]
    /// Devices that are reached over datagrams, and the sockets for it.
    private var datagrams = DatagramContacts()
    private var sockets: [ObjectIdentifier: DatagramHandler] = [:]
    /// Those that were in its place before and are open still, the newest last.
    private var older: [DeviceID: [any Connection]] = [:]
    /// Called when a device has said who it is.
    var onContact: (DeviceID) -> Void = { _ in }
    /// The connections that have asked last how a device is to stand.
    private var watchers: [DeviceID: any Connection] = [:]
    /// Called when a connection asks that.
    var onStateWanted: (DeviceID) -> Void = { _ in }
    /// Called with what protocols have learnt of messages in a turn of the loop.
    var onReceipts: ([TransportReceipt]) -> Void = { _ in }
    /// Connections that had sent nothing when they were last looked at, oldest first.
    private var silent = CircularBuffer<any Connection>()
    /// Connections of each address.
    private var perAddress: [SenderAddress: Int] = [:]
    private var isReadEnding = false
    private var drained: EventLoopPromise<Void>?

    init(ingest: IngestContext, eventLoop: any EventLoop) {
        self.ingest = ingest
        self.eventLoop = eventLoop
        handshakes = HandshakeQueue(ingest: ingest, eventLoop: eventLoop)
    }

    /// - Returns: whether there was room for the connection.
    func enter(_ connection: any Connection) -> Bool {
        connections[ObjectIdentifier(connection)] = connection
        guard mayCount(connection), connections.count <= ingest.settings.maxConnections || closeOldestSilent() else {
            counts.refused += 1
            return false
        }
        connection.isAccepted = true
        count(connection)
        silent.append(connection)
        counts.accepted += 1
        counts.open = connections.count
        return true
    }

    /// A connection has done its handshake, and another handler has it from now on; it was let in, and stays counted.
    func take(over handshake: TLSHandshake, as connection: any Connection) {
        connections[ObjectIdentifier(handshake)] = nil
        connections[ObjectIdentifier(connection)] = connection
        (connection.isAccepted, connection.isCountedForAddress) = (true, handshake.isCountedForAddress)
        handshake.isCountedForAddress = false
        silent.append(connection)
    }

    /// Whether even those who are told that there is no room are too many.
    var isCrowded: Bool { connections.count > ingest.settings.maxConnections + ingest.settings.refusedAtOnce }

    private func limitsConnections(of address: SenderAddress) -> Bool {
        let quotas = ingest.settings.quotas
        return quotas.connectionsPerAddress > 0 && quotas.apply(to: address)
    }

    /// Whether the connection's address may have one more.
    private func mayCount(_ connection: any Connection) -> Bool {
        guard let address = connection.sender, limitsConnections(of: address) else { return true }
        return perAddress[address, default: 0] < ingest.settings.quotas.connectionsPerAddress
    }

    /// Makes room by closing the connection that has been open for the longest time without a byte, if there is one.
    private func closeOldestSilent() -> Bool {
        while let connection = silent.popFirst() {
            guard connection.isSilent else { continue }
            counts.closedSilent += 1
            connection.close()
            return true
        }
        return false
    }

    func leave(_ connection: any Connection) {
        connections[ObjectIdentifier(connection)] = nil
        unregister(connection)
        if connection.isCountedForAddress, let address = connection.sender {
            connection.isCountedForAddress = false
            let left = perAddress[address, default: 1] - 1
            perAddress[address] = left > 0 ? left : nil
        }
        counts.open = connections.count
        finishDraining()
    }

    /// Goes on with other settings. Connections that are open stay open, also when they are more than would be let in
    /// now; their timeouts are the new ones from the next sweep on.
    func change(to new: TransportSettings) {
        let old = ingest.settings.quotas
        ingest.change(to: new)
        guard new.quotas != old else { return }
        perAddress = [:]
        for connection in connections.values where connection.isAccepted {
            connection.isCountedForAddress = false
            count(connection)
        }
        for connection in Array(connections.values) { connection.quotasChanged() }
        readEnds()
    }

    /// Goes on with other keys and tokens; closes the connections of those that are no more in force.
    func change(access: AccessList) {
        ingest.change(access: access)
        for connection in Array(connections.values) { connection.checkAccess() }
    }

    /// Goes on with other revocation lists; closes the connections whose certificates are on them.
    func change(clients: ClientCertificates?) {
        ingest.clients = clients
        for connection in Array(connections.values) { connection.checkAccess() }
    }

    private func count(_ connection: any Connection) {
        guard let address = connection.sender, limitsConnections(of: address) else { return }
        perAddress[address, default: 0] += 1
        connection.isCountedForAddress = true
    }

    // MARK: By device

    /// The device at the other end of the connection has said who it is.
    func register(_ connection: any Connection, as device: DeviceID) {
        unregister(connection)
        lead(device, to: connection)
    }

    /// A connection is that of its device no more.
    func release(_ connection: any Connection) { unregister(connection) }

    private func lead(_ device: DeviceID, to connection: any Connection) {
        if let other = byDevice.updateValue(connection, forKey: device), other !== connection {
            older[device, default: []].append(other)
            if older[device, default: []].count > TransportLimits.olderConnections { older[device]?.removeFirst() }
            other.loses(device)
        }
        onContact(device)
    }

    /// A connection leads to a device no more. One of the same device that is open still takes its place: it may be the
    /// one that the device uses, and whose bytes came late.
    private func unlead(_ device: DeviceID, from connection: any Connection) {
        if !older.isEmpty, let index = older[device]?.firstIndex(where: { $0 === connection }) {
            older[device]?.remove(at: index)
        }
        if byDevice[device] === connection {
            byDevice[device] = older[device]?.popLast()
            if byDevice[device] != nil { onContact(device) }
        }
        if older[device]?.isEmpty == true { older[device] = nil }
    }

    /// A connection has asked for what is meant for these devices, beside those that it has asked for before.
    func serve(_ devices: [DeviceID], on connection: any Connection) {
        for device in devices {
            served[ObjectIdentifier(connection), default: []].insert(device)
            lead(device, to: connection)
        }
    }

    /// A connection has asked how these devices are to stand, now and whenever that changes.
    func watch(_ devices: [DeviceID], on connection: any Connection) {
        for device in devices {
            watchers[device] = connection
            served[ObjectIdentifier(connection), default: []].insert(device)
            onStateWanted(device)
        }
    }

    /// The devices of which somebody is told how they are to stand.
    var watchedDevices: [DeviceID] { Array(watchers.keys) }

    /// Tells how a device is to stand; false when that is to be told later.
    func push(_ state: StateEnvelope) -> Bool { watchers[state.device]?.push(state) ?? true }

    /// The devices that have said on a connection who they are.
    var connectedDevices: [DeviceID] { Array(byDevice.keys) }

    /// Closes what stands for a device under a number that is not its own any more.
    func close(_ device: DeviceID) {
        ingest.mqtt.forget(device)
        byDevice[device]?.close()
        watchers[device]?.close()
        for connection in Array(connections.values) where connection.device == device { connection.close() }
        datagrams.forget(device)
    }

    /// A device has sent a signed datagram, and messages wait for it.
    func note(
        _ contact: DatagramContact, at address: DatagramAddress, from source: DatagramSource?,
        by socket: DatagramHandler
    ) {
        for id in contact.received { ingest.note(TransportReceipt(contact.device, id)) }
        guard byDevice[contact.device] == nil else { return }
        sockets[ObjectIdentifier(socket)] = socket
        let isPrivate = SenderAddress(InternetAddress(address)).isLoopback
        let isDue = datagrams.note(
            contact, at: address, from: source, by: ObjectIdentifier(socket), isPrivate: isPrivate, now: .now())
        if isDue { onContact(contact.device) }
    }

    /// A device says that it has messages that were sent for one of its datagrams.
    func note(_ received: [MessageID], for request: DatagramHeader) {
        guard let device = datagrams.acknowledged(received, for: request) else { return }
        for id in received { ingest.note(TransportReceipt(device, id)) }
    }

    func leave(_ socket: DatagramHandler) { sockets[ObjectIdentifier(socket)] = nil }

    private func unregister(_ connection: any Connection) {
        let device = connection.device
        if device != .none { unlead(device, from: connection) }
        guard !served.isEmpty, let others = served.removeValue(forKey: ObjectIdentifier(connection)) else { return }
        for device in others {
            unlead(device, from: connection)
            if watchers[device] === connection { watchers[device] = nil }
        }
    }

    /// Sends a message to a device, if it is connected by a protocol that can carry it.
    ///
    /// What people are to read goes only over a connection that is private.
    ///
    /// - Returns: whether it is on its way; what the device makes of it, it says itself.
    func push(_ message: DownEnvelope, to device: DeviceID) -> Bool {
        var message = message
        message.device = device
        guard let connection = byDevice[device] else {
            guard let (push, socket) = datagrams.push(message, to: device, now: .now()) else { return false }
            return sockets[socket]?.send(push) ?? false
        }
        return (!message.kind.isForPeople || connection.isPrivate) && connection.push(message)
    }

    // MARK: Together

    /// Tells the intake once, after all sockets that were readable in this turn of the loop have been read, so that
    /// many small reads become one block.
    func readEnds() {
        guard !isReadEnding else { return }
        isReadEnding = true
        let table = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            table.value.isReadEnding = false
            table.value.ingest.intake.readComplete()
            let receipts = table.value.ingest.takeReceipts()
            if !receipts.isEmpty { table.value.onReceipts(receipts) }
        }
    }

    func sweep() {
        let now = NIODeadline.now()
        for connection in Array(connections.values) {
            connection.checkAccess()
            connection.sweep(now: now)
        }
        silent.removeAll { !$0.isSilent }
        if ingest.publishWills() { readEnds() }
    }

    /// Reads no more from any connection; succeeds when all that was read has been acknowledged.
    func drain() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        drained = promise
        for connection in Array(connections.values) { connection.drain() }
        readEnds()
        finishDraining()
        return promise.futureResult
    }

    func closeAll() {
        for connection in Array(connections.values) { connection.close() }
    }

    func finishDraining() {
        guard let drained, connections.values.allSatisfy(\.isDrained) else { return }
        self.drained = nil
        drained.succeed(())
    }
}
