// A window of days says what the days hold, and names what they do not.

import Events
import Foundation
import GRDB
import Log
import Projection
import Testing

@Suite struct WindowTests {
    private var fleet = Fleet(seed: 2)
    private static let first = Day(Timestamp(rawValue: Fleet.start))

    private static func day(_ number: Int32) -> Day { Day(rawValue: first.rawValue + number) }

    /// An event on a day, counted from the fleet's first one.
    private mutating func event(
        _ kind: EventKind, day: Int64, aspect: String = "a", _ value: Value = .none, device: String = "k1"
    ) -> Event {
        var event = fleet.event(kind, product: "kettle", device: device, aspect: aspect)
        event.time = Timestamp(rawValue: Fleet.start + day * 86_400_000)
        event.value = value
        return event
    }

    /// Folds events into a file and reads the product back.
    private mutating func read(
        _ events: [Event], text: [UInt8] = [], since: Int32?, until: Int32?
    ) throws -> ProductSummary {
        let reader = try folded(events, text: text).reader
        return try #require(
            try reader.summary(product: "kettle", since: since.map(Self.day), until: until.map(Self.day)))
    }

    private mutating func folded(_ events: [Event], text: [UInt8] = []) throws -> (
        folder: Folder, reader: SummaryReader
    ) {
        var batch = EventBatch()
        (batch.events, batch.text) = (events, text)
        var state = SummaryState()
        state.apply(Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions()))
        let folder = try Folder()
        var store = try SummaryStore(path: folder.summaries, identity: "log")
        try store.checkpoint(&state, updated: Timestamp(rawValue: 0))
        return (folder, try SummaryReader(path: folder.summaries))
    }

    @Test mutating func flagsAndOtherScalesAreNamedNotZero() throws {
        var promoter = event(.ratingGiven, day: 1, aspect: "r", .whole(9))
        promoter.scale = 10
        var fault = event(.faultSeen, day: 1, aspect: "f", .symbol(fleet.word(.value, "E07")))
        fault.severity = 17
        let events = [
            event(.preferenceSet, day: 0, aspect: "flag", .flag(false)),
            event(.preferenceSet, day: 1, aspect: "flag", .flag(true)),
            event(.preferenceSet, day: 1, aspect: "number", .whole(92)),
            event(.preferenceSet, day: 1, aspect: "choice", .symbol(fleet.word(.value, "strong"))),
            event(.ratingGiven, day: 1, aspect: "r", .whole(4)), promoter, fault,
        ]
        let summary = try read(events, since: 1, until: 1)
        let aspects = Dictionary(uniqueKeysWithValues: summary.aspects.map { ($0.aspect, $0) })
        #expect(aspects["flag"]?.preference?.timesSet == 1)
        #expect(aspects["flag"]?.preference?.flagTimesSet == 1)
        #expect(aspects["flag"]?.preference?.changes == nil)
        #expect(aspects["flag"]?.preference?.devices == nil)
        #expect(aspects["number"]?.preference?.flagTimesSet == 0)
        #expect(aspects["number"]?.preference?.changes == 0)
        #expect(aspects["number"]?.preference?.numbers?.devices == nil)
        #expect(aspects["choice"]?.preference?.choices.map(\.value) == ["strong"])
        #expect(aspects["r"]?.ratings.map(\.count) == [1])
        #expect(aspects["r"]?.otherRatings == 1)
        #expect(aspects["f"]?.faultTotal == 1)
        #expect(aspects["f"]?.maxSeverity == nil)
        #expect(aspects["f"]?.faults == nil)
        let gaps: Set<WindowGap> = [
            .first, .last, .aspectDevices, .aspectCustomers, .aspectFirst, .aspectLast, .preferenceDevices, .changes,
            .flags,
            .numberDevices, .quantiles, .scales, .severities, .codes,
        ]
        #expect(summary.gaps == gaps)
    }

    @Test mutating func whatThereNeverWasIsZeroInEachWindow() throws {
        let summary = try read([event(.featureUsed, day: 0), event(.faultSeen, day: 0)], since: 0, until: 0)
        #expect(summary.quarantined == [])
        #expect((summary.missing, summary.duplicates, summary.overflow) == (0, 0, 0))
        #expect(summary.aspects.first?.maxSeverity == 0)
        #expect(summary.aspects.first?.faults == [])
        #expect(summary.gaps.isDisjoint(with: [.quarantined, .missing, .duplicates, .overflow, .severities, .codes]))
    }

    @Test mutating func whatStandsApartIsNotKnownForAWindow() throws {
        var bad = event(.featureUsed, day: 0)
        bad.quarantine = .badAspect
        var gap = event(.featureUsed, day: 0)
        (gap.kind, gap.count) = (.gap, 4)
        let good = event(.featureUsed, day: 0)
        let summary = try read([good, good, bad, gap], since: 0, until: 0)
        #expect(summary.quarantined == nil)
        #expect(summary.missing == nil)
        #expect(summary.duplicates == nil)
        #expect(summary.gaps.isSuperset(of: [.quarantined, .missing, .duplicates]))
    }

    /// A rating of 3.5 stands in the histogram's fourth bucket and is not among those of 4 and 5.
    @Test mutating func theShareOfTheBestIsOnlySaidWhereDaysKnowIt() throws {
        let whole = [4, 5, 2].map { event(.ratingGiven, day: 0, aspect: "whole", .whole($0)) }
        let parts = [3.5, 4.5].map { event(.ratingGiven, day: 0, aspect: "parts", .real($0)) }
        let summary = try read(whole + parts, since: 0, until: 0)
        let aspects = Dictionary(uniqueKeysWithValues: summary.aspects.map { ($0.aspect, $0) })
        #expect(aspects["whole"]?.ratings.first?.topShare == 2.0 / 3)
        #expect(aspects["parts"]?.ratings.first?.mean == 4)
        #expect(aspects["parts"]?.ratings.first?.topShare == nil)
        #expect(summary.rating?.topShare == nil)
        #expect(summary.gaps.isSuperset(of: [.topShare, .aspectTopShare]))
    }

    @Test mutating func aWindowThatEndsBeforeItBeginsIsRefused() throws {
        let made = try folded([event(.featureUsed, day: 0)])
        #expect(throws: ProjectionError.window("--since 2026-01-02 is after --until 2026-01-01")) {
            try made.reader.summary(product: "kettle", since: Self.day(1), until: Self.day(0))
        }
    }

    @Test mutating func aWindowWithoutEventsSaysWhereTheyAre() throws {
        let summary = try read([event(.featureUsed, day: 0), event(.featureUsed, day: 3)], since: 5, until: nil)
        #expect(summary.kinds.total == 0)
        #expect(summary.extent == Self.day(0)...Self.day(3))
        #expect(summary.window?.since == Self.day(5))
        #expect(summary.window?.until == nil)
    }

    private mutating func text(_ number: Int, day: Int64, _ text: inout [UInt8]) -> Event {
        var event = event(.feedbackText, day: day)
        let bytes = Array("text \(number)".utf8)
        (event.textStart, event.textLength) = (UInt32(text.count), UInt32(bytes.count))
        text += bytes
        return event
    }

    @Test mutating func textsAreThoseOfTheWindow() throws {
        var bytes: [UInt8] = []
        let events = (0..<30).map { text($0, day: Int64($0 % 3), &bytes) }
        let summary = try read(events, text: bytes, since: 1, until: 1)
        #expect(summary.texts.map(\.text) == (0..<10).map { "text \(28 - 3 * $0)" })
        #expect(!summary.gaps.contains(.olderTexts))
    }

    @Test mutating func textsThatLaterOnesPushedOutAreSaidToBeMissing() throws {
        var bytes: [UInt8] = []
        let events = (0..<205).map { text($0, day: $0 < 8 ? 0 : 1, &bytes) }
        var names = self
        let early = try read(events, text: bytes, since: 0, until: 0)
        #expect(early.kinds.texts == 8)
        #expect(early.texts.map(\.text) == ["text 7", "text 6", "text 5"])
        #expect(early.gaps.contains(.olderTexts))
        let late = try names.read(events, text: bytes, since: 1, until: nil)
        #expect(late.texts.count == 10)
        #expect(!late.gaps.contains(.olderTexts))
    }
}

