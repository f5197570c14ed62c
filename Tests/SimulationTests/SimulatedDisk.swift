// What outlives a crash: the log as an array of blocks, the names, and the summaries' file.

import Events
import Log
import Projection

/// The disk of a simulated daemon. It keeps what the real one promises to keep, and no more.
final class SimulatedDisk {
    /// Which block of which start of the daemon: how the engine knows an append that it is asked to make twice.
    struct Mark: Equatable {
        var incarnation: Int
        var ticket: UInt64
    }

    /// How an append ends.
    enum Outcome {
        case stored
        /// Nothing was stored.
        case failed
        /// It was stored, though the system said that it failed.
        case doubtful
    }

    private let world: World
    private(set) var blocks: [Block] = []
    private var lastMark: Mark?
    /// Everything that the log and the identity store know by name.
    private(set) var names = Definitions()
    /// Where the summaries are kept; nil when this run has none and starts from the log each time.
    let summaries: String?
    /// While true, some appends fail.
    var isFaulty = true

    init(world: World, summaries: String?) { (self.world, self.summaries) = (world, summaries) }

    init(world: World) {
        self.world = world
        summaries = world.chance(4) ? world.folder + "/\(world.seed).sqlite" : nil
    }

    var head: Offset { blocks.last?.endOffset ?? .zero }

    /// Names of devices and customers are committed before the block that uses them.
    func keepIdentities(_ definitions: Definitions) {
        var identities = definitions
        identities.symbols = []
        names.append(identities)
    }

    /// Stores a block, or not.
    func append(_ pending: PendingBlock, mark: Mark) -> Outcome {
        // The engine finds the block of a doubtful append when it is asked again, and does not store it twice.
        if mark == lastMark { return .stored }
        if isFaulty, world.chance(12) { return .failed }
        store(pending, mark)
        return isFaulty && world.chance(12) ? .doubtful : .stored
    }

    /// The daemon dies during an append: the block is there as a whole, or not at all.
    func interrupt(_ pending: PendingBlock, mark: Mark) {
        if mark != lastMark, world.chance(2) { store(pending, mark) }
    }

    private func store(_ pending: PendingBlock, _ mark: Mark) {
        var block = Block(firstOffset: head, batch: pending.batch)
        block.definitions.symbols = pending.definitions.symbols
        names.symbols += pending.definitions.symbols
        blocks.append(block)
        lastMark = mark
    }

    /// The names, as a daemon reads them when it starts.
    func vocabulary() -> Vocabulary {
        var vocabulary = Vocabulary()
        vocabulary.define(names)
        return vocabulary
    }
}
