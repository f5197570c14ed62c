// What is said, in plain text, to who does not speak TLS on a port that does.

import Admission
import Events
import Wire

private let remedy = "this port speaks TLS; connect with TLS (tidings send --tls; openssl s_client for a look)"

/// To a device: in frames or as a JSON line, whichever it has begun with.
func refusePlainStream(_ beginning: [UInt8], in ingest: IngestContext) {
    let isNative = beginning.starts(with: "TDG".utf8)
    ingest.intake.refuse(.badMagic, events: 1, transport: isNative ? .tcp : .tcpLines)
    if isNative {
        let reject = Reject(code: UInt32(Refusal.badMagic.rawValue), text: remedy)
        writeFrame(.error, body: reject.encode().span, into: &ingest.output)
    } else {
        writeLineVerdict(.refused(.badMagic), line: 0, text: remedy, into: &ingest.output)
    }
}

/// To a client of HTTP.
func refusePlainHTTP(_ routes: HTTPRoutes, in ingest: IngestContext) {
    var session = HTTPSession(routes)
    ingest.intake.refuse(.badMagic, events: 1, transport: .http)
    session.fail(.isPlain, in: ingest, output: &ingest.output)
}
