// Reading the configuration again: each key is applied or reported, nothing is applied of a wrong one.

import Daemon
import Foundation
import Ingest
import Logging
import NIOPosix
import Presentation
import Synchronization
import Testing
import TidingsTesting
import Transport

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
private let descriptors = 1 << 17

extension ConfigurationKey {
    /// A valid value that is not the default.
    fileprivate var otherValue: String {
        switch kind {
        case .number(let range):
            let value = Int(defaultValue) ?? 0
            return "\(value < range.upperBound ? value + 1 : value - 1)"
        case .port: return "1"
        case .text, .file: return "other"
        case .group: return "root"
        case .products: return "kettle, a%2Cb"
        case .aspects: return "home.name, weight"
        case .addresses: return "192.0.2.7, 2001:db8::/32"
        // The last word of `auth.mode` is the strictest.
        case .choice(let choices): return choices.last { $0 != defaultValue } ?? ""
        }
    }
}

private func load(_ flags: [String: String] = [:]) async throws -> DaemonConfiguration {
    try await DaemonConfiguration.load(file: "/dev/null", flags: flags, environment: [:])
}

@Suite struct ConfigurationChangesTests {
    @Test(arguments: ConfigurationKey.all.map(\.name))
    func eachKeyIsAppliedOrNeedsARestart(_ name: String) async throws {
        let key = try #require(ConfigurationKey.all.first { $0.name == name })
        let (old, new) = (try await load(), try await load([name: key.otherValue]))
        let isApplied = key.takesEffect != .onRestart
        let outcome: SettingChange.Outcome = isApplied ? .applied : .needsRestart
        #expect(
            old.changes(to: new) == [
                SettingChange(key: name, old: key.defaultValue, new: key.otherValue, outcome: outcome)
            ])
        let applied = old.applying(new)
        // All of it or nothing: what is said to be applied is held, and what is not said is left alone.
        #expect(applied == (isApplied ? new : old))
        let before = RunTimeSettings(old, descriptors: descriptors)
        let after = RunTimeSettings(applied, descriptors: descriptors)
        let isTold = before != after || old.masterKey != applied.masterKey
        #expect(isTold == isApplied, "said to be applied, and no part of the daemon is told")
        #expect(applied.changes(to: new).isEmpty == isApplied, "told again next time until then")
    }

    @Test func whoCanReachOrReadIsNeverChangedAtRunTime() {
        for key in ConfigurationKey.all where key.name.contains(#/\.(host|port|tls|trusted_proxies)$|^data_/#) {
            #expect(key.takesEffect == .onRestart, "\(key.name)")
        }
    }

    @Test func anotherWayOfWritingIsNoChange() async throws {
        let (old, new) = (try await load(), try await load(["listen.max_connections": "010000"]))
        #expect(old.changes(to: new).isEmpty)
    }

    @Test func theHandlerOfTheLogFollowsTheLevel() {
        let level = Replaceable(Logger.Level.info)
        let logger = Logger(label: "test") { _ in LineLogHandler(format: .json, following: level) }
        var own = logger
        own.logLevel = .error
        level.value = .warning
        #expect(logger.logLevel == .warning && own.logLevel == .error)
    }
}

@Suite struct ReloadsTests {
    /// What was applied, and whether two reloads were at it at one time.
    private final class Applied: Sendable {
        private let state = Mutex((count: 0, under: 0, most: 0))
        var count: Int { state.withLock { $0.count } }
        var atOnce: Int { state.withLock { $0.most } }

        func apply(_ configuration: DaemonConfiguration) async throws {
            state.withLock {
                $0.under += 1
                ($0.count, $0.most) = ($0.count + 1, max($0.most, $0.under))
            }
            try await Task.sleep(for: .milliseconds(1))
            state.withLock { $0.under -= 1 }
        }
    }

    private func withFile(_ body: (String, Reloads, Applied, Replaceable<Logger.Level>) async throws -> Void)
        async throws
    {
        let path = NSTemporaryDirectory() + "/tidings-reload-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try write("", path)
        let source = ConfigurationSource(file: path, environment: [:])
        let (applied, level) = (Applied(), Replaceable(Logger.Level.info))
        let reloads = Reloads(
            Reloading(source: source, logLevel: level), inForce: try await source.load(),
            events: InternalEvents(logger: quiet), apply: { new, _ in try await applied.apply(new) })
        try await body(path, reloads, applied, level)
    }

    private func write(_ yaml: String, _ path: String) throws {
        try yaml.write(toFile: path, atomically: true, encoding: .utf8)
    }

