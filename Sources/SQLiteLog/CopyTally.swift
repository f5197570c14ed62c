// How far the copying of segments has come.

import Events
import Log

/// Adds up what has been copied, and tells it. Owned by the one who copies.
struct CopyTally {
    let segments: [Offset]
    private var state: CopyProgress
    private let report: @Sendable (CopyProgress) -> Void

    init(_ folder: String, _ segments: [Offset], _ report: @escaping @Sendable (CopyProgress) -> Void) {
        self.segments = segments
        self.report = report
        let bytes = segments.reduce(0) { $0 + Files.size(folder + "/" + Segment.file($1)) }
        state = CopyProgress(.copying, total: UInt64(bytes))
        state.segments = segments.count
    }

    /// The next segment is under way.
    mutating func begin() {
        state.segment += 1
        report(state)
    }

    mutating func add(_ bytes: Int) {
        state.done += UInt64(bytes)
        // The newest segment may have grown since it was measured.
        state.total = max(state.total, state.done)
        report(state)
    }
}
