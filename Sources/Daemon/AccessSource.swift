// The keys and tokens that a running daemon goes by: read from the data folder, and again whenever they change there.

import Access
package import Admission
package import Events
package import Ingest
import Log
import Logging
import NIOCore
package import Presentation
import SQLite
import ServiceLifecycle
import Transport

/// Reads access.sqlite and the master key, and says when they have changed. What cannot be read leaves in force what
/// was: nobody gets in by it, and no fleet is locked out because a file is gone for a moment.
package actor AccessSource {
    private let path: String
    private var masterKey: MasterKeyFile
    private let events: InternalEvents
    private var contents = AccessStore.Contents()
    private var masters: MasterKeys?
    /// Whether everything that was read has been handed out by `look`.
    private var isHandedOut = true
    /// The files as they were when they were last read, and whether they would look different after a change.
    private var seen: [FileAccess.Stamp?] = []
    private var isSettled = false
    /// `good`, or one line with the cause and the remedy.
    private var problem = "good"
    /// A file that has changed since this long may change again without looking different, seconds.
    private static let stampsSettle: Int64 = 2

    package init(_ configuration: DaemonConfiguration, events: InternalEvents) {
        path = configuration.accessFile
        masterKey = configuration.masterKey
        self.events = events
    }

    /// What is there when the daemon starts.
    ///
    /// - Throws: `ConfigurationError` for a master key that is missing or wrong; `LogError`.
    package func start() throws -> AccessList {
        do throws(AccessError) {
            seen = stamps()
            contents = try readContents() ?? contents
            masters = try readMasters(of: masterKey)
        } catch {
            if case .storage(let cause) = error { throw cause }
            throw ConfigurationError(description: "configuration: \(error)")
        }
        return list
    }

    /// Takes over another master key, if it is one.
    ///
    /// - Throws: `ConfigurationError`; then the one before stays in force.
    package func change(to configuration: DaemonConfiguration) throws(ConfigurationError) {
        do throws(AccessError) {
            let new = try readMasters(of: configuration.masterKey)
            if new != masters { isHandedOut = false }
            (masters, masterKey, isSettled) = (new, configuration.masterKey, false)
        } catch {
            // Of another file than the one in force nothing is to be told later.
            if configuration.masterKey == masterKey { note(error) }
            throw ConfigurationError(description: "configuration: \(error); the one before stays in force")
        }
    }

    /// Looks whether something has changed.
    ///
    /// - Parameter always: whether to read the files even if they look as they did.
    /// - Returns: what is in force from now on; nil when that has not changed.
    package func look(always: Bool = false) -> AccessList? {
        let now = stamps()
        guard always || !isSettled || !isHandedOut || now != seen else { return nil }
        let latest = now.compactMap { $0?.seconds }.max() ?? 0
        isSettled = wallClock().rawValue / 1_000 - latest > Self.stampsSettle
        let isOther = seen.first.flatMap { $0 }?.number != now[0]?.number
        seen = now
        var hasChanged = !isHandedOut
        isHandedOut = true
        var failure: AccessError?
        do throws(AccessError) {
            if let new = try readContents(unless: isOther ? nil : contents.change) {
                hasChanged = hasChanged || new.change != contents.change || isOther
                contents = new
            }
        } catch { failure = error }
        do throws(AccessError) {
            let new = try readMasters(of: masterKey)
            hasChanged = hasChanged || new != masters
            masters = new
        } catch { failure = failure ?? error }
        note(failure)
        return hasChanged ? list : nil
    }

    /// For `tidings status`, and the answer to `access`.
    package var standing: AccessStanding {
        AccessStanding(
            deviceKeys: contents.keysInForce, tokens: contents.tokens.count, masterKeys: masters?.count ?? 0,
            problem: problem)
    }

    /// Writes down when tokens were used; what cannot be written down is not worth a failure.
    package func note(uses: [UInt32: Timestamp]) {
        guard !uses.isEmpty, let store = try? AccessStore(path: path, readOnly: false) else { return }
        try? store.noteUses(uses)
        store.close()
    }

    private var list: AccessList { AccessList(masters: masters, keys: contents.keys, tokens: contents.tokens) }

    private func stamps() -> [FileAccess.Stamp?] {
        [path, path + "-wal", masterKey.path].map { FileAccess.stamp($0) }
    }

    private func readContents(unless known: Int64? = nil) throws(AccessError) -> AccessStore.Contents? {
        let store = try AccessStore(path: path, readOnly: true)
        defer { store.close() }
        return try store.contents(unless: known)
    }

    private func readMasters(of file: MasterKeyFile) throws(AccessError) -> MasterKeys? {
        let keys = try file.read()
        guard keys != nil || contents.keysInForce == 0 else { throw file.missing }
        return keys
    }

    private func note(_ failure: AccessError?) {
        let line = failure.map { "\($0)" } ?? "good"
        guard line != problem else { return }
        problem = line
        if let failure {
            events.logger.error(
                "keys and tokens cannot be read again; those before stay in force", metadata: ["cause": "\(failure)"])
        } else {
            events.logger.notice("keys and tokens can be read again")
        }
    }
}

