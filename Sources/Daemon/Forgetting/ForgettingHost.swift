// Where names are forgotten: in a running daemon, or in a folder that none uses.

package import Events
import Ingest
package import Log
import NIOCore
import Projection
import Transport

/// What the steps of an erasure need of the rest.
package protocol ForgettingHost: Sendable {
    var log: any ForgettingLog { get }

    /// Returns when everything is in the log that was taken before the call.
    func flush() async throws

    /// The products that are known, by their numbers; the first one is of none.
    func products() async throws -> [[UInt8]]

    /// Nothing that comes from now on gets one of these numbers, and `list` is asked about names that are not known.
    /// Returns when everything that was taken before is in the log.
    func forget(_ pseudonyms: [Pseudonym], list: any ErasedNames) async throws

    /// Appends events; they are durable on return.
    func append(_ events: [Event]) async throws

    /// Customers whose names are in memory alone, and in no file.
    func unstoredCustomers() async throws -> [StoredName]

    /// Notes a use, once for each pseudonym that it was about; durable on return.
    func audit(_ use: AuditedUse, of pseudonyms: [Pseudonym]) async throws

    /// Has the summaries follow the log up to its end, and what they overwrite leave the disk.
    ///
    /// - Returns: why it is not done yet, or nil.
    func clearTexts() async throws -> String?
}

/// A running daemon.
struct LiveHost<Engine: EventLog>: ForgettingHost {
    let ingest: IngestLoop<Engine>
    let storage: Storage<Engine>
    let log: any ForgettingLog

    func flush() async throws {
        let pipeline = ingest.pipeline
        try await ingest.eventLoop.flatSubmit { pipeline.value.flush() }.get()
    }

    func products() async throws -> [[UInt8]] {
        try await ingest.onLoop { $0.vocabulary.texts(.product) }
    }

    func forget(_ pseudonyms: [Pseudonym], list: any ErasedNames) async throws {
        let listeners = ingest.listeners
        try await ingest.onLoop { pipeline in
            pipeline.forget(pseudonyms)
            pipeline.vocabulary.forgotten.list = list
            for pseudonym in pseudonyms {
                if case .device(let device) = pseudonym { listeners.disconnect(device) }
            }
        }
        try await flush()
        try await ingest.onLoop { $0.forgetUnstored(pseudonyms) }
    }

    func append(_ events: [Event]) async throws { try await ingest.append(own: events) }

    func unstoredCustomers() async throws -> [StoredName] { try await ingest.onLoop { $0.unstoredCustomers } }

    func audit(_ use: AuditedUse, of pseudonyms: [Pseudonym]) async throws {
        try await ingest.audit(use, of: pseudonyms)
    }

    func clearTexts() async throws -> String? {
        let limit = ContinuousClock.now + DaemonLimits.forgettingTimeout
        let head = await log.head
        while await storage.projector.offset < head {
            guard ContinuousClock.now < limit, storage.projection.isGood else {
                return "the summaries are behind the log, and still show texts; the daemon goes on with it"
            }
            try await Task.sleep(for: .milliseconds(2))
        }
        return try await storage.projector.clearErased(until: limit)
    }
}

/// A folder that no daemon uses.
struct FolderHost: ForgettingHost {
    let log: any ForgettingLog
    let projector: Projector

    func flush() async throws {}

    func products() async throws -> [[UInt8]] { try await log.vocabulary().texts(.product) }

    func forget(_ pseudonyms: [Pseudonym], list: any ErasedNames) async throws {}

    func append(_ events: [Event]) async throws { try await FolderAudit.append(events, to: log) }

    func unstoredCustomers() async throws -> [StoredName] { [] }

    func audit(_ use: AuditedUse, of pseudonyms: [Pseudonym]) async throws {
        try await FolderAudit.note(use, of: pseudonyms, in: log)
    }

    func clearTexts() async throws -> String? {
        try await projector.catchUp(with: log)
        return try await projector.clearErased(until: .now + DaemonLimits.forgettingTimeout)
    }
}
