// Forgets customers and devices: the thin shell around the steps.

package import Admission
import Bytes
import Crypto
package import Events
import Identity
import Ingest
import Log
package import Presentation
import Projection
import Synchronization

/// What the erasures of one data folder are made of: its list, its secrets.
package struct ErasureFiles: Sendable {
    let list: ErasureFile
    let digests: NameDigests
    let key: ReceiptKey
    /// The lines of the list, as they were read.
    let lines: [ErasureLine]

    /// Reads them; makes the secrets and an empty list where there are none.
    ///
    /// - Throws: `ForgettingError`, `LogError`.
    package init(in directory: String, log: String) throws {
        list = ErasureFile(in: directory)
        // The log has made one when it was opened, if there was none.
        guard let secret = try SealingSecret.read(in: directory) else {
            throw ForgettingError.configuration("\(directory)/\(SealingSecret.fileName) is not there")
        }
        digests = NameDigests(key: secret.expanded(Array("tidings erasure list".utf8), []))
        lines = try list.read(of: log, check: digests.check)
        key = try ReceiptKey(in: directory)
        try list.make()
    }
}

/// Forgets one request after the other; must not be called twice at one time.
package actor Forgetter {
    private let host: any ForgettingHost
    private let files: ErasureFiles
    package let index: ErasureIndex
    private let backupDays: Int
    private let now: @Sendable () -> Timestamp
    private let crash = CrashPoint()
    /// Lines of the list.
    private var lineCount: Int

    package init(
        _ host: any ForgettingHost, _ files: ErasureFiles, index: ErasureIndex, backupDays: Int,
        now: @escaping @Sendable () -> Timestamp
    ) {
        (self.host, self.files, self.index) = (host, files, index)
        (self.backupDays, self.now) = (backupDays, now)
        lineCount = files.lines.count
    }

    /// One name of a request, and what is found of it.
    private struct Target {
        var name: ForgetRequest.Name
        var digest: NameDigest
        var key: [UInt8]
        var pseudonyms: [Pseudonym] = []
        var outcome = Forgotten.Outcome.unknown
    }

    /// Forgets, or says what would be.
    package func forget(_ request: ForgetRequest) async throws -> ForgetReport {
        try await host.flush()
        let products = try await host.products()
        var targets = self.targets(request)
        try await find(&targets, products)
        let time = now()
        if !request.isDryRun, targets.contains(where: { $0.outcome == .found }) {
            let warnings = try await erase(&targets, at: time)
            return try await report(targets, at: time, warnings)
        }
        let use = request.isDryRun ? AuditedUse.forgetDryRun : .forget
        let warning = await audit(use, of: targets.flatMap(\.pseudonyms))
        return try await report(targets, at: time, Warnings(audit: warning), countsMentions: request.isDryRun)
    }

    /// What is not done yet, and why.
    private struct Warnings {
        var texts: String?
        var audit: String?
    }

    /// Notes that this was asked for.
    ///
    /// - Returns: why it is not noted, or nil.
    private func audit(_ use: AuditedUse, of pseudonyms: [Pseudonym]) async -> String? {
        do {
            try await host.audit(use, of: pseudonyms)
            return nil
        } catch {
            return "that `\(use.rawValue)` was used is not noted in the log: \(error)"
        }
    }

    // MARK: Whom

    private func targets(_ request: ForgetRequest) -> [Target] {
        var seen: Set<NameDigest> = []
        return request.names.map { name in
            let text = Array(name.name.utf8)
            let product = name.product.map { Array($0.utf8) }
            let digest =
                if let product {
                    files.digests.digest(ofDevice: text.span, product: product.span)
                } else {
                    files.digests.digest(ofCustomer: text.span)
                }
            var target = Target(name: name, digest: digest, key: Self.key(text.span, product: product))
            if !seen.insert(digest).inserted { target.outcome = .repeated }
            return target
        }
    }

    /// What is equal for all ways to write a name.
    private static func key(_ name: Span<UInt8>, product: [UInt8]?) -> [UInt8] {
        var key: [UInt8] = []
        if let product {
            appendNormalized(product.span, to: &key)
            key.append(0)
        }
        key.append(product == nil ? 1 : 2)
        appendNormalized(name, to: &key)
        return key
    }

    private func find(_ targets: inout [Target], _ products: [[UInt8]]) async throws {
        var wanted: [[UInt8]: Int] = [:]
        for (place, target) in targets.enumerated() where target.outcome != .repeated { wanted[target.key] = place }
        let found = Mutex<[(Int, Pseudonym)]>([])
        let sought = wanted
        let isSought: @Sendable (StoredName) -> Bool = { stored in
            let product = Int(stored.product.rawValue)
            let isDevice = stored.pseudonym.kind == .device
            let of: [UInt8]? = isDevice ? (products.indices.contains(product) ? products[product] : []) : nil
            guard let place = sought[Self.key(stored.name.span, product: of)] else { return false }
            let pseudonym = stored.pseudonym
            found.withLock { $0.append((place, pseudonym)) }
            return true
        }
        _ = try await host.log.pseudonyms(where: isSought)
        for name in try await host.unstoredCustomers() { _ = isSought(name) }
        for (place, pseudonym) in found.withLock({ $0 }) {
            targets[place].outcome = .found
            if !targets[place].pseudonyms.contains(pseudonym) { targets[place].pseudonyms.append(pseudonym) }
        }
        for place in targets.indices where targets[place].outcome == .unknown {
            if index.erasure(targets[place].digest) != nil { targets[place].outcome = .already }
        }
    }

    // MARK: The steps

    private func erase(_ targets: inout [Target], at time: Timestamp) async throws -> Warnings {
        let places = targets.indices.filter { targets[$0].outcome == .found }
        let pseudonyms = places.flatMap { targets[$0].pseudonyms }
        let lines = places.map { line(targets[$0], at: time) }
        var warnings = Warnings()
        for step in ForgetStep.allCases {
            if step == .list {
                try files.list.append(lines)
                index.add(lines)
                lineCount += lines.count
            } else {
                warnings.texts = try await perform(step, pseudonyms, at: time) ?? warnings.texts
                // Before the summaries follow the log up to its end.
                if step == .event { warnings.audit = await audit(.forget, of: pseudonyms) }
            }
            crash.pass(step)
        }
        for place in places { targets[place].outcome = .forgotten }
        return warnings
    }

    private func line(_ target: Target, at time: Timestamp) -> ErasureLine {
        ErasureLine(
            time: time, state: .erased, kind: target.name.kind, log: host.log.logIdentity,
            check: files.digests.check, digest: target.digest)
    }

    /// Does all but the first step.
    ///
    /// - Returns: what is not done yet, and why.
    private func perform(_ step: ForgetStep, _ pseudonyms: [Pseudonym], at time: Timestamp) async throws -> String? {
        switch step {
        case .list: break
        case .memory: try await host.forget(pseudonyms, list: index)
        case .names: try await host.log.deleteNames(pseudonyms, lines: lineCount)
        case .event: try await host.append(pseudonyms.map { Self.event($0, at: time) })
        case .texts: return try await host.clearTexts()
        case .finish: try await host.log.finishErasures(pseudonyms)
        }
        return nil
    }

    private static func event(_ pseudonym: Pseudonym, at time: Timestamp) -> Event {
        var event = Event()
        event.kind = .customerErased
        switch pseudonym {
        case .customer(let id): event.customer = id
        case .device(let id): event.device = id
        }
        (event.time, event.arrival, event.clock) = (time, time, .arrival)
        return event
    }

    /// Does what an erasure has left that did not come to its end.
    ///
    /// - Returns: how many pseudonyms it was of.
    package func resume() async throws -> Int {
        let unfinished = try await host.log.begunErasures().unfinished
        guard !unfinished.isEmpty else { return 0 }
        let time = now()
        for step in ForgetStep.resumed {
            if let warning = try await perform(step, unfinished, at: time) { throw ForgettingError.storage(warning) }
            crash.pass(step)
        }
        return unfinished.count
    }

    /// Somebody has consented after the erasure, and is a new person: the list says so for a copy that comes back.
    package func readmitted(_ name: [UInt8], at time: Timestamp) throws(ForgettingError) {
        let line = ErasureLine(
            time: time, state: .readmitted, kind: .customer, log: host.log.logIdentity, check: files.digests.check,
            digest: files.digests.digest(ofCustomer: name.span))
        try files.list.append([line])
        index.add([line])
        lineCount += 1
    }

    // MARK: What is told

    private func report(
        _ targets: [Target], at time: Timestamp, _ warnings: Warnings, countsMentions: Bool = false
    ) async throws -> ForgetReport {
        let remains = try await remains(targets, countsMentions: countsMentions)
        var names: [Forgotten] = []
        for (place, target) in targets.enumerated() {
            var told = Forgotten(target.outcome)
            switch target.outcome {
            case .unknown, .repeated: break
            case .already: told.since = index.erasure(target.digest).map(rfc3339)
            case .found:
                // While the key is there, sealed texts are read as the others are.
                var left = remains.remains[place]
                (left.readableTexts, left.segments) = (0, [])
                told.remains = left
                told.mentions = remains.mentions[place]
            case .forgotten:
                told.since = rfc3339(time)
                told.remains = remains.remains[place]
                let line = line(target, at: time).text
                let receipt = Receipt(
                    log: host.log.logIdentity, kind: "\(target.name.kind.name)", digest: target.digest, line: line,
                    time: time, remains: remains.remains[place], exports: remains.exports[place],
                    backupDays: backupDays, pending: warnings.texts)
                told.line = line
                told.receipt = receipt.text
                told.signature = try files.key.signature(of: receipt.text)
                told.publicKey = files.key.publicKey
            }
            names.append(told)
        }
        var report = ForgetReport(names)
        report.warnings += [warnings.texts, warnings.audit].compactMap(\.self)
        return report
    }

    private func remains(_ targets: [Target], countsMentions: Bool) async throws -> RemainsCount {
        let log = host.log
        let vocabulary = try await log.vocabulary()
        var count = RemainsCount(
            targets.map(\.pseudonyms), export: vocabulary.find(.export), logExport: vocabulary.find(.logExport))
        if countsMentions {
            count.sought = targets.map { target in
                target.outcome == .found && target.name.kind == .customer ? NameWords(target.name.name) : nil
            }
        }
        guard targets.contains(where: { !$0.pseudonyms.isEmpty }) else { return count }
        let damages = Mutex(0)
        let note: @Sendable (Damage) -> Void = { _ in damages.withLock { $0 += 1 } }
        try await log.scan(report: note) { blocks, _, _ in
            for block in blocks { count.add(block, segment: { log.segmentName(of: $0) }) }
        }
        count.finish(isIncomplete: damages.withLock { $0 } > 0)
        return count
    }
}
