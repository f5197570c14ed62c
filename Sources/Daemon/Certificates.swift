// The certificate while the daemon runs: how long it is good for, what a reload has changed, which handshakes failed.

import Bytes
import Foundation
import Ingest
import Presentation
import ServiceLifecycle
import TLS
package import Transport

extension TLSFiles {
    /// The standing of the certificate at this moment.
    struct Standing {
        var subject: String
        var names: [String]
        var notBefore: String
        var notAfter: String
        var daysLeft: Int64
        /// Whether its time has not come.
        var isEarly: Bool
    }

    var standing: Standing {
        let now = Int64(Date.now.timeIntervalSince1970)
        return Standing(
            subject: certificate.subjectText, names: certificate.nameTexts, notBefore: text(certificate.notBefore),
            notAfter: text(certificate.notAfter), daysLeft: certificate.daysLeft(at: now),
            isEarly: certificate.notBefore > now)
    }

    private func text(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    }

    /// What is another one since: for people who have just replaced the file.
    func changes(since old: TLSFiles?) -> [SettingChange] {
        guard let old else { return [] }
        var changes: [SettingChange] = []
        func text(_ files: TLSFiles) -> String { "\(files.standing.subject) until \(files.standing.notAfter)" }
        if old.certificate != certificate {
            changes.append(SettingChange(key: "the certificate", old: text(old), new: text(self), outcome: .applied))
        }
        if old.revocations != revocations {
            func count(_ files: TLSFiles) -> String { "\(files.revocations.reduce(0) { $0 + $1.count }) certificates" }
            changes.append(SettingChange(key: "what is revoked", old: count(old), new: count(self), outcome: .applied))
        }
        if !hasAuthorities(of: old) {
            func count(_ files: TLSFiles) -> String { "\(files.authorityCount) certificates" }
            changes.append(
                SettingChange(key: "authorities of clients", old: count(old), new: count(self), outcome: .applied))
        }
        return changes
    }
}

extension InternalEvents {
    func certificate(_ files: TLSFiles) {
        let standing = files.standing
        certificate(
            subject: standing.subject, until: standing.notAfter, daysLeft: standing.daysLeft,
            isGood: !standing.isEarly && standing.daysLeft >= 0,
            endsSoon: standing.daysLeft <= TLSLimits.expiryWarningDays, files.warnings)
    }
}

extension TLSStatus {
    init(_ standing: TLSFiles.Standing, _ counts: TLSCounts) {
        self.init()
        (subject, names) = (standing.subject, standing.names)
        (notBefore, notAfter, daysLeft) = (standing.notBefore, standing.notAfter, standing.daysLeft)
        (handshakes, delayed) = (counts.completed, counts.delayed)
        (underWay, waiting) = (counts.underWay, counts.waiting)
        failed = counts.failedByName
    }
}

extension TLSCounts {
    var failedByName: [String: UInt64] {
        Dictionary(failed.map { ($0.key.name, $0.value) }, uniquingKeysWith: +)
    }
}

/// Tells at the start, and every day from two weeks before the end on, how long the certificate is good for.
struct CertificateService: NamedService {
    static var name: StaticString { "CertificateService" }
    let tls: Replaceable<TLSFiles?>
    let events: InternalEvents

    func run() async throws {
        var isFirst = true
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            if let files = tls.value, isFirst || files.standing.daysLeft <= TLSLimits.expiryWarningDays {
                events.certificate(files)
            }
            isFirst = false
            do { try await Task.sleepUnlessShuttingDown(for: .seconds(86_400)) } catch { break }
        }
        try? await gracefulShutdown()
    }
}

/// Which handshakes came to nothing since that was last told, which is once a minute at most.
package struct HandshakeWatch {
    private var told: [TLSFailure: UInt64] = [:]
    private var lastTold: ContinuousClock.Instant?

    package init() {}

    /// - Returns: how many since the last time, and what helps, by reason; nil when there is nothing to tell yet.
    package mutating func failures(_ counts: TLSCounts, at now: ContinuousClock.Instant) -> [String: String]? {
        if let lastTold, lastTold.duration(to: now) < .seconds(60) { return nil }
        guard counts.failed != told else { return nil }
        defer { (told, lastTold) = (counts.failed, now) }
        return counts.failed.reduce(into: [:]) { new, entry in
            let more = entry.value - (told[entry.key] ?? 0)
            if more > 0 { new[entry.key.name] = "\(more): \(entry.key.remedy)" }
        }
    }
}
