// Who may send without a key, as it comes of the settings; a reload lets in nobody who could not send before.

import Access
import Admission
import Bytes
import Daemon
import Events
import Foundation
import Ingest
import Logging
import Presentation
import Testing
import Transport
import Wire

private func load(_ flags: [String: String] = [:]) async throws -> DaemonConfiguration {
    try await DaemonConfiguration.load(file: "/dev/null", flags: flags, environment: [:])
}

@Suite struct AuthSettingsTests {
    private static func listening(on host: String) -> [String: String] {
        ["listen.tcp.host": host, "listen.udp.host": host, "listen.http.host": host]
    }

    @Test(arguments: ["127.0.0.1", "::1", "127.9.9.9", "localhost", "::ffff:127.0.0.1"])
    func onLoopbackNobodyNeedsAKey(_ host: String) async throws {
        #expect(try await load(Self.listening(on: host)).authMode == .off)
    }

    @Test(arguments: [
        "0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "example.org", "localhost.example.org", "::ffff:10.0.0.1",
    ])
    func elsewhereEverybodyDoes(_ host: String) async throws {
        #expect(try await load(Self.listening(on: host)).authMode == .require)
        // One port that others reach is enough; one that is not open does not count.
        #expect(try await load(["listen.udp.host": host]).authMode == .require)
        #expect(try await load(["listen.udp.host": host, "listen.udp.port": "off"]).authMode == .off)
        for mode in AuthMode.allCases {
            let set = try await load(Self.listening(on: host).merging(["auth.mode": mode.rawValue]) { $1 })
            #expect(set.authMode == mode)
        }
    }

    @Test(arguments: [
        ("auto", "require", true), ("off", "warn", true), ("off", "require", true), ("warn", "require", true),
        ("warn", "off", false), ("require", "off", false), ("require", "warn", false), ("require", "auto", false),
        ("auto", "off", true), ("off", "auto", true), ("require", "require", true),
    ])
    func aReloadOnlyMakesItStricter(_ old: String, _ new: String, _ isApplied: Bool) async throws {
        let (old, new) = (try await load(["auth.mode": old]), try await load(["auth.mode": new]))
        let applied = old.applying(new)
        #expect(applied.authMode == (isApplied ? new.authMode : old.authMode))
        let outcomes = old.changes(to: new).map(\.outcome)
        #expect(outcomes.allSatisfy { $0 == (isApplied ? .applied : .needsRestart) })
        #expect(applied.changes(to: new).isEmpty == isApplied)
        #expect(RunTimeSettings(applied, descriptors: 1_000).transport.authMode == applied.authMode)
    }

    /// What `auto` means is asked of the listeners that are open, not of those that a restart would open.
    @Test func autoGoesByTheListenersInForce() async throws {
        let exposed = try await load(Self.listening(on: "0.0.0.0"))
        let hidden = try await load()
        #expect(exposed.applying(hidden).authMode == .require)
        #expect(hidden.applying(exposed).authMode == .off)
    }

    @Test(arguments: [
        ("none", true), ("192.0.2.7", true), ("192.0.2.7, 2001:db8::/32,::1", true), ("10.0.0.0/8", true),
        ("10.0.0.1/8", false), ("10.0.0.0/33", false), ("example.org", false), ("", false), ("1.2.3.4,", false),
        ("::/129", false), ("1.2.3.4/+8", false),
    ])
    func proxiesAreAddressesAndRanges(_ list: String, _ isRight: Bool) async {
        do {
            let configuration = try await load(["listen.http.trusted_proxies": list])
            #expect(isRight && configuration.trustedProxies.isEmpty == (list == "none"))
        } catch {
            #expect(!isRight && "\(error)".contains("listen.http.trusted_proxies"), "\(error)")
        }
    }

    @Test func theMasterKeyIsInTheDataFolderUnlessItsPathIsWhole() async throws {
        #expect(try await load(["data_dir": "/d"]).masterKey.path == "/d/master.key")
        #expect(try await load(["auth.master_key_file": "/etc/m.key"]).masterKey.path == "/etc/m.key")
    }
}

@Suite struct AccessSourceTests {
    private let folder = NSTemporaryDirectory() + "/tidings-access-" + UUID().uuidString
    private let quiet = InternalEvents(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    private let now = wallClock()

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    private func openStore() throws -> AccessStore { try AccessStore(path: folder + "/access.sqlite", readOnly: false) }

    @Test func changesAreSeenAndFaultsLeaveWhatWas() async throws {
        let configuration = try await load(["data_dir": folder])
        let source = AccessSource(configuration, events: quiet)
        #expect(try await source.start().isEmpty)
        #expect(await source.look() == nil)
        // A device gets its key, as the command does it.
        let masters = try configuration.masterKey.readOrMake(isNeeded: false).keys
        let store = try openStore()
        let key = try store.add([try Scope(source: "kettle/k-1")], now: now)[0]
        let list = try #require(await source.look())
        let secret = try #require(masters.keys(id: key.id, generation: 0).first)
        func credential(_ list: AccessList) -> Credential? {
            let text = "\(key.id)." + base64URL(secret.token)
            return list.credential(bearer: Array(text.utf8).span, now: now)
        }
        /// Whether the device is known by what is in force from now on.
        func isGood() async throws -> Bool {
            let next = try #require(await source.look())
            return credential(next) != nil
        }
        #expect(credential(list)?.scope == key.scope)
        #expect(await source.standing == AccessStanding(deviceKeys: 1, tokens: 0, masterKeys: 1, problem: "good"))
        // A master key that others may read: the one before stays, and what is revoked is revoked all the same.
        let path = configuration.masterKey.path
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect(await source.look() == nil)
        #expect(await source.standing.problem.contains("chmod 600"))
        _ = try store.setRevoked(true, "kettle/k-1", now: now)
        #expect(try await isGood() == false)
        _ = try store.setRevoked(false, "kettle/k-1", now: now)
        #expect(try await isGood())
        try FileManager.default.removeItem(atPath: path)
        #expect(await source.look(always: true) == nil)
        #expect(await source.standing.problem.contains("is not there"))
        await #expect(throws: ConfigurationError.self) { try await source.change(to: configuration) }
        store.close()
        // Another one, by name: what was derived from the old one is over.
        var other = configuration
        other.masterKeyFile = folder + "/other.key"
        try Data(repeating: 9, count: 32).write(to: URL(fileURLWithPath: folder + "/other.key"))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: folder + "/other.key")
        try await source.change(to: other)
        #expect(try await isGood() == false)
        #expect(await source.standing.problem == "good")
        // A daemon that starts without the first one does not.
        await #expect(throws: ConfigurationError.self) {
            try await AccessSource(configuration, events: quiet).start()
        }
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func usesOfTokensAreWrittenDown() async throws {
        let store = try openStore()
        defer { store.close() }
        _ = try store.add(NewToken(label: "a", roles: .read, products: nil, expires: nil), now: now)
        let source = AccessSource(try await load(["data_dir": folder]), events: quiet)
        _ = try await source.start()
        await source.note(uses: [1: now])
        #expect(try store.tokens()[0].lastUsed == now)
        #expect(await source.look() == nil)
        try FileManager.default.removeItem(atPath: folder)
    }
}
