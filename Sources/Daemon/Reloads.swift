// Reads the configuration again while the daemon runs, one time after the other; nothing changes when it is wrong.

import Admission
package import Ingest
package import Logging
package import Presentation
import ServiceLifecycle
import Transport
import UnixSignals

/// What a daemon needs to read its configuration again.
package struct Reloading: Sendable {
    package var source: ConfigurationSource
    /// The level that the daemon's log handler follows.
    package var logLevel: Replaceable<Logger.Level>

    package init(source: ConfigurationSource, logLevel: Replaceable<Logger.Level>) {
        (self.source, self.logLevel) = (source, logLevel)
    }
}

/// What `tidings status` tells of reloads.
package struct ReloadCounts: Sendable, Equatable {
    package var reloads: UInt64 = 0
    /// Nil before the first.
    package var isLastGood: Bool?
    /// The keys that were set to another value than the one in force when the configuration was last read.
    package var needsRestart: [String] = []
}

/// The reloads of one daemon, of which one begins when the one before has ended.
package actor Reloads {
    private let source: ConfigurationSource
    private let logLevel: Replaceable<Logger.Level>
    private let events: InternalEvents
    private let apply: @Sendable (DaemonConfiguration, _ waits: Bool) async throws -> Void
    private let readFiles: @Sendable (DaemonConfiguration) async throws -> [SettingChange]
    private var inForce: DaemonConfiguration
    private var isReloading = false
    /// Those whose turn is next, in the order in which they came.
    private var waiting: [CheckedContinuation<Void, Never>] = []
    package private(set) var counts = ReloadCounts()

    /// - Parameters:
    ///   - inForce: what the daemon was started with.
    ///   - readFiles: reads again what the configuration only names, and puts it in force or throws; returns what of it
    ///     has changed.
    ///   - apply: puts everything but the level of the log in force; returns when it is, if it is to wait.
    package init(
        _ reloading: Reloading, inForce: DaemonConfiguration, events: InternalEvents,
        readFiles: @escaping @Sendable (DaemonConfiguration) async throws -> [SettingChange] = { _ in [] },
        apply: @escaping @Sendable (DaemonConfiguration, _ waits: Bool) async throws -> Void
    ) {
        (source, logLevel, self.events) = (reloading.source, reloading.logLevel, events)
        (self.inForce, self.readFiles, self.apply) = (inForce, readFiles, apply)
    }

    /// Reads, checks, compares and applies.
    ///
    /// - Parameter waits: whether to return only when what is applied is in force; else when it is on its way there.
    package func reload(waits: Bool) async -> ReloadReport {
        await begin()
        defer { end() }
        counts.reloads += 1
        do {
            let new = try await source.load()
            var report = ReloadReport(changes: inForce.changes(to: new))
            let next = inForce.applying(new)
            let contents = try await readFiles(next)
            if !report.keys(.applied).isEmpty {
                try await apply(next, waits)
                inForce = next
                report.isInForce = waits
            }
            report.changes += contents
            counts.isLastGood = true
            counts.needsRestart = report.keys(.needsRestart)
            say(report, level: inForce.logLevel)
            return report
        } catch {
            counts.isLastGood = false
            events.reloadFailed("\(error)")
            return ReloadReport(error: "\(error)")
        }
    }

    /// Waits until no other reload is under way: an actor alone would begin the next one wherever this one waits.
    private func begin() async {
        guard isReloading else {
            isReloading = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func end() {
        if waiting.isEmpty { isReloading = false } else { waiting.removeFirst().resume() }
    }

    /// The line is written at the more talkative of the two levels, so that a change of the level is told as well.
    private func say(_ report: ReloadReport, level: Logger.Level) {
        if level < logLevel.value { logLevel.value = level }
        events.reloaded(applied: report.keys(.applied), needsRestart: report.keys(.needsRestart))
        logLevel.value = level
    }
}

/// Reloads on SIGHUP.
struct ReloadService: NamedService {
    package static var name: StaticString { "ReloadService" }
    let reloads: Reloads

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            _ = await reloads.reload(waits: true)
        }
        try? await gracefulShutdown()
    }
}
