// tidings status: what the running daemon has counted.

import ArgumentParser
import Daemon
import Foundation
import Presentation

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the running daemon's counts, positions and health.",
        discussion: """
            Example: tidings status --format json

            For each transport: received = committed + duplicate + stale + quarantined + refused + dropped + in flight.
            Exits 69 when no daemon serves the data folder, 1 when it is not healthy.
            """)

    @OptionGroup var data: DataOptions

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    func run() async throws {
        let directory = try await data.directory()
        let answer: Data
        let status: DaemonStatus
        do {
            answer = try await ControlClient.ask(.status, dataDirectory: directory)
            status = try JSONDecoder().decode(DaemonStatus.self, from: answer)
        } catch {
            throw Failure(
                "no daemon serves \(directory); start one with `tidings serve --data \(directory)`", .unreachable)
        }
        switch format {
        case .json: printOut(bytes: [UInt8](answer))
        case .csv: printOut(csv(status))
        case .table: printOut(table(status))
        }
        guard status.storage == "good" else { throw ExitCode(ExitStatus.checkFailed.rawValue) }
    }

    private func csv(_ status: DaemonStatus) -> String {
        var text = "transport,outcome,reason,events\n"
        for (name, counts) in status.transports.sorted(by: { $0.key < $1.key }) {
            for row in rows(counts) { text += "\(name),\(row.outcome),\(row.reason),\(row.events)\n" }
        }
        return text
    }

    private func table(_ status: DaemonStatus) -> String {
        var text = """
            tidings \(status.version), pid \(status.pid), up \(Int(status.uptimeSeconds)) s
            listening    tcp \(status.tcp), udp \(status.udp); \(status.connections) connections
            closed       \(ended(status)); \(status.pauses) pauses of senders over their quota
            log          \(status.head) events, \(status.devices) devices, \(status.customers) customers
            chain head   \(status.chainHead)
            retained     from event \(status.start) on; \(status.retentionEvents) events dropped since the start
            damaged      \(status.unreadable) events cannot be read
            summaries    as of event \(status.projected), \(status.head - min(status.head, status.projected)) behind
            storage      \(status.storage)
            balanced     \(status.isBalanced ? "yes" : "NO: please report this")

            transport  outcome      reason              events

            """
        for (name, counts) in status.transports.sorted(by: { $0.key < $1.key }) {
            for row in rows(counts) {
                text += pad(name, 11) + pad(row.outcome, 13) + pad(row.reason, 20) + "\(row.events)\n"
            }
        }
        return text
    }

    private func ended(_ status: DaemonStatus) -> String {
        let reasons = status.connectionsEnded.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        return reasons.isEmpty ? "no connection by the daemon" : reasons.joined(separator: ", ")
    }

    private func pad(_ text: String, _ width: Int) -> String {
        text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
    }

    private func rows(_ counts: DaemonStatus.Transport) -> [(outcome: String, reason: String, events: UInt64)] {
        var rows: [(String, String, UInt64)] = [
            ("received", "", counts.received), ("committed", "", counts.committed),
            ("duplicate", "", counts.duplicate), ("stale", "", counts.stale),
        ]
        for (outcome, reasons) in [
            ("quarantined", counts.quarantined), ("refused", counts.refused), ("dropped", counts.dropped),
        ] {
            rows += reasons.sorted { $0.key < $1.key }.map { (outcome, $0.key, $0.value) }
        }
        rows.append(("in flight", "", counts.inFlight))
        return rows.filter { $0.2 > 0 || $0.0 == "received" }
    }
}
