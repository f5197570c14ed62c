// SUBSCRIBE, and what comes down to a client by it.

import Admission
import Bytes
import Events
import Wire

/// What a client subscribes to: what comes down to a device, or how that should stand.
struct MQTTSubscription: Sendable {
    let filter: [UInt8]
    let leaf: MQTTTopic.Leaf
    /// The device's names, plain.
    let product: [UInt8]
    let name: [UInt8]
    /// The part of the filter that names the device.
    let prefix: [UInt8]
    var qos: MQTTQoS
    /// The number that the client has given it (version 5).
    var id: Int?
    /// The device's number on the connection at hand; `.none` while it is not sent to.
    var device = DeviceID.none

    // Of how the device should stand:

    /// Whether what is told later says too that it is retained (version 5).
    var keepsRetainFlag = false
    /// Whether the next document answers the subscription.
    var isNew = true
    /// Whether that one is not to be sent.
    var passesOver = false
    /// The hash of the last one.
    var told: Int?

    /// Whether a message of the device has this topic behind the prefix.
    func takes(_ id: [UInt8]) -> Bool {
        let rest = filter[(prefix.count + downWord.count)...]
        return rest == [UInt8(ascii: "#")] || rest == [UInt8(ascii: "+")] || rest.elementsEqual("+/#".utf8)
            || rest.elementsEqual(id)
    }
}

private let downWord = Array("/down/".utf8)
private let stateWord = Array("/state".utf8)

/// A message that is on its way to a client and not acknowledged.
struct MQTTUnderWay: Sendable {
    var packetID: UInt16
    var device: DeviceID
    var message: MessageID
    /// Whether it was sent on the connection at hand, and not only on one before.
    var isSent = true

    /// Stands for a document of how the device should stand.
    static let state = MessageID(number: 0, tag: 0)
}

extension MQTTClient {
    /// The next number of a packet that is not in use.
    func nextPacketID() -> UInt16 {
        repeat {
            lastPacketID = lastPacketID == .max ? 1 : lastPacketID + 1
        } while underWay.contains { $0.packetID == lastPacketID }
        return lastPacketID
    }

    /// Takes note of a PUBACK.
    func acknowledge(_ packet: MQTTAcknowledgement, in ingest: IngestContext) {
        guard let index = underWay.firstIndex(where: { $0.packetID == packet.packetID }) else { return }
        let message = underWay.remove(at: index)
        guard message.message != MQTTUnderWay.state else { return }
        ingest.note(TransportReceipt(message.device, message.message, packet.isFailure ? .refused : .received))
    }
}

extension MQTTSession {
    /// - Returns: the code that answers it.
    func subscribe(
        _ filter: Span<UInt8>, _ wanted: MQTTSubscribe.Filter, _ id: Int?, _ client: MQTTClient,
        _ version: MQTTVersion, in ingest: IngestContext
    ) -> UInt8 {
        func refused(_ reason: MQTTReason, _ refusal: Refusal) -> UInt8 {
            ingest.intake.refuse(refusal, events: 0, transport: .mqtt)
            return version == .v5 ? reason.rawValue : 0x80
        }
        guard case .device(let product, let device, let leaf) = MQTTTopic(filter: filter) else {
            guard ingest.settings.acceptsForeignTopics else { return refused(.notAuthorized, .foreignTopic) }
            ingest.mqtt.noteForeign()
            return wanted.qos.rawValue
        }
        let names = topicNames(filter, product: product, device: device)
        guard mayUse(names, in: ingest) else { return refused(.notAuthorized, .forbidden) }
        let name = Array(copying: filter)
        var subscription = MQTTSubscription(
            filter: name, leaf: leaf, product: names.product, name: names.device,
            prefix: Array(name[..<device.upperBound]), qos: min(wanted.qos, .atLeastOnce), id: id)
        let known = client.subscriptions.firstIndex { $0.filter == name }
        guard known != nil || client.subscriptions.count < MQTTLimits.filters, name.count <= MQTTLimits.filterBytes
        else { return refused(.quotaExceeded, .tableFull) }
        do throws(Refusal) {
            subscription.device = try ingest.intake.vocabulary.device(
                product: names.product.span, name: names.device.span
            ).device
        } catch {
            return refused(MQTTReason(message: error), error)
        }
        subscription.keepsRetainFlag = wanted.keepsRetainFlag
        subscription.passesOver = wanted.retained == .notSent || (wanted.retained == .sentToNew && known != nil)
        if let known { client.subscriptions[known] = subscription } else { client.subscriptions.append(subscription) }
        if leaf == .down { ingest.serve(subscription.device) } else { ingest.watch(subscription.device) }
        return subscription.qos.rawValue
    }

    /// Whether the client may speak for a device.
    private func mayUse(_ names: (product: [UInt8], device: [UInt8]), in ingest: IngestContext) -> Bool {
        guard let scope = ingest.principal.sends else { return true }
        return scope.contains(product: names.product.span, name: names.device.span)
    }

