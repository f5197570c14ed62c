// One HTTP connection without its socket: heads, parts of bodies and ends of requests in, answers out.

package import Admission
import Bytes
import Events
import Wire

/// The state machine of a connection that speaks HTTP/1.1.
///
/// The answer to a request that posts events waits until they are committed; answers leave in the order of their
/// requests. Whoever drives it stops reading when a call does not return `.reads`, and makes no further call for what
/// it has read but `resume`, until that or `committed`, `answered` leads back to `.reads`.
package struct HTTPSession {
    package enum Next: Hashable, Sendable {
        case reads
        /// The intake is full: `resume` when there is room.
        case needsRoom
        /// The sender is over its quota: `resume` when the context's clock is there.
        case needsTime(Uptime)
        /// The request has kept others waiting for long enough: `resume` when they have been read.
        case needsTurn
        /// As many requests as may wait for their answers.
        case awaitsAnswers
        /// Nothing more is read; once `isAnswered` the connection is to be closed.
        case ends
    }

    /// What is being read.
    enum Reading: Sendable {
        case nothing
        case events
        /// A request whose answer is made elsewhere, by the route of this index.
        case question(Int)
        /// A request for messages to a device.
        case down(HTTPDownRequest)
        /// A body that is of no interest.
        case discarded
        case ended
    }

    private let routes: HTTPRoutes
    /// On whose behalf the client speaks by what it has shown before its first request: its certificate.
    let client: Principal
    /// The address at the other end.
    package var peer: InternetAddress?
    /// Where the request at hand comes from, when a proxy that is trusted says so.
    package private(set) var forwardedSender: SenderAddress?
    /// The last credential that was right.
    var remembered: RememberedBearer?
    var reading = Reading.nothing
    var head: HTTPHead?
    /// The body of a request that is to be answered elsewhere, as far as it has come; nil for one without.
    var posted: [UInt8]?
    /// How much more of a body that nobody reads is passed over.
    var discardable = 0
    /// On whose behalf the request at hand speaks, or the one before when there is none.
    package internal(set) var principal = Principal.anybody
    var events: EventsRequest?
    /// The end of the body has come, and what it holds must wait.
    var isWhole = false
    var blocked: Next?
    /// The client waits to be told that its body is welcome.
    var owesContinue = false
    private(set) var answers: [HTTPPendingAnswer] = []
    private var answerBytes = 0
    private var due: Uptime = 0
    /// Everything up to this ticket is durable.
    var committedTicket: UInt64 = 0
    var lastQuestion: UInt64 = 0
    /// The request that waits for messages; its answer is among the others.
    var down: HTTPDown?
    /// What is told of it once, when it begins to wait.
    var newDown: HTTPDownWait?
    /// A request that somebody else is to answer: by `answered`, with this number.
    private(set) var question: (number: UInt64, route: Int, question: HTTPQuestion)?

    package init(_ routes: HTTPRoutes, client: Principal = .anybody) {
        (self.routes, self.client) = (routes, client)
    }

    package var transport: TransportKind { .http }

    /// Whether nothing that was asked waits for its answer.
    package var isAnswered: Bool { answers.isEmpty }

    /// The quotas are others now: until when the sender must wait is asked again, for that stands in them.
    package mutating func quotasChanged() {
        due = 0
        events?.due = 0
    }

    /// Whether a request was begun whose end has not come.
    package var isInRequest: Bool {
        switch reading {
        case .nothing, .ended: false
        case .events, .question, .down, .discarded: true
        }
    }

    /// What may be done next.
    package var next: Next {
        if case .ended = reading { return .ends }
        if let blocked { return blocked }
        return answers.count >= HTTPLimits.pipelined || answerBytes >= HTTPLimits.answerBytes ? .awaitsAnswers : .reads
    }

    // MARK: Requests

    /// A request begins.
    package mutating func begin(
        _ head: HTTPHead, in ingest: IngestContext, as peer: any CommitListener, output: inout [UInt8]
    ) -> Next {
        if case .ended = reading { return .ends }
        self.head = head
        discardable = HTTPLimits.discardedBytes
        forwardedSender = sender(of: head, ingest)
        if let forwardedSender { ingest.sender = forwardedSender }
        if let fault = head.fault { return end(fault, in: ingest, output: &output) }
        if head.method == .connect { return end(.connect, in: ingest, output: &output) }
        if head.expectation == .other { return end(.unknownExpectation, in: ingest, output: &output) }
        var fields = HTTPFields()
        if head.path == "*" {
            fields.allow = "GET, HEAD, POST, OPTIONS"
            return answer(.noContent, fields, [], ingest, &output)
        }
        guard let index = routes.index(of: head.path) else {
            return answer(.noPath, fields, ingest, &output)
        }
        let route = routes.all[index]
        switch (route.service, head.method) {
        case (_, .options):
            fields.allow = route.allow
            return allow(head, fields, ingest, &output)
        case (.reading, .get), (.reading, .head): return beginQuestion(head, index, route.role, ingest, &output)
        case (.down(let isStream), .get): return beginDown(head, isStream: isStream, ingest, &output)
        case (.events, .post): return beginEvents(head, ingest, &output)
        case (.posting, .post): return beginPosting(head, index, route.role, ingest, &output)
        default:
            fields.allow = route.allow
            return answer(.methodNotAllowed, fields, route.methodText, ingest, &output)
        }
    }

    mutating func beginQuestion(
        _ head: HTTPHead, _ index: Int, _ role: Roles, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        do throws(CredentialFault) {
            principal = try identify(head, ingest)
            if !role.isEmpty, !isTrusted(with: role, head) {
                throw principal.isKnown ? CredentialFault.scope : CredentialFault.missing
            }
        } catch {
            ingest.note(error)
            ingest.intake.refuse(error == .scope ? .forbidden : .unauthorized, events: 0, transport: .http)
            return answer(
                error == .scope ? .forbidden : .unauthorized, HTTPFields(), error.explanation, ingest, &output)
        }
        reading = .question(index)
        return next
    }

    private mutating func beginEvents(
        _ head: HTTPHead, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        do throws(CredentialFault) {
            principal = try identify(head, ingest)
            if ingest.requiresCredentials, !principal.isKnown { throw .missing }
        } catch {
            ingest.note(error)
            return refuse(.unauthorized, ingest, &output, text: error.explanation)
        }
        guard head.contentLength != nil || head.isChunked else {
            return refuse(.malformedBody, ingest, &output, status: .lengthRequired, text: lengthText)
        }
        guard let form = Self.form(of: head), head.coding != .other else {
            return refuse(.mediaType, ingest, &output)
        }
        // Nothing is taken of which nobody could say for a while what becomes of it.
        if ingest.intake.isStorageFailing { return refuse(.storageUnavailable, ingest, &output) }
        let limit = form == .lines ? HTTPLimits.linesBytes : HTTPLimits.wholeBytes
        if let length = head.contentLength, length > limit { return refuse(.tooBig, ingest, &output) }
        var request = EventsRequest(form, head)
        request.due = due
        guard request.inflates(head.coding, in: ingest) else { return refuse(.busy, ingest, &output) }
        events = consume request
        reading = .events
        owesContinue = head.expectation == .continue
        tellContinue(&output)
        return next
    }

    private var lengthText: StaticString { "the body has no length; send Content-Length, or chunks" }

    private static func form(of head: HTTPHead) -> EventsRequest.Form? {
        switch head.mediaType {
        case .cloudEvent: .event
        case .cloudEventBatch: .batch
        case .json: head.isBinaryEvent ? .binary : .json
        case .none: head.isBinaryEvent ? .binary : nil
        case .lines: head.isBinaryEvent ? nil : .lines
        case .protobuf: head.isBinaryEvent ? nil : .protobuf
        case .other: nil
        }
    }

    /// Tells the client to send its body, behind the answers to the requests before.
    mutating func tellContinue(_ output: inout [UInt8]) {
        guard owesContinue, answers.isEmpty else { return }
        owesContinue = false
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
    }

    /// A part of the body has come.
    package mutating func receive(
        _ part: Span<UInt8>, in ingest: IngestContext, as peer: any CommitListener, output: inout [UInt8]
    ) -> Next {
        switch reading {
        case .events:
            owesContinue = false
            return take(part, ingest, peer, &output)
        case .question where posted != nil: return receivePosted(part, ingest, &output)
        case .question, .down, .discarded:
            discardable -= part.count
            if discardable < 0 { reading = .ended }
        case .nothing, .ended: break
        }
        return next
    }

    /// The request is whole.
    package mutating func finish(
        in ingest: IngestContext, as peer: any CommitListener, output: inout [UInt8]
    ) -> Next {
        switch reading {
        case .events:
            isWhole = true
            guard events?.isTaken != true else {
                endEvents(ingest, &output)
                return next
            }
            return take(Span(), ingest, peer, &output)
        case .question(let index):
            lastQuestion += 1
            let isTrusted = head.map { self.isTrusted(with: .operate, $0) } ?? false
            var asked = HTTPQuestion(
                query: String(head?.query ?? ""), principal: principal, isTrusted: isTrusted)
            asked.body = posted.take() ?? []
            question = (lastQuestion, index, asked)
            reading = .nothing
            push(HTTPPendingAnswer(question: lastQuestion, head), &output, ingest)
        case .down(let request):
            reading = head?.isKeptAlive == true ? .nothing : .ended
            wait(request, ingest, &output)
        case .discarded: reading = head?.isKeptAlive == true ? .nothing : .ended
        case .nothing, .ended: break
        }
        forget()
        return next
    }

    /// Between two requests nothing is kept of the last one.
    private mutating func forget() {
        if case .nothing = reading { head = nil }
    }

    /// There is room, or it is time again.
    package mutating func resume(
        in ingest: IngestContext, as peer: any CommitListener, output: inout [UInt8]
    ) -> Next {
        blocked = nil
        guard case .events = reading else { return next }
        return take(Span(), ingest, peer, &output)
    }

    private mutating func take(
        _ part: Span<UInt8>, _ ingest: IngestContext, _ peer: any CommitListener, _ output: inout [UInt8]
    ) -> Next {
        ingest.grantNames()
        if principal.isKnown { ingest.principal = principal }
        let optsOut = head?.optsOut == true
        if optsOut { ingest.intake.isOptedOut = true }
        defer {
            if optsOut { ingest.intake.isOptedOut = false }
            ingest.chargeNames()
            ingest.principal = .anybody
        }
        let outcome = events?.receive(part, isEnd: isWhole, in: ingest, as: peer) ?? .done
        switch outcome {
        case .done:
            if isWhole { endEvents(ingest, &output) }
        case .needsRoom: blocked = .needsRoom
        case .needsTime(let until):
            let wait = until > ingest.uptime() ? until - ingest.uptime() : 0
            if wait > Uptime(HTTPLimits.patienceSeconds) * 1_000_000_000 {
                events?.report.retryAfter = Int((wait + 999_999_999) / 1_000_000_000)
                events?.refuseRest(.overQuota, ingest)
                endEvents(ingest, &output)
            } else {
                blocked = .needsTime(until)
            }
        case .needsTurn: blocked = .needsTurn
        case .ends: endEvents(ingest, &output)
        }
        return next
    }

    /// The verdict on the events at hand is known, be their body at its end or not.
    ///
    /// - Parameter isLast: whether nothing more is read, whatever is still to come.
    mutating func endEvents(_ ingest: IngestContext, _ output: inout [UInt8], isLast: Bool = false) {
        guard let events = self.events.take() else { return }
        due = events.due
        var answer = HTTPPendingAnswer(events.report, ticket: events.ticket, head)
        if isWhole, !isLast {
            reading = head?.isKeptAlive == true ? .nothing : .ended
        } else if isRestDiscardable, !isLast {
            reading = .discarded
        } else {
            answer.fields.closes = true
            reading = .ended
        }
        (isWhole, owesContinue, blocked) = (false, false, nil)
        push(consume answer, &output, ingest)
        forget()
    }

    // MARK: Answers

    /// Everything up to `ticket` is durable.
    package mutating func committed(through ticket: UInt64, in ingest: IngestContext, output: inout [UInt8]) {
        committedTicket = max(committedTicket, ticket)
        writeDue(ingest, &output)
    }

    /// Whether a request waits for a commit.
    package var awaitsCommit: Bool {
        (events?.ticket ?? 0) > committedTicket || answers.contains { $0.awaitsCommit(after: committedTicket) }
    }

    /// The log cannot be written: requests that wait for it are answered so, and nothing more is read.
    package mutating func storageFails(in ingest: IngestContext, output: inout [UInt8]) {
        for index in answers.indices where answers[index].awaitsCommit(after: committedTicket) {
            answerBytes -= answers[index].size
            answers[index].fail(.storageUnavailable)
            answerBytes += answers[index].size
        }
        if case .events = reading {
            _ = end(.storageUnavailable, in: ingest, output: &output)
        } else {
            if let last = answers.indices.last { answers[last].fields.closes = true }
            reading = .ended
            writeDue(ingest, &output)
        }
    }

    /// Takes the request that is to be answered elsewhere, if there is a new one.
    package mutating func takeQuestion() -> (number: UInt64, route: Int, question: HTTPQuestion)? {
        defer { question = nil }
        return question
    }

    /// The answer to a request that somebody else has answered.
    package mutating func answered(
        _ number: UInt64, _ reply: HTTPReply, in ingest: IngestContext, output: inout [UInt8]
    ) {
        guard let index = answers.firstIndex(where: { $0.question == number }) else { return }
        answers[index].take(reply)
        answerBytes += reply.body.count
        writeDue(ingest, &output)
    }

    mutating func push(_ answer: consuming HTTPPendingAnswer, _ output: inout [UInt8], _ ingest: IngestContext) {
        answerBytes += answer.size
        answers.append(answer)
        writeDue(ingest, &output)
    }

    private mutating func writeDue(_ ingest: IngestContext, _ output: inout [UInt8]) {
        var written = 0
        while written < answers.count, answers[written].isDue(committedTicket) {
            answers[written].write(ingest, into: &output)
            answerBytes -= answers[written].size
            written += 1
        }
        if written > 0 { answers.removeFirst(written) }
        beginStream(ingest, &output)
        if written > 0 { tellContinue(&output) }
    }

    /// The stream that was being written is over: what stands behind it is due.
    mutating func dropStream(_ ingest: IngestContext, _ output: inout [UInt8]) {
        answers.removeFirst()
        writeDue(ingest, &output)
    }
}
