// Requests as bytes on a socket: what RFC 9110 and RFC 9112 forbid is refused, and nothing hides behind a request.

import Admission
import Events
import NIOCore
import NIOPosix
import Testing
import Transport

extension [ListenerSpecification] {
    static func http(_ routes: HTTPRoutes = HTTPRoutes()) -> [ListenerSpecification] {
        [ListenerSpecification(name: "tcp", host: "127.0.0.1", port: 0, service: .http(routes))]
    }
}

private let post = "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n"
private let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"

/// What is sent, the section that it is of, and the statuses of the answers; the connection ends after the last.
private let refused: [(String, String, String)] = [
    // RFC 9112, 2.2: lines and what ends them.
    ("bare LF", "9112-2.2", "GET / HTTP/1.1\nHost: a\n\n"),
    ("bare LF after a field", "9112-2.2", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
    ("bare CR in a field", "9112-2.2", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"),
    ("NUL in a field", "9110-5.5", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"),
    ("space before the first field", "9112-2.2", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("folded field", "9112-5.2", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
    ("space before the colon", "9112-5.1", post + "Content-Length : 5\r\n\r\n{}\r\n" + hidden),
    ("no name", "9112-5", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
    ("no colon", "9112-5", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    // RFC 9112, 3: the request line.
    ("no version", "9112-3", "GET /\r\n\r\n"),
    ("version 2.0", "9112-2.3", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("version 1.2", "9112-2.3", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("small letters", "9112-2.3", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("unknown method", "9110-9.1", "FROB / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("space in the target", "9112-3.2", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("fragment", "9112-3.2.1", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("star for GET", "9112-3.2.4", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("authority for GET", "9112-3.2.3", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("rubbish", "9112-3", "\u{1}\u{2}\u{3}\r\n\r\n"),
    // RFC 9112, 3.2: Host.
    ("no Host", "9112-3.2", "GET / HTTP/1.1\r\n\r\n"),
    ("two Hosts", "9112-3.2", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("two Hosts, other case", "9112-3.2", "GET / HTTP/1.1\r\nHost: a\r\nhOsT: b\r\n\r\n"),
    ("bad Host", "9112-3.2", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("Host with a path", "9110-7.2", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    // RFC 9112, 6.1 and 6.3: how long a body is.
    (
        "length and chunks", "9112-6.3",
        post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden
    ),
    (
        "chunks and length", "9112-6.3",
        post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + hidden
    ),
    ("two lengths", "9112-6.3", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}\n" + hidden),
    ("the same length twice", "9110-8.6", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + hidden),
    ("list of lengths", "9110-8.6", post + "Content-Length: 2, 2\r\n\r\n{}" + hidden),
    ("signed length", "9110-8.6", post + "Content-Length: +2\r\n\r\n{}" + hidden),
    ("negative length", "9110-8.6", post + "Content-Length: -2\r\n\r\n{}" + hidden),
    ("hexadecimal length", "9110-8.6", post + "Content-Length: 0x2\r\n\r\n{}" + hidden),
    ("length with a space", "9110-8.6", post + "Content-Length: 1 2\r\n\r\n{}" + hidden),
    ("empty length", "9110-8.6", post + "Content-Length: \r\n\r\n" + hidden),
    ("length beyond 64 bits", "9110-8.6", post + "Content-Length: 18446744073709551618\r\n\r\n{}" + hidden),
    ("gzip, not chunked", "9112-6.1", post + "Transfer-Encoding: gzip\r\n\r\n" + hidden),
    ("identity", "9112-6.1", post + "Transfer-Encoding: identity\r\n\r\n" + hidden),
    ("chunked not last", "9112-6.1", post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + hidden),
    ("chunked twice", "9112-6.1", post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + hidden),
    (
        "chunked in two fields", "9112-6.1",
        post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden
    ),
    ("nearly chunked", "9112-6.1", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden),
    ("quoted chunked", "9112-6.1", post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + hidden),
    ("vertical tab before chunked", "9112-6.1", post + "Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n" + hidden),
    (
        "chunked in 1.0", "9112-6.1",
        "POST /v1/events HTTP/1.0\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            + hidden
    ),
    ("name with a space", "9112-5.1", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden),
    // RFC 9112, 7.1: chunks.
    ("chunk without a size", "9112-7.1", post + "Transfer-Encoding: chunked\r\n\r\n\r\n\r\n" + hidden),
    ("chunk of letters", "9112-7.1", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" + hidden),
    ("negative chunk", "9112-7.1", post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + hidden),
    ("chunk with 0x", "9112-7.1", post + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" + hidden),
    (
        "endless chunk", "9112-7.1",
        post + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n" + hidden
    ),
    ("LF after the size", "9112-7.1", post + "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n" + hidden),
    ("chunk that is too short", "9112-7.1", post + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + hidden),
    ("chunk without its end", "9112-7.1", post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n" + hidden),
    (
        "length in the trailer", "9110-6.5.1",
        post + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 2\r\n\r\n" + hidden
    ),
    (
        "extension of a mebibyte", "9112-7.1.1",
        post + "Transfer-Encoding: chunked\r\n\r\n2;" + String(repeating: "x", count: 1 << 20) + "\r\n{}\r\n0\r\n\r\n"
            + hidden
    ),
    // Other protocols.
    ("HTTP/2", "9113-3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0"),
    ("TLS", "8446-4.1.2", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}"),
    ("native frames", "-", "TDG1\u{1}\u{2}"),
    ("JSON lines", "-", "{\"product\":\"kettle\"}\n"),
]

/// The same of what is allowed: all statuses, and whether the connection stays open.
private let allowed: [(String, String, String, [Int])] = [
    ("two in one go", "9112-9.3.2", hidden + hidden, [404, 404]),
    ("two spaces", "9112-3", "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n", [404]),
    ("empty line before", "9112-2.2", "\r\n" + hidden, [404]),
    ("absolute form", "9112-3.2.2", "GET http://b/x?y HTTP/1.1\r\nHost: a\r\n\r\n", [404]),
    ("1.0 without Host", "9112-3.2", "GET /x HTTP/1.0\r\n\r\n", [404]),
    (
        "chunk extension", "9112-7.1.1", post + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n" + hidden,
        [400, 404]
    ),
    ("trailer", "9112-7.1.2", post + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n" + hidden, [200, 404]),
    (
        "capital chunk", "9112-7.1", post + "Transfer-Encoding: Chunked\r\n\r\nA\r\n          \r\n0\r\n\r\n" + hidden,
        [200, 404]
    ),
    (
        "upgrade to h2c", "9110-7.8",
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
            + hidden, [404]
    ),
    ("body of a GET", "9110-9.3.1", "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + hidden, [404, 404]),
    (
        "expected and sent at once", "9110-10.1.1",
        post + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n\n" + hidden, [100, 200, 404]
    ),
    ("CONNECT", "9110-9.3.6", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, [405]),
    ("unknown expectation", "9110-10.1.1", "GET /x HTTP/1.1\r\nHost: a\r\nExpect: fun\r\n\r\n" + hidden, [417]),
    ("close", "9112-9.6", "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + hidden, [404]),
]

@Suite struct HTTPSmugglingTests {
    @Test(.timeLimit(.minutes(2))) func nothingHidesBehindWhatIsRefused() async throws {
        try await Station.with(.http()) { station in
            for (what, section, text) in refused {
                let bytes = what == "TLS" ? [0x16, 3, 1, 2, 0, 1, 0, 1] : Array(text.utf8)
                let answers = HTTPTestAnswer.all(try await station.exchange(bytes, halfClose: false))
                #expect(answers.map(\.status) == [400], "\(what), RFC \(section): \(answers)")
                #expect(answers.first?.fields["connection"] == "close", "\(what)")
                #expect(answers.first?.body.isEmpty == false, "\(what)")
            }
            let isBalanced = try await station.inside {
                $0.admission.counts.allSatisfy(\.isBalanced) && $0.events.isEmpty
            }
            #expect(isBalanced)
        }
    }

    @Test(.timeLimit(.minutes(2))) func oneRequestIsSeenForEachThatIsSent() async throws {
        try await Station.with(.http()) { station in
            for (what, section, text, statuses) in allowed {
                let answers = HTTPTestAnswer.all(try await station.exchange(Array(text.utf8)))
                #expect(answers.map(\.status) == statuses, "\(what), RFC \(section): \(answers)")
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func heads() async throws {
        try await Station.with(.http()) { station in
            let long = String(repeating: "x", count: 9_000)
            let cases = [
                ("GET /\(String(repeating: "x", count: 5_000)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
                ("GET / HTTP/1.1\r\nHost: a\r\nX: \(long)\r\n\r\n", 431),
                ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 64) + "\r\n", 431),
                ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 10_000) + "\r\n", 431),
                (
                    "GET / HTTP/1.1\r\nHost: a\r\n"
                        + String(repeating: "X: \(String(repeating: "y", count: 1_000))\r\n", count: 20) + "\r\n", 431
                ),
            ]
            for (text, status) in cases {
                let answers = HTTPTestAnswer.all(try await station.exchange(Array(text.utf8), halfClose: false))
                #expect(answers.map(\.status) == [status], "\(text.prefix(40))")
            }
        }
    }

    /// RFC 9112, 8: a message that ends early is incomplete.
    @Test(.timeLimit(.minutes(1))) func whatEndsEarlyIsAnsweredAndCounted() async throws {
        try await Station.with(.http()) { station in
            for (text, statuses) in [
                ("GET / HTT", [400]), ("", []), (post + "Content-Length: 900\r\n\r\n" + httpEvent(1) + "\n{\"", [400]),
                (post + "Transfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\n", [400]), (hidden + "GET", [404, 400]),
            ] as [(String, [Int])] {
                let answers = HTTPTestAnswer.all(try await station.exchange(Array(text.utf8)))
                #expect(answers.map(\.status) == statuses, "\(text)")
            }
            let (stored, isBalanced) = try await station.inside {
                ($0.committed.count, $0.admission.counts.allSatisfy(\.isBalanced))
            }
            #expect(stored == 1 && isBalanced)
        }
    }
}
