// Prints the events of the log that were asked for.

import Events
import Log
import Presentation

/// Events of blocks, as far as they are wanted, on their way to standard output.
struct EventPrinter {
    var writer: EventWriter
    private(set) var choice: EventChoice
    /// Only events that are kept apart.
    let quarantined: Bool
    /// Only who used what.
    let audit: Bool

    init(writer: EventWriter, choice: EventChoice, quarantined: Bool, audit: Bool) {
        (self.writer, self.choice, self.quarantined, self.audit) = (writer, choice, quarantined, audit)
    }

    /// Learns the names that the log has given out meanwhile.
    mutating func learn(from log: some EventLog, _ options: EventOptions) async throws(LogError) {
        writer.vocabulary = try await log.vocabulary()
        choice = EventChoice(options, writer.vocabulary)
    }

    /// Appends what is wanted of a block.
    mutating func add(_ block: Block, before end: Offset?) {
        for (index, event) in block.batch.events.enumerated() where isWanted(event) {
            let offset = block.firstOffset + index
            if let end, offset >= end { return }
            writer.append(event, in: block.batch, at: offset)
        }
    }

    private func isWanted(_ event: Event) -> Bool {
        if quarantined, event.quarantine == .none { return false }
        if audit, event.kind != .audited || event.quarantine != .none { return false }
        return choice.contains(event)
    }

    /// The last `count` events that are wanted, oldest first; goes back through the log until it has them.
    func newest(
        _ count: Int, _ log: some EventLog, _ head: Offset, _ lines: DamageLines
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
                    where block.firstOffset + index < end && isWanted(event) {
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
