// Consent with the real daemon: what is stored before, between and after, over kills, reloads and rebuilds.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct ConsentTests {
    private static let policy = """
        privacy: {personal_aspects: home.name, consent: {analytics: kettle}}
        events: {keep_unknown: true}

        """

    /// A daemon whose file can be rewritten, and that can be killed and started again.
    private final class Running {
        let folder = TemporaryFolder()
        private(set) var daemon: DaemonProcess
        private var sent = 0
        var data: String { folder.path + "/data" }
        private var file: String { folder.path + "/tidings.yaml" }

        init(_ yaml: String) async throws {
            try yaml.write(toFile: folder.path + "/tidings.yaml", atomically: true, encoding: .utf8)
            daemon = try await DaemonProcess(
                data: folder.path + "/data", "--config", folder.path + "/tidings.yaml")
        }

        func restart(killing: Bool) async throws {
            if killing { await daemon.kill() } else { #expect(await daemon.stop() == 0, "\(daemon.log)") }
            daemon = try await DaemonProcess(data: data, "--config", file)
        }

        func reload(_ yaml: String) async throws {
            try yaml.write(toFile: file, atomically: true, encoding: .utf8)
            let answer = try await tidings("reload", "--wait", "--data", data, "--format", "json")
            #expect(answer.status == 0 && answer.output.contains("privacy.consent.analytics"), "\(answer)")
        }

        /// A line of its own number.
        func line(_ customer: String, _ rest: String, product: String = "kettle") -> String {
            sent += 1
            return #"{"product":"\#(product)","device":"k-1","customer":"\#(customer)","id":\#(sent),\#(rest)}"#
        }

        func send(_ lines: [String]) async throws {
            let done = try await tidings(
                "send", "--port", "\(daemon.tcpPort)", "--format", "json",
                input: Data((lines.joined(separator: "\n") + "\n").utf8))
            #expect(done.status == 0, "\(done)")
        }

        func send(_ customer: String, _ rest: String, product: String = "kettle") async throws {
            try await send([line(customer, rest, product: product)])
        }

        func export() async throws -> [[String: Any]] {
            let output = try await tidings("log", "export", "--data", data, "--format", "ndjson").output
            return try output.split(separator: "\n").filter { !$0.contains(#""type":"audited""#) }.map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
        }

        func status() async throws -> [String: Any] {
            let output = try await tidings("status", "--data", data, "--format", "json").output
            return try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
        }

        /// The files of the data folder in which a text stands.
        func files(with text: String) throws -> [String] {
            try FileManager.default.subpathsOfDirectory(atPath: data).filter {
                FileManager.default.contents(atPath: data + "/" + $0)?.range(of: Data(text.utf8)) != nil
            }.sorted()
        }

        func end() async { #expect(await daemon.stop() == 0, "\(daemon.log)") }

        deinit { folder.remove() }
    }

    private let text = #""type":"feedback.text","text":"I am PLANTED-Text","nick":"PLANTED-Extra""#
    private let given = #""type":"consent.given","value":"analytics","notice":"2026-11","method":"switch in the app""#
    private let withdrawn = #""type":"consent.withdrawn","value":"dpv:ServiceOptimisation""#

    private func customers(_ running: Running) async throws -> [String] {
        try await running.export().map { ($0["customer"] as? String ?? "-") + ($0["text"] == nil ? "" : "+text") }
    }

    @Test func anEventHasItsCustomerOnlyWhileTheConsentHolds() async throws {
        let running = try await Running(Self.policy)
        try await running.send("PLANTED-Anna", text)
        try await running.send("Berta", text, product: "oven")
        #expect(try await customers(running) == ["-", "Berta+text"])
        #expect(try running.files(with: "PLANTED-Anna") == [])
        try await running.restart(killing: true)
        #expect(try running.files(with: "PLANTED-Anna") == [])
        // A repetition after the restart brings the name again.
        try await running.send([
            #"{"product":"kettle","device":"k-1","customer":"PLANTED-Anna","id":1,\#(text)}"#,
            running.line("Berta", text, product: "oven"),
        ])
        #expect(try running.files(with: "PLANTED-Anna") == [])
        try await running.send("PLANTED-Anna", given)
        #expect(try running.files(with: "PLANTED-Anna").allSatisfy { $0.hasPrefix("identity.sqlite") })
        try await running.send("PLANTED-Anna", text)
        try await running.restart(killing: true)
        try await running.send("PLANTED-Anna", text)
        try await running.restart(killing: false)
        try await running.send("PLANTED-Anna", text)
        try await running.send("PLANTED-Anna", withdrawn)
        try await running.restart(killing: true)
        try await running.send("PLANTED-Anna", text)
        try await running.send("PLANTED-Anna", text, product: "oven")
        #expect(
            try await customers(running) == [
                "-", "Berta+text", "Berta+text", "PLANTED-Anna", "PLANTED-Anna+text", "PLANTED-Anna+text",
                "PLANTED-Anna+text", "PLANTED-Anna", "-", "PLANTED-Anna+text",
            ])
        let counts = (try await running.status()["transports"] as? [String: [String: Any]])?["tcp_json"]
        #expect(counts?["without_consent"] as? Int == 1 && counts?["committed"] as? Int == 2, "\(counts ?? [:])")
        #expect(try await running.status()["consents"] as? Int == 1)
        await running.end()
        // Two of Berta, four of Anna; the others have no text that could be shown.
        let feedback = try await shell(
            "sqlite3 '\(running.data)/summaries.sqlite' 'SELECT count(*) FROM feedback'")
        #expect(feedback.output == "6\n", "\(feedback)")
        try await rebuildEqualsLive(running)
    }

    private func rebuildEqualsLive(_ running: Running) async throws {
        let views = "product_summary feedback daily_product daily_aspect aspect_summary rating"
        let rows = "sqlite3 '\(running.data)/summaries.sqlite' \"SELECT '$view', * FROM $view\" | sort"
        let tables = "for view in \(views); do \(rows); done | sha256sum"
        let live = try await shell(tables)
        let rebuilt = try await tidings("rebuild", "--data", running.data)
        #expect(rebuilt.status == 0, "\(rebuilt)")
        let again = try await shell(tables)
        #expect(live.output == again.output && live.output.count > 60)
    }

    @Test func nothingOfAnEventWithoutConsentIsAnywhere() async throws {
        let running = try await Running(Self.policy)
        var lines: [String] = []
        for number in 0..<200 {
            lines.append(running.line("PLANTED-\(number)", text))
            lines.append(running.line("PLANTED-\(number)", #""type":"com.acme.x","more":"PLANTED-More""#))
            lines.append(running.line("PLANTED-\(number)", #""type":"rating.given","aspect":"a","value":9"#))
            let name = #""type":"preference.set","aspect":"home.name","value":"PLANTED-Value"#
            lines.append(running.line("PLANTED-\(number)", name + "-\(number)\""))
        }
        let done = try await tidings(
            "send", "--port", "\(running.daemon.tcpPort)", "--format", "json",
            input: Data(lines.joined(separator: "\n").utf8))
        #expect(done.status != 64, "\(done)")
        let status = try await running.status()
        #expect(status["customers"] as? Int == 0 && status["is_balanced"] as? Bool == true, "\(status)")
        #expect((status["transports"] as? [String: [String: Any]])?["tcp_json"]?["without_consent"] as? Int == 800)
        #expect(try running.files(with: "PLANTED") == [])
        await running.end()
        #expect(try running.files(with: "PLANTED") == [])
        #expect(try await running.export().count == 800)
        let output = try await tidings("log", "export", "--data", running.data, "--format", "ndjson").output
        #expect(!output.contains("PLANTED"))
    }

    @Test func aReloadChangesWhatIsAsked() async throws {
        let running = try await Running("")
        try await running.send("Anna", text)
        try await running.reload(Self.policy)
        try await running.send("Anna", text)
        try await running.send("Anna", given)
        try await running.send("Anna", text)
        try await running.reload("privacy: {consent: {analytics: all except kettle}}\n")
        try await running.send("Carla", text)
        try await running.send("Carla", text, product: "oven")
        #expect(try await customers(running) == ["Anna+text", "-", "Anna", "Anna+text", "Carla+text", "-"])
        await running.end()
    }

    @Test func aRequestThatOptsOutLeavesNobody() async throws {
        let running = try await Running("")
        let body = running.folder.path + "/body"
        func post(_ header: String, _ lines: [String]) async throws {
            try lines.joined(separator: "\n").write(toFile: body, atomically: true, encoding: .utf8)
            let done = try await shell(
                "curl -s -f -H 'Content-Type: application/x-ndjson' \(header) --data-binary @'\(body)' "
                    + "http://127.0.0.1:\(running.daemon.httpPort)/v1/events")
            #expect(done.output.contains(#""stored":\#(lines.count)"#), "\(done)")
        }
        try await post("-H 'Sec-GPC: 1'", [running.line("PLANTED-Anna", text), running.line("Berta", given)])
        try await post("-H 'Sec-GPC: 0'", [running.line("Carla", text)])
        try await post("-H 'sec-gpc:  1 '", [running.line("Berta", text)])
        try await post("", [running.line("Berta", text)])
        #expect(try await customers(running) == ["-", "Berta", "Carla+text", "-", "Berta+text"])
        let counts = (try await running.status()["transports"] as? [String: [String: Any]])?["http"]
        #expect(counts?["without_consent"] as? Int == 2)
        #expect(try running.files(with: "PLANTED-Anna") == [])
        await running.end()
    }

    @Test func theRecordSaysWhatHoldsAndWhatWasSaid() async throws {
        let yaml =
            "privacy: {controller: 'Kettles Ltd', jurisdiction: EU, consent: {analytics: kettle}}\n"
            + "log: {retention_days: 730}\n"
        let running = try await Running(yaml)
        try await running.send([
            running.line("anna", given), running.line("anna", #""type":"consent.given","value":"dpv:Marketing""#),
            running.line(
                "anna",
                #""type":"consent.given","value":"contact","time":"2026-01-01T00:00:00Z","#
                    + #""expiry":"2026-01-02T00:00:00Z""#
            ),
            running.line("anna", withdrawn), running.line("anna", given, product: "oven"),
            running.line("berta", #""type":"feature.used","aspect":"a""#, product: "oven"),
        ])
        func consent(_ arguments: String...) async throws -> Finished {
            let config = running.folder.path + "/tidings.yaml"
            return try await run(
                Binary.tidings, ["consent"] + arguments + ["--data", running.data, "--config", config])
        }
        for isRunning in [true, false] {
            if !isRunning { await running.end() }
            let table = try await consent("anna")
            #expect(table.status == 0)
            let rows = table.output.split(separator: "\n").map {
                $0.split(separator: " ").prefix(3).joined(separator: " ")
            }
            #expect(
                rows == [
                    "product purpose state", "kettle analytics withdrawn", "kettle dpv:Marketing given",
                    "kettle contact expired", "oven analytics given",
                ], "\(table.output)")
            let nobody = try await consent("Anna")
            #expect(nobody.status == 65 && nobody.output == "" && !nobody.errors.contains("nna"), "\(nobody)")
            let silent = try await consent("berta")
            #expect(silent.status == 0 && silent.output.contains("neither given nor withdrawn"), "\(silent)")
            let csv = try await consent("anna", "--product", "kettle", "--format", "csv")
            #expect(csv.output.split(whereSeparator: \.isNewline).count == 5, "\(csv.output)")
            let json = try await consent("anna", "--format", "json")
            let record = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
            let records = try #require(record["records"] as? [[String: Any]])
            #expect(records.count == 4 && record["@context"] != nil)
            let first = try #require(records.first)
            for (key, value) in [
                ("subject", "anna"), ("controller", "Kettles Ltd"), ("jurisdiction", "EU"),
                ("state", "dpv:ConsentWithdrawn"), ("schema", "https://w3id.org/dpv/schema/iso-27560#record"),
            ] { #expect(first[key] as? String == value) }
            let process = try #require(first["process"] as? [String: Any])
            #expect(process["purpose"] as? String == "dpv:ServiceUsageAnalytics")
            #expect((process["storage"] as? [String: Any])?["duration"] as? String == "P730D")
            #expect(
                (first["events"] as? [[String: Any]])?.map { $0["state"] as? String } == [
                    "dpv:ConsentGiven", "dpv:ConsentWithdrawn",
                ])
        }
    }

    @Test func aConsentOutlivesItsEvent() async throws {
        let running = try await Running("log: {segment_max_bytes: 1048576, retention_bytes: 1}\n")
        try await running.send("anna", given)
        let sent = try await tidings(
            "send", "--port", "\(running.daemon.tcpPort)", "--events", "1000000", "--devices", "500")
        #expect(sent.status == 0, "\(sent)")
        var isDropped = false
        for _ in 0..<4 where !isDropped {
            // Words that only the first segment has go with the next block.
            try await running.send("carla", text)
            isDropped = try await eventually { (try await running.status()["retention_segments"] as? Int ?? 0) > 0 }
        }
        #expect(isDropped, "\(running.daemon.log)")
        let table = try await tidings("consent", "anna", "--data", running.data)
        #expect(table.status == 0 && table.output.contains(/kettle +analytics +given/), "\(table)")
        try await running.restart(killing: true)
        try await running.reload(Self.policy)
        try await running.send("anna", text)
        try await running.send("berta", text)
        let newest = try await tidings("log", "tail", "-n", "2", "--data", running.data, "--format", "json")
        #expect(newest.output.contains(#""customer":"anna""#) && !newest.output.contains("berta"), "\(newest)")
        await running.end()
    }
}
