// One method for each thing that is worth a log line; what is logged here is also counted, so the two agree.

package import Admission
package import Events
package import Log
package import Logging
import Synchronization

/// Writes the daemon's log: one line per thing worth acting on, at most one a second for each reason, never a name.
package final class InternalEvents: Sendable {
    package let logger: Logger
    private let lines = Mutex<[String: Line]>([:])

    /// A kind of line that may come often.
    private struct Line {
        var lastWritten: ContinuousClock.Instant
        var suppressed: Int
    }

    package init(logger: Logger) {
        self.logger = logger
    }

    package func refused(_ reason: Refusal, events: Int, transport: TransportKind) {
        limited(
            .warning, "refused \(reason.name)", "refused input",
            [
                "reason": "\(reason.name)", "code": "\(reason.rawValue)", "transport": "\(transport.name)",
                "events": "\(events)",
            ], every: reason == .unauthorized || reason == .forbidden ? .seconds(60) : .seconds(1))
    }

    package func sharedClientID(_ first: String, _ second: String) {
        limited(
            .warning, "shared client id",
            "two MQTT clients use one client id and take it from each other; give each device an id of its own",
            ["first": "\(first)", "second": "\(second)"])
    }

    package func quarantined(_ result: AdmissionResult, transport: TransportKind) {
        guard let reason = result.firstReason else { return }
        limited(
            .notice, "quarantined \(reason.name)", "quarantined events; see `tidings log tail --quarantined`",
            [
                "reason": "\(reason.name)", "events": "\(result.quarantined)", "transport": "\(transport.name)",
            ])
    }

    package func stale(_ events: Int, transport: TransportKind) {
        limited(
            .warning, "stale",
            "stale events were not stored; a device that counts anew must send an epoch; see `tidings status`",
            ["events": "\(events)", "transport": "\(transport.name)"])
    }

    package func kernelDropped(_ datagrams: UInt64) {
        limited(
            .warning, "kernel drops", "the kernel dropped datagrams; raise net.core.rmem_max",
            [
                "datagrams": "\(datagrams)"
            ])
    }

    package func closedUseless(_ connections: UInt64, open: Int) {
        limited(
            .warning, "useless connections",
            "closed connections that were silent or slow: their time was up, or their places were needed",
            ["connections": "\(connections)", "open": "\(open)"])
    }

    /// Said once, at the end.
    package func stoppedEarly(after limit: Duration) {
        logger.warning(
            "stopped before all was done; what is acknowledged is stored, and the next start catches up",
            metadata: ["limit_s": "\(limit.components.seconds)"])
    }

    /// Said once, at start.
    package func fewDescriptors(_ connections: Int, of wanted: Int) {
        logger.warning(
            "the system allows few open files, so fewer connections; raise `ulimit -n` or LimitNOFILE",
            metadata: ["connections": "\(connections)", "max_connections": "\(wanted)"])
    }

    package func storageFailed(_ message: String) {
        limited(
            .error, "storage", "nothing is acknowledged until the log can be written again", ["cause": "\(message)"])
    }

    package func storageRecovered() { logger.notice("the log can be written again") }

    package func projectionFailed(_ message: String) {
        limited(.error, "projection", "the summaries are not fresh; the log is not affected", ["cause": "\(message)"])
    }

    package func projectionRecovered() { logger.notice("the summaries can be written again") }

    /// Said once, at start: others could look into the data folder.
    package func narrowed(_ files: Int, in folder: String) {
        logger.notice(
            "the data folder was open to others; its permissions were put right",
            metadata: ["files": "\(files)", "data": "\(folder)"])
    }

    package func accessRefused(_ line: String) {
        logger.warning("permissions of the data folder could not be set", metadata: ["cause": "\(line)"])
    }

    /// Said once, at start.
    package func exposed(_ listeners: [String], mode: AuthMode) {
        logger.warning(
            """
            open to the network: whoever reaches these listeners can write events, also without a key; give the \
            devices keys and set auth.mode: require (docs/keys.md), or listen where only trusted senders are
            """,
            metadata: ["listeners": "\(listeners.joined(separator: ", "))", "auth.mode": "\(mode.rawValue)"])
    }

    /// Said once in a run, and without the name.
    package func emailNames() {
        logger.warning(
            """
            names of devices or customers contain an @ and may be addresses of people; send pseudonyms, or set \
            identity.emails to refuse or accept
            """)
    }

    /// A listener that is done without, as nobody has asked for its port.
    package func listensWithout(_ line: String) { logger.warning("\(line); until then the daemon does without it") }

    /// Said at start: an erasure was not finished when the process before ended, or names came back from a copy.
    package func resumedErasures(_ count: Int) {
        logger.notice("erasures that were not finished are finished now", metadata: ["names": "\(count)"])
    }

    package func erasureFailed(_ cause: String) {
        logger.error("an erasure is not finished; the next start tries again", metadata: ["cause": "\(cause)"])
    }

    /// Something that stops nothing and should be looked at.
    package func remark(_ line: String) { logger.warning("configuration: \(line)") }

    /// The configuration was read again and is in force, but for what only a start can change.
    package func reloaded(applied: [String], needsRestart: [String]) {
        var metadata: Logger.Metadata = [:]
        if !applied.isEmpty { metadata["applied"] = "\(applied.joined(separator: " "))" }
        if !needsRestart.isEmpty { metadata["needs_restart"] = "\(needsRestart.joined(separator: " "))" }
        logger.notice(
            metadata.isEmpty ? "configuration read again; nothing has changed" : "configuration read again",
            metadata: metadata)
    }

    package func reloadFailed(_ cause: String) {
        logger.error("configuration not changed: what was read again is wrong", metadata: ["cause": "\(cause)"])
    }

    /// How long the certificate in force is good for.
    ///
    /// - Parameter daysLeft: negative when it has ended.
    package func certificate(
        subject: String, until end: String, daysLeft: Int64, isGood: Bool, endsSoon: Bool, _ warnings: [String]
    ) {
        let fields: Logger.Metadata = ["subject": "\(subject)", "until": "\(end)", "days_left": "\(daysLeft)"]
        if !isGood {
            logger.error(
                "the certificate is out of date, and no client that checks it connects; renew it and `tidings reload`",
                metadata: fields)
        } else if endsSoon {
            logger.warning("the certificate ends soon; renew it and `tidings reload`", metadata: fields)
        } else {
            logger.info("TLS is spoken with this certificate", metadata: fields)
        }
        for warning in warnings { logger.warning("\(warning)") }
    }

    /// So many handshakes came to nothing within the last minute, and what helps, by reason.
    package func handshakesFailed(_ failures: [String: String]) {
        logger.warning(
            "TLS handshakes came to nothing, for each reason so many; docs/tls.md says more",
            metadata: failures.mapValues { "\($0)" })
    }

    /// What the daemon found on its own when it read a segment.
    package func scrubbed(_ damage: Damage) {
        limited(
            .error, "scrub", "a check of the log found damage; run `tidings log verify` and restore it from a copy",
            [
                "segment": "\(damage.segment)", "first": "\(damage.offsets.lowerBound.rawValue)",
                "end": "\(damage.offsets.upperBound.rawValue)", "cause": "\(damage.cause)",
            ])
    }

    /// Events of the log that cannot be read are passed over; they are in no summary.
    package func damaged(_ damage: Damage) {
        limited(
            .error, "damage", "the log is damaged; run `tidings log verify` and restore the segment from a copy",
            [
                "segment": "\(damage.segment)", "first": "\(damage.offsets.lowerBound.rawValue)",
                "end": "\(damage.offsets.upperBound.rawValue)", "cause": "\(damage.cause)",
            ])
    }

    /// The summaries had counted more than the log has: its end was lost, or it came back from an older copy.
    package func logIsShorter(than counted: Offset, head: Offset) {
        logger.error(
            "the log ends before what the summaries had counted; if its end is lost, restore the newest segment",
            metadata: ["head": "\(head.rawValue)", "counted": "\(counted.rawValue)"])
    }

    /// Segments went, as the configuration demands.
    package func dropped(_ dropped: Dropped) {
        logger.notice(
            "retention dropped the oldest segments",
            metadata: [
                "segments": "\(dropped.segments)", "bytes": "\(dropped.bytes)",
                "events": "\(dropped.offsets.upperBound.rawValue - dropped.offsets.lowerBound.rawValue)",
                "start": "\(dropped.offsets.upperBound.rawValue)",
            ])
    }

    package func retentionFailed(_ message: String) {
        limited(.error, "retention", "old segments stay; nothing else is affected", ["cause": "\(message)"])
    }

    /// Writes a line unless one for the same key was written less than `pause` ago; says how many were left out.
    private func limited(
        _ level: Logger.Level, _ key: String, _ message: Logger.Message, _ fields: Logger.Metadata,
        every pause: Duration = .seconds(1)
    ) {
        let now = ContinuousClock.now
        let suppressed: Int? = lines.withLock { lines in
            guard let line = lines[key], line.lastWritten.duration(to: now) < pause else {
                let suppressed = lines[key]?.suppressed ?? 0
                lines[key] = Line(lastWritten: now, suppressed: 0)
                return suppressed
            }
            lines[key]?.suppressed += 1
            return nil
        }
        guard let suppressed else { return }
        var metadata = fields
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        logger.log(level: level, message, metadata: metadata)
    }
}
