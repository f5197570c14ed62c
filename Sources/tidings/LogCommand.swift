// tidings log: look at the log itself.

import ArgumentParser
import Daemon
import Events
import Foundation
import Log
import Presentation
import Synchronization
import Wire

struct Log: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Look at the log and copy it: newest events, size, integrity, contents, backups.",
        subcommands: [
            LogTail.self, LogStat.self, LogVerify.self, LogExport.self, LogBackup.self, LogRestore.self,
            LogSalvage.self,
        ])
}

/// Turns events into lines of the form that was asked for.
struct EventPrinter {
    let format: OutputFormat
    var vocabulary: Vocabulary
    private let lines = EventLines(style: .now)
    private var bytes: [UInt8] = []

    init(format: OutputFormat, vocabulary: Vocabulary) {
        self.format = format
        self.vocabulary = vocabulary
    }

    var header: String { format == .csv ? EventLines.csvHeader : "" }

    mutating func append(_ event: Event, in batch: EventBatch, at offset: Offset) {
        let text = batch.text(of: event)
        switch format {
        case .json:
            writeEventLine(event, text: Array(text).span, offset: offset, vocabulary: vocabulary, into: &bytes)
            bytes.append(UInt8(ascii: "\n"))
        case .table, .csv:
            let text = String(decoding: text, as: UTF8.self)
            let line =
                format == .csv
                ? lines.csvText(event, text: text, offset: offset, vocabulary: vocabulary)
                : lines.tableLine(event, text: text, offset: offset, vocabulary: vocabulary) + "\n"
            bytes.append(contentsOf: line.utf8)
        }
    }

    /// Writes what has been appended.
    mutating func flush() {
        guard !bytes.isEmpty else { return }
        printOut(bytes: bytes)
        bytes.removeAll(keepingCapacity: true)
    }
}

/// Prints the newest events, and with `--follow` those to come.
struct LogTail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Print the newest events of the log.",
        discussion: """
            Examples: tidings log tail -n 20
                      tidings log tail -f --product kettle
                      tidings log tail --quarantined --format json
            """)

    @Option(name: [.customShort("n"), .long], help: "How many events.")
    var count = 10

    @Flag(name: [.short, .long], help: "Go on with the events to come, until interrupted.")
    var follow = false

    @Flag(help: "Only events that are kept apart, with the reason.")
    var quarantined = false

    @Option(help: "Only events of this product.")
    var product: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard (0...1_000_000).contains(count) else { throw ValidationError("-n must be from 0 to 1000000") }
    }

    func run() async throws {
        let log = try openLog(try await data.directory())
        do {
            var printer = EventPrinter(format: format, vocabulary: try await log.vocabulary())
            printOut(printer.header)
            let head = await log.head
            let lines = DamageLines()
            let chosen = try await newest(log, head, printer.vocabulary, lines)
            for (event, batch, offset) in chosen { printer.append(event, in: batch, at: offset) }
            printer.flush()
            guard follow else {
                lines.finish()
                return
            }
            var follower = PassingFollower(
                Follower(log, from: head, wakeup: .poll(every: .milliseconds(100))), report: { lines.note($0) })
            while true {
                let blocks = try await follower.next(limit: 16)
                if blocks.isEmpty { return }
                printer.vocabulary = try await log.vocabulary()
                for block in blocks { print(block, with: &printer) }
                printer.flush()
            }
        } catch {
            throw Failure(error)
        }
    }

    private func print(_ block: Block, with printer: inout EventPrinter) {
        for (index, event) in block.batch.events.enumerated() where isWanted(event, printer.vocabulary) {
            printer.append(event, in: block.batch, at: block.firstOffset + index)
        }
    }

    private func isWanted(_ event: Event, _ vocabulary: Vocabulary) -> Bool {
        if quarantined, event.quarantine == .none { return false }
        guard let product else { return true }
        let name = vocabulary.text(.product, event.product)
        // Some characters cannot be typed: the name as it is shown will do.
        return name.elementsEqual(product.utf8)
            || product.contains("\\") && visible(String(decoding: name, as: UTF8.self)) == product
    }

    /// The last `count` events that are wanted, oldest first; goes back through the log until it has them.
    private func newest(
        _ log: some EventLog, _ head: Offset, _ vocabulary: Vocabulary, _ lines: DamageLines
    ) async throws(LogError) -> [(Event, EventBatch, Offset)] {
        let start = await log.start
        var end = head
        var stride = UInt64(max(count, 64))
        var found: [(Event, EventBatch, Offset)] = []
        while found.count < count, end > start {
            let from = Offset(rawValue: max(start.rawValue, end.rawValue > stride ? end.rawValue - stride : 0))
            let bound = end
            var follower = PassingFollower(
                Follower(log, from: from, wakeup: .poll(every: .seconds(1))),
                report: { if $0.offsets.lowerBound < bound { lines.note($0) } })
            var earlier: [(Event, EventBatch, Offset)] = []
            while follower.position < end {
                let blocks = try await follower.nextAvailable(limit: 16)
                if blocks.isEmpty { break }
                for block in blocks {
                    for (index, event) in block.batch.events.enumerated()
                    where block.firstOffset + index < end && isWanted(event, vocabulary) {
                        earlier.append((event, block.batch, block.firstOffset + index))
                    }
                }
                if earlier.count > count * 2 { earlier.removeFirst(earlier.count - count) }
            }
            found = earlier.suffix(count - found.count) + found
            end = from
            stride *= 4
        }
        return found
    }
}

