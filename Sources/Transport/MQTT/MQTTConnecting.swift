// How an MQTT connection begins: whose it is, what is kept for it, and what becomes of its will.

import Admission
import Bytes
import Events
import Wire

extension MQTTSession {
    /// Deals with the first packet.
    ///
    /// - Returns: how the read ends; nil when more may follow. `.needsTime` when the same packet is to be given again.
    mutating func connect(
        _ frame: MQTTFrame, _ bytes: Span<UInt8>, in ingest: IngestContext, as peer: any CommitListener,
        output: inout [UInt8]
    ) -> Progress.Next? {
        guard frame.kind == .connect else {
            ingest.intake.refuse(.badMagic, events: 1, transport: .mqtt)
            return .ends
        }
        let packet: MQTTConnect
        do throws(MQTTConnectFault) {
            packet = try MQTTConnect(reading: bytes, body: frame.body)
        } catch {
            ingest.intake.refuse(.malformedFrame, events: 1, transport: .mqtt)
            if error.isSilent { return .ends }
            if error.reason == .unsupportedVersion {
                MQTTWriter.refuseVersion(into: &output)
            } else if let version = MQTTVersion(rawValue: error.version) {
                MQTTWriter(version).refuse(error.reason, into: &output)
            }
            return .ends
        }
        var writer = MQTTWriter(packet.version)
        writer.maximumPacketSize = packet.properties.maximumPacketSize.map(Int.init) ?? .max
        writer.tellsReasons = packet.properties.requestsProblems
        receiveMaximum = packet.properties.receiveMaximum.map(Int.init) ?? Int(UInt16.max)
        do throws(ConnectRefusal) {
            let answer = try accept(packet, bytes, in: ingest, as: peer)
            self.writer = writer
            guard writer.connack(answer, into: &output) else {
                ingest.intake.refuse(.tooBig, events: 1, transport: .mqtt)
                return .ends
            }
        } catch {
            if error.refusal == .takenOver, held == nil {
                let until = ingest.uptime() + MQTTLimits.refusalNanoseconds
                held = until
                return .needsTime(until)
            }
            ingest.intake.refuse(error.refusal, events: 0, transport: .mqtt)
            writer.refuse(error.reason, text: error.text, into: &output)
            return .ends
        }
        return nil
    }

    private struct ConnectRefusal: Error {
        var reason: MQTTReason
        var refusal: Refusal
        var text: String
    }

    private mutating func accept(
        _ packet: MQTTConnect, _ bytes: Span<UInt8>, in ingest: IngestContext, as peer: any CommitListener
    ) throws(ConnectRefusal) -> MQTTWriter.ConnectAnswer {
        guard !packet.properties.hasAuthenticationMethod else {
            throw ConnectRefusal(
                reason: .badAuthenticationMethod, refusal: .unauthorized, text: "")
        }
        var answer = MQTTWriter.ConnectAnswer()
        let clientID = try clientID(of: packet, bytes, &answer)
        try identify(packet, bytes, in: ingest)
        let will = try will(of: packet, bytes, in: ingest)
        var holder: Credential.Holder?
        if case .holder(let credential) = ingest.principal { holder = credential.holder }
        let arrival = ingest.mqtt.arrive(
            MQTTClient.Key(holder: holder, clientID: clientID), startsClean: packet.startsClean, on: peer,
            from: ingest.sender, at: ingest.uptime(), duel: ingest.intake.noteSharedClientID)
        guard case .accepted(let client, let isPresent) = arrival else {
            if let will { ingest.mqtt.forget(will) }
            throw ConnectRefusal(
                reason: .serverBusy, refusal: .takenOver,
                text: "another client has just come with the same client id; give each device an id of its own")
        }
        self.client = client
        self.will = will
        if isPresent { resume(client, in: ingest) }
        setTimes(packet, client, ingest.settings, &answer)
        answer.isSessionPresent = isPresent
        return answer
    }