    @Test func whatHasChangedIsAppliedOnce() async throws {
        try await withFile { path, reloads, applied, level in
            #expect(await reloads.reload(waits: true) == ReloadReport())
            try write("quota: {burst_seconds: 3}\nlogging: {level: error}\nlog: {block_max_events: 5}\n", path)
            let report = await reloads.reload(waits: true)
            #expect(report.keys(.applied) == ["quota.burst_seconds", "logging.level"] && report.isInForce)
            #expect(report.keys(.needsRestart) == ["log.block_max_events"])
            #expect(applied.count == 1 && level.value == .error)
            // What needs a restart still does; what was applied is in force.
            #expect(await reloads.reload(waits: true).changes.map(\.key) == ["log.block_max_events"])
            #expect(applied.count == 1)
            var counts = await reloads.counts
            #expect(counts.reloads == 3 && counts.isLastGood == true && counts.needsRestart == ["log.block_max_events"])
            try write("", path)
            #expect(await reloads.reload(waits: true).keys(.applied) == ["quota.burst_seconds", "logging.level"])
            counts = await reloads.counts
            #expect(counts.needsRestart.isEmpty && level.value == .info)
        }
    }

    @Test(arguments: [
        ("quota: [", "is not YAML"), ("quota: {nonsense: 1}", "unknown key quota.nonsense"),
        ("zzz: 1", "`tidings check config --template` prints all keys"),
        ("quota: {burst_seconds: 0}", "quota.burst_seconds = 0"), ("quota: 5", "quota must be a mapping"),
        ("quota: {burst_seconds: 3}\nlogging: {level: loud}", "must be one of debug"),
        ("listen: {tcp: {port: off}, udp: {port: off}, http: {port: off}}", "every listener is off"),
        ("# " + String(repeating: "x", count: 1 << 20), "more than 1048576 bytes"),
    ])
    func nothingIsAppliedOfAWrongOne(_ yaml: String, _ cause: String) async throws {
        try await withFile { path, reloads, applied, level in
            try write(yaml, path)
            for waits in [true, false] {
                let report = await reloads.reload(waits: waits)
                #expect(report.error?.contains(cause) == true && report.error?.contains("\n") == false, "\(report)")
                #expect(report.changes.isEmpty)
            }
            #expect(applied.count == 0 && level.value == .info)
            let counts = await reloads.counts
            #expect(counts.reloads == 2 && counts.isLastGood == false)
        }
    }

    @Test func aFileThatIsGoneOrNoneIsNotTakenForAnEmptyOne() async throws {
        try await withFile { path, reloads, applied, _ in
            try FileManager.default.removeItem(atPath: path)
            #expect(await reloads.reload(waits: true).error?.contains("does not exist") == true)
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/null")
            #expect(await reloads.reload(waits: true).error?.contains("no file that can be read again") == true)
            #expect(applied.count == 0)
        }
    }

    @Test func reloadsDoNotOverlap() async throws {
        try await withFile { path, reloads, applied, _ in
            for round in 1...20 {
                try write("quota: {burst_seconds: \(round)}\n", path)
                await withTaskGroup(of: Void.self) { group in
                    for waits in [true, false, true] {
                        group.addTask { _ = await reloads.reload(waits: waits) }
                    }
                }
            }
            #expect(await reloads.reload(waits: true).error == nil)
            #expect(applied.atOnce == 1 && applied.count == 20, "\(applied.atOnce) \(applied.count)")
            #expect(await reloads.counts.reloads == 61)
        }
    }

    /// Every key that is said to be applied reaches the loop that goes by it, and no listener is touched.
    @Test(.timeLimit(.minutes(1))) func theIngestLoopGoesByTheNewSettings() async throws {
        let folder = NSTemporaryDirectory() + "tidings-reload-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let start = ["data_dir": folder, "listen.tcp.port": "0", "listen.udp.port": "0"]
        let configuration = try await load(start)
        let (storage, state) = try await Storage.open(
            on: InMemoryEventLog(in: InMemoryStore()), in: folder, events: InternalEvents(logger: quiet))
        let ingest = try await Daemon(configuration, logger: quiet).openIngest(
            storage, state, on: MultiThreadedEventLoopGroup.singleton.next())
        let addresses = ingest.listeners.all.map { "\($0.address)" }
        for key in ConfigurationKey.all where start[key.name] == nil {
            let new = configuration.applying(try await load(start.merging([key.name: key.otherValue]) { $1 }))
            let settings = RunTimeSettings(new, descriptors: descriptors)
            try await ingest.change(to: settings)
            let inForce = try await ingest.settingsInForce()
            #expect(inForce.transport == settings.transport && inForce.emails == settings.emails, "\(key.name)")
        }
        #expect(ingest.listeners.all.map { "\($0.address)" } == addresses)
        await ingest.listeners.stopAccepting()
        await ingest.listeners.close()
        try await storage.close()
    }
}
