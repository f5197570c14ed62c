// Small groups: what is known of few people is told as counts only, in every answer but those of SQL.

import Events

/// The rule of `privacy.least_group`: of fewer people than that nobody is told more than counts.
///
/// A group is a product, an aspect of a product, or a window of days of either. Its people are the customers; where no
/// customer is named, the devices.
package struct SmallGroupRule: Sendable, Equatable {
    /// Tells everything of small groups too.
    package static let shown = Self(least: 1)

    /// The least number of people of whom more than counts is told; 1 tells everything.
    package var least: Int

    package init(least: Int) { self.least = least }

    /// Each event is of one person, so that few events are of few people.
    package func isSmall(_ group: GroupSize, events: UInt64) -> Bool {
        least > 1 && min(UInt64(max(0, group.people)), events) < UInt64(least)
    }

    /// The line with counts only, where the product is known of few people; without the mean of few ratings otherwise.
    package func applied(to line: ProductLine) -> ProductLine {
        var told = line
        if line.ratings < least { told.ratingMean = nil }
        let group = GroupSize(devices: line.devices, customers: line.customers)
        guard line.kinds.total > 0, isSmall(group, events: line.kinds.total) else { return told }
        told.isSmall = true
        (told.ratingMean, told.last) = (nil, nil)
        return told
    }

    /// The summary with counts only, where the product or its window is known of few people; with counts only of those
    /// of its aspects that are, and without their texts, otherwise.
    package func applied(to summary: ProductSummary) -> ProductSummary {
        var told = summary
        let group = GroupSize(devices: summary.devices, customers: summary.customers)
        // Texts may be there without events: days beyond the bound are not counted.
        let isAnythingKnown = summary.kinds.total > 0 || !summary.texts.isEmpty
        if isAnythingKnown, isSmall(group, events: summary.kinds.total) { told.keepCounts() }
        var hidden = 0
        for (index, aspect) in told.aspects.enumerated()
        where told.isSmall || isSmall(aspect.everyone, events: aspect.kinds.total) {
            hidden += aspect.ratings.reduce(0) { $1.scale == "1-5" ? $0 + $1.count : $0 }
            told.aspects[index].keepCounts()
        }
        // The product's rating would else be that of its small aspects by another name.
        if hidden > 0, let rating = told.rating, rating.count - hidden < least {
            told.rating = nil
            told.isRatingWithheld = true
        }
        guard least > 1 else { return told }
        // A text of no aspect is the product's; one of an aspect that is not listed is of nobody knows how many.
        let large = Set(told.aspects.filter { !$0.isSmall }.map(\.aspect))
        told.texts.removeAll { !$0.aspect.isEmpty && !large.contains($0.aspect) }
        return told
    }
}

/// How many something is known of.
package struct GroupSize: Sendable, Equatable {
    package var devices = 0
    package var customers = 0

    package init(devices: Int = 0, customers: Int = 0) { (self.devices, self.customers) = (devices, customers) }

    /// Where one customer is named and another is not, nobody knows how many the devices without a name belong to.
    package var people: Int { customers > 0 ? customers : devices }
}

extension ProductSummary {
    fileprivate mutating func keepCounts() {
        isSmall = true
        (first, last, rating, texts) = (nil, nil, nil, [])
        gaps.formIntersection(WindowGap.ofCounts)
    }
}

extension AspectSummary {
    fileprivate mutating func keepCounts() {
        isSmall = true
        (first, last, preference, ratings, otherRatings) = (nil, nil, nil, [], 0)
        (useTotal, faultTotal, maxSeverity, faults) = (0, 0, nil, nil)
    }
}

extension WindowGap {
    /// What is missing among the counts.
    fileprivate static let ofCounts: Set<Self> = [
        .quarantined, .missing, .duplicates, .overflow, .aspectDevices, .aspectCustomers, .furtherDays,
    ]
}
