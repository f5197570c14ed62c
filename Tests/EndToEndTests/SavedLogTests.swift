// The logs of earlier releases: opened, proven, exported and summarised as before, and gone on with.

import Foundation
import Testing

@Suite struct SavedLogTests {
    private static let fixture = Binary.checkout + "/Tests/Fixtures/log-0.1.0"

    /// What the release that wrote it printed.
    private struct Saved {
        let heads: [String]
        let events: Int
        let list: [String: Any]
        let products: [String: Any]

        init() throws {
            let data = try Data(contentsOf: URL(fileURLWithPath: fixture + "/summaries.json"))
            let all = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            heads = try #require(all["chain_heads"] as? [String])
            events = try #require(all["events"] as? Int)
            list = try #require(all["list"] as? [String: Any])
            products = try #require(all["products"] as? [String: Any])
        }
    }

    /// A copy that may be written to.
    private func copy(in folder: TemporaryFolder) async throws -> String {
        let data = folder.path + "/data"
        try FileManager.default.copyItem(atPath: Self.fixture + "/data", toPath: data)
        #expect(try await shell("chmod -R u+w '\(data)'").status == 0)
        return data
    }

    /// The export of a data folder, with the one that was saved: equal, line by line, as far as that goes.
    private func expectSavedExport(_ data: String, _ saved: Saved) async throws {
        let compare = """
            '\(Binary.tidings)' log export --data '\(data)' --limit \(saved.events) >'\(data).ndjson' &&
            xz -dc '\(Self.fixture)/export.ndjson.xz' | cmp - '\(data).ndjson'
            """
        let compared = try await shell(compare)
        #expect(compared.status == 0, "\(compared.output)\(compared.errors)")
    }

    private func expectSavedSummaries(_ data: String, _ saved: Saved) async throws {
        let list = try await json("summary", "--data", data, "--format", "json")
        expectContains(list, saved.list, "all products")
        for (product, summary) in saved.products {
            let now = try await json("summary", product, "--data", data, "--format", "json")
            expectContains(now, summary, product)
        }
    }

    private func json(_ arguments: String...) async throws -> Any {
        let printed = try await run(Binary.tidings, arguments, environment: showsSmallGroups)
        #expect(printed.status == 0, "\(arguments): \(printed.errors)")
        return try JSONSerialization.jsonObject(with: Data(printed.output.utf8))
    }

    /// Whether everything that was printed then is printed now; keys may have been added. When summaries were written
    /// is another time.
    private func expectContains(_ now: Any, _ then: Any, _ place: String) {
        if let then = then as? [String: Any] {
            guard let now = now as? [String: Any] else {
                Issue.record("\(place) is no object any more")
                return
            }
            for (key, value) in then where key != "updated" {
                guard let found = now[key] else {
                    Issue.record("\(place).\(key) is gone")
                    continue
                }
                expectContains(found, value, "\(place).\(key)")
            }
        } else if let then = then as? [Any] {
            let now = now as? [Any] ?? []
            #expect(now.count == then.count, "\(place)")
            for (index, value) in then.enumerated() where index < now.count {
                expectContains(now[index], value, "\(place)[\(index)]")
            }
        } else {
            #expect((now as? NSObject) == (then as? NSObject), "\(place)")
        }
    }

    @Test func aSavedLogIsProvenExportedAndSummarisedAsBefore() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let saved = try Saved()
        let data = try await copy(in: folder)
        for head in saved.heads {
            let verified = try await tidings("log", "verify", "--data", data, "--head", head)
            #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
        }
        #expect(try await tidings("rebuild", "--data", data).status == 0)
        try await expectSavedSummaries(data, saved)
        // The export comes last: that it was made is an event of the log.
        try await expectSavedExport(data, saved)
    }

    @Test func aSavedLogGrowsOn() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let saved = try Saved()
        let data = try await copy(in: folder)
        let daemon = try await DaemonProcess(data: data)
        try await expectSavedSummaries(data, saved)
        // The first is a repetition of what the log has; the second is new.
        let lines = """
            {"product":"k","device":"u","id":"2-20","type":"feature.used","aspect":"boil","count":20}
            {"product":"k","device":"u","id":"2-21","type":"feature.used","aspect":"boil","count":21}

            """
        let sent = try await tidings("send", "--port", "\(daemon.tcpPort)", input: Data(lines.utf8))
        #expect(sent.status == 0, "\(sent.output)\(sent.errors)")
        #expect(await daemon.stop() == 0)
        let statistics = try await json("log", "stat", "--data", data, "--format", "json") as? [String: Any]
        #expect(statistics?["events"] as? Int == saved.events + 1)
        for head in saved.heads {
            #expect(try await tidings("log", "verify", "--data", data, "--head", head).status == 0)
        }
        try await expectSavedExport(data, saved)
    }
}
