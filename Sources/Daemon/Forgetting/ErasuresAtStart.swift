// Before the first event is taken: whoever is on the erasure list has no name here, whatever copy came back.

import Admission
package import Events
import Ingest
package import Log

/// The names of a log compared with its erasure list.
package enum ErasuresAtStart {
    /// Deletes the names of those who were forgotten after the names were saved that are here now.
    ///
    /// - Returns: the pseudonyms that had names; their erasure is not finished.
    package static func replay(
        _ files: ErasureFiles, on log: any ForgettingLog
    ) async throws -> [Pseudonym] {
        let begun = try await log.begunErasures()
        guard begun.lines < files.lines.count else { return [] }
        let erased = Set(files.lines[begun.lines...].filter { $0.state == .erased }.map(\.digest))
        var found: [Pseudonym] = []
        if !erased.isEmpty {
            let products = try await log.vocabulary().texts(.product)
            let digests = files.digests
            found = try await log.pseudonyms { stored in
                switch stored.pseudonym {
                case .customer: return erased.contains(digests.digest(ofCustomer: stored.name.span))
                case .device:
                    let product = Int(stored.product.rawValue)
                    guard products.indices.contains(product) else { return false }
                    let text = products[product]
                    return erased.contains(digests.digest(ofDevice: stored.name.span, product: text.span))
                }
            }
        }
        try await log.deleteNames(found, lines: files.lines.count)
        return found
    }
}

extension StartState {
    /// Forgets those who were, and knows from here on whom it was.
    mutating func forget(_ pseudonyms: [Pseudonym], _ files: ErasureFiles, _ index: ErasureIndex) {
        if !pseudonyms.isEmpty { vocabulary.forget(pseudonyms, isInUse: false) }
        guard index.count > 0 else { return }
        vocabulary.forgotten.list = index
        if files.lines.contains(where: { $0.kind == .device }) { vocabulary.noteReturnedDevices() }
    }
}

/// The erasures of a log that the daemon has opened.
struct ErasuresInForce {
    private let log: any ForgettingLog
    private let files: ErasureFiles
    private let index: ErasureIndex
    private let found: [Pseudonym]

    /// Reads the list, and carries it out in the names. Nothing is listening yet.
    init(_ engine: some EventLog, _ configuration: DaemonConfiguration) async throws {
        guard let log = engine as? any ForgettingLog else {
            throw ForgettingError.impossible("this log keeps no names that could be deleted")
        }
        self.log = log
        files = try ErasureFiles(in: configuration.dataDirectory, log: log.logIdentity)
        index = ErasureIndex(digests: files.digests, lines: files.lines)
        found = try await ErasuresAtStart.replay(files, on: log)
    }

    /// What the ingest starts with, without those who were forgotten.
    func forget(_ start: StartState) -> StartState {
        var start = start
        start.forget(found, files, index)
        return start
    }

    /// Who forgets from here on.
    func forgetter<Engine: EventLog>(
        _ storage: Storage<Engine>, _ ingest: IngestLoop<Engine>, _ queue: ForgettingQueue,
        _ configuration: DaemonConfiguration
    ) async throws -> Forgetter {
        try await ingest.onLoop { pipeline in
            pipeline.onReadmission = { name, time in queue.readmitted(name, at: time) }
        }
        return Forgetter(
            LiveHost(ingest: ingest, storage: storage, log: log), files, index: index,
            backupDays: configuration.backupMaxDays, now: { wallClock() })
    }
}