/// Prints the segments and their sizes.
struct LogStat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat",
        abstract: "Print the log's segments, sizes, times and the head of its hash chain.",
        discussion: "Example: tidings log stat --format json")

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func run() async throws {
        let log = try openLog(try await data.directory())
        do {
            printOut(renderStatistics(try await log.statistics(), as: format, style: .now))
        } catch {
            throw Failure(error)
        }
    }
}

/// Recomputes every checksum and the chain.
struct LogVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check every block, checksum and the hash chain of the log.",
        discussion: """
            Examples: tidings log verify --data ./tidings-data
                      tidings log verify --head 4711:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b

            Names each damaged place: segment, block, events, cause. Exits 1 when something is damaged, or when \
            nothing proves that the log before --head is as it was.
            """)

    @Option(help: "A chain head that `log stat` or `status` printed earlier: HASH or OFFSET:HASH.")
    var head: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard let head, ChainClaim(head) == nil else { return }
        throw ValidationError("--head must be 64 hex digits, or OFFSET:HASH as `tidings log stat` prints it")
    }

    func run() async throws {
        let log = try openLog(try await data.directory())
        let report: VerifyReport
        do { report = try await verify(log) } catch let error as LogError { throw Failure(error) }
        printOut(renderVerification(report, as: format))
        guard report.isClean, report.claim?.isProven ?? true else { throw ExitCode(ExitStatus.checkFailed.rawValue) }
    }

    private func verify(_ log: some EventLog) async throws -> VerifyReport {
        try await showingProgress(
            ProgressText("verify", .events),
            stands: { done, total in
                "verify stopped after \(grouped(done)) of \(grouped(total)) events: what was found is not told, and "
                    + "nothing was changed; run it again"
            },
            { progress in try await log.verify(claim: head.flatMap { ChainClaim($0) }, progress: progress) })
    }
}

/// The forms of an export.
enum ExportFormat: String, ExpressibleByArgument, CaseIterable { case ndjson, csv }

/// Writes events to standard output.
struct LogExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write all events of the log to standard output.",
        discussion: """
            Examples: tidings log export --format ndjson >events.ndjson
                      tidings log export --format csv --from 1000 --limit 500

            What is damaged is left out and named on standard error; the exit code is then 65.
            """)

    @Option(help: "ndjson (one JSON object a line) or csv.")
    var format: ExportFormat = .ndjson

    @Option(help: "The offset of the first event.")
    var from: UInt64?

    @Option(help: "How many events at most.")
    var limit: UInt64?

    @OptionGroup var data: DataOptions

    func run() async throws {
        let log = try openLog(try await data.directory(), proving: true)
        let next = Mutex(Offset.zero)
        let isWhole: Bool
        do {
            isWhole = try await showingProgress(
                ProgressText("export", .events),
                stands: { done, _ in
                    "export stopped after \(grouped(done)) events; go on with --from \(next.withLock { $0.rawValue })"
                },
                { progress in try await export(log, wrote: { offset in next.withLock { $0 = offset } }, progress) })
        } catch let error as LogError {
            throw Failure(error)
        }
        guard isWhole else { throw ExitCode(ExitStatus.data.rawValue) }
    }

    /// - Parameter wrote: called with the offset behind what has been written.
    /// - Returns: whether nothing was left out.
    private func export(
        _ log: some EventLog, wrote: (Offset) -> Void, _ progress: (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(LogError) -> Bool {
        let first = if let from { Offset(rawValue: from) } else { await log.start }
        let head = await log.head
        let total = min(limit ?? .max, head.rawValue - min(first.rawValue, head.rawValue))
        wrote(first)
        var done: UInt64 = 0
        var printer = EventPrinter(
            format: format == .csv ? .csv : .json, vocabulary: try await log.vocabulary())
        printOut(printer.header)
        let lines = DamageLines()
        for damage in log.openingDamages { lines.note(damage) }
        var follower = PassingFollower(
            Follower(log, from: first, wakeup: .poll(every: .seconds(1))), report: { lines.note($0) })
        var left = limit ?? .max
        while left > 0 {
            let blocks = try await follower.nextAvailable(limit: 8)
            if blocks.isEmpty { break }
            var written = follower.position
            for block in blocks {
                for (index, event) in block.batch.events.enumerated() where left > 0 {
                    printer.append(event, in: block.batch, at: block.firstOffset + index)
                    written = block.firstOffset + index + 1
                    left -= 1
                    done += 1
                }
            }
            printer.flush()
            wrote(written)
            progress(done, total)
        }
        lines.finish()
        return lines.isEmpty
    }
}
