// A window of days, and what the rows of single days cannot say of it.

/// The days that a summary is asked for; nil is the beginning, or the end.
package struct DayWindow: Sendable, Equatable {
    package var since: Day?
    package var until: Day?

    /// - Throws: `window` when it ends before it begins.
    package init(since: Day?, until: Day?) throws(ProjectionError) {
        if let since, let until, since > until { throw .window("--since \(since) is after --until \(until)") }
        (self.since, self.until) = (since, until)
    }

    var days: ClosedRange<Day> {
        let all = ClosedRange<Day>.always
        return (since ?? all.lowerBound)...(until ?? all.upperBound)
    }
}

extension ClosedRange<Day> {
    static let always = Day(rawValue: .min)...Day(rawValue: .max)

    /// The first and the last millisecond.
    var milliseconds: (first: Int64, last: Int64) {
        let day = Day.milliseconds
        return (
            lowerBound.rawValue == .min ? .min : Int64(lowerBound.rawValue) * day,
            upperBound.rawValue == .max ? .max : (Int64(upperBound.rawValue) + 1) * day - 1
        )
    }
}

/// Something that a product has and that a window of days cannot know. The raw value is its name for programs: the key
/// that is then left out of the JSON, or a word of its own where a part of a list is left out.
package enum WindowGap: String, CaseIterable, Sendable {
    case quarantined
    case missing
    case duplicates
    case overflow = "unfiled"
    case first
    case last
    case topShare = "rating.top_share"
    case aspectDevices = "aspects.devices"
    case aspectCustomers = "aspects.customers"
    case aspectFirst = "aspects.first"
    case aspectLast = "aspects.last"
    case preferenceDevices = "aspects.preference.devices"
    case changes = "aspects.preference.moves"
    /// Which of `true` and `false` was set how often.
    case flags = "aspects.preference.flags"
    case numberDevices = "aspects.preference.numbers.devices"
    case quantiles = "aspects.preference.numbers.quantiles"
    /// Ratings on other scales than 1 to 5.
    case scales = "aspects.ratings.other_scales"
    case aspectTopShare = "aspects.ratings.top_share"
    case severities = "aspects.faults.max_severity"
    case codes = "aspects.faults.codes"
    /// Texts that later ones have pushed out of the latest `ProjectionLimits.textsPerProduct`.
    case olderTexts = "texts.older"
    /// Days beyond `ProjectionLimits.days`.
    case furtherDays = "days.further"
}
