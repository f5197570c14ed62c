// The summaries of a simulated daemon: folded late, written now and then, and read back after a crash.

import Events
import Log
import Projection

/// The fold of one life of the daemon.
struct SimulatedProjector {
    private(set) var state = SummaryState()
    var mutation: SimulatedDaemon.Mutation?
    private let world: World
    private let disk: SimulatedDisk
    private var store: SummaryStore?

    /// Starts from the snapshot on the disk, if there is one, else from the log's beginning.
    init(world: World, disk: SimulatedDisk) {
        self.world = world
        self.disk = disk
        guard let path = disk.summaries else { return }
        do throws(ProjectionError) {
            var opened = try SummaryStore(path: path, identity: "simulation")
            if let restored = try opened.restore() { state = restored }
            store = opened
        } catch {
            world.fail("the summaries cannot be opened: \(error)")
        }
        if state.offset > disk.head { world.fail("the snapshot is ahead of the log") }
    }

    /// Folds what the log has, and perhaps writes a checkpoint or a snapshot.
    mutating func catchUp() {
        if mutation == .skipsFold, world.chance(6) { state.skip(to: disk.head) }
        for block in disk.blocks where block.endOffset > state.offset {
            state.apply(block)
            guard mutation == .foldsTwice, world.chance(6) else { continue }
            var again = block
            again.firstOffset = state.offset
            state.apply(again)
        }
        if store != nil, world.chance(2) { write(snapshot: world.chance(2)) }
    }

    /// Devices that have answered to messages since the last call.
    mutating func takeHeard() -> [DeviceID] { state.takeHeard() }

    private mutating func write(snapshot: Bool) {
        guard var open = store, state.offset >= open.checkpointOffset else { return }
        do throws(ProjectionError) {
            try open.checkpoint(&state, updated: Timestamp(rawValue: world.now), snapshot: snapshot)
        } catch {
            world.fail("a checkpoint failed: \(error)")
        }
        store = open
    }

    /// Folds and writes all there is.
    ///
    /// - Returns: all public tables as text.
    mutating func finish() -> [String] {
        catchUp()
        do throws(ProjectionError) {
            if store == nil { store = try SummaryStore(path: ":memory:", identity: "simulation") }
            write(snapshot: false)
            return try store?.dump() ?? []
        } catch {
            world.fail("the summaries cannot be read: \(error)")
            return []
        }
    }

    /// The tables that a fold of the whole log gives, in one go and as one block.
    static func fold(_ disk: SimulatedDisk) throws(ProjectionError) -> (state: SummaryState, tables: [String]) {
        var whole = Block(firstOffset: .zero, batch: EventBatch())
        for block in disk.blocks {
            whole.definitions.append(block.definitions)
            for event in block.batch.events { whole.batch.append(event, of: block.batch) }
        }
        var state = SummaryState()
        state.apply(whole)
        var store = try SummaryStore(path: ":memory:", identity: "simulation")
        try store.checkpoint(&state, updated: Timestamp(rawValue: 0))
        return (state, try store.dump())
    }
}
