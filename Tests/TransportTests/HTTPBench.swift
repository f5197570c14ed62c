// An HTTP session on a bench: requests in, answers out, no socket and no parser.

import Admission
import Bytes
import Events
import Foundation
import Testing
import Transport

/// An answer, taken apart.
struct HTTPTestAnswer {
    var status = 0
    /// Names in small letters.
    var fields: [String: String] = [:]
    var body = ""

    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]) ?? [:] }
    func count(_ key: String) -> Int { json[key] as? Int ?? -1 }
    func list(_ key: String) -> [[String: Any]] { json[key] as? [[String: Any]] ?? [] }
    func codes(_ key: String) -> [Int] { list(key).compactMap { $0["code"] as? Int } }
    func indexes(_ key: String) -> [Int] { list(key).compactMap { $0["index"] as? Int } }

    /// Answers that stand one behind the other; none of them is to one that asks for the head only.
    static func all(_ bytes: [UInt8]) -> [HTTPTestAnswer] {
        var answers: [HTTPTestAnswer] = []
        var rest = String(decoding: bytes, as: UTF8.self)[...]
        while let end = rest.firstRange(of: "\r\n\r\n") {
            var answer = HTTPTestAnswer()
            for (index, line) in rest[..<end.lowerBound].split(separator: "\r\n").enumerated() {
                if index == 0 {
                    answer.status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
                } else if let colon = line.firstIndex(of: ":") {
                    let value = line[line.index(after: colon)...].drop { $0 == " " }
                    answer.fields[line[..<colon].lowercased()] = String(value)
                }
            }
            let length = answer.fields["content-length"].flatMap { Int($0) } ?? 0
            let body = rest[end.upperBound...].utf8.prefix(length)
            answer.body = String(Substring(body))
            rest = rest[body.endIndex...]
            answers.append(answer)
        }
        return answers
    }
}

final class HTTPBench {
    let intake = StubIntake()
    let peer = StubPeer()
    let ingest: IngestContext
    var session: HTTPSession
    var output: [UInt8] = []
    var next = HTTPSession.Next.reads
    /// How often others had their turn.
    private(set) var turns = 0

    init(settings: TransportSettings = TransportSettings(), routes: HTTPRoutes = HTTPRoutes()) {
        ingest = IngestContext(intake: intake, settings: settings)
        session = HTTPSession(routes)
    }

    /// Begins a request.
    func begin(
        _ method: String = "POST", _ target: String = "/v1/events", minorVersion: Int = 1,
        _ fields: KeyValuePairs<String, String> = [:], host: Bool = true
    ) {
        let all = (host ? [("Host", "localhost")] : []) + fields.map { ($0.key, $0.value) }
        let head = HTTPHead(
            method: method, target: target, minorVersion: minorVersion,
            fields: all.map { (name: $0.0, value: $0.1) })
        next = session.begin(head, in: ingest, as: peer, output: &output)
    }

    func part(_ bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        next = session.receive(bytes.span, in: ingest, as: peer, output: &output)
        takeTurns()
    }

    /// Nobody else is here: a request that lets others have their turn goes on.
    private func takeTurns() {
        while next == .needsTurn {
            turns += 1
            next = session.resume(in: ingest, as: peer, output: &output)
        }
    }

    func finish() {
        next = session.finish(in: ingest, as: peer, output: &output)
        takeTurns()
    }

    /// A whole request, in chunks of `size` or as one part with its length.
    func post(
        _ type: String?, _ body: [UInt8], by size: Int? = nil, _ fields: KeyValuePairs<String, String> = [:]
    ) {
        var pairs = fields.map { ($0.key, $0.value) }
        if let type { pairs.append(("Content-Type", type)) }
        pairs.append(size == nil ? ("Content-Length", "\(body.count)") : ("Transfer-Encoding", "chunked"))
        let head = HTTPHead(
            method: "POST", target: "/v1/events", minorVersion: 1,
            fields: ([("Host", "localhost")] + pairs).map { (name: $0.0, value: $0.1) })
        next = session.begin(head, in: ingest, as: peer, output: &output)
        var at = 0
        while at < body.count, next == .reads {
            let end = min(body.count, at + (size ?? body.count))
            part(body[at..<end])
            at = end
        }
        if next == .reads { finish() }
    }

    func post(
        _ type: String?, _ body: String, by size: Int? = nil, _ fields: KeyValuePairs<String, String> = [:]
    ) {
        post(type, Array(body.utf8), by: size, fields)
    }

    func commit() {
        let ticket = intake.ticket
        intake.commit()
        session.committed(through: ticket, in: ingest, output: &output)
    }

    func fail(_ fault: HTTPFault) { session.fail(fault, in: ingest, output: &output) }

    func take() -> [HTTPTestAnswer] {
        defer { output = [] }
        return HTTPTestAnswer.all(output)
    }

    /// The only answer.
    func one() throws -> HTTPTestAnswer {
        let answers = take()
        #expect(answers.count == 1)
        return try #require(answers.first)
    }

    /// Posts, commits, and takes the answer.
    func exchange(
        _ type: String?, _ body: String, by size: Int? = nil, _ fields: KeyValuePairs<String, String> = [:]
    ) throws -> HTTPTestAnswer {
        post(type, body, by: size, fields)
        commit()
        return try one()
    }

    var isBalanced: Bool { intake.admission.counts.allSatisfy(\.isBalanced) }
}

/// An event of the short form, without a newline.
func httpEvent(_ seq: Int, device: String = "k-1", value: String = "92") -> String {
    #"{"product":"kettle","device":"\#(device)","id":"1-\#(seq)","type":"preference.set","#
        + #""aspect":"temperature","value":\#(value)}"#
}

/// The bytes as one member of gzip (RFC 1952).
func gzipped(_ bytes: [UInt8]) -> [UInt8] {
    let zlib = deflated(bytes.span, level: 6) ?? []
    var member: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]
    member += zlib[2..<(zlib.count - 4)]
    for number in [crc32(bytes.span), UInt32(truncatingIfNeeded: bytes.count)] {
        for shift: UInt32 in [0, 8, 16, 24] { member.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }
    return member
}
