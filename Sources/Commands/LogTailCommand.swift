// tidings log tail: the newest events, and with --follow those to come.

import ArgumentParser
import Events
import Ingest
import Log
import Presentation

struct LogTailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Print the newest events of the log.",
        discussion: """
            Examples: tidings log tail -n 20
                      tidings log tail -f --product kettle --kind rating.given
                      tidings log tail --since 2h --device kettle/k-1
                      tidings log tail -f --format json --cursor seen.offset
                      tidings log tail --quarantined --format json
                      tidings log tail --audit -n 100

            With --cursor FILE the next call goes on where this one ended; the file holds one offset. Nothing is
            skipped then. A terminal that is slower than the log gets the newest events, and is told what it missed.
            """)

    @Option(name: [.customShort("n"), .long], help: "How many events; without --since and --cursor.")
    var count = 10

    @Flag(name: [.short, .long], help: "Go on with the events to come, until interrupted.")
    var follow = false

    @Option(help: "All events since then: 2026-11-24, 2026-11-24T08:00:00Z, or 30s, 10m, 2h, 7d ago.")
    var since: Moment?

    @Option(help: "A file that holds where to go on; it is made, and kept up to date.")
    var cursor: String?

    @Flag(help: "Only events that are kept apart, with the reason.")
    var quarantined = false

    @Flag(help: "Only who used what: exports, forgetting, keys and tokens.")
    var audit = false

    @OptionGroup var choice: EventOptions

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    /// A terminal is told at most so many events at a time; of more, the newest are shown.
    private static let terminalEvents: UInt64 = 50_000
    private static let terminalRest: UInt64 = 1_000

    func validate() throws {
        guard (0...1_000_000).contains(count) else { throw ValidationError("-n must be from 0 to 1000000") }
        guard !audit || !quarantined && choice.isEmpty else {
            throw ValidationError("--audit goes with nothing that chooses events of devices")
        }
        guard since == nil || cursor == nil else { throw ValidationError("--cursor says since when: without --since") }
    }

    func run() async throws {
        let log = try openLog(try await data.directory())
        do {
            let vocabulary = try await log.vocabulary()
            var printer = EventPrinter(
                writer: EventWriter(format: format, vocabulary: vocabulary, style: .now),
                choice: EventChoice(choice, vocabulary), quarantined: quarantined, audit: audit)
            for remark in printer.choice.unknown { printError("tidings: \(remark)") }
            printOut(printer.writer.header)
            let lines = DamageLines()
            let head = await log.head
            var from = head
            if let start = try await start(log, head) {
                from = start
            } else {
                let chosen = try await printer.newest(count, log, head, lines)
                for (event, batch, offset) in chosen { printer.writer.append(event, in: batch, at: offset) }
                printer.writer.flush { printOut(bytes: $0) }
            }
            try await go(on: log, from: from, until: follow ? nil : head, &printer, lines)
            lines.finish()
        } catch let error as LogError {
            throw Failure(error)
        }
    }

    /// Where to begin; nil for the last `count` events.
    private func start(_ log: some EventLog, _ head: Offset) async throws -> Offset? {
        if let since { return try await log.offset(of: since.time(now: wallClock())) }
        guard let cursor, let kept = try CursorFile(path: cursor).read() else { return nil }
        let first = await log.start
        if kept < first {
            printError("tidings: \(first.rawValue - kept.rawValue) events since the cursor are no longer retained")
        }
        guard kept <= head else {
            throw Failure(
                "\(cursor) says \(kept.rawValue), and the log has only \(head.rawValue) events: it is of another log, "
                    + "or an older backup was restored; remove the file to begin at the newest events", .data)
        }
        return max(kept, first)
    }

    /// Prints what stands behind an offset.
    ///
    /// - Parameter end: where to stop; nil for never.
    private func go(
        on log: some EventLog, from: Offset, until end: Offset?, _ printer: inout EventPrinter, _ lines: DamageLines
    ) async throws {
        let file = try cursor.map { try CursorFile(path: $0) }
        try file?.write(from)
        var follower = PassingFollower(
            Follower(log, from: from, wakeup: .poll(every: .milliseconds(100))), report: { lines.note($0) })
        while follower.position < end ?? Offset(rawValue: .max) {
            let blocks = end == nil ? try await follower.next(limit: 16) : try await follower.nextAvailable(limit: 16)
            if blocks.isEmpty { return }
            try await printer.learn(from: log, choice)
            for block in blocks { printer.add(block, before: end) }
            printer.writer.flush { printOut(bytes: $0) }
            try file?.write(min(follower.position, end ?? follower.position))
            let head = await log.head
            guard end == nil, file == nil, Terminal.isOutput,
                head.rawValue - min(head.rawValue, follower.position.rawValue) > Self.terminalEvents
            else { continue }
            let next = Offset(rawValue: head.rawValue - Self.terminalRest)
            printError(
                "tidings: \(grouped(next.rawValue - follower.position.rawValue)) events passed over: the terminal is "
                    + "slower than the log; choose some, or print to a file")
            follower.skip(to: next)
        }
    }
}