/// U+0000 is a character like others.
@Suite struct NulTests {
    @Test func wordsAndTextsAreRead() throws {
        var fleet = Fleet(seed: 3)
        var batch = EventBatch()
        for product in ["k", "k\u{0}", "k\u{0}x", "\u{0}"] {
            var choice = fleet.event(.preferenceSet, product: product, device: "d")
            choice.value = .symbol(fleet.word(.value, "a\u{0}b"))
            var number = fleet.event(.preferenceSet, product: product, device: "d", aspect: "n")
            (number.value, number.unit) = (.whole(1), fleet.word(.unit, "u\u{0}v"))
            var fault = fleet.event(.faultSeen, product: product, device: "d")
            fault.value = .symbol(fleet.word(.value, "E\u{0}1"))
            var text = fleet.event(.feedbackText, product: product, device: "d")
            text.language = fleet.word(.language, "e\u{0}n")
            batch.setText(Array("said \u{0} of \(product)".utf8).span, of: &text)
            batch.events += [choice, number, fault, text]
        }
        var state = SummaryState()
        state.apply(Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions()))
        let folder = try Folder()
        var store = try SummaryStore(path: folder.summaries, identity: "log")
        try store.checkpoint(&state, updated: Timestamp(rawValue: 0))
        #expect(try store.dump().contains { $0.contains("a\u{0}b") })
        let reader = try SummaryReader(path: folder.summaries)
        #expect(Set(try reader.products().map(\.product)) == ["k", "k\u{0}", "k\u{0}x", "\u{0}"])
        #expect(try reader.nearest(to: "k\u{0}y") == ["k\u{0}", "k\u{0}x", "\u{0}"])
        for product in ["k", "k\u{0}", "k\u{0}x", "\u{0}"] {
            let summary = try #require(try reader.summary(product: product))
            #expect(summary.kinds.total == 4)
            let aspects = Dictionary(uniqueKeysWithValues: summary.aspects.map { ($0.aspect, $0) })
            #expect(aspects["a"]?.preference?.choices.map(\.value) == ["a\u{0}b"])
            #expect(aspects["a"]?.faults?.map(\.code) == ["E\u{0}1"])
            #expect(aspects["n"]?.preference?.numbers?.unit == "u\u{0}v")
            #expect(summary.texts.map(\.text) == ["said \u{0} of \(product)"])
            #expect(summary.texts.map(\.language) == ["e\u{0}n"])
        }
        // Whoever reads the views with SQL sees as many products.
        let queue = try DatabaseQueue(path: folder.summaries)
        for view in ["product_summary", "preference", "fault", "feedback", "daily_product"] {
            let count = try queue.read { db in
                try Int.fetchOne(db, sql: "SELECT count(DISTINCT CAST(product AS BLOB)) FROM \(view)")
            }
            #expect(count == 4, "\(view)")
            let products = try queue.read { db in
                try Int.fetchOne(db, sql: "SELECT count(*) FROM (SELECT 1 FROM \(view) GROUP BY product)")
            }
            #expect(products == 4, "\(view)")
        }
    }
}
