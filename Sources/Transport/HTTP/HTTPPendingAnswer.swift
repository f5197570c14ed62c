// An answer that waits: for its turn, for a commit, or for whoever makes it.

import Bytes
import Events

struct HTTPPendingAnswer: Sendable {
    var status: HTTPStatus
    var fields: HTTPFields
    /// The block that must be durable before; 0 for none.
    private var ticket: UInt64 = 0
    /// The number of the request that somebody else answers; 0 when its answer is here.
    private(set) var question: UInt64 = 0
    /// What became of events; else `body` is the answer.
    private var report: EventsReport?
    private var body: [UInt8] = []
    private let isHeadOnly: Bool

    init(_ status: HTTPStatus, _ fields: HTTPFields, _ body: [UInt8], _ head: HTTPHead?) {
        (self.status, self.fields, self.body) = (status, fields, body)
        isHeadOnly = head?.method == .head
        follow(head)
    }

    init(_ report: EventsReport, ticket: UInt64, _ head: HTTPHead?) {
        self.init(report.status, HTTPFields(), [], head)
        self.report = report
        self.ticket = ticket
        if status == .serviceUnavailable { fields.retryAfter = report.retryAfter }
    }

    init(question: UInt64, _ head: HTTPHead?) {
        self.init(.ok, HTTPFields(), [], head)
        self.question = question
    }

    /// Says how the connection goes on.
    private mutating func follow(_ head: HTTPHead?) {
        guard let head else { return }
        if !head.isKeptAlive { fields.closes = true }
        fields.keepsAlive = head.isOldVersion && head.isKeptAlive
    }

    /// Bytes that wait in it, about.
    var size: Int { body.count + (report?.size ?? 0) }

    func isDue(_ committed: UInt64) -> Bool { question == 0 && ticket <= committed }

    /// Whether it waits for a block that is not durable.
    func awaitsCommit(after committed: UInt64) -> Bool { question == 0 && ticket > committed }

    /// What was asked came to nothing, as far as is known.
    mutating func fail(_ fault: HTTPFault) {
        (report, ticket, status) = (nil, 0, fault.status)
        if status == .serviceUnavailable { fields.retryAfter = 1 }
        body = []
        writeFaultBody(status, fault.text, into: &body)
    }

    mutating func take(_ reply: HTTPReply) {
        question = 0
        fields.token = reply.token
        fields.retryAfter = reply.retryAfter
        (status, body) = (reply.status, reply.body)
        fields.contentType = reply.contentType
    }

    func write(_ ingest: IngestContext, into output: inout [UInt8]) {
        let date = ingest.requests.date.field(at: ingest.intake.now)
        guard let report else {
            writeAnswer(status, fields, body.span, date: date, isHeadOnly: isHeadOnly, into: &output)
            return
        }
        var body = ingest.requests.body
        ingest.requests.body = []
        body.removeAll(keepingCapacity: true)
        report.write(into: &body)
        writeAnswer(status, fields, body.span, date: date, isHeadOnly: isHeadOnly, into: &output)
        ingest.requests.body = body
    }
}
