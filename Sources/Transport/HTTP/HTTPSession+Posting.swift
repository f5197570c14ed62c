// Requests whose body is one JSON object that is no event.

import Admission
import Bytes
import Events

extension HTTPSession {
    /// A request that is answered elsewhere, and has a body. A page of somebody else's that a browser on this machine
    /// shows can post here too, but not with this content type.
    mutating func beginPosting(
        _ head: HTTPHead, _ index: Int, _ role: Roles, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        guard head.mediaType == .json, head.coding == .none else { return refuse(.mediaType, ingest, &output) }
        if let length = head.contentLength, length > HTTPLimits.postedBytes {
            return refuse(.messageTooBig, ingest, &output)
        }
        let next = beginQuestion(head, index, role, ingest, &output)
        guard case .question = reading else { return next }
        posted = []
        owesContinue = head.expectation == .continue
        tellContinue(&output)
        return next
    }

    /// A part of the body has come.
    mutating func receivePosted(
        _ part: Span<UInt8>, _ ingest: IngestContext, _ output: inout [UInt8]
    ) -> Next {
        owesContinue = false
        posted?.append(copying: part)
        guard (posted?.count ?? 0) <= HTTPLimits.postedBytes else {
            posted = nil
            return refuse(.messageTooBig, ingest, &output)
        }
        return next
    }
}
