// The bounds of what the projection keeps; whatever is over one of them is counted as "other", never lost silently.

/// Bounds of the summaries (docs/summaries.md states them).
package enum ProjectionLimits {
    /// Aspects of one product; the events of further ones count for the product only.
    package static let aspectsPerProduct = 1_024
    /// Aspects over all products.
    package static let aspects = 1 << 22
    /// Distinct choices, and distinct fault codes, of one aspect; further ones count in `__other__`.
    package static let symbolsPerAspect = 1_024
    /// Distinct bins of numbers (1 % wide) of one aspect; numbers outside them are left out of the quantiles.
    package static let binsPerAspect = 2_048
    /// Units of one aspect that are kept apart; numbers in further ones are counted, and are in no distribution.
    package static let unitsPerAspect = 32
    /// Days with events of one aspect, or of one product; events of further days have no daily row.
    package static let days = 4_096
    /// Feedback texts kept for each product, latest first; and those of them that a summary shows.
    package static let textsPerProduct = 200
    package static let textsShown = 10
    /// Distinct customers or devices counted exactly; above it the count is an estimate (0.8 % standard error).
    package static let exactDistinct = 2_048
    /// The weight of the product's own mean in an aspect's adjusted rating, in ratings.
    package static let priorRatings = 10
    /// The highest device and customer numbers that are believed; beyond them a block is damaged.
    package static let highestPseudonym: UInt32 = 1 << 27
    /// The highest product number that is believed.
    package static let highestProduct: UInt32 = 1 << 20
    /// The highest count that is believed when it is read back: a million events a second would take three centuries.
    static let highestCount = 1 << 53

    // What is kept in memory between two checkpoints; beyond it, it is condensed or flushed first.

    /// Texts, and bytes of them, that wait; beyond either, those that later ones have pushed out are forgotten.
    static let waitingTexts = 1 << 15
    static let waitingTextBytes = 1 << 20
    /// Devices, or customers, that wait to be added to the sets of products' days.
    static let waitingMembers = 1 << 17
    /// Events after which all aspects are flushed, so that no count of an `OpenDay` overflows.
    static let unflushedEvents = 1 << 23
    /// Blocks that are read from the log at a time.
    static let blocksPerRead = 8
}
