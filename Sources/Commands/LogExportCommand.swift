// tidings log export: all events of the log on standard output.

import ArgumentParser
import Events
import Ingest
import Log
import Presentation
import Synchronization

/// The forms of an export.
enum ExportFormat: String, ExpressibleByArgument, CaseIterable { case ndjson, csv }

/// Writes events to standard output.
struct LogExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write all events of the log to standard output.",
        discussion: """
            Examples: tidings log export --format ndjson >events.ndjson
                      tidings log export --format csv --from 1000 --limit 500
                      tidings log export --since 2026-11-01 --until 2026-12-01 --product kettle --kind rating.given

            What is damaged is left out and named on standard error; the exit code is then 65. A running \
            daemon notes in the log that it was made (`tidings log tail --audit`), behind what it has.
            """)

    @Option(help: "ndjson (one JSON object a line) or csv.")
    var format: ExportFormat = .ndjson

    @Option(help: "The offset of the first event.")
    var from: UInt64?

    @Option(help: "How many events at most.")
    var limit: UInt64?

    @Option(help: "Events that arrived then or later: 2026-11-24, 2026-11-24T08:00:00Z, or 10m, 2h, 7d ago.")
    var since: Moment?

    @Option(help: "Events that arrived before then; a day begins at midnight UTC.")
    var until: Moment?

    @OptionGroup var choice: EventOptions

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard since == nil || from == nil else { throw ValidationError("--from and --since both say where to begin") }
    }

    func run() async throws {
        let directory = try await data.directory()
        let log = try openLog(directory, proving: true)
        // Without the event that says that it was made.
        let head = await log.head
        var audit = Audit(.logExport, in: directory)
        await audit.noteInDaemon()
        let next = Mutex(Offset.zero)
        let isWhole: Bool
        do {
            isWhole = try await showingProgress(
                ProgressText("export", .events),
                stands: { done, _ in
                    "export stopped after \(grouped(done)) events; go on with --from \(next.withLock { $0.rawValue })"
                },
                { progress in
                    try await export(log, until: head, wrote: { offset in next.withLock { $0 = offset } }, progress)
                })
            try await log.close()
        } catch let error as LogError {
            throw Failure(error)
        }
        guard isWhole else { throw ExitCode(FailureCode.data.rawValue) }
    }

    /// - Parameter wrote: called with the offset behind what has been written.
    /// - Returns: whether nothing was left out.
    private func export(
        _ log: some EventLog, until head: Offset, wrote: (Offset) -> Void,
        _ progress: (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) -> Bool {
        let now = wallClock()
        let (begins, ends) = (since?.time(now: now), until?.time(now: now))
        let first: Offset =
            if let from { Offset(rawValue: from) } else if let begins { try await log.offset(of: begins) } else {
                await log.start
            }
        let total = min(limit ?? .max, head.rawValue - min(first.rawValue, head.rawValue))
        wrote(first)
        var done: UInt64 = 0
        var writer = EventWriter(format: format == .csv ? .csv : .json, vocabulary: try await log.vocabulary())
        let chosen = EventChoice(choice, writer.vocabulary)
        for remark in chosen.unknown { printError("tidings: \(remark)") }
        printOut(writer.header)
        let lines = DamageLines()
        for damage in log.openingDamages { lines.note(damage) }
        var follower = PassingFollower(
            Follower(log, from: first, wakeup: .poll(every: .seconds(1))), report: { lines.note($0) })
        var left = limit ?? .max
        while left > 0, follower.position < head {
            let blocks = try await follower.nextAvailable(limit: 8)
            if blocks.isEmpty { break }
            var written = follower.position
            for block in blocks {
                for (index, event) in block.batch.events.enumerated()
                where left > 0 && block.firstOffset + index < head {
                    written = block.firstOffset + index + 1
                    done += 1
                    guard chosen.contains(event), begins.map({ event.arrival >= $0 }) ?? true,
                        ends.map({ event.arrival < $0 }) ?? true
                    else { continue }
                    writer.append(event, in: block.batch, at: block.firstOffset + index)
                    left -= 1
                }
            }
            writer.flush { printOut(bytes: $0) }
            wrote(written)
            progress(done, total)
            // Events stand in the log as they arrived.
            if let ends, let last = blocks.last?.batch.events.last, last.arrival >= ends { break }
        }
        lines.finish()
        return lines.isEmpty
    }
}
