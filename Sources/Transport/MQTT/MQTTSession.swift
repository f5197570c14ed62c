// One MQTT connection without its socket, for the versions 3.1, 3.1.1 and 5.

package import Admission
import Bytes
package import Events
import Wire

/// The state machine of a connection that speaks MQTT.
///
/// The daemon is an endpoint, not a broker: what is published here goes into the log and to nobody else. PUBACK and
/// PUBREC are sent when the events of a message are durable.
package struct MQTTSession: StreamSession {
    /// A message that was taken, until its acknowledgement is sent.
    struct Pending: Sendable {
        var ticket: UInt64 = 0
        var packetID: UInt16
        var qos: MQTTQoS
        var reason = MQTTReason.success
        /// What is told besides, in words; mostly nothing.
        var text = ""
    }

    /// Nil until CONNECT has been accepted.
    var client: MQTTClient?
    /// Says things in the client's version; nil until that is known.
    var writer: MQTTWriter?
    var pending: [Pending] = []
    /// How many of them are of QoS 1.
    var unacknowledged = 0
    /// The topics that have a number, from 1 on.
    var aliases: [[UInt8]] = []
    /// The device that the client speaks for, by its user name or its credential.
    var ownName: (product: [UInt8], name: [UInt8])?
    var will: MQTTWillMessage?
    var idleSeconds: Int64?
    /// What is said when all messages are acknowledged; then the connection ends.
    private var farewell: (reason: MQTTReason, text: String)?
    /// Nothing more is read.
    private(set) var hasEnded = false
    /// Whether the client has taken leave, so that its will is not published.
    private var dropsWill = false
    /// Until when a client has to wait for the answer to its CONNECT, whose id another one has just taken over.
    var held: Uptime?
    /// From when on the sender is within its quotas again.
    var due: Uptime = 0
    /// Messages to the client that may be unacknowledged at one time, as it says.
    var receiveMaximum = Int(UInt16.max)
    /// From when on it is sent messages. Whose session goes on from an earlier connection gets a moment to subscribe
    /// again: its program may not be ready for them before.
    var servesFrom: Uptime = 0

    package init() {}

    package var transport: TransportKind { .mqtt }
    package var isAcknowledged: Bool { pending.isEmpty }
    package var idleTimeoutSeconds: Int64? { idleSeconds }

    package mutating func receive(
        _ bytes: Span<UInt8>, isEnd: Bool, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> Progress {
        guard !hasEnded else { return Progress(consumed: bytes.count, next: .ends) }
        ingest.grantNames()
        defer { ingest.chargeNames() }
        var at = 0
        while true {
            guard ingest.intake.hasRoom() else { return Progress(consumed: at, next: .needsRoom) }
            if let until = ingest.pause(due) { return Progress(consumed: at, next: .needsTime(until)) }
            let before = pending.count
            var run = MQTTRun()
            var end: Progress.Next?
            do throws(MQTTReason) {
                end = try receiveRun(bytes, &at, &run, in: ingest, as: peer, output: &output)
            } catch {
                ingest.intake.refuse(.malformedFrame, events: 1, transport: .mqtt)
                if error != .unspecifiedError { leave(error, text: "") }
                end = .ends
            }
            finish(&run, bytes, from: before, in: ingest, as: peer)
            if let (refusal, text) = run.end {
                leave(MQTTReason(connection: refusal), text: text)
                end = .ends
            }
            takeLeave(&output)
            if let end {
                let isOver = end == .ends || isEnd
                if isOver { hasEnded = true }
                return Progress(consumed: isOver ? bytes.count : at, next: isOver ? .ends : end)
            }
        }
    }

    /// Deals with packets until there is no whole one left, or as many messages as there is room for.
    ///
    /// - Returns: how the read ends; nil when there may be more packets.
    /// - Throws: why the connection ends.
    private mutating func receiveRun(
        _ bytes: Span<UInt8>, _ at: inout Int, _ run: inout MQTTRun, in ingest: IngestContext,
        as peer: any CommitListener, output: inout [UInt8]
    ) throws(MQTTReason) -> Progress.Next? {
        while run.messages < MQTTLimits.messagesPerRun {
            guard let frame = try readMQTTFrame(bytes, at: at, limit: MQTTLimits.packetBytes) else {
                return .needsMore
            }
            guard let client, let writer else {
                if let held, ingest.uptime() < held { return .needsTime(held) }
                let next = connect(frame, bytes, in: ingest, as: peer, output: &output)
                if case .needsTime = next { return next }
                at = frame.end
                if let next { return next }
                continue
            }
            if frame.kind == .publish {
                guard try publish(frame, bytes, client, writer.version, &run, in: ingest) else { return nil }
                at = frame.end
                if run.end != nil { return .ends }
                continue
            }
            at = frame.end
            guard try control(frame, bytes, client, writer, in: ingest, output: &output) else { return .ends }
        }
        return nil
    }

    /// Deals with a packet that is no message.
    ///
    /// - Returns: whether more may follow.
    private mutating func control(
        _ frame: MQTTFrame, _ bytes: Span<UInt8>, _ client: MQTTClient, _ writer: MQTTWriter,
        in ingest: IngestContext, output: inout [UInt8]
    ) throws(MQTTReason) -> Bool {
        switch frame.kind {
        case .pingreq:
            writer.pingresp(into: &output)
        case .pubrel:
            let packet = try MQTTAcknowledgement(frame, bytes, writer.version)
            client.unreleased[packet.packetID] = nil
            writer.complete(packet.packetID, into: &output)
        case .puback:
            client.acknowledge(try MQTTAcknowledgement(frame, bytes, writer.version), in: ingest)
        case .pubcomp:
            _ = try MQTTAcknowledgement(frame, bytes, writer.version)
        case .pubrec:
            let packet = try MQTTAcknowledgement(frame, bytes, writer.version)
            if !packet.isFailure { writer.release(packet.packetID, into: &output) }
        case .subscribe:
            let packet = try MQTTSubscribe(frame.body, bytes, writer.version, subscribes: true)
            // What comes down to the client comes behind this answer: the connection is registered after the read.
            let codes = packet.filters.map { filter in
                subscribe(
                    bytes.extracting(filter.range), filter, packet.subscriptionID, client, writer.version, in: ingest)
            }
            writer.suback(packet.packetID, codes, into: &output)
            servesFrom = 0
        case .unsubscribe:
            let packet = try MQTTSubscribe(frame.body, bytes, writer.version, subscribes: false)
            let codes = packet.filters.map { filter -> UInt8 in
                let name = Array(copying: bytes.extracting(filter.range))
                guard let index = client.subscriptions.firstIndex(where: { $0.filter == name }) else {
                    return MQTTReason.noSubscriptionExisted.rawValue
                }
                client.subscriptions.remove(at: index)
                return 0
            }
            writer.unsuback(packet.packetID, codes, into: &output)
        case .disconnect:
            try disconnect(try MQTTDisconnect(frame.body, bytes, writer.version), client)
            return false
        case .connect, .connack, .publish, .suback, .unsuback, .pingresp, .auth: throw .protocolError
        }
        return true
    }

    private mutating func disconnect(_ packet: MQTTDisconnect, _ client: MQTTClient) throws(MQTTReason) {
        if let expiry = packet.sessionExpiry {
            guard client.expiry > 0 || expiry == 0 else { throw .protocolError }
            client.expiry = min(expiry, MQTTLimits.sessionSeconds)
        }
        guard !packet.keepsWill else { return }
        dropsWill = true
    }

    // MARK: The end

    /// Says why the connection ends, once all messages are acknowledged.
    private mutating func leave(_ reason: MQTTReason, text: String) {
        guard client != nil else { return }
        farewell = (reason, text)
    }

    package mutating func committed(through ticket: UInt64, output: inout [UInt8]) {
        guard let writer else { return }
        var due = 0
        while due < pending.count, pending[due].ticket <= ticket {
            let message = pending[due]
            if message.qos == .atLeastOnce { unacknowledged -= 1 }
            writer.acknowledge(message.packetID, message.qos, message.reason, text: message.text, into: &output)
            due += 1
        }
        if due > 0 { pending.removeFirst(due) }
        takeLeave(&output)
    }

    /// Says why the connection ends, if it is time for that.
    private mutating func takeLeave(_ output: inout [UInt8]) {
        guard pending.isEmpty, let farewell, let writer else { return }
        writer.disconnect(farewell.reason, text: farewell.text, into: &output)
        self.farewell = nil
    }

    package mutating func writeCloseReason(_ reason: Refusal, into output: inout [UInt8]) {
        // Who waits for the log is not waited for: it sends again what was not acknowledged.
        if reason == .storageUnavailable { (pending, unacknowledged) = ([], 0) }
        hasEnded = true
        leave(MQTTReason(connection: reason), text: reason.explanation.description)
        takeLeave(&output)
    }

    package mutating func ends(in ingest: IngestContext, as peer: any CommitListener) {
        guard let client else { return }
        self.client = nil
        if dropsWill, let will { ingest.mqtt.forget(will) }
        ingest.mqtt.part(client, from: peer, will: dropsWill ? nil : will, at: ingest.uptime())
        will = nil
    }

    /// What the sender owes stands in the quotas too.
    package mutating func quotasChanged() { due = 0 }
}
