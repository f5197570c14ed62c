// kill -9 again and again while `tidings send` shows a key in each of three ways: every event is in the log, once.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct KeyCrashTests {
    private static let events = 2_000

    /// A folder with a daemon that requires credentials, at ports that it has again after each start, and a key for
    /// each device.
    private struct Fleet {
        let folder = TemporaryFolder()
        var ports: [String] = []
        var data: String { folder.path + "/data" }

        func credentials(_ device: String) -> String { folder.path + "/\(device).json" }

        init(_ devices: [String]) async throws {
            for device in devices {
                let added = try await tidings("device", "add", "kettle/\(device)", "--format", "json", "--data", data)
                #expect(added.status == 0, "\(added)")
                try added.output.write(toFile: credentials(device), atomically: true, encoding: .utf8)
            }
        }

        mutating func start() async throws -> DaemonProcess {
            guard !ports.isEmpty else {
                let daemon = try await DaemonProcess(data: data, "--auth", "require")
                ports = ["\(daemon.tcpPort)", "\(daemon.udpPort)"]
                return daemon
            }
            return try await DaemonProcess(
                data: data, "--auth", "require", "--tcp-port", ports[0], "--udp-port", ports[1])
        }

        /// How often each event of a device is in the log, by its customer.
        func stored(_ device: String) async throws -> [String: Int] {
            let export = try await tidings("log", "export", "--data", data, "--format", "ndjson")
            #expect(export.status == 0, "\(export.errors)")
            return export.output.split(separator: "\n").reduce(into: [:]) { stored, line in
                guard line.contains("\"device\":\"\(device)\""),
                    let match = line.firstMatch(of: /"customer":"(\w+)"/)
                else { return }
                stored[String(match.1), default: 0] += 1
            }
        }
    }

    private func lines(_ device: String, _ prefix: String, areNumbered: Bool = false, count: Int = events) -> Data {
        let all = (1...count).map { number in
            let id = areNumbered ? "\"id\":\(number)," : ""
            return #"{"product":"kettle","device":"\#(device)","customer":"\#(prefix)\#(number)",\#(id)"#
                + #""type":"feature.used","aspect":"lid"}"#
        }
        return Data((all.joined(separator: "\n") + "\n").utf8)
    }

    private func totals(_ finished: Finished) throws -> [String: Int] {
        #expect(finished.status == 0, "\(finished)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(finished.output.utf8)) as? [String: Int], "\(finished)")
    }

    @Test func everyEventIsInTheLogOnceOnEachWayIn() async throws {
        let ways: [(device: String, arguments: [String])] = [
            ("frames", []), ("lines", ["--format", "json"]), ("datagrams", ["--transport", "udp"]),
        ]
        var fleet = try await Fleet(ways.map(\.device))
        var daemon = try await fleet.start()
        let senders = ways.map { device, arguments in
            let port = device == "datagrams" ? fleet.ports[1] : fleet.ports[0]
            var all = ["send", "--port", port, "--tcp-port", fleet.ports[0], "--rate", "300", "--output", "json"]
            all += ["--credentials", fleet.credentials(device)] + arguments
            if device == "datagrams" { all += ["--epoch-file", fleet.folder.path + "/epoch"] }
            let words = all
            let input = lines(device, "n", areNumbered: device == "lines")
            return Task { try await run(Binary.tidings, words, input: input) }
        }
        for _ in 1...8 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 250...800)))
            await daemon.kill()
            daemon = try await fleet.start()
        }
        for (way, sender) in zip(ways, senders) {
            let counts = try totals(await sender.value)
            #expect(counts["acked"] == Self.events && counts["lost"] == 0, "\(way.device): \(counts)")
        }
        #expect(await daemon.stop() == 0, "\(daemon.log)")
        for (device, _) in ways {
            let stored = try await fleet.stored(device)
            #expect(stored.count == Self.events && stored.values.allSatisfy { $0 == 1 }, "\(device): \(stored.count)")
        }
        fleet.folder.remove()
    }

    /// Epochs that were lost, kept from a clock that was far ahead, or used before: each is jumped, and all is stored.
    @Test func aSenderWithAWrongEpochGoesOn() async throws {
        var fleet = try await Fleet(["d"])
        let epochFile = fleet.folder.path + "/epoch"
        var daemon = try await fleet.start()
        for (number, kept) in ["", "3000000000", "5", "3000000000"].enumerated() {
            // Without what it has kept, a sender goes by the clock alone, whose second must be a later one.
            if number > 0 { try await Task.sleep(for: .seconds(2)) }
            if !kept.isEmpty { try kept.write(toFile: epochFile, atomically: true, encoding: .utf8) }
            let sent = try await tidings(
                "send", "--port", fleet.ports[1], "--transport", "udp", "--output", "json", "--credentials",
                fleet.credentials("d"), "--epoch-file", epochFile,
                input: lines("d", "r\(number)x", count: 300))
            let counts = try totals(sent)
            #expect(counts["acked"] == 300 && counts["rejected"] == 0 && counts["stale"] == 0, "\(kept): \(counts)")
            await daemon.kill()
            daemon = try await fleet.start()
        }
        #expect(await daemon.stop() == 0)
        let stored = try await fleet.stored("d")
        #expect(stored.count == 1_200 && stored.values.allSatisfy { $0 == 1 })
        fleet.folder.remove()
    }

    /// A key that is good for one device writes no other name to disk, however many it sends.
    @Test func foreignNamesAreNotOnDisk() async throws {
        var fleet = try await Fleet(["d"])
        let daemon = try await fleet.start()
        let foreign = (1...300).map {
            #"{"product":"foreignproduct\#($0)","device":"foreigndevice\#($0)","type":"feature.used","aspect":"x"}"#
        }
        for arguments in [["--format", "json"], [], ["--transport", "udp"]] {
            let port = arguments.contains("udp") ? fleet.ports[1] : fleet.ports[0]
            let all = ["send", "--port", port, "--tcp-port", fleet.ports[0], "--credentials", fleet.credentials("d")]
            let sent = try await run(
                Binary.tidings, all + arguments, input: Data((foreign.joined(separator: "\n") + "\n").utf8))
            #expect(sent.status != 0, "\(sent)")
            #expect((sent.output + sent.errors).contains("4030") || sent.errors.contains("forbidden"), "\(sent)")
        }
        let own = try await run(
            Binary.tidings, ["send", "--port", fleet.ports[0], "--credentials", fleet.credentials("d")],
            input: lines("d", "n", count: 10))
        #expect(own.status == 0, "\(own)")
        let status = try await tidings("status", "--data", fleet.data, "--format", "json")
        #expect(!status.output.contains("foreign"), "\(status.output)")
        #expect(await daemon.stop() == 0)
        let found = try await shell("grep -rlaE 'foreign(product|device)' '\(fleet.data)'")
        #expect(found.output.isEmpty, "\(found.output)")
        let names = try await run(
            "/usr/bin/sqlite3", ["file:\(fleet.data)/identity.sqlite?mode=ro", "SELECT count(*) FROM device"])
        #expect(names.output == "1\n", "\(names)")
        fleet.folder.remove()
    }
}
