// Bad input gets the answer of the error table, is counted by reason, and harms nobody else.

import Bytes
import Events
import Foundation
import Testing
import TidingsTesting
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct BadInputTests {
    private static let good = #"{"product":"oven","device":"o-1","type":"feature.used","aspect":"grill"}"# + "\n"

    /// What a JSON-lines connection answers to `text`, up to the answer to the good line that follows it.
    private func answers(to text: [UInt8], _ daemon: DaemonProcess) async throws -> String {
        let socket = try #require(LoopbackSocket(port: daemon.tcpPort))
        defer { socket.close() }
        #expect(socket.send(text))
        #expect(socket.send(Self.good))
        socket.closeWriting()
        var answer = ""
        for _ in 0..<100 {
            guard let more = socket.receive(wait: .milliseconds(50)) else { break }
            answer += more
        }
        return answer
    }

    @Test(arguments: [
        (#"{"product":"oven""# + "\n", 4005, "malformed_json"),
        (
            #"{"product":"oven","device":"1","type":"feature.used","aspect":"a","value":NaN}"# + "\n", 4005,
            "malformed_json"
        ),
        (#"{"a":1,"a":2}"# + "\n", 4007, "duplicate_key"),
        (String(repeating: "[", count: 10_000).withPrefix(#"{"x":"#) + "\n", 4008, "too_deep"),
        (#"{"product":"oven","type":"feature.used","aspect":"a"}"# + "\n", 4011, "no_device"),
        (#"{"device":"1","type":"feature.used","aspect":"a"}"# + "\n", 4012, "no_product"),
    ])
    func refusedLinesAreAnsweredAndTheConnectionLivesOn(line: String, code: Int, reason: String) async throws {
        try await withDaemon { daemon in
            let answer = try await answers(to: Array(line.utf8), daemon)
            #expect(answer.contains("\"line\":1,\"code\":\(code),\"reason\":\"\(reason)\""), "\(answer)")
            #expect(answer.hasSuffix("{\"ack\":2}\n") || answer.contains("{\"ack\":"), "\(answer)")
            let counts = try await counts(daemon, "tcp_json")
            #expect((counts["refused"] as? [String: Int])?[reason] == 1)
            #expect(counts["committed"] as? Int == 1)
        }
    }

    @Test func invalidUTF8IsRefused() async throws {
        try await withDaemon { daemon in
            var line = Array(#"{"product":"oven","device":""#.utf8)
            line += [0xff, 0xfe]
            line += Array("\",\"type\":\"feature.used\",\"aspect\":\"a\"}\n".utf8)
            let answer = try await answers(to: line, daemon)
            #expect(answer.contains("\"code\":4006"), "\(answer)")
        }
    }

    @Test func aSchemaViolationIsKeptAndListed() async throws {
        try await withDaemon { daemon in
            let line =
                #"{"product":"oven","device":"o-2","id":7,"type":"rating.given","aspect":"door","value":9}"# + "\n"
            let answer = try await answers(to: Array(line.utf8), daemon)
            #expect(answer.contains("out_of_range"), "\(answer)")
            #expect(answer.contains("{\"ack\":2}"), "\(answer)")
            let tail = try await tidings(
                "log", "tail", "--quarantined", "--format", "json", "--data", daemon.data)
            #expect(tail.output.contains(#""id":"0-7""#), "\(tail)")
            #expect(tail.output.contains(#""quarantined":"out_of_range""#), "\(tail)")
            #expect(tail.output.split(separator: "\n").count == 1)
            let counts = try await counts(daemon, "tcp_json")
            #expect((counts["quarantined"] as? [String: Int])?["out_of_range"] == 1)
        }
    }

    /// Sends bytes after the magic, and returns the type and code of the first ERROR frame, and whether it closed.
    private func nativeAnswer(_ bytes: [UInt8], _ daemon: DaemonProcess) throws -> (code: UInt32?, closed: Bool) {
        let socket = try #require(LoopbackSocket(port: daemon.tcpPort))
        defer { socket.close() }
        #expect(socket.send(bytes))
        var received: [UInt8] = []
        for _ in 0..<60 {
            guard let more = socket.receiveBytes(wait: .milliseconds(50)) else {
                return (try error(in: received), true)
            }
            received += more
        }
        return (try error(in: received), false)
    }

    private func error(in bytes: [UInt8]) throws -> UInt32? {
        var at = 0
        while let frame = try readFrame(bytes.span, at: at) {
            at = frame.end
            guard frame.type == .error else { continue }
            return try Reject(decoding: bytes.span.extracting(frame.body)).code
        }
        return nil
    }

    private func hello() -> [UInt8] {
        var bytes = streamMagic
        var hello = Hello()
        hello.source = Array("oven/gateway-1".utf8)
        writeFrame(.hello, body: hello.encode().span, into: &bytes)
        return bytes
    }

    @Test func brokenFramesCloseOnlyTheirConnection() async throws {
        try await withDaemon { daemon in
            let bystander = try #require(LoopbackSocket(port: daemon.tcpPort))
            #expect(bystander.send(Self.good))
            #expect(bystander.receive(wait: .seconds(2)) == "{\"ack\":1}\n")

            var flipped = hello()
            flipped[flipped.count - 1] ^= 1
            #expect(try nativeAnswer(flipped, daemon) == (4001, true))
            #expect(try nativeAnswer(hello() + [0xff, 0x00, 0, 0, 0, 0], daemon) == (4000, true))
            #expect(try nativeAnswer(hello() + [0x03, 0xff, 0xff, 0xff, 0xff, 0x0f], daemon) == (4130, true))
            var unknown = hello()
            writeFrame(.batch, body: [0x10, 0x01, 0x3a, 0x04, 0x08, 0x03, 0x20, 0x63].span, into: &unknown)
            #expect(try nativeAnswer(unknown, daemon) == (4224, false))
            let zeros = [UInt8](repeating: 0, count: 64 << 20)
            let bomb = deflated(zeros.span) ?? []
            #expect(bomb.count < 1 << 20)
            var bombed = hello()
            bombed += rawFrame(type: 0x13, body: bomb)
            #expect(try nativeAnswer(bombed, daemon) == (4132, true))

            #expect(bystander.send(Self.good))
            #expect(bystander.receive(wait: .seconds(2)) == "{\"ack\":2}\n")
            bystander.close()
        }
    }

    @Test func somethingElseThanOurProtocolsIsToldSo() async throws {
        try await withDaemon { daemon in
            let answer = try await shell("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -q1 127.0.0.1 \(daemon.tcpPort)")
            #expect(answer.output.contains("4002"), "\(answer)")
        }
    }

    @Test func randomBytesNeverHarmTheDaemon() async throws {
        let seed = UInt64.random(in: 1...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        try await withDaemon { daemon in
            for _ in 0..<200 {
                guard let socket = LoopbackSocket(port: daemon.tcpPort) else { continue }
                let magic = Bool.random(using: &generator) ? hello() : []
                let count = Int.random(in: 1...2_000, using: &generator)
                _ = socket.send(magic + (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
                socket.close()
            }
            let answer = try await answers(to: [], daemon)
            #expect(answer == "{\"ack\":1}\n", "seed \(seed)")
        }
    }

    private func rawFrame(type: UInt8, body: [UInt8]) -> [UInt8] {
        var frame = [type]
        var length = body.count
        while length > 127 {
            frame.append(UInt8(length & 127) | 128)
            length >>= 7
        }
        frame.append(UInt8(length))
        frame += body
        let sum = crc32(frame.span)
        for shift in [0, 8, 16, 24] as [UInt32] { frame.append(UInt8(truncatingIfNeeded: sum >> shift)) }
        return frame
    }

    private func counts(_ daemon: DaemonProcess, _ transport: String) async throws -> [String: Any] {
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        let fields = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]
        return (fields?["transports"] as? [String: Any])?[transport] as? [String: Any] ?? [:]
    }
}

extension String {
    fileprivate func withPrefix(_ prefix: String) -> String { prefix + self }
}