    /// A client is back whose session was kept: what it had subscribed to is in force, if it may have that still.
    mutating func resume(_ client: MQTTClient, in ingest: IngestContext) {
        // A document of how a device stands is told anew, if it is another one by now.
        client.underWay.removeAll { $0.message == MQTTUnderWay.state }
        for index in client.underWay.indices { client.underWay[index].isSent = false }
        client.subscriptions.removeAll { !mayUse(($0.product, $0.name), in: ingest) }
        servesFrom = ingest.uptime() + MQTTLimits.resumeNanoseconds
        for index in client.subscriptions.indices {
            let subscription = client.subscriptions[index]
            client.subscriptions[index].device = .none
            // A device that was forgotten meanwhile is not named anew by this.
            guard
                case .known(let device)? = try? NamedDevice(
                    product: subscription.product.span, name: subscription.name.span, in: ingest.intake.vocabulary)
            else { continue }
            client.subscriptions[index].device = device
            client.subscriptions[index].isNew = false
            if subscription.leaf == .down { ingest.serve(device) } else { ingest.watch(device) }
        }
    }

    // MARK: Down

    package mutating func push(
        _ message: DownEnvelope, in ingest: IngestContext, output: inout [UInt8]
    ) -> Bool {
        guard !hasEnded, let client, let writer, ingest.uptime() >= servesFrom else { return false }
        var id: [UInt8] = []
        message.id.append(to: &id)
        let taking = client.subscriptions.filter { $0.leaf == .down && $0.device == message.device && $0.takes(id) }
        guard let first = taking.first, let qos = taking.map(\.qos).max() else { return false }
        var packet = MQTTPublication(topic: first.prefix + downWord + id, payload: message.json)
        packet.type = Array(message.kind.name.description.utf8)
        packet.subscriptionIDs = taking.compactMap(\.id)
        if let expires = message.expires {
            let left = expires.rawValue - ingest.intake.now.rawValue
            guard left > 0 else { return false }
            packet.expiry = UInt32(clamping: (left + 999) / 1_000)
        }
        return publish(packet, qos, of: message.device, message.id, to: client, writer, &output)
    }

    /// Whether a subscription of the device's state is told nothing more now; else false.
    package mutating func push(
        _ state: StateEnvelope, in ingest: IngestContext, output: inout [UInt8]
    ) -> Bool {
        guard !hasEnded, let client, let writer else { return true }
        guard ingest.uptime() >= servesFrom else { return false }
        let hash = state.json.hashValue
        var isTold = true
        for index in client.subscriptions.indices {
            let subscription = client.subscriptions[index]
            guard subscription.leaf == .state, subscription.device == state.device,
                subscription.isNew || subscription.told != hash
            else { continue }
            if !(subscription.isNew && subscription.passesOver) {
                var packet = MQTTPublication(topic: subscription.prefix + stateWord, payload: state.json)
                packet.isRetained = subscription.isNew || subscription.keepsRetainFlag
                packet.type = Array("state".utf8)
                packet.subscriptionIDs = subscription.id.map { [$0] } ?? []
                guard
                    publish(
                        packet, subscription.qos, of: state.device, MQTTUnderWay.state, to: client, writer, &output)
                else {
                    isTold = false
                    continue
                }
            }
            (client.subscriptions[index].isNew, client.subscriptions[index].told) = (false, hash)
        }
        return isTold
    }

    /// Sends a message, and notes that it is under way if it is to be acknowledged.
    ///
    /// - Returns: false when that is too large for the client, it has as many as it takes, or this one already: within
    ///   one connection nothing may be sent twice (MQTT 5.0, section 4.4).
    private func publish(
        _ message: MQTTPublication, _ qos: MQTTQoS, of device: DeviceID, _ id: MessageID, to client: MQTTClient,
        _ writer: MQTTWriter, _ output: inout [UInt8]
    ) -> Bool {
        guard qos != .atMostOnce else { return writer.publish(message, into: &output) }
        var message = message
        let known = client.underWay.firstIndex { $0.message == id && $0.device == device }
        if let known, client.underWay[known].isSent { return false }
        guard client.underWay.count(where: \.isSent) < min(receiveMaximum, MQTTLimits.underWay) else { return false }
        if let known {
            (message.packetID, message.isDuplicate) = (client.underWay[known].packetID, true)
        } else {
            message.packetID = client.nextPacketID()
        }
        guard let packetID = message.packetID, writer.publish(message, into: &output) else { return false }
        if let known {
            client.underWay[known].isSent = true
        } else {
            // What an earlier connection has left there and nobody offers again is over.
            if client.underWay.count >= 2 * MQTTLimits.underWay,
                let left = client.underWay.firstIndex(where: { !$0.isSent })
            {
                client.underWay.remove(at: left)
            }
            client.underWay.append(MQTTUnderWay(packetID: packetID, device: device, message: id))
        }
        return true
    }
}
