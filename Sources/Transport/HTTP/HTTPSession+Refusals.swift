// How a connection over HTTP says no: to one request, or to everything that follows.

import Admission
import Bytes
import Events
import Wire

extension HTTPSession {
    /// Refuses the events of a request before its body is read.
    mutating func refuse(
        _ refusal: Refusal, _ ingest: IngestContext, _ output: inout [UInt8], status: HTTPStatus? = nil,
        text: StaticString? = nil
    ) -> Next {
        ingest.intake.refuse(refusal, events: 1, transport: .http)
        var report = EventsReport()
        report.refuseRest(refusal, index: 0, text: (text ?? refusal.explanation).description)
        var answer = HTTPPendingAnswer(report, ticket: 0, head)
        answer.status = status ?? answer.status
        answer.fields.acceptsCodings = refusal == .mediaType
        return answerEarly(answer, ingest, &output)
    }

    mutating func answer(
        _ fault: HTTPFault, _ fields: HTTPFields, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        answer(fault.status, fields, fault.text, ingest, &output)
    }

    mutating func answer(
        _ status: HTTPStatus, _ fields: HTTPFields, _ text: StaticString, _ ingest: IngestContext,
        _ output: inout [UInt8]
    ) -> Next {
        var body: [UInt8] = []
        writeFaultBody(status, text, into: &body)
        return answer(status, fields, body, ingest, &output)
    }

    mutating func answer(
        _ status: HTTPStatus, _ fields: HTTPFields, _ body: [UInt8], _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        answerEarly(HTTPPendingAnswer(status, fields, body, head), ingest, &output)
    }

    /// Answers before the body is read: a small one is passed over, with a large one the connection ends.
    mutating func answerEarly(
        _ answer: HTTPPendingAnswer, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        var answer = answer
        if isRestDiscardable, head?.expectation != .continue {
            reading = .discarded
        } else {
            answer.fields.closes = true
            reading = .ended
        }
        push(answer, &output, ingest)
        return next
    }

    /// Whether the body is small, as far as its head says.
    var isRestDiscardable: Bool { head?.contentLength.map { $0 <= HTTPLimits.discardedBytes } ?? true }

    /// What has come cannot be told from the next request, or nothing more is to be read: the last answer.
    mutating func end(_ fault: HTTPFault, in ingest: IngestContext, output: inout [UInt8]) -> Next {
        var fields = HTTPFields()
        fields.closes = true
        if fault == .connect { fields.allow = "GET, HEAD, POST, OPTIONS" }
        if fault.status == .serviceUnavailable { fields.retryAfter = 1 }
        var body: [UInt8] = []
        writeFaultBody(fault.status, fault.text, into: &body)
        (events, blocked, isWhole, owesContinue) = (nil, nil, false, false)
        reading = .ended
        push(HTTPPendingAnswer(fault.status, fields, body, head), &output, ingest)
        return .ends
    }

    /// Ends the connection for a reason that is not the intake's: what was begun of a body is refused.
    package mutating func fail(_ fault: HTTPFault, in ingest: IngestContext, output: inout [UInt8]) {
        switch reading {
        case .ended: return
        case .nothing: head = nil
        case .discarded:
            reading = .ended
            return
        case .question, .down: break
        case .events:
            failEvents(fault, ingest, &output)
            return
        }
        _ = end(fault, in: ingest, output: &output)
    }

    private mutating func failEvents(_ fault: HTTPFault, _ ingest: IngestContext, _ output: inout [UInt8]) {
        let ticket = events?.ticket ?? 0
        switch fault {
        case .tooSlow: events?.refuseRest(.tooSlow, ingest)
        case .notInForce: events?.refuseRest(.unauthorized, ingest)
        case .busy: events?.refuseRest(.busy, ingest)
        case .shuttingDown: events?.refuseRest(.shuttingDown, ingest)
        case .brokenOff: events?.breakOff(ingest)
        default: events?.refuseRest(.malformedBody, ingest, text: fault.text.description)
        }
        // Who is full cannot say yet what of it is stored, and does not wait for that.
        if fault == .busy, ticket > committedTicket {
            _ = end(fault, in: ingest, output: &output)
        } else {
            endEvents(ingest, &output, isLast: true)
        }
    }
}