extension IngestLoop {
    /// Replaces who has which key or token, and closes the connections of those who have none any more; returns when
    /// that is in force.
    package func change(access: AccessList) async throws {
        let listeners = listeners
        try await eventLoop.submit { listeners.change(access: access) }.get()
    }

    /// Looks for changes, and puts them in force.
    ///
    /// - Returns: what is in force then.
    func refresh(_ source: AccessSource, always: Bool = false) async throws -> AccessStanding {
        if let list = await source.look(always: always) {
            try await change(access: list)
            await source.say()
        }
        return await source.standing
    }
}

extension AccessSource {
    /// A line of the log, at most one a minute.
    fileprivate func wouldRefuse(_ count: UInt64, senders: Int) {
        events.logger.warning(
            "auth.mode: require would refuse some; `tidings status` lists them",
            metadata: ["new": "\(count)", "senders": "\(senders)"])
    }

    /// A line of the log: what is in force now.
    fileprivate func say() {
        let standing = standing
        events.logger.notice(
            "keys and tokens have changed",
            metadata: ["device_keys": "\(standing.deviceKeys)", "tokens": "\(standing.tokens)"])
    }
}

/// Looks for changes of keys and tokens that no command has told of, and writes down when tokens were used.
struct AccessService<Engine: EventLog>: NamedService {
    static var name: StaticString { "AccessService" }
    let source: AccessSource
    let ingest: IngestLoop<Engine>
    /// How often it looks; a change counts within a second.
    private static var interval: Duration { .milliseconds(500) }
    /// So often uses are written down, and it is said whether some would be refused.
    private static var looksPerMinute: Int { 120 }

    func run() async throws {
        var (looks, told) = (0, UInt64(0))
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            _ = try? await ingest.refresh(source)
            looks += 1
            if looks % Self.looksPerMinute == 0 {
                await noteUses()
                await tellOfFaults(&told)
            }
            do { try await Task.sleepUnlessShuttingDown(for: Self.interval) } catch { break }
        }
        await noteUses()
        try await gracefulShutdown()
    }

    /// A line when there are more of those who would be refused.
    private func tellOfFaults(_ told: inout UInt64) async {
        guard let settings = try? await ingest.settingsInForce(), settings.transport.authMode == .warn else { return }
        let faults = await ingest.listeners.credentialFaults()
        let count = faults.named.reduce(faults.others) { $0 + $1.count }
        if count > told { await source.wouldRefuse(count - told, senders: faults.named.count) }
        told = count
    }

    private func noteUses() async {
        let listeners = ingest.listeners
        let uses = try? await ingest.eventLoop.submit { listeners.takeTokenUses() }.get()
        await source.note(uses: uses ?? [:])
    }
}

extension CredentialFaultStatus {
    init(_ line: CredentialFaultLine) {
        self.init(
            product: line.product, device: line.device, address: line.address, fault: "\(line.fault.name)",
            count: line.count, last: rfc3339(line.last))
    }
}
