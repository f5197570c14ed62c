// Uses that are watched, noted in the log: by a running daemon, or in a folder that none uses.

package import Events
import Ingest
package import Log
import NIOCore

/// A use, as the daemon is asked over the control socket to note it.
package struct AuditRequest: Codable, Sendable, Equatable {
    package var use: AuditedUse
    /// The number that stands for the customer that it was about; never a name.
    package var customer: UInt32?

    package init(_ use: AuditedUse, of customer: CustomerID) {
        self.use = use
        self.customer = customer == .none ? nil : customer.rawValue
    }

    package var pseudonyms: [Pseudonym] { customer.map { [Pseudonym(.customer, $0)] } ?? [] }
}

/// The answer when a use is noted.
package struct AuditAnswer: Codable, Sendable, Equatable {
    package var isNoted = true

    package init() {}
}

extension IngestLoop {
    /// Notes a use; durable on return.
    func audit(_ use: AuditedUse, of pseudonyms: [Pseudonym]) async throws {
        guard let word = try await onLoop({ $0.word(of: use) }) else { throw FolderAudit.tooManyWords }
        try await append(own: AuditedUse.events(word, of: pseudonyms, at: wallClock()))
    }

    /// Appends events that the daemon itself has made; durable on return.
    func append(own events: [Event]) async throws {
        let pipeline = pipeline
        for part in FolderAudit.parts(events) {
            let limit = ContinuousClock.now + DaemonLimits.forgettingTimeout
            while true {
                let isStored = try await eventLoop.flatSubmit {
                    pipeline.value.append(own: part)?.map { true }
                        ?? pipeline.value.loop.makeSucceededFuture(false)
                }.get()
                if isStored { break }
                guard ContinuousClock.now < limit else {
                    throw ForgettingError.storage("the log takes no events at the moment; try again later")
                }
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }
}

/// Notes in a log that no daemon has open.
package enum FolderAudit {
    static let tooManyWords = ForgettingError.impossible("the log has as many words as there may be")

    /// Notes a use, once for each pseudonym that it was about; durable on return.
    ///
    /// - Parameter log: open for writing.
    /// - Throws: `LogError`, `ForgettingError`.
    package static func note(_ use: AuditedUse, of pseudonyms: [Pseudonym], in log: some EventLog) async throws {
        var vocabulary = try await log.vocabulary()
        guard let word = vocabulary.word(of: use) else { throw tooManyWords }
        let events = AuditedUse.events(word, of: pseudonyms, at: wallClock())
        try await append(events, defining: vocabulary.takeDefinitions(), to: log)
    }

    /// Appends events that no device has sent; durable on return.
    ///
    /// - Parameter definitions: the words that they use for the first time.
    static func append(
        _ events: [Event], defining definitions: Definitions = Definitions(), to log: some EventLog
    ) async throws(LogError) {
        for (index, part) in parts(events).enumerated() {
            var batch = EventBatch()
            batch.events = part
            _ = try await log.append(batch, defining: index == 0 ? definitions : Definitions())
        }
    }

    /// Events in parts, of which each is no larger than what a device may send at once.
    static func parts(_ events: [Event]) -> [[Event]] {
        stride(from: 0, to: events.count, by: Limits.batchEvents).map { start in
            Array(events[start..<min(events.count, start + Limits.batchEvents)])
        }
    }
}
