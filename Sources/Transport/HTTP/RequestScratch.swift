// What all requests of one ingest event loop share: scratch memory, the date, and how much bodies may hold together.

import Bytes
import Events
import Wire

/// Confined to the ingest event loop, as the context that it belongs to.
final class RequestScratch {
    /// Where an event comes from: the how-manieth of its request, and where it stands in the bytes at hand.
    struct Origin: Sendable, BitwiseCopyable {
        var index: Int
        var start: Int
        var end: Int

        var range: Range<Int> { start..<end }
    }

    /// Those of the entries of the ingest's window.
    var windowOrigins: [Origin] = []
    /// Those of the events that have been decoded and not yet admitted.
    var origins: [Origin] = []
    /// The elements of the array at hand.
    var ranges: [Range<Int>] = []
    /// The last piece that was inflated.
    var inflated: [UInt8] = []
    /// The body of an answer that is being written.
    var body: [UInt8] = []
    var date = HTTPDate()
    let turns = RequestTurns()
    /// The names of a native batch, which brings its own.
    var table: StringTable
    /// What is held of all bodies.
    fileprivate(set) var heldBytes = 0

    init(settings: TransportSettings) {
        table = StringTable(maxEntries: settings.tableEntries, maxBytes: settings.tableBytes)
    }

    /// These entries of the window have been decoded: mostly all of them.
    func noteOrigins(of entries: Range<Int>) {
        if entries.count == windowOrigins.count { origins += windowOrigins } else { origins += windowOrigins[entries] }
    }
}

/// What one body holds in memory; given back when nobody refers to it any more.
final class HeldBytes {
    private let scratch: RequestScratch
    private var count = 0

    init(_ scratch: RequestScratch) { self.scratch = scratch }

    deinit { scratch.heldBytes -= count }

    /// - Returns: whether so many more may be held.
    func grow(by more: Int) -> Bool {
        guard scratch.heldBytes + more <= HTTPLimits.heldBytes else { return false }
        scratch.heldBytes += more
        count += more
        return true
    }
}