    private func clientID(
        of packet: MQTTConnect, _ bytes: Span<UInt8>, _ answer: inout MQTTWriter.ConnectAnswer
    ) throws(ConnectRefusal) -> [UInt8] {
        let given = Array(copying: bytes.extracting(packet.clientID))
        guard given.count <= WireLimits.mqttClientIDBytes else {
            throw ConnectRefusal(
                reason: .badClientID, refusal: .tooLong,
                text: "the client id is longer than \(WireLimits.mqttClientIDBytes) bytes")
        }
        guard given.isEmpty else { return given }
        guard packet.version == .v5 || (packet.version == .v311 && packet.startsClean) else {
            throw ConnectRefusal(
                reason: .badClientID, refusal: .badIdentity, text: "a session that is kept needs a client id")
        }
        let made = Array("tidings-\(hexadecimal(randomBytes(8)))".utf8)
        if packet.version == .v5 { answer.assignedClientID = made }
        return made
    }

    /// How long the client may be silent, and what is kept of it when it is gone.
    private mutating func setTimes(
        _ packet: MQTTConnect, _ client: MQTTClient, _ settings: TransportSettings,
        _ answer: inout MQTTWriter.ConnectAnswer
    ) {
        if packet.version == .v5 {
            let wanted = packet.properties.sessionExpiry ?? 0
            client.expiry = min(wanted, MQTTLimits.sessionSeconds)
            if client.expiry != wanted { answer.sessionExpiry = client.expiry }
        } else {
            client.expiry = packet.startsClean ? 0 : MQTTLimits.sessionSeconds
        }
        // After one and a half of the announced time the client counts as gone (section 3.1.2.10).
        var keepAlive = Int64(packet.keepAlive)
        if keepAlive == 0, packet.version == .v5 {
            keepAlive = min(settings.idleTimeoutSeconds, Int64(UInt16.max))
            answer.keepAlive = UInt16(keepAlive)
        }
        idleSeconds = keepAlive == 0 ? MQTTLimits.silentSeconds : keepAlive + (keepAlive + 1) / 2
    }

    /// Decides on whose behalf the client speaks. The user name is a key's number or a device's source; the password is
    /// the token, alone or with its number before it.
    private mutating func identify(
        _ packet: MQTTConnect, _ bytes: Span<UInt8>, in ingest: IngestContext
    ) throws(ConnectRefusal) {
        let username = packet.username.map { Array(copying: bytes.extracting($0)) } ?? []
        ownName = try? deviceNames(ofSource: username.span)
        do throws(Refusal) {
            if let password = packet.password, !password.isEmpty {
                var bearer = Array(copying: bytes.extracting(password))
                if !bearer.contains(UInt8(ascii: ".")) { bearer = username + [UInt8(ascii: ".")] + bearer }
                if ingest.settings.authMode == .off {
                    // Nobody is asked for a credential here; one that is right is good for its roles and scope.
                    if ingest.isPrivate, let known = ingest.holder(bearer: bearer.span) { ingest.principal = known }
                } else {
                    guard ingest.isPrivate else { throw ingest.refusal(.readable) }
                    ingest.principal = try ingest.principal(bearer: bearer.span)
                }
            } else {
                try ingest.requireCredential()
            }
        } catch {
            throw ConnectRefusal(
                reason: .badCredentials, refusal: error, text: ingest.explanation(of: error).description)
        }
        if case .holder(let credential) = ingest.principal, case .device(let product, let name) = credential.scope {
            ownName = (product, name)
        }
    }

    private func will(
        of packet: MQTTConnect, _ bytes: Span<UInt8>, in ingest: IngestContext
    ) throws(ConnectRefusal) -> MQTTWillMessage? {
        guard let will = packet.will else { return nil }
        let message = MQTTWillMessage(
            topic: Array(copying: bytes.extracting(will.topic)),
            payload: Array(copying: bytes.extracting(will.payload)), principal: ingest.principal,
            ownName: ownName, delay: will.properties.willDelay ?? 0)
        do throws(Refusal) {
            _ = try target(of: message.topic.span, in: ingest)
        } catch {
            throw ConnectRefusal(
                reason: MQTTReason(message: error), refusal: error, text: error.explanation.description)
        }
        guard ingest.mqtt.hold(message) else {
            throw ConnectRefusal(reason: .quotaExceeded, refusal: .busy, text: "there is no room for more wills")
        }
        return message
    }
}
