// Requests whose body is one JSON object that is no event.

import Admission
import Bytes
import Events
import Wire

extension HTTPSession {
    /// A request that is answered elsewhere, and has a body. A page of somebody else's that a browser on this machine
    /// shows can post here too, but not with this content type.
    mutating func beginPosting(
        _ head: HTTPHead, _ index: Int, _ role: Roles, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        guard head.mediaType == .json, head.coding == .none else {
            return refusePosted(
                .mediaType, "what is posted here is one JSON object; send application/json", ingest, &output)
        }
        if let length = head.contentLength, length > HTTPLimits.postedBytes {
            return refusePosted(.messageTooBig, Refusal.messageTooBig.explanation, ingest, &output)
        }
        let next = beginQuestion(head, index, role, ingest, &output)
        guard case .question = reading else { return next }
        posted = []
        owesContinue = head.expectation == .continue
        tellContinue(&output)
        return next
    }

    /// Refuses what is posted before it is read, in the form in which it would be answered.
    private mutating func refusePosted(
        _ refusal: Refusal, _ text: StaticString, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        ingest.intake.refuse(refusal, events: 0, transport: .http)
        var body: [UInt8] = []
        body.append("{\"code\":")
        appendDecimal(UInt64(refusal.rawValue), to: &body)
        body.append(",\"stored\":false,\"text\":")
        appendJSONString(Array(text.description.utf8).span, to: &body)
        body.append("}\n")
        return answer(HTTPStatus(refusal), HTTPFields(), body, ingest, &output)
    }

    /// A part of the body has come.
    mutating func receivePosted(
        _ part: Span<UInt8>, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        owesContinue = false
        posted?.append(copying: part)
        guard (posted?.count ?? 0) <= HTTPLimits.postedBytes else {
            posted = nil
            return refusePosted(.messageTooBig, Refusal.messageTooBig.explanation, ingest, &output)
        }
        return next
    }

    /// The handshake of a web hook (CloudEvents 1.0.2, HTTP webhook, 4): whoever asks may send.
    mutating func allow(
        _ head: HTTPHead, _ fields: HTTPFields, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        guard let origin = head.webHookOrigin else { return answer(.noContent, fields, [], ingest, &output) }
        var fields = fields
        let isPlain = origin.utf8.count <= HTTPLimits.originBytes && origin.utf8.allSatisfy(asciiVisible.contains)
        fields.allowedOrigin = isPlain ? origin : "*"
        fields.allowsAnyRate = head.asksForRate
        return answer(.ok, fields, [], ingest, &output)
    }
}
