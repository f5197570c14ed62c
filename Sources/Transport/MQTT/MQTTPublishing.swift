// PUBLISH: where a message belongs, whether it is new, and what becomes of it.

import Admission
import Bytes
import Events
import Wire

/// What a topic leads to.
struct MQTTTarget: Sendable {
    var device = NamedDevice.none
    var isBatch = false
    /// It is nobody's topic here; its messages are acknowledged and are nowhere.
    var isForeign = false
}

/// The messages of one read that are admitted together.
struct MQTTRun {
    /// Messages seen so far.
    var messages = 0
    /// Whether a message of the run was no single event: nothing follows it in this run.
    var isWhole = false
    /// Events decoded so far.
    var events = 0
    /// The topic that was looked up last, and what it leads to. Names may be forgotten between two reads.
    fileprivate var topic = 0..<0
    fileprivate var target = MQTTTarget()
    /// Why the connection ends behind this run, and what the client is told of it.
    var end: (refusal: Refusal, text: String)?
}

extension MQTTSession {
    /// The place in `pending` of a message that nobody waits for.
    static let unawaited = -1

    /// Deals with a message.
    ///
    /// - Returns: whether it was dealt with; else it has to be given again in a run of its own.
    /// - Throws: a fault of the protocol, for which the connection ends.
    mutating func publish(
        _ frame: MQTTFrame, _ bytes: Span<UInt8>, _ client: MQTTClient, _ version: MQTTVersion, _ run: inout MQTTRun,
        in ingest: IngestContext
    ) throws(MQTTReason) -> Bool {
        if run.isWhole { return false }
        let message = try MQTTPublish(frame, bytes, version)
        let refusal = try lookUp(message, bytes, &run, in: ingest)
        let isSingle = refusal != nil || run.target.isForeign || isSingleEvent(message, bytes, run.target)
        if !isSingle, run.messages > 0 { return false }
        if refusal != nil || message.payload.count > MQTTLimits.messageBytes, ingest.window.count > 0 {
            // What came before is taken before the connection may end.
            decodeWindow(bytes, &run, in: ingest)
            if run.end != nil { return true }
        }
        run.isWhole = !isSingle
        run.messages += 1
        guard try take(message, client, version) else { return true }
        let index = message.qos == .atMostOnce ? Self.unawaited : pending.count - 1
        if let refusal {
            // What no client may publish to needs no words.
            let isReserved = isReserved(bytes.extracting(message.topic))
            refuse(refusal, isReserved ? "" : refusal.explanation.description, index, &run, in: ingest)
        } else if run.target.isForeign {
            ingest.mqtt.noteForeign()
            if message.qos == .atLeastOnce, version == .v5 { pending[index].reason = .noMatchingSubscribers }
        } else if message.payload.count > MQTTLimits.messageBytes {
            refuse(.tooBig, "the payload is larger than 1 MiB; split it", index, &run, in: ingest)
        } else if isSingle {
            ingest.window.add(bytes, message.payload, of: run.target.device)
            ingest.messages.window.append(.init(message: index, range: message.payload))
            if ingest.window.count == EventLineWindow.capacity { decodeWindow(bytes, &run, in: ingest) }
        } else {
            let (payload, target) = (bytes.extracting(message.payload), run.target)
            takeBatch(payload, message.properties, bytes, target, index, &run, in: ingest)
        }
        return true
    }

    /// Notes that a message is to be acknowledged.
    ///
    /// - Returns: whether it is new; false for a repetition of what was taken before.
    private mutating func take(
        _ message: MQTTPublish, _ client: MQTTClient, _ version: MQTTVersion
    ) throws(MQTTReason) -> Bool {
        guard message.qos != .atMostOnce else { return true }
        let times = message.qos == .exactlyOnce ? client.unreleased[message.packetID] ?? 0 : 0
        guard Int(times) < MQTTLimits.repetitions else { throw .protocolError }
        if version == .v5, times == 0, unacknowledged + client.unreleased.count >= MQTTWriter.receiveMaximum {
            throw .receiveMaximumExceeded
        }
        if message.qos == .exactlyOnce {
            client.unreleased[message.packetID] = times + 1
        } else {
            unacknowledged += 1
        }
        pending.append(Pending(packetID: message.packetID, qos: message.qos))
        return times == 0
    }

    // MARK: Topics

    /// Finds out what the topic of a message leads to.
    ///
    /// - Returns: with what the message is refused.
    private mutating func lookUp(
        _ message: MQTTPublish, _ bytes: Span<UInt8>, _ run: inout MQTTRun, in ingest: IngestContext
    ) throws(MQTTReason) -> Refusal? {
        if let alias = message.topicAlias { return try lookUp(alias: Int(alias), message, bytes, &run, in: ingest) }
        guard !message.topic.isEmpty else { throw .protocolError }
        if isSame(bytes, run.topic, message.topic) { return nil }
        let topic = bytes.extracting(message.topic)
        guard isMQTTTopic(topic) else { throw .malformedPacket }
        run.topic = 0..<0
        do throws(Refusal) {
            run.target = try target(of: topic, in: ingest)
        } catch {
            return error
        }
        run.topic = message.topic
        return nil
    }

