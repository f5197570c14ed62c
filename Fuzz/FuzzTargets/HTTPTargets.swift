// Requests over HTTP without their socket and parser: from heads and bodies to the filling batch, and to the answers.

import Admission
import Events
import Transport
import Wire

/// A request as an input says it: lines of the head, an empty line, the body.
private struct FuzzRequest {
    var head: HTTPHead
    var body: ArraySlice<UInt8>

    /// - Parameter bytes: `METHOD TARGET MINOR-VERSION`, and a field on each line.
    init(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        var lines: [String] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[..<end]
            rest = rest[(end + 1)...]
            if line.isEmpty { break }
            lines.append(String(decoding: line, as: UTF8.self))
        }
        let words = (lines.first ?? "").split(separator: " ")
        head = HTTPHead(
            method: words.first.map(String.init) ?? "", target: words.dropFirst().first.map(String.init) ?? "",
            minorVersion: words.count > 2 && words[2] == "0" ? 0 : 1,
            fields: lines.dropFirst().map { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return (name: parts.first.map(String.init) ?? "", value: parts.dropFirst().first.map(String.init) ?? "")
            })
        body = rest
    }
}

/// The first byte says where bodies are cut into two parts; that must not change what is taken. Requests are parted by
/// 0xff.
func readRequestsOverHTTP(_ input: [UInt8]) {
    let requests = input.dropFirst().split(separator: 0xff, maxSplits: 20).map(FuzzRequest.init)
    precondition(take(requests, cutAt: 0) == take(requests, cutAt: Int(input[0])))
}

private func take(_ requests: [FuzzRequest], cutAt cut: Int) -> EventBatch {
    let intake = FuzzIntake()
    let ingest = IngestContext(intake: intake, settings: TransportSettings())
    // A clock that stands, so that no body is so slow that others get their turn.
    ingest.uptime = { 1 }
    let peer = FuzzPeer()
    var routes = HTTPRoutes()
    routes.addReading("/x", "Read.") { _ in HTTPReply(body: []) }
    var session = HTTPSession(routes)
    var output: [UInt8] = []
    for request in requests {
        if session.next == .awaitsAnswers {
            session.committed(through: intake.commit(), in: ingest, output: &output)
        }
        guard session.begin(request.head, in: ingest, as: peer, output: &output) != .ends else { break }
        let middle = request.body.startIndex + cut * request.body.count / 256
        for part in [request.body[..<middle], request.body[middle...]] where !part.isEmpty {
            let bytes = Array(part)
            _ = session.receive(bytes.span, in: ingest, as: peer, output: &output)
        }
        _ = session.finish(in: ingest, as: peer, output: &output)
        if let question = session.takeQuestion() {
            session.answered(question.number, HTTPReply(body: [1]), in: ingest, output: &output)
        }
    }
    session.fail(.brokenOff, in: ingest, output: &output)
    session.committed(through: intake.commit(), in: ingest, output: &output)
    precondition(session.isAnswered)
    precondition(output.count <= 1 << 22)
    return intake.filling
}
