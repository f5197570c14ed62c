// Events over HTTP from the shipped binary, sent by curl: every form, twice, and clients that go away.

import Events
import Foundation
import Testing
import TidingsClient
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct HTTPTests {
    private func event(_ seq: Int, device: String = "k-1") -> String {
        #"{"product":"kettle","device":"\#(device)","id":"1-\#(seq)","type":"feature.used","aspect":"boil"}"#
    }

    private func cloud(_ seq: Int) -> String {
        #"{"specversion":"1.0","id":"1-\#(seq)","source":"kettle/k-1","type":"org.tidings.feature.used.v1","#
            + #""data":{"aspect":"boil"}}"#
    }

    /// Posts a body that stands in a file, and returns the status and the answer.
    private func post(
        _ daemon: DaemonProcess, _ body: Data, _ options: String
    ) async throws -> (status: String, json: [String: Any]) {
        let file = daemon.data + "/body"
        try body.write(to: URL(fileURLWithPath: file))
        let done = try await shell(
            "curl -s -w '\\n%{http_code}' --data-binary @'\(file)' \(options) "
                + "http://127.0.0.1:\(daemon.httpPort)/v1/events"
        )
        let lines = done.output.split(separator: "\n")
        let json = try JSONSerialization.jsonObject(with: Data((lines.first ?? "").utf8)) as? [String: Any]
        return (String(lines.last ?? ""), json ?? [:])
    }

    private func post(
        _ daemon: DaemonProcess, _ body: String, _ options: String
    ) async throws -> (status: String, json: [String: Any]) {
        try await post(daemon, Data(body.utf8), options)
    }

    private func counts(_ daemon: DaemonProcess) async throws -> [String: Any] {
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        let fields = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]
        return try #require((fields?["transports"] as? [String: [String: Any]])?["http"])
    }

    private func type(_ name: String) -> String { "-H 'Content-Type: application/\(name)'" }

    private func nativeBatch() -> Data {
        var writer = BatchWriter()
        let device = writer.reference("kettle/k-1")
        writer.begin(epoch: 1, firstSeq: 9, time: nil, device: device)
        var event = OutgoingEvent(kind: .featureUsed)
        event.aspect = writer.reference("boil")
        let fits = writer.add(event, skipping: 0)
        #expect(fits)
        var body: [UInt8] = []
        writer.finish(into: &body)
        return Data(body)
    }

    @Test func everyFormIsStoredOnceHoweverOftenItIsSent() async throws {
        try await withDaemon { daemon in
            for round in 0..<2 {
                let forms: [(Data, String)] = [
                    (Data(event(1).utf8), type("json")),
                    (Data("[\(event(2)),\(event(3))]".utf8), type("json")),
                    (Data("\(event(4))\n\(event(5))\n".utf8), type("x-ndjson") + " -H 'Transfer-Encoding: chunked'"),
                    (Data(cloud(6).utf8), type("cloudevents+json")),
                    (Data("[\(cloud(7))]".utf8), type("cloudevents-batch+json")),
                    (
                        Data(#"{"aspect":"boil"}"#.utf8),
                        type("json") + " -H 'ce-specversion: 1.0' -H 'ce-id: 1-8' -H 'ce-source: kettle/k%2D1' "
                            + "-H 'ce-type: feature.used'"
                    ),
                    (nativeBatch(), type("x-protobuf")),
                ]
                for (body, options) in forms {
                    let (status, json) = try await post(daemon, body, options)
                    #expect(status == "200", "\(options): \(json)")
                    let received = try #require(json["received"] as? Int)
                    #expect(json[round == 0 ? "stored" : "duplicate"] as? Int == received, "\(options): \(json)")
                }
            }
            let log = try await tidings("log", "export", "--data", daemon.data, "--format", "ndjson")
            #expect(log.output.split(separator: "\n").count == 9)
            let seen = try await counts(daemon)
            #expect(seen["received"] as? Int == 18 && seen["duplicate"] as? Int == 9)
        }
    }

    @Test func packedBodiesAndLargeOnes() async throws {
        try await withDaemon { daemon in
            let lines = (1...20_000).map { event($0 / 400 + 1, device: "k-\($0 % 400)") }.joined(separator: "\n")
            let file = daemon.data + "/lines"
            try lines.write(toFile: file, atomically: true, encoding: .utf8)
            let url = "http://127.0.0.1:\(daemon.httpPort)/v1/events"
            let plain = try await shell("curl -s -T '\(file)' -X POST \(type("x-ndjson")) \(url)")
            #expect(plain.output.hasPrefix(#"{"received":20000,"stored":20000,"#), "\(plain)")
            let packed = try await shell(
                "gzip -c '\(file)' | curl -s --data-binary @- \(type("x-ndjson")) -H 'Content-Encoding: gzip' \(url)")
            #expect(packed.output.hasPrefix(#"{"received":20000,"stored":0,"duplicate":20000"#), "\(packed)")
            let bomb = try await shell(
                "head -c 50000000 /dev/zero | gzip -c | curl -s -w '%{http_code}' --data-binary @- \(type("json")) "
                    + "-H 'Content-Encoding: gzip' \(url)")
            #expect(bomb.output.hasSuffix("413"), "\(bomb)")
        }
    }

    @Test func whatIsWrongIsSaid() async throws {
        try await withDaemon { daemon in
            let (status, json) = try await post(daemon, "[\(event(1)),{\"device\":\"x\"}]", type("json"))
            let refused = try #require((json["refused"] as? [[String: Any]])?.first)
            #expect(status == "200" && json["stored"] as? Int == 1)
            #expect(refused["index"] as? Int == 1 && refused["reason"] as? String == "no_product")
            #expect(try await post(daemon, "[\(event(2)),", type("json")).status == "400")
            #expect(try await post(daemon, event(2), type("xml")).status == "415")
            let url = "http://127.0.0.1:\(daemon.httpPort)"
            for (options, path, expected) in [
                ("", "/v1/events", "405"), ("", "/nothing", "404"), ("-X OPTIONS", "/v1/events", "204"),
                ("-I", "/health/live", "200"), ("", "/health/ready", "200"), ("-H Host:", "/health/live", "400"),
                ("", "/openapi.json", "200"), ("-I", "/openapi.json", "200"), ("-X POST", "/openapi.json", "405"),
            ] {
                let done = try await shell("curl -s -o /dev/null -w '%{http_code}' \(options) \(url)\(path)")
                #expect(done.output == expected, "\(options) \(path)")
            }
            let ready = try await shell("curl -s \(url)/health/ready")
            #expect(ready.output.contains(#""storage":"good""#) && ready.output.contains(#""status":"ready""#))
        }
    }

    /// What was whole when the client went is stored; what was begun is counted and nothing else.
    @Test func aClientThatIsKilledHarmsNobody() async throws {
        try await withDaemon { daemon in
            let lines = (1...3).map { event($0) }.joined(separator: "\n")
            let script = """
                import os, signal, socket, time
                s = socket.create_connection(("127.0.0.1", \(daemon.httpPort)))
                s.sendall(b"POST /v1/events HTTP/1.1\\r\\nHost: a\\r\\nContent-Type: application/x-ndjson\\r\\n"
                          b"Content-Length: 100000\\r\\n\\r\\n" + open("\(daemon.data)/lines", "rb").read())
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGKILL)
                """
            try lines.write(toFile: daemon.data + "/lines", atomically: true, encoding: .utf8)
            try script.write(toFile: daemon.data + "/client.py", atomically: true, encoding: .utf8)
            _ = try await shell("python3 '\(daemon.data)/client.py'")
            let isCounted = try await eventually { try await counts(daemon)["received"] as? Int == 3 }
            let seen = try await counts(daemon)
            #expect(isCounted, "\(seen)")
            #expect(seen["committed"] as? Int == 2)
            #expect(seen["refused"] as? [String: Int] == ["truncated": 1])
            let (_, again) = try await post(daemon, lines, type("x-ndjson"))
            #expect(again["duplicate"] as? Int == 2 && again["stored"] as? Int == 1)
        }
    }

    @Test func aDefaultPortThatIsTakenIsDoneWithoutAndAConfiguredOneIsNot() async throws {
        try await withDaemon { daemon in
            let folder = TemporaryFolder()
            let done = try await tidings(
                "serve", "--data", folder.path, "--tcp-port", "0", "--udp-port", "0", "--http-port",
                "\(daemon.httpPort)")
            #expect(done.status == 74 && done.errors.contains("listen.http.port"), "\(done)")
            folder.remove()
        }
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path, "--http-port", "off")
        #expect(daemon.httpPort == 0)
        #expect(await daemon.stop() == 0)
        folder.remove()
    }
}
