// tidings log tail: the newest events, and with --follow those to come.

import ArgumentParser
import Events
import Log
import Presentation

struct LogTailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Print the newest events of the log.",
        discussion: """
            Examples: tidings log tail -n 20
                      tidings log tail -f --product kettle
                      tidings log tail --quarantined --format json
                      tidings log tail --audit -n 100
            """)

    @Option(name: [.customShort("n"), .long], help: "How many events.")
    var count = 10

    @Flag(name: [.short, .long], help: "Go on with the events to come, until interrupted.")
    var follow = false

    @Flag(help: "Only events that are kept apart, with the reason.")
    var quarantined = false

    @Flag(help: "Only who used what: exports, forgetting, keys and tokens.")
    var audit = false

    @Option(help: "Only events of this product.")
    var product: String?

    @Option(help: "How to print: table, json or csv.")
    var format: OutputFormat = .table

    @OptionGroup var data: DataOptions

    func validate() throws {
        guard (0...1_000_000).contains(count) else { throw ValidationError("-n must be from 0 to 1000000") }
        guard !audit || !quarantined && product == nil else {
            throw ValidationError("--audit goes with neither --quarantined nor --product")
        }
    }

    func run() async throws {
        let log = try openLog(try await data.directory())
        do {
            var writer = EventWriter(format: format, vocabulary: try await log.vocabulary(), style: .now)
            printOut(writer.header)
            let head = await log.head
            let lines = DamageLines()
            let chosen = try await newest(log, head, writer.vocabulary, lines)
            for (event, batch, offset) in chosen { writer.append(event, in: batch, at: offset) }
            writer.flush { printOut(bytes: $0) }
            guard follow else {
                lines.finish()
                return
            }
            var follower = PassingFollower(
                Follower(log, from: head, wakeup: .poll(every: .milliseconds(100))), report: { lines.note($0) })
            while true {
                let blocks = try await follower.next(limit: 16)
                if blocks.isEmpty { return }
                writer.vocabulary = try await log.vocabulary()
                for block in blocks { print(block, with: &writer) }
                writer.flush { printOut(bytes: $0) }
            }
        } catch {
            throw Failure(error)
        }
    }

    private func print(_ block: Block, with writer: inout EventWriter) {
        for (index, event) in block.batch.events.enumerated() where isWanted(event, writer.vocabulary) {
            writer.append(event, in: block.batch, at: block.firstOffset + index)
        }
    }

    private func isWanted(_ event: Event, _ vocabulary: Vocabulary) -> Bool {
        if quarantined, event.quarantine == .none { return false }
        if audit, event.kind != .audited || event.quarantine != .none { return false }
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
