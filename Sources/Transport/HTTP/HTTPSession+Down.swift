// Requests of devices for their messages: one answer that waits for them (long poll), or a stream of events.

import Admission
import Bytes
package import Events
import Wire

/// A request that has begun to wait, for whoever drives the session.
package struct HTTPDownWait: Sendable {
    package var device: DeviceID
    /// The messages that the device has, as it says.
    package var received: [MessageID]
    /// For how long the request waits; nil for a stream, which has no end of its own.
    package var seconds: Int?
    /// Whether nobody but this machine sees the answer, however it is sent.
    package var isOfThisMachine: Bool
}

/// A request that waits for messages.
struct HTTPDown: Sendable {
    /// The number of its answer.
    let question: UInt64
    let device: DeviceID
    let isStream: Bool
    /// Whether the answer is sent in chunks, and the connection goes on behind it.
    let isChunked: Bool
    /// Of a stream: whether its head was written.
    var hasBegun = false
    /// What was given to the device and not acknowledged, as far as is known here.
    var token = DownToken()
    /// The lines of an answer that is no stream.
    var lines: [UInt8] = []
}

extension HTTPSession {
    /// The device that waits for its messages.
    package var awaitedDevice: DeviceID? { down?.device }

    /// Whether a stream is being written.
    package var isStreaming: Bool { down?.hasBegun == true }

    /// Takes what has begun to wait, if anything has.
    package mutating func takeDown() -> HTTPDownWait? { newDown.take() }

    /// A device asks for its messages: the one of its credential, or the one that it names.
    mutating func beginDown(
        _ head: HTTPHead, isStream: Bool, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        do throws(CredentialFault) {
            principal = try identify(head, ingest)
            if ingest.requiresCredentials, !principal.isKnown { throw .missing }
            if case .holder(let credential) = principal, !credential.roles.allow(.send) { throw .scope }
        } catch {
            ingest.note(error)
            ingest.intake.refuse(error == .scope ? .forbidden : .unauthorized, events: 0, transport: .http)
            return answer(
                error == .scope ? .forbidden : .unauthorized, HTTPFields(), error.explanation, ingest, &output)
        }
        do throws(HTTPDownRequest.Fault) {
            var request = try HTTPDownRequest(head, isStream: isStream)
            request.isOfThisMachine = isOfThisMachine(head)
            if request.source == nil, case .holder(let credential) = principal,
                case .device(let product, let name) = credential.scope
            {
                request.source = (product, name)
            }
            guard let names = request.source else { throw .source }
            do throws(Refusal) {
                request.device = try device(names, ingest)
            } catch {
                let reason = ingest.reason(error)
                ingest.intake.refuse(reason, events: 0, transport: .http)
                return answer(HTTPStatus(reason), HTTPFields(), reason.explanation, ingest, &output)
            }
            reading = .down(request)
        } catch {
            return answer(.badRequest, HTTPFields(), error.text, ingest, &output)
        }
        return next
    }

    private func isOfThisMachine(_ head: HTTPHead) -> Bool {
        guard let peer, SenderAddress(peer).isLoopback else { return false }
        return !head.isForwarded && head.isHostLoopback
    }

    /// The number of a device, given out if it is new.
    private func device(
        _ names: (product: [UInt8], name: [UInt8]), _ ingest: IngestContext
    ) throws(Refusal) -> DeviceID {
        ingest.grantNames()
        if principal.isKnown { ingest.principal = principal }
        defer {
            ingest.chargeNames()
            ingest.principal = .anybody
        }
        let named = try NamedDevice(
            product: names.product.span, name: names.name.span, in: ingest.intake.vocabulary)
        return try named.number(in: &ingest.intake.vocabulary)
    }

    /// A request for messages is whole: from now on it waits.
    mutating func wait(_ request: HTTPDownRequest, _ ingest: IngestContext, _ output: inout [UInt8]) {
        endDown(in: ingest, output: &output)
        lastQuestion += 1
        down = HTTPDown(
            question: lastQuestion, device: request.device, isStream: request.isStream,
            isChunked: head?.isOldVersion == false)
        newDown = HTTPDownWait(
            device: request.device, received: request.after.ids, seconds: request.isStream ? nil : request.waitSeconds,
            isOfThisMachine: request.isOfThisMachine)
        if request.isStream, head?.isOldVersion == true { reading = .ended }
        push(HTTPPendingAnswer(question: lastQuestion, head), &output, ingest)
    }

    // MARK: Messages

    /// Takes a message for the device that waits.
    ///
    /// - Returns: false when nobody waits for it, or no more can be taken.
    package mutating func push(_ message: DownEnvelope, output: inout [UInt8]) -> Bool {
        guard var down, down.device == message.device, !down.token.ids.contains(message.id) else { return false }
        if down.isStream {
            guard down.hasBegun else { return false }
            down.token.insert(message.id, most: HTTPLimits.streamTokenIDs)
            var event: [UInt8] = []
            event.append("id: ")
            down.token.append(to: &event)
            event.append("\nevent: ")
            event.append(message.kind.name)
            event.append("\ndata: ")
            event += message.json
            event.append("\n\n")
            writeStreamPiece(event, isChunked: down.isChunked, into: &output)
        } else {
            guard down.token.ids.count < WireLimits.tokenIDs,
                down.lines.count + message.json.count < HTTPLimits.answerBytes
            else { return false }
            down.token.insert(message.id)
            down.lines += message.json
            down.lines.append(UInt8(ascii: "\n"))
        }
        self.down = down
        return true
    }

    /// Answers with the messages that have come; with none of them, the request waits on.
    package mutating func flushDown(in ingest: IngestContext, output: inout [UInt8]) {
        guard let down, !down.isStream, !down.lines.isEmpty else { return }
        endDown(in: ingest, output: &output)
    }

    /// Whatever has come: the time of a request is over, another one is there for the device, or the daemon stops.
    package mutating func endDown(in ingest: IngestContext, output: inout [UInt8]) {
        guard let down = self.down.take() else { return }
        newDown = nil
        guard !down.hasBegun else {
            if down.isChunked { writeStreamPiece([], isChunked: true, into: &output) }
            return dropStream(ingest, &output)
        }
        var reply = HTTPReply(
            down.lines.isEmpty ? .noContent : .ok, contentType: "application/x-ndjson", body: down.lines)
        var token: [UInt8] = []
        down.token.append(to: &token)
        reply.token = token
        answered(down.question, reply, in: ingest, output: &output)
    }

    /// Begins the stream once the answers before it have left.
    mutating func beginStream(_ ingest: IngestContext, _ output: inout [UInt8]) {
        guard let down, down.isStream, !down.hasBegun, answers.first?.question == down.question else { return }
        self.down?.hasBegun = true
        let date = ingest.requests.date.field(at: ingest.intake.now)
        writeStreamHead(
            date: date, isChunked: down.isChunked, closes: answers.first?.fields.closes == true, into: &output)
        var first: [UInt8] = []
        first.append("retry: ")
        appendDecimal(UInt64(Int.random(in: HTTPLimits.retryMilliseconds)), to: &first)
        first.append("\n\n")
        writeStreamPiece(first, isChunked: down.isChunked, into: &output)
    }

    /// Says in a stream that it is still there.
    package mutating func heartbeat(output: inout [UInt8]) {
        guard let down, down.hasBegun else { return }
        writeStreamPiece(Array(":\n\n".utf8), isChunked: down.isChunked, into: &output)
    }
}
