// What the README promises a stranger: nc posts, the summary answers.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct FirstStepsTests {
    private static let kettle =
        #"{"product":"kettle","device":"k-1","type":"preference.set","aspect":"temperature","value":92}"#

    @Test func ncOverTCPIsAcknowledgedAndSummarised() async throws {
        try await withDaemon { daemon in
            let answer = try await shell(
                "printf '\(Self.kettle)\\n' | nc -q1 127.0.0.1 \(daemon.tcpPort)")
            #expect(answer.output == "{\"ack\":1}\n", "\(answer)")
            #expect(try await eventually { try await Self.devices(of: "kettle", daemon) == 1 })
        }
    }

    @Test func ncOverUDPIsSummarised() async throws {
        try await withDaemon { daemon in
            let answer = try await shell(
                "printf '\(Self.kettle)\\n' | nc -u -w1 127.0.0.1 \(daemon.udpPort)")
            #expect(answer.output.hasPrefix("{\"ack\":1}"), "\(answer)")
            #expect(try await eventually { try await Self.devices(of: "kettle", daemon) == 1 })
        }
    }

    @Test func theSummaryIsThereWhenTheDaemonIsNot() async throws {
        let folder = TemporaryFolder()
        let daemon = try await DaemonProcess(data: folder.path)
        _ = try await shell("printf '\(Self.kettle)\\n' | nc -q1 127.0.0.1 \(daemon.tcpPort)")
        #expect(await daemon.stop() == 0)
        let summary = try await tidings("summary", "kettle", "--data", folder.path, environment: showsSmallGroups)
        #expect(summary.status == 0)
        #expect(summary.output.contains("temperature"))
        #expect(summary.output.contains("92"))
        folder.remove()
    }

    /// The README's own line, as it stands there: of as many kettles as a summary needs to say more than counts.
    @Test func whatTheReadmePostsIsAnswered() async throws {
        let readme = try String(contentsOfFile: Binary.checkout + "/README.md", encoding: .utf8)
        let block = try #require(readme.firstMatch(of: /```sh\n(printf '(?s:.+?))```/))
        try await withDaemon { daemon in
            let answer = try await shell(String(block.output.1).replacing("7411", with: "\(daemon.tcpPort)"))
            #expect(answer.output.hasSuffix("{\"ack\":5}\n"), "\(answer)")
            let summary = try await tidings("summary", "kettle", "--data", daemon.data)
            #expect(summary.output.contains("median 92"), "\(summary)")
        }
    }

    @Test func ofFewDevicesOnlyCountsAreShown() async throws {
        try await withDaemon { daemon in
            _ = try await shell("printf '\(Self.kettle)\\n' | nc -q1 127.0.0.1 \(daemon.tcpPort)")
            let few = try await tidings("summary", "kettle", "--data", daemon.data)
            let reason = "fewer than 5 devices: counts only (privacy.least_group)"
            #expect(few.status == 0 && few.output.contains(reason) && !few.output.contains("92"), "\(few)")
            let file = daemon.data + ".yaml"
            defer { try? FileManager.default.removeItem(atPath: file) }
            try "privacy:\n  least_group: 1\n".write(toFile: file, atomically: true, encoding: .utf8)
            let all = try await tidings("summary", "kettle", "--data", daemon.data, "--config", file)
            #expect(all.status == 0 && all.output.contains("92") && !all.output.contains("counts only"), "\(all)")
        }
    }

    @Test func anUnknownProductNamesTheNearest() async throws {
        try await withDaemon { daemon in
            _ = try await shell("printf '\(Self.kettle)\\n' | nc -q1 127.0.0.1 \(daemon.tcpPort)")
            #expect(try await eventually { try await Self.devices(of: "kettle", daemon) == 1 })
            let summary = try await tidings("summary", "ketle", "--data", daemon.data)
            #expect(summary.status == 65)
            #expect(summary.errors.contains("kettle"))
        }
    }

    @Test func exitCodesAreTheContract() async throws {
        #expect(try await tidings("nonsense").status == 64)
        #expect(try await tidings("status", "--data", "/nonexistent").status == 69)
        #expect(try await tidings("check", "config", "/nonexistent.yaml").status == 78)
        #expect(try await tidings("log", "stat", "--data", "/nonexistent").status == 74)
    }

    @Test func theVersionIsALineAndInFullNamesEveryPart() async throws {
        let version = try await tidings("--version")
        #expect(version.status == 0 && version.output.contains(#/^\d+\.\d+\.\d+(-dev)?\n$/#), "\(version)")
        let parts = try await tidings("--version", "--verbose")
        #expect(parts.status == 0 && parts.errors.isEmpty, "\(parts)")
        #expect(parts.output.hasPrefix("tidings \(version.output)"))
        for part in ["\nSwift 6.", "\nSQLite 3.", "\nzlib 1.", "\nlibdeflate 1.", "\nprocessor ", "\ntested with "] {
            #expect(parts.output.contains(part), "\(parts)")
        }
        #expect(try await tidings("status", "--verbose").status == 64)
    }

    @Test func aSecondDaemonIsRefusedInOneLine() async throws {
        try await withDaemon { daemon in
            let second = try await tidings(
                "serve", "--data", daemon.data, "--tcp-port", "0", "--udp-port", "0", "--http-port", "0")
            #expect(second.status == 74)
            #expect(second.errors.split(separator: "\n").count == 1)
            #expect(second.errors.contains("in use"))
        }
    }

    @Test func aTakenPortIsRefusedInOneLine() async throws {
        try await withDaemon { daemon in
            let folder = TemporaryFolder()
            let second = try await tidings(
                "serve", "--data", folder.path, "--tcp-port", "\(daemon.tcpPort)", "--udp-port", "0", "--http-port", "0"
            )
            #expect(second.status == 74)
            #expect(second.errors.contains("listen.tcp.port"), "\(second.errors)")
            folder.remove()
        }
    }

    #if os(Linux) && !DEBUG
        /// The program that ships can be copied to a machine without Swift.
        @Test func theProgramContainsTheSwiftRuntime() async throws {
            let libraries = try await run("/usr/bin/ldd", [Binary.tidings]).output
            #expect(libraries.contains("libsqlite3"))
            #expect(!libraries.contains("libswift") && !libraries.contains("Foundation"), "\(libraries)")
        }
    #endif

    static func devices(of product: String, _ daemon: DaemonProcess) async throws -> Int? {
        let summary = try await tidings("summary", product, "--data", daemon.data, "--format", "json")
        guard summary.status == 0 else { return nil }
        let fields = try JSONSerialization.jsonObject(with: Data(summary.output.utf8)) as? [String: Any]
        return fields?["devices"] as? Int
    }
}
