// Messages with the real daemon: sent, addressed, received, answered and cancelled, over kills and rebuilds.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct MessageTests {
    private func line(_ device: String, _ id: Int, _ rest: String, customer: String? = nil) -> String {
        let customer = customer.map { #""customer":"\#($0)","# } ?? ""
        return #"{"product":"kettle","device":"\#(device)",\#(customer)"id":\#(id),\#(rest)}"#
    }

    private func send(_ daemon: DaemonProcess, _ lines: [String]) async throws -> Finished {
        try await tidings(
            "send", "--port", "\(daemon.tcpPort)", "--format", "json",
            input: Data((lines.joined(separator: "\n") + "\n").utf8))
    }

    /// A fleet of three: two customers have agreed to be written to, one was never asked.
    private func sendFleet(_ daemon: DaemonProcess) async throws {
        let consent = #""type":"consent.given","purpose":"contact""#
        let done = try await send(
            daemon,
            [
                line(
                    "k-1", 1, #""type":"feedback.text","text":"it is loud"}"#.replacing("}", with: ""), customer: "anna"
                ),
                line("k-1", 2, consent, customer: "anna"),
                line("k-2", 1, consent, customer: "berta"),
                line("k-3", 1, #""type":"feature.used","aspect":"boil""#),
            ])
        #expect(done.status == 0, "\(done)")
    }

    private func command(_ daemon: DaemonProcess, _ arguments: String...) async throws -> Finished {
        try await run(Binary.tidings, arguments + ["--data", daemon.data, "--format", "json"])
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    private func counts(_ daemon: DaemonProcess, _ message: String) async throws -> [String: Int] {
        let shown = try await command(daemon, "outbox", "show", message)
        return try object(shown.output).compactMapValues { $0 as? Int }
    }

    @Test func aNoticeGoesToWhoHasAgreedAndItsReceiptsCount() async throws {
        try await withDaemon { daemon in
            try await sendFleet(daemon)
            let dry = try await command(daemon, "notify", "kettle", "--text", "Time to descale", "--dry-run")
            #expect(dry.status == 0, "\(dry)")
            var answer = try object(dry.output)
            #expect(
                answer["addressed"] as? Int == 3 && answer["withheld"] as? Int == 1 && answer["id"] == nil, "\(answer)")
            let sent = try await command(daemon, "notify", "kettle", "--text", "Time to descale", "--id", "d-1")
            answer = try object(sent.output)
            #expect(answer["addressed"] as? Int == 3 && answer["withheld"] as? Int == 1, "\(sent)")
            let id = try #require(answer["id"] as? String)
            #expect(id.contains(#/^m1-[0-9a-f]{8}$/#), "\(id)")
            // The same once more is the same message.
            let again = try object(try await command(daemon, "notify", "kettle", "--text", "x", "--id", "d-1").output)
            #expect(again["id"] as? String == id && again["repeated"] as? Bool == true)

            _ = try await send(
                daemon,
                [
                    line("k-1", 10, #""type":"receipt","cause":"\#(id)","stage":"shown""#),
                    line("k-2", 10, #""type":"receipt","cause":"m1-00000000","stage":"shown""#),
                    line("k-3", 10, #""type":"feature.used","aspect":"boil""#),
                ])
            var found = try await counts(daemon, "m1")
            #expect(found["addressed"] == 3 && found["shown"] == 1 && found["queued"] == 1, "\(found)")
            #expect(found["withheld"] == 1)
            // Who agrees while it is open gets it.
            _ = try await send(
                daemon, [line("k-3", 11, #""type":"consent.given","purpose":"contact""#, customer: "carla")])
            found = try await counts(daemon, "m1")
            #expect(found["withheld"] == 0 && found["queued"] == 2, "\(found)")
            let devices = try await command(daemon, "outbox", "show", "m1", "--devices")
            #expect(devices.output.contains(#"{"device":"k-1","state":"shown","attempts":0}"#), "\(devices.output)")

            let cancelled = try await command(daemon, "outbox", "cancel", id)
            #expect(try object(cancelled.output)["cancelled"] as? [String] == [id])
            found = try await counts(daemon, "m1")
            #expect(found["cancelled"] == 2 && found["shown"] == 1, "\(found)")
            let late = try await command(daemon, "outbox", "cancel", id)
            #expect(late.status == 65 && late.errors.contains("4091"), "\(late)")
        }
    }

    @Test func questionsAreAnsweredAndRepliesGoWhereTheFeedbackCameFrom() async throws {
        try await withDaemon { daemon in
            try await sendFleet(daemon)
            let asked = try await command(
                daemon, "ask", "kettle", "--aspect", "sound", "--text", "Which sound?", "--choice", "melody",
                "--choice",
                "off")
            let id = try #require(try object(asked.output)["id"] as? String)
            _ = try await send(
                daemon,
                [
                    line("k-1", 20, #""type":"preference.set","cause":"\#(id)","aspect":"sound","value":"melody""#),
                    line("k-2", 20, #""type":"preference.set","cause":"\#(id)","aspect":"sound","value":"melody""#),
                    line("k-2", 21, #""type":"preference.set","cause":"\#(id)","aspect":"sound","value":"off""#),
                ])
            let results = try await command(daemon, "outbox", "results", id)
            #expect(results.output.contains(#"{"value":"melody","devices":1}"#), "\(results)")
            #expect(results.output.contains(#"{"value":"off","devices":1}"#), "\(results)")
            let reply = try object(try await command(daemon, "reply", "0", "--text", "Thank you.").output)
            #expect(reply["addressed"] as? Int == 1, "\(reply)")
            let device = try await command(daemon, "outbox", "device", "kettle/k-1")
            #expect(
                device.output.contains(#""kind":"reply""#) && device.output.contains(#""state":"answered""#),
                "\(device)")
            let wrong = try await command(daemon, "reply", "1", "--text", "Thank you.")
            #expect(wrong.status == 65 && wrong.errors.contains("4041"), "\(wrong)")
        }
    }

    @Test func whatCannotBeSentIsToldWithItsCause() async throws {
        try await withDaemon { daemon in
            try await sendFleet(daemon)
            func fails(_ status: Int32, _ code: String, _ arguments: String...) async throws {
                let done = try await run(Binary.tidings, arguments + ["--data", daemon.data])
                #expect(done.status == status && done.errors.contains(code), "\(arguments): \(done)")
            }
            try await fails(65, "4041", "notify", "kettel", "--text", "x")
            try await fails(65, "4041", "notify", "kettle/k-9", "--text", "x")
            try await fails(77, "4031", "notify", "kettle/k-3", "--text", "x")
            try await fails(65, "priority is", "notify", "kettle", "--text", "x", "--priority", "hihg")
            try await fails(65, "4014", "set", "kettle", "Not A Path", "1")
            try await fails(65, "4090", "set", "kettle", "temperature", "1", "--if-version", "7")
            try await fails(65, "4040", "outbox", "cancel", "m99")
            try await fails(65, "4135", "notify", "kettle", "--text", String(repeating: "x", count: 4_096))
            let none = try await tidings("outbox", "list", "--data", daemon.data, "--format", "json")
            #expect(none.status == 0 && none.output.isEmpty, "\(none)")
        }
    }

    @Test func overHTTPItIsTakenFromThisMachineAndAsJSONAlone() async throws {
        try await withDaemon { daemon in
            try await sendFleet(daemon)
            let url = "http://127.0.0.1:\(daemon.httpPort)/v1/messages"
            let body = #"{"type":"setting","to":{"product":"kettle"},"aspect":"temperature","value":88,"unit":"Cel"}"#
            let json = "-H 'Content-Type: application/json'"
            let sent = try await shell("curl -s -w '%{http_code}' \(json) -d '\(body)' \(url)")
            #expect(sent.output.contains(#""id":"m1-"#) && sent.output.hasSuffix("200"), "\(sent)")
            let form = try await shell(
                "curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: text/plain' -d '\(body)' \(url)")
            #expect(form.output == "415", "\(form)")
            let proxied = try await shell(
                "curl -s -o /dev/null -w '%{http_code}' \(json) -H 'X-Forwarded-For: 1.2.3.4' -d '\(body)' \(url)")
            #expect(proxied.output == "401", "\(proxied)")
            let bad = try await shell("curl -s -w '%{http_code}' \(json) -d '{\"type\":\"notise\"}' \(url)")
            #expect(bad.output.contains("4014") && bad.output.hasSuffix("400"), "\(bad)")
            let large = String(repeating: "x", count: 70_000)
            let file = daemon.data + "/large"
            try #"{"type":"notice","text":"\#(large)"}"#.write(toFile: file, atomically: true, encoding: .utf8)
            let tooBig = try await shell(
                "curl -s -o /dev/null -w '%{http_code}' \(json) --data-binary @'\(file)' \(url)")
            #expect(tooBig.output == "413", "\(tooBig)")
        }
    }

    /// The 257th open message, the 65th for one device, and the 17th for whoever comes.
    @Test func everyBoundAnswers() async throws {
        try await withDaemon { daemon in
            try await sendFleet(daemon)
            let script = #"""
                import json, sys, urllib.request, urllib.error
                def post(message):
                    request = urllib.request.Request(
                        f"http://127.0.0.1:{sys.argv[1]}/v1/messages", json.dumps(message).encode(),
                        {"Content-Type": "application/json"})
                    try:
                        return json.load(urllib.request.urlopen(request))
                    except urllib.error.HTTPError as error:
                        return json.load(error) | {"status": error.code, "retry": error.headers.get("Retry-After")}
                live = [post({"type": "setting", "to": {"product": "kettle"}, "aspect": f"a{n}", "value": n})
                        for n in range(17)]
                print(sum("code" in answer for answer in live), live[-1].get("code"), live[-1].get("status"))
                device = {"product": "kettle", "device": "k-1"}
                notices = [post({"type": "notice", "to": device, "text": "x", "basis": "contract"}) for n in range(241)]
                print(sum("code" in answer for answer in notices), notices[-1].get("code"), notices[-1].get("retry"))
                print(sum(answer.get("withheld", 0) for answer in notices))
                """#
            let done = try await run("/usr/bin/python3", ["-c", script, "\(daemon.httpPort)"])
            // 240 notices beside 16 settings are open; 64 of them may wait for the device.
            #expect(done.output == "1 4293 503\n1 4293 1\n176\n", "\(done)")
        }
    }

    /// A device that sends a line, hears what is sent down for some seconds, and answers each message with `reply`.
    private func device(_ port: Int, _ name: String, seconds: Double, reply: String) async throws
        -> [String]
    {
        let script = #"""
            import json, socket, sys, time
            port, name, seconds, reply = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
            connection = socket.create_connection(("127.0.0.1", port))
            number = int(time.time() * 1000)
            def say(event):
                global number
                number += 1
                event.update(product="kettle", device=name, id=number)
                connection.sendall(json.dumps(event).encode() + b"\n")
            say({"type": "feature.used", "aspect": "boil"})
            end, rest = time.time() + seconds, b""
            while time.time() < end:
                connection.settimeout(max(0.01, end - time.time()))
                try:
                    rest += connection.recv(65536)
                except TimeoutError:
                    break
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    down = json.loads(line).get("down")
                    if not down:
                        continue
                    print(json.dumps(down), flush=True)
                    if reply:
                        say(dict(json.loads(reply), cause=down["id"]))
            """#
        let done = try await run(
            "/usr/bin/python3", ["-c", script, "\(port)", name, "\(seconds)", reply])
        #expect(done.status == 0, "\(done)")
        return done.output.split(separator: "\n").map(String.init)
    }

    @Test func aDeviceThatConnectsIsSentWhatWaitsAndWhatIsSentMeanwhile() async throws {
        try await withDaemon { daemon in
            try await sendFleet(daemon)
            let port = daemon.tcpPort
            for text in ["one", "two", "three", "four", "five", "six"] {
                let sent = try await command(daemon, "notify", "kettle/k-1", "--text", text)
                #expect(sent.status == 0, "\(sent)")
            }
            // One that says nothing of them is sent four, once.
            let silent = try await device(port, "k-1", seconds: 3, reply: "")
            #expect(silent.count == 4 && silent[0].contains(#""text": "one""#), "\(silent)")
            let found = try await counts(daemon, "m1")
            #expect(found["sent"] == 1 && found["attempts"] == 1, "\(found)")
            // One that answers is sent all, and what comes meanwhile.
            async let heard = device(
                port, "k-1", seconds: 6, reply: #"{"type":"receipt","stage":"shown"}"#)
            try await Task.sleep(for: .seconds(1))
            _ = try await command(daemon, "set", "kettle", "temperature", "88", "--unit", "Cel")
            let all = try await heard
            #expect(all.count == 7, "\(all)")
            let setting = try #require(all.first { $0.contains(#""type": "setting""#) })
            #expect(setting.contains(#""value": 88"#) && setting.contains(#""seen": "0-"#), "\(setting)")
            for number in 1...6 {
                let shown = try await counts(daemon, "m\(number)")
                #expect(shown["shown"] == 1, "m\(number): \(shown)")
            }
            // Once more: nothing waits.
            #expect(try await device(port, "k-1", seconds: 2, reply: "").isEmpty)
        }
    }

    /// A kill at any moment, and a rebuild: the same messages, entries and answers.
    @Test func aKillAndARebuildLeaveTheOutboxAsItWas() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        var daemon = try await DaemonProcess(data: folder.path + "/data")
        try await sendFleet(daemon)
        _ = try await command(daemon, "notify", "kettle", "--text", "One", "--basis", "contract")
        _ = try await command(daemon, "set", "kettle/k-1", "temperature", "88", "--unit", "Cel")
        _ = try await send(
            daemon,
            [
                line("k-1", 30, #""type":"receipt","cause":"m1","stage":"received""#),
                line("k-1", 31, #""type":"state.reported","aspect":"temperature","value":88,"unit":"Cel""#),
                line("k-2", 30, #""type":"receipt","cause":"m1","stage":"dismissed""#),
            ])
        await daemon.kill()
        daemon = try await DaemonProcess(data: folder.path + "/data")
        _ = try await command(daemon, "notify", "kettle", "--text", "Two", "--basis", "contract")
        let list = try await command(daemon, "outbox", "list")
        #expect(list.output.split(separator: "\n").count == 3, "\(list)")
        let setting = try await counts(daemon, "m2")
        #expect(setting["applied"] == 1, "\(setting)")
        #expect(await daemon.stop() == 0)
        let before = try await dump(daemon)
        let rebuilt = try await tidings("rebuild", "--data", daemon.data)
        #expect(rebuilt.status == 0, "\(rebuilt)")
        #expect(try await dump(daemon) == before)
        #expect(before.contains("dismissed"))
    }

    private func dump(_ daemon: DaemonProcess) async throws -> String {
        var text = ""
        for message in ["m1", "m2", "m3"] {
            text += try await command(daemon, "outbox", "show", message).output
            text += try await command(daemon, "outbox", "show", message, "--devices").output
        }
        return text
    }
}
