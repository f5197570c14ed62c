// How fast messages follow each other, and what a device is told that answers what was never asked.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct MessageDeliveryTests {
    /// A device that says who it is, hears so many messages, answers each, and prints how long that took and what came
    /// back besides.
    private static let script = #"""
        import json, socket, sys, time
        port, name, wanted, answer = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
        connection = socket.create_connection(("127.0.0.1", port))
        number = int(time.time() * 1000)
        def say(event):
            global number
            number += 1
            event.update(product="kettle", device=name, id=number)
            connection.sendall(json.dumps(event).encode() + b"\n")
        started = time.time()
        say({"type": "feature.used", "aspect": "boil"})
        heard, told, rest, took = [], [], b"", 0
        connection.settimeout(0.1)
        end = started + 20
        while time.time() < end:
            try:
                rest += connection.recv(65536)
            except TimeoutError:
                continue
            *lines, rest = rest.split(b"\n")
            for line in lines:
                line = json.loads(line)
                if "quarantined" in line:
                    told.append(line["quarantined"])
                if "down" not in line:
                    continue
                heard.append(line["down"]["id"])
                if answer is not None:
                    say(dict(answer, cause=line["down"]["id"]))
                if len(heard) == wanted:
                    took, end = time.time() - started, time.time() + 0.5
        print(json.dumps({"heard": len(heard), "distinct": len(set(heard)), "took": took, "told": told}))
        """#

    private func device(
        _ daemon: DaemonProcess, _ name: String, wanted: Int, answer: String
    ) async throws -> [String: Any] {
        let done = try await run(
            "/usr/bin/python3", ["-c", Self.script, "\(daemon.tcpPort)", name, "\(wanted)", answer])
        return try #require(
            try JSONSerialization.jsonObject(with: Data(done.output.utf8)) as? [String: Any], "\(done)")
    }

    private func command(_ daemon: DaemonProcess, _ arguments: String...) async throws -> Finished {
        try await run(Binary.tidings, arguments + ["--data", daemon.data, "--format", "json"])
    }

    private func hello(_ daemon: DaemonProcess) async throws {
        let line = #"{"product":"kettle","device":"k-1","id":1,"type":"feature.used","aspect":"boil"}"#
        let done = try await tidings(
            "send", "--port", "\(daemon.tcpPort)", "--format", "json", input: Data((line + "\n").utf8))
        #expect(done.status == 0, "\(done)")
    }

    /// Twelve messages wait, four are under way at a time: the next ones go when the first are answered.
    @Test func whoAnswersIsSentTheNextAtOnce() async throws {
        try await withDaemon { daemon in
            try await hello(daemon)
            for number in 1...12 {
                let sent = try await command(
                    daemon, "notify", "kettle/k-1", "--text", "\(number)", "--basis", "contract")
                #expect(sent.status == 0, "\(sent)")
            }
            let found = try await device(daemon, "k-1", wanted: 12, answer: #"{"type":"receipt","stage":"shown"}"#)
            print("delivery: 12 messages in \(found["took"] ?? 0) s")
            #expect(found["heard"] as? Int == 12 && found["distinct"] as? Int == 12, "\(found)")
            let took = try #require(found["took"] as? Double)
            #expect(took > 0 && took < 1.5, "\(found)")
            let shown = try await command(daemon, "outbox", "show", "m12")
            #expect(shown.output.contains(#""shown":1"#), "\(shown)")
        }
    }

    @Test func whatNamesNoMessageAndWhatIsNoAnswerIsToldAndKeptApart() async throws {
        try await withDaemon { daemon in
            try await hello(daemon)
            let asked = try await command(
                daemon, "ask", "kettle/k-1", "--aspect", "sound", "--text", "Which?", "--choice", "melody", "--choice",
                "off", "--basis", "contract")
            #expect(asked.status == 0, "\(asked)")
            let wrong = try await device(
                daemon, "k-1", wanted: 1, answer: #"{"type":"preference.set","aspect":"sound","value":"drum"}"#)
            let told = try #require(wrong["told"] as? [[String: Any]])
            #expect(told.count == 1 && told[0]["code"] as? Int == 4232, "\(wrong)")
            // It still waits for an answer.
            let right = try await device(
                daemon, "k-1", wanted: 1, answer: #"{"type":"preference.set","aspect":"sound","value":"off"}"#)
            #expect((right["told"] as? [[String: Any]])?.isEmpty == true, "\(right)")
            let results = try await command(daemon, "outbox", "results", "m1")
            #expect(results.output.contains(#"{"value":"off","devices":1}"#), "\(results)")
            #expect(!results.output.contains("drum"), "\(results)")
            let lines = [
                #"{"product":"kettle","device":"k-1","id":"9-90","type":"receipt","cause":"m1-00000000","#
                    + #""stage":"shown"}"#,
                #"{"product":"kettle","device":"k-1","id":"9-91","type":"receipt","cause":"m7","stage":"shown"}"#,
                #"{"product":"oven","device":"o-1","id":1,"type":"receipt","cause":"m1","stage":"shown"}"#,
                #"{"product":"kettle","device":"k-1","id":"9-92","type":"receipt","cause":"m1","stage":"shown"}"#,
            ]
            let sent = try await shell(
                "printf '%s\\n' '\(lines.joined(separator: "' '"))' | nc -q 1 127.0.0.1 \(daemon.tcpPort)")
            #expect(sent.output.components(separatedBy: "4231").count == 4, "\(sent)")
            #expect(sent.output.contains("no such message went to this device"), "\(sent)")
            #expect(sent.output.contains(#"{"ack":4}"#), "\(sent)")
        }
    }
}