    private mutating func lookUp(
        alias: Int, _ message: MQTTPublish, _ bytes: Span<UInt8>, _ run: inout MQTTRun, in ingest: IngestContext
    ) throws(MQTTReason) -> Refusal? {
        guard (1...MQTTWriter.topicAliases).contains(alias) else { throw .badTopicAlias }
        if !message.topic.isEmpty {
            let topic = bytes.extracting(message.topic)
            guard isMQTTTopic(topic) else { throw .malformedPacket }
            while aliases.count < alias { aliases.append([]) }
            aliases[alias - 1] = Array(copying: topic)
        }
        let topic = alias <= aliases.count ? aliases[alias - 1] : []
        guard !topic.isEmpty else { throw .protocolError }
        run.topic = 0..<0
        do throws(Refusal) {
            run.target = try target(of: topic.span, in: ingest)
            return nil
        } catch {
            return error
        }
    }

    /// What a topic leads to.
    ///
    /// - Throws: `.foreignTopic`, `.forbidden`, and what names that cannot be given out are refused with.
    func target(of topic: Span<UInt8>, in ingest: IngestContext) throws(Refusal) -> MQTTTarget {
        switch MQTTTopic(topic) {
        case .device(let product, let device, let leaf):
            let device = try topicDevice(topic, product: product, device: device, in: ingest.intake.vocabulary)
            return MQTTTarget(device: device, isBatch: leaf == .batch)
        case .own(let leaf):
            guard let ownName else { throw .noDevice }
            let device = try NamedDevice(
                product: ownName.product.span, name: ownName.name.span, in: ingest.intake.vocabulary)
            return MQTTTarget(device: device, isBatch: leaf == .batch)
        case .foreign:
            if isReserved(topic) { throw .forbidden }
            guard ingest.settings.acceptsForeignTopics else { throw .foreignTopic }
            return MQTTTarget(isForeign: true)
        }
    }

    // MARK: Verdicts

    /// Counts a message as refused and tells its client; ends the connection where it cannot be told in another way.
    @inline(never)
    mutating func refuse(
        _ refusal: Refusal, _ text: String, _ index: Int, _ run: inout MQTTRun, in ingest: IngestContext
    ) {
        let reason = ingest.reason(refusal)
        ingest.intake.refuse(reason, events: 1, transport: .mqtt)
        tell(reason, text.isEmpty ? "" : told(reason.name, reason.rawValue, text), index, &run)
    }

    /// Tells a client that a message, or a part of it, is not stored.
    mutating func tell(_ reason: Refusal, _ text: String, _ index: Int, _ run: inout MQTTRun) {
        let isOfTopic = reason == .foreignTopic || reason == .forbidden
        if index == Self.unawaited {
            // Nobody waits for an answer; but a client whose topic is wrong would never learn it.
            if isOfTopic { run.end = (reason, text) }
        } else if writer?.version == .v5 {
            (pending[index].reason, pending[index].text) = (MQTTReason(message: reason), text)
            // With this answer the message is over.
            if pending[index].qos == .exactlyOnce { client?.unreleased[pending[index].packetID] = nil }
        } else {
            // Older versions have no word for it: neither this message is acknowledged nor one behind it.
            for message in pending[index...] {
                if message.qos == .atLeastOnce {
                    unacknowledged -= 1
                } else {
                    client?.unreleased[message.packetID] = nil
                }
            }
            pending.removeSubrange(index...)
            run.end = (reason, text)
        }
    }

    /// Admits what a run has brought, and notes what is told of it.
    mutating func finish(
        _ run: inout MQTTRun, _ bytes: Span<UInt8>, from first: Int, in ingest: IngestContext,
        as peer: any CommitListener
    ) {
        if ingest.window.count > 0 { decodeWindow(bytes, &run, in: ingest) }
        guard run.messages > 0 else { return }
        due = max(due, ingest.charge(events: run.events, units: run.messages))
        if run.events > 0 {
            let result = ingest.intake.admit(.mqtt)
            for one in result.named where one.index < ingest.messages.origins.count {
                let origin = ingest.messages.origins[one.index]
                // Nobody waits for it, or its client was told already, or is not told at all.
                guard pending.indices.contains(origin.message), pending[origin.message].reason == .success else {
                    continue
                }
                let line = origin.isOfRead ? bytes.extracting(origin.range) : Span()
                let text = told(one.verdict.name, one.verdict.code, explanation(of: one.verdict, one.event, line: line))
                pending[origin.message].add(origin.element.map { "event \($0): \(text)" } ?? text)
            }
            ingest.messages.origins.removeAll(keepingCapacity: true)
        }
        // Also what brings no event waits: it may repeat what is not yet durable.
        guard first < pending.count else { return }
        let ticket = ingest.intake.notifyOnCommit(peer)
        for index in first..<pending.count { pending[index].ticket = ticket }
    }
}

/// A verdict for people and programs: `no_product (4012): say ...`.
func told(_ name: StaticString, _ code: UInt16, _ text: String) -> String { "\(name) (\(code)): \(text)" }

/// Whether two ranges of the same bytes hold the same, and something.
private func isSame(_ bytes: Span<UInt8>, _ first: Range<Int>, _ second: Range<Int>) -> Bool {
    guard first.count == second.count, !first.isEmpty else { return false }
    for offset in 0..<first.count
    where bytes[first.lowerBound &+ offset] != bytes[second.lowerBound &+ offset] { return false }
    return true
}

private let systemTopics = ["$SYS/", "$CONTROL/"]
private let bridgeTopics = "$SYS/broker/connection/"

/// Whether nobody but a server may publish to a topic. Brokers that forward messages to here tell of their connection
/// in a topic of such a name.
private func isReserved(_ topic: Span<UInt8>) -> Bool {
    guard !topic.isEmpty, topic[0] == UInt8(ascii: "$") else { return false }
    let name = String(decoding: Array(copying: topic), as: UTF8.self)
    return systemTopics.contains { name.hasPrefix($0) } && !name.hasPrefix(bridgeTopics)
}
