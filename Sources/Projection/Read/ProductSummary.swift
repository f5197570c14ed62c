// The answer to "what do customers of this product prefer", as plain values.

package import Events

/// Where the summaries stand.
package struct SummaryPosition: Sendable, Equatable {
    /// Every event before this offset of the log is in them.
    package var offset: Offset
    /// When they were last written; nil when never.
    package var updated: Timestamp?
    /// Events that are in no summary, because the log is damaged and they could not be read.
    package var skipped: UInt64 = 0
}

/// One product in the list of products.
package struct ProductLine: Sendable, Equatable {
    package var product: String
    package var kinds = KindCounts()
    package var devices = 0
    package var customers = 0
    package var quarantined = 0
    package var missing = 0
    package var ratings = 0
    /// The mean of the ratings from 1 to 5; nil without any.
    package var ratingMean: Double?
    package var last: Timestamp?
    /// Whether a `SmallGroupRule` has taken away all but counts.
    package var isSmall = false
}

/// What is known of one product, from the log's beginning or within a window of days.
package struct ProductSummary: Sendable, Equatable {
    package var product: String
    package var position: SummaryPosition
    /// The window asked for; nil when it is everything. In a window choices are counted by how often they were set
    /// in it, and what the rows of single days do not hold is nil or left out, and named in `gaps`.
    package var window: DayWindow?
    /// Whether a `SmallGroupRule` has taken away all but counts, of every aspect too.
    package var isSmall = false
    /// What this product has and the window cannot know.
    package var gaps: Set<WindowGap> = []
    /// The days of the first and the last event that was counted, whatever the window; nil without any.
    package var extent: ClosedRange<Day>?
    package var kinds = KindCounts()
    package var devices = 0
    package var customers = 0
    /// Whether both are counted exactly; in a window they may be estimates within 3 %.
    package var isExact = true
    /// Events that stand apart; in a window nil, unless there never was one. The next three likewise.
    package var quarantined: [Quarantined]? = []
    package var missing: Int? = 0
    package var duplicates: Int? = 0
    /// Events of aspects beyond `ProjectionLimits.aspectsPerProduct`: counted here, and for no aspect.
    package var overflow: Int? = 0
    /// Of the events counted; nil in a window.
    package var first: Timestamp?
    package var last: Timestamp?
    /// Ratings from 1 to 5, all aspects together.
    package var rating: RatingSummary?
    /// Whether a `SmallGroupRule` has taken it away because nearly all of them are of small aspects.
    package var isRatingWithheld = false
    /// Most events first.
    package var aspects: [AspectSummary] = []
    /// Latest first.
    package var texts: [FeedbackText] = []
    /// Every day with events, in order.
    package var days: [DaySummary] = []

    /// Events kept apart for one reason.
    package struct Quarantined: Sendable, Equatable {
        package var reason: String
        package var count: Int
    }
}

/// One aspect of a product.
package struct AspectSummary: Sendable, Equatable {
    package var aspect: String
    /// Whether a `SmallGroupRule` has taken away all but counts.
    package var isSmall = false
    /// Of whom something is known from the log's beginning on; in a window, so many at most.
    package var everyone = GroupSize()
    package var kinds = KindCounts()
    /// These four are nil in a window.
    package var devices: Int?
    package var customers: Int?
    package var first: Timestamp?
    package var last: Timestamp?
    package var preference: PreferenceSummary?
    package var ratings: [RatingSummary] = []
    /// In a window: ratings on other scales than 1 to 5, of which only the number is known.
    package var otherRatings = 0
    package var useTotal = 0
    package var faultTotal = 0
    /// 0 when none was given; nil in a window that cannot know it.
    package var maxSeverity: Int? = 0
    /// Most repetitions first; nil in a window that cannot know them.
    package var faults: [FaultSummary]? = []
}

/// What is preferred for one aspect.
package struct PreferenceSummary: Sendable, Equatable {
    /// Preference events.
    package var timesSet = 0
    /// Those that changed what their device had said before; nil in a window that cannot know it.
    package var changes: Int?
    /// Devices whose preference is known now; nil in a window.
    package var devices: Int?
    /// Most devices first; in a window, those set most often first.
    package var choices: [ChoiceSummary] = []
    /// In a window: how often `true` or `false` was set; which of them is not known.
    package var flagTimesSet = 0
    package var numbers: NumberSummary?
    /// Those in units that cannot be converted to that of `numbers`, each with its unit.
    package var otherUnits: [NumberSummary] = []
}

/// One choice, or a flag's `true` or `false`, or `__other__` for those beyond the bound.
package struct ChoiceSummary: Sendable, Equatable {
    package var value: String
    /// Devices that hold it now; in a window nil.
    package var devices: Int?
    /// The part of the devices that prefer it, or in a window of the events that set it; 0 ... 1.
    package var share: Double
    /// How often it was set; nil for flags.
    package var timesSet: Int?
}

/// Numbers preferred.
package struct NumberSummary: Sendable, Equatable {
    /// Devices that hold a number now; nil in a window.
    package var devices: Int?
    /// In which all figures are: what devices said in others is converted.
    package var unit: String?
    /// 5, 25, 50, 75 and 95 % of the devices now hold at most this, within 1 %; empty in a window.
    package var quantiles: [Double] = []
    /// The mean of what the devices hold now; nil without any, and in a window.
    package var meanNow: Double?
    /// Over all events, not only the last of each device.
    package var timesSet = 0
    package var mean = 0.0
    package var least = 0.0
    package var most = 0.0

    /// What is said of the devices now, as far as it is known, by its names in JSON and CSV.
    package var figuresNow: [(name: String, value: Double)] {
        var figures = zip(["p5", "p25", "p50", "p75", "p95"], quantiles).map { (name: $0, value: $1) }
        if let meanNow { figures.append(("mean_now", meanNow)) }
        return figures
    }
}

/// Ratings of one scale.
package struct RatingSummary: Sendable, Equatable {
    /// `1-5`, `0-1`, `0-10`, `1-n`
    package var scale: String
    package var count: Int
    package var mean: Double
    /// The mean drawn towards the product's own by ten ratings, so that few ratings do not mislead; only for `1-5`.
    package var adjusted: Double?
    /// The share of ratings in the best quarter of the scale, and the bounds of the true share (Wilson, 95 %); nil in a
    /// window that cannot know it.
    package var topShare: Double?
    package var topLow: Double?
    package var topHigh: Double?
    package var histogram: [Int]
}

/// One fault code.
package struct FaultSummary: Sendable, Equatable {
    package var code: String
    /// Nil for the codes beyond the bound.
    package var events: Int?
    package var total: Int
    package var maxSeverity: Int?
}

/// One feedback text.
package struct FeedbackText: Sendable, Equatable {
    package var offset: Offset
    package var time: Timestamp
    package var aspect: String
    package var language: String?
    package var rating: Double?
    /// Nil when it cannot be read any more: who said it was forgotten.
    package var text: String?
}

/// One day of a product.
package struct DaySummary: Sendable, Equatable {
    package var day: Day
    package var kinds: KindCounts
    package var devices: Int
    package var customers: Int
}
