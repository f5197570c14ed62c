// `tidings status` and what the daemon says of itself: every key documented, every number the one that readers see.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct StatusTests {
    private func status(_ daemon: DaemonProcess) async throws -> [String: Any] {
        let status = try await tidings("status", "--data", daemon.data, "--format", "json")
        return try #require(try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any])
    }

    private func post(_ daemon: DaemonProcess, _ lines: String...) async throws -> String {
        let text = lines.map { $0 + "\\n" }.joined()
        return try await shell("printf '\(text)' | nc -q1 127.0.0.1 \(daemon.tcpPort)").output
    }

    private func event(_ id: String, device: String = "k-1", customer: String = "c-1") -> String {
        #"{"product":"kettle","device":"\#(device)","customer":"\#(customer)","id":"\#(id)","type":"feature.used","#
            + #""aspect":"boil"}"#
    }

    @Test func everyKeyIsDocumentedAndEveryDocumentedKeyIsThere() async throws {
        try await withDaemon("--mqtt-port", "0") { daemon in
            _ = try await post(daemon, event("1-1000"), event("1-1"))
            // Somebody with a wrong token, who is listed.
            let hello = #"{"hello":"kettle/k-1","token":"1.AAAA"}"#
            _ = try await shell("printf '\(hello)\n' | nc -q1 127.0.0.1 \(daemon.tcpPort)")
            var keys: Set<String> = []
            for (key, value) in try await status(daemon) {
                switch (key, value) {
                case ("transports", let transports as [String: [String: Any]]):
                    for (name, counts) in transports { keys.formUnion(counts.keys.map { "transports.\(name).\($0)" }) }
                case ("access", let access as [String: Any]): keys.formUnion(access.keys.map { "access.\($0)" })
                case ("credential_faults", let faults as [[String: Any]]):
                    for fault in faults { keys.formUnion(fault.keys.map { "credential_faults[].\($0)" }) }
                case ("mqtt", let mqtt as [String: Any]): keys.formUnion(mqtt.keys.map { "mqtt.\($0)" } + ["mqtt"])
                case ("scrub", let scrub as [String: Any]): keys.formUnion(scrub.keys.map { "scrub.\($0)" })
                case ("stale_devices", let devices as [[String: Any]]):
                    for device in devices { keys.formUnion(device.keys.map { "stale_devices[].\($0)" }) }
                default: keys.insert(key)
                }
            }
            #expect(keys.allSatisfy { $0.contains(/^[a-z_.\[\]]+$/) }, "\(keys)")
            let document = try String(contentsOfFile: Binary.checkout + "/docs/operating.md", encoding: .utf8)
            let section = try #require(document.firstRange(of: "### Keys of the JSON"))
            let table = document[section.upperBound...].components(separatedBy: "\n#")[0]
            var documented: Set<String> = []
            for row in table.matches(of: /\n\| `([a-zA-Z_.\[\]]+)` \|/) {
                let key = String(row.output.1)
                // This daemon speaks no TLS; TLSTests looks at one that does.
                if key.hasPrefix("tls.") { continue }
                if key.hasPrefix("transports.NAME.") {
                    for name in ["tcp", "tcp_json", "udp", "udp_json", "http", "mqtt"] {
                        documented.insert(key.replacing("NAME", with: name))
                    }
                } else {
                    documented.insert(key)
                }
            }
            #expect(keys.subtracting(documented).sorted() == [], "not documented")
            #expect(documented.subtracting(keys).sorted() == [], "documented, and not there")
        }
    }

    @Test func anIdleDaemonIsNotBehindAndKnowsItsLastEvent() async throws {
        try await withDaemon { daemon in
            #expect(try await status(daemon)["last_event"] is NSNull)
            let before = Date.now
            _ = try await post(daemon, event("1-1"))
            try await Task.sleep(for: .seconds(1))
            let seen = try await status(daemon)
            #expect(seen["head"] as? Int == 1 && seen["projected"] as? Int == 1)
            #expect(seen["projection"] as? String == "good")
            let last = try #require(seen["last_event"] as? String)
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            #expect(try abs(style.parse(last).timeIntervalSince(before)) < 30, "\(last)")
            #expect(try #require(seen["disk_free_bytes"] as? Int) > 0)
            #expect(seen["disk_hours_left"] is NSNull, "not measured for a minute")
        }
    }

    @Test func staleEventsAreCountedAndTheirDevicesNamed() async throws {
        try await withDaemon { daemon in
            _ = try await post(daemon, event("1-1000"), event("1-1"), event("1-2"), event("1-3"))
            _ = try await post(daemon, event("1-1000", device: "k-2"), event("1-9", device: "k-2"))
            let seen = try await status(daemon)
            #expect(seen["stale_events"] as? Int == 4)
            let devices = try #require(seen["stale_devices"] as? [[String: Any]])
            #expect(devices.map { $0["device"] as? String } == ["k-1", "k-2"])
            #expect(devices.map { $0["events"] as? Int } == [3, 1])
            let table = try await tidings("status", "--data", daemon.data)
            #expect(table.output.contains(/stale +4 events/) && table.output.contains("epoch"), "\(table.output)")
            #expect(table.output.contains(/kettle +k-1 +3\n/), "\(table.output)")
        }
    }

    @Test func openingToTheNetworkIsTold() async throws {
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path, "--host", "0.0.0.0", "--auth", "off")
        #expect(daemon.log.split(separator: "\n").filter { $0.contains("open to the network") }.count == 1)
        let seen = try await status(daemon)
        #expect((seen["exposed"] as? [String])?.count == 3, "\(seen)")
        let words = try await tidings("status", "--data", folder.path).output.split { " \n".contains($0) }
        #expect(words.joined(separator: " ").contains("whoever reaches it can write events: auth.mode is off"))
        #expect(await daemon.stop() == 0)
        let local = try await DaemonProcess(data: folder.path)
        #expect(try await status(local)["exposed"] as? [String] == [])
        #expect(await local.stop() == 0)
        #expect(local.log.split(separator: "\n").filter { $0.contains("open to the network") }.count == 1)
        folder.remove()
    }

    @Test(arguments: ["warn", "refuse", "accept"]) func namesWithAnAtAreToldRefusedOrTaken(_ policy: String)
        async throws
    {
        let folder = TemporaryFolder()
        let settings = folder.path + "/tidings.yaml"
        // Known before: such a customer is served on, whatever is set later.
        let first = try await DaemonProcess(data: folder.path)
        #expect(try await post(first, event("1-1", customer: "old@example.org")) == "{\"ack\":1}\n")
        #expect(await first.stop() == 0)
        try "identity:\n  emails: \(policy)\n".write(toFile: settings, atomically: true, encoding: .utf8)
        let daemon = try await DaemonProcess(data: folder.path, "--config", settings)
        let answer = try await post(
            daemon, event("1-2", customer: "old@example.org"), event("1-3", customer: "ann@example.org"),
            event("1-4", device: "bob@example.org"), event("1-5", customer: "c-2"))
        let seen = try await status(daemon)
        let lines = daemon.log.split(separator: "\n").filter { $0.contains("contain an @") }
        #expect(answer.contains("4013") == (policy == "refuse"), "\(answer)")
        #expect(answer.contains("{\"ack\":4}"), "\(answer)")
        #expect(seen["head"] as? Int == (policy == "refuse" ? 3 : 5))
        // One line in each run that was told of such names; the first run warned by default.
        #expect(lines.count == (policy == "warn" ? 2 : 1), "\(daemon.log)")
        #expect(seen["email_names"] as? Int == (policy == "warn" ? 2 : 0))
        #expect(!daemon.log.contains("example.org"), "the log names nobody")
        #expect(await daemon.stop() == 0)
        folder.remove()
    }

    @Test func anUnknownVariableIsToldOnceAndStopsNothing() async throws {
        let environment = "TIDINGS_PORT=tcp://10.0.0.9:7411 TIDINGS_BIN=x TIDINGS_DATA_DRI=y"
        let folder = TemporaryFolder()
        for command in ["check config", "summary --data '\(folder.path)'"] {
            let done = try await shell("cd '\(folder.path)' && \(environment) '\(Binary.tidings)' \(command)")
            #expect(done.status != 78, "\(done)")
            let lines = done.errors.split(separator: "\n").filter { $0.contains("environment variable") }
            #expect(lines.count == 1 && lines[0].contains("did you mean TIDINGS_DATA_DIR?"), "\(done)")
        }
        folder.remove()
    }

    @Test func theConfigurationAsCSVFollowsTheStandard() async throws {
        let folder = TemporaryFolder()
        let data = #"a "quoted", folder"#
        let done = try await shell(
            "cd '\(folder.path)' && TIDINGS_DATA_DIR='\(data)' '\(Binary.tidings)' check config --format csv")
        #expect(done.output.contains("data_dir,\"a \"\"quoted\"\", folder\",environment\r\n"), "\(done.output)")
        folder.remove()
    }

    @Test func addressesOfBothFamiliesAreWrittenAsTheyAreUsed() async throws {
        let folder = TemporaryFolder()
        guard let daemon = try? await DaemonProcess(data: folder.path, "--host", "::1") else { return }
        #expect(((try await status(daemon)["listening"] as? [String: String])?["tcp"])?.hasPrefix("[::1]:") == true)
        #expect(await daemon.stop() == 0)
        folder.remove()
    }
}
