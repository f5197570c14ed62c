// What a log says of itself: its figures, its damage, and whether an earlier state is proven.

package import Events

/// One file of the log, as counted from its rows.
package struct SegmentStatistics: Hashable, Sendable {
    /// The file's name within the log folder.
    package var file: String
    package var offsets: Range<Offset>
    package var blocks: Int
    /// The size of the file, and of its write-ahead log, in bytes.
    package var bytes: Int
    /// The earliest and latest event times; nil without events.
    package var times: ClosedRange<Timestamp>?
    /// The earliest and latest arrivals; nil without events.
    package var arrivals: ClosedRange<Timestamp>?
    package var isSealed: Bool
    /// SHA-256 over everything up to the last block of this file, 64 hex digits.
    package var chainHead: String
    /// False when SQLite cannot read the file; the other figures are then empty.
    package var isReadable = true

    package init(
        file: String, offsets: Range<Offset>, blocks: Int, bytes: Int, times: ClosedRange<Timestamp>?,
        arrivals: ClosedRange<Timestamp>?, isSealed: Bool, chainHead: String
    ) {
        self.file = file
        self.offsets = offsets
        self.blocks = blocks
        self.bytes = bytes
        self.times = times
        self.arrivals = arrivals
        self.isSealed = isSealed
        self.chainHead = chainHead
    }

    package var events: Int { Int(offsets.upperBound.rawValue - offsets.lowerBound.rawValue) }
    package var bytesPerEvent: Double { events == 0 ? 0 : Double(bytes) / Double(events) }
}

/// The log in figures.
package struct LogStatistics: Hashable, Sendable {
    /// Oldest first.
    package var segments: [SegmentStatistics]

    package init(segments: [SegmentStatistics]) { self.segments = segments }

    package var events: Int { segments.reduce(0) { $0 + $1.events } }
    package var blocks: Int { segments.reduce(0) { $0 + $1.blocks } }
    /// Bytes of all files.
    package var bytes: Int { segments.reduce(0) { $0 + $1.bytes } }
    package var chainHead: String { segments.last?.chainHead ?? "" }
    /// The first retained offset, and the one after the last event: `chainHead` stands for all events before it.
    package var start: Offset { segments.first?.offsets.lowerBound ?? .zero }
    package var head: Offset { segments.last?.offsets.upperBound ?? .zero }
}

/// One damaged place.
package struct Damage: Hashable, Sendable {
    /// The file's name within the log folder.
    package var segment: String
    /// The events that cannot be trusted, which begin with a block; empty when no event is concerned.
    package var offsets: Range<Offset>
    /// What is wrong, in a few words.
    package var cause: String

    package init(segment: String, offsets: Range<Offset>, cause: String) {
        self.segment = segment
        self.offsets = offsets
        self.cause = cause
    }

    /// Events that cannot be trusted.
    package var events: UInt64 { offsets.upperBound.rawValue - offsets.lowerBound.rawValue }
}

/// The result of checking a whole log.
package struct VerifyReport: Hashable, Sendable {
    package var segments = 0
    package var blocks = 0
    /// Events in the blocks that are there, damaged ones included.
    package var events = 0
    /// Events that a salvage left out, and said so in the chain.
    package var leftOut: UInt64 = 0
    /// The first damaged places, in log order, at most `LogLimits.damagesNamed`.
    package private(set) var damages: [Damage] = []
    /// How many damaged places there are.
    package private(set) var damageCount = 0
    /// SHA-256 over the whole log, 64 hex digits.
    package var chainHead = ""
    /// The first retained offset, and the one that `chainHead` stands for: everything before it.
    package var start = Offset.zero
    package var head = Offset.zero
    /// What became of the chain value that was looked for.
    package var claim: ChainClaim?

    package init() {}

    package var isClean: Bool { damageCount == 0 }

    /// Notes a damaged place.
    package mutating func note(_ damage: Damage) {
        damageCount += 1
        if damages.count < LogLimits.damagesNamed { damages.append(damage) }
    }
}

/// A chain value that somebody wrote down earlier: is it still there, and is everything before it as it was?
package struct ChainClaim: Hashable, Sendable {
    /// What was written down.
    package var chain: Chain
    /// The offset that was written down with it; nil when it was not.
    package var offset: Offset?
    /// The offset that the value stands for; nil when no block has it.
    package var found: Offset?
    /// Whether the log was found damaged before that offset.
    package var isBehindDamage = false

    package init(chain: Chain, offset: Offset? = nil) {
        self.chain = chain
        self.offset = offset
    }

    /// `HASH` or `OFFSET:HASH`, as `log stat` prints it; nil for other texts.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let last = parts.last, let chain = Chain(hex: last) else { return nil }
        self.init(chain: chain)
        guard parts.count == 2 else { return }
        guard let number = UInt64(parts[0]) else { return nil }
        offset = Offset(rawValue: number)
    }

    /// Nothing before the value has changed: it is there, where it was, and no damage was found before it.
    package var isProven: Bool { found != nil && (offset == nil || offset == found) && !isBehindDamage }
}
