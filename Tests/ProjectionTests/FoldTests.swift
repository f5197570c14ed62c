// What single events do to a summary.

import Events
import Log
import Projection
import Testing
import TidingsTesting

/// Folds events into a fresh file and reads a product back.
private func summary(
    _ fleet: inout Fleet, _ events: [Event], text: [UInt8] = [], product: String = "kettle", since: Day? = nil,
    until: Day? = nil
) throws -> ProductSummary {
    var batch = EventBatch()
    batch.events = events
    batch.text = text
    var state = SummaryState()
    state.apply(Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions()))
    let folder = try Folder()
    var store = try SummaryStore(path: folder.summaries, identity: "log")
    try store.checkpoint(&state, updated: Timestamp(rawValue: 0))
    let reader = try SummaryReader(path: folder.summaries)
    return try #require(try reader.summary(product: product, since: since, until: until))
}

private func choices(_ summary: ProductSummary) -> [String: Int] {
    let all = summary.aspects.first?.preference?.choices ?? []
    return Dictionary(uniqueKeysWithValues: all.map { ($0.value, $0.devices ?? -1) })
}

@Suite struct FoldTests {
    private var fleet = Fleet(seed: 1)

    private mutating func choice(_ value: String, seq: UInt64, epoch: UInt32 = 1, device: String = "k1") -> Event {
        var event = fleet.event(.preferenceSet, product: "kettle", device: device)
        (event.seq, event.epoch) = (seq, epoch)
        event.value = .symbol(fleet.word(.value, value))
        return event
    }

    @Test mutating func anOlderNumberThatComesLateDoesNotOverwrite() throws {
        let events = [choice("strong", seq: 5), choice("mild", seq: 3), choice("mild", seq: 4)]
        let aspect = try #require(try summary(&fleet, events).aspects.first)
        #expect(aspect.preference?.choices.map(\.value) == ["strong", "mild"])
        #expect(aspect.preference?.choices.map(\.devices) == [1, 0])
        #expect(aspect.preference?.choices.map(\.timesSet) == [1, 2])
        #expect(aspect.preference?.changes == 0)
    }

    /// A preference is packed; what does not fit is kept all the same, in its order.
    @Test mutating func sequenceNumbersOfAnySizeKeepTheirOrder() throws {
        let numbers: [UInt64] = [3, 1 << 43, 1 << 44, (1 << 44) + 5, (1 << 44) + 2, 1 << 60, (1 << 60) - 1]
        var events: [Event] = []
        for (index, seq) in numbers.enumerated() {
            events.append(choice("v\(index)", seq: seq))
            var number = fleet.event(.preferenceSet, product: "kettle", device: "k2")
            (number.seq, number.epoch) = (seq, 1)
            number.value = .real(Double(index) + 0.5)
            events.append(number)
        }
        let preference = try #require(try summary(&fleet, events).aspects.first?.preference)
        #expect(preference.choices.filter { $0.devices == 1 }.map(\.value) == ["v5"])
        #expect(preference.numbers?.devices == 1)
        #expect(preference.numbers?.quantiles == [5.5, 5.5, 5.5, 5.5, 5.5])
        #expect(preference.numbers?.meanNow == 5.5)
    }

    @Test mutating func epochsOfAnyNumberKeepTheirOrder() throws {
        let last: UInt32 = 131_080
        var events = (1...last).map { choice($0 % 2 == 0 ? "even" : "odd", seq: 1, epoch: $0) }
        events.append(choice("late", seq: 2, epoch: last - 1))
        #expect(choices(try summary(&fleet, events)) == ["even": 1, "odd": 0, "late": 0])
    }

    @Test mutating func aNewEpochIsNewerThanAnyNumberBefore() throws {
        let events = [
            choice("strong", seq: 500, epoch: 9), choice("mild", seq: 1, epoch: 2), choice("late", seq: 501, epoch: 9),
        ]
        #expect(choices(try summary(&fleet, events)) == ["strong": 0, "mild": 1, "late": 0])
    }

    @Test mutating func duplicatesInTheLogCountOnce() throws {
        let event = choice("strong", seq: 5)
        let summary = try summary(&fleet, [event, event, event])
        #expect(summary.kinds.preferences == 1)
        #expect(summary.duplicates == 2)
    }

    @Test mutating func sharesAreOfDevicesNotOfEvents() throws {
        var events: [Event] = []
        for seq in 1...10 as ClosedRange<UInt64> { events.append(choice(seq.isMultiple(of: 2) ? "a" : "b", seq: seq)) }
        for device in ["k2", "k3", "k4"] { events.append(choice("b", seq: 1, device: device)) }
        let summary = try summary(&fleet, events)
        let preference = try #require(summary.aspects.first?.preference)
        #expect(preference.choices.map(\.value) == ["b", "a"])
        #expect(preference.choices.map(\.share) == [0.75, 0.25])
        #expect(preference.changes == 9)
        #expect(preference.devices == 4)
    }

    @Test mutating func quarantinedEventsCountOnlyApart() throws {
        var bad = choice("x", seq: 2)
        bad.quarantine = .badAspect
        let summary = try summary(&fleet, [choice("a", seq: 1), bad])
        #expect(summary.kinds.total == 1)
        #expect(summary.quarantined?.map(\.reason) == ["bad_aspect"])
        #expect(summary.quarantined?.map(\.count) == [1])
        #expect(choices(summary) == ["a": 1])
    }

    @Test mutating func gapsAreMissingEvents() throws {
        var gap = choice("x", seq: 9)
        (gap.kind, gap.count) = (.gap, 4)
        #expect(try summary(&fleet, [choice("a", seq: 1), gap]).missing == 4)
    }

    @Test mutating func choicesBeyondTheBoundAreOthers() throws {
        var events: [Event] = []
        let bound = ProjectionLimits.symbolsPerAspect
        for number in 0..<bound + 10 { events.append(choice("v\(number)", seq: 1, device: "k\(number)")) }
        // Two of the others go back to a known choice.
        events.append(choice("v0", seq: 2, device: "k\(bound)"))
        events.append(choice("v0", seq: 2, device: "k\(bound + 1)"))
        let found = choices(try summary(&fleet, events))
        #expect(found.count == bound + 1)
        #expect(found["__other__"] == 8)
        #expect(found["v0"] == 3)
    }

    @Test mutating func ratingsKeepTheirScalesApart() throws {
        var events: [Event] = []
        for rating in [1, 5, 5, 4] as [Int64] {
            var event = fleet.event(.ratingGiven, product: "kettle", device: "k1")
            event.value = .whole(rating)
            events.append(event)
        }
        for scale in [10, 10, Event.scaleOneToTen] {
            var nine = fleet.event(.ratingGiven, product: "kettle", device: "k1")
            (nine.scale, nine.value) = (scale, .whole(9))
            events.append(nine)
        }
        let aspect = try #require(try summary(&fleet, events).aspects.first)
        #expect(aspect.ratings.map(\.scale) == ["1-5", "0-10", "1-10"])
        #expect(
            aspect.ratings.map(\.histogram) == [
                [1, 0, 0, 1, 2], [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0], [0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            ])
        #expect(aspect.ratings.first?.mean == 3.75)
        #expect(aspect.ratings.first?.topShare == 0.75)
        #expect(aspect.ratings.last?.topShare == 1)
        // Wilson's bounds of 3 of 4, from Wilson (1927) by hand: 0.3006 and 0.9544.
        #expect(abs((aspect.ratings.first?.topLow ?? 0) - 0.3006) < 0.0001)
        #expect(abs((aspect.ratings.first?.topHigh ?? 0) - 0.9544) < 0.0001)
    }

    @Test mutating func aWindowIsTheSumOfItsDays() throws {
        var events: [Event] = []
        for day in 0..<5 as Range<Int64> {
            for device in 0...Int(day) {
                var event = choice("day\(day)", seq: UInt64(day + 1), device: "k\(device)")
                event.time = Timestamp(rawValue: Fleet.start + day * 86_400_000)
                event.customer = fleet.customer("c\(device)")
                events.append(event)
            }
        }
        let day = Day(Timestamp(rawValue: Fleet.start))
        let first = Day(rawValue: day.rawValue + 1)
        let summary = try summary(&fleet, events, since: first, until: Day(rawValue: day.rawValue + 2))
        #expect(summary.kinds.preferences == 5)
        #expect(summary.devices == 3)
        #expect(summary.customers == 3)
        #expect(summary.aspects.first?.preference?.choices.map(\.value) == ["day2", "day1"])
        #expect(summary.aspects.first?.preference?.choices.map(\.timesSet) == [3, 2])
        #expect(summary.days.map(\.day.description) == ["2026-01-02", "2026-01-03"])
    }

    @Test mutating func daysMayAlternate() throws {
        var events: [Event] = []
        for seq in 1...60 as ClosedRange<UInt64> {
            var event = choice(seq % 3 == 0 ? "strong" : "mild", seq: seq, device: "k\(seq % 4)")
            event.time = Timestamp(rawValue: Fleet.start + Int64(seq % 2) * 86_400_000 + Int64(seq))
            events.append(event)
        }
        let second = Day(rawValue: Day(Timestamp(rawValue: Fleet.start)).rawValue + 1)
        var names = fleet
        let whole = try summary(&names, events)
        #expect(whole.aspects.first?.first == Timestamp(rawValue: Fleet.start + 2))
        #expect(whole.aspects.first?.last == Timestamp(rawValue: Fleet.start + 86_400_059))
        #expect(whole.days.map(\.kinds.preferences) == [30, 30])
        #expect(whole.days.map(\.devices) == [2, 2])
        let window = try summary(&fleet, events, since: second, until: second).aspects.first?.preference
        #expect(window?.choices.map(\.value) == ["mild", "strong"])
        #expect(window?.choices.map(\.timesSet) == [20, 10])
    }

    @Test mutating func veryManyUsesAndStrangeTimesAreCountedAlike() throws {
        var events: [Event] = []
        for count in [3, .max, 256, 257, .max] as [UInt32] {
            var event = fleet.event(.featureUsed, product: "kettle", device: "k1")
            event.count = count
            events.append(event)
        }
        let whole = 2 * Int(UInt32.max) + 516
        let day = Day(Timestamp(rawValue: Fleet.start))
        let summary = try summaryOfDay(nil, events)
        #expect(summary.aspects.first?.useTotal == whole)
        #expect(summary.aspects.first?.kinds.uses == 5)
        let window = try self.summaryOfDay(day, events)
        #expect(window.aspects.first?.useTotal == whole)

        var strange = events[0]
        (strange.seq, strange.time) = (99, Timestamp(rawValue: .max))
        let later = try self.summaryOfDay(nil, events + [strange])
        #expect(later.aspects.first?.last == Timestamp(rawValue: .max))
        #expect(later.aspects.first?.kinds.uses == 6)
        #expect(later.aspects.first?.useTotal == whole + 3)
    }

    private mutating func summaryOfDay(_ day: Day?, _ events: [Event]) throws -> ProductSummary {
        // The words must stand with the first block of each file.
        var names = Fleet(seed: 1)
        for event in events { _ = names.event(event.kind, product: "kettle", device: "k1") }
        return try summary(&names, events, since: day, until: day)
    }

    @Test mutating func onlyTheLatestTextsAreKept() throws {
        var events: [Event] = []
        var text: [UInt8] = []
        for number in 0..<450 {
            var event = fleet.event(.feedbackText, product: "kettle", device: "k1")
            let bytes = Array("text \(number)".utf8)
            (event.textStart, event.textLength) = (UInt32(text.count), UInt32(bytes.count))
            text += bytes
            events.append(event)
        }
        let summary = try summary(&fleet, events, text: text)
        #expect(summary.kinds.texts == 450)
        #expect(summary.texts.first?.text == "text 449")
        #expect(summary.texts.count == ProjectionLimits.textsShown)
    }

    @Test mutating func moreAspectsThanBitsAreCountedAlike() throws {
        var events: [Event] = []
        for aspect in 0..<100 {
            for device in 0..<3 {
                for _ in 0..<2 {
                    var event = fleet.event(.featureUsed, product: "kettle", device: "k\(device)", aspect: "n\(aspect)")
                    event.customer = fleet.customer("c\(device / 2)")
                    events.append(event)
                }
            }
        }
        let summary = try summary(&fleet, events)
        #expect(summary.aspects.count == 100)
        #expect(summary.aspects.allSatisfy { $0.devices == 3 && $0.customers == 2 && $0.kinds.uses == 6 })
    }

    @Test mutating func quantilesLieWithinOnePercent() throws {
        for seed in 0..<8 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var fleet = Fleet(seed: seed)
            var now: [Int: Double] = [:]
            var events: [Event] = []
            for _ in 0..<3_000 {
                let device = Int.random(in: 0..<400, using: &random)
                var event = fleet.event(.preferenceSet, product: "kettle", device: "k\(device)")
                let exponent = Double.random(in: -3...6, using: &random)
                var number = Double.random(in: -1...1, using: &random)
                for _ in 0..<Int(exponent.magnitude) { number *= exponent > 0 ? 10 : 0.1 }
                if Int.random(in: 0..<20, using: &random) == 0 { number = 0 }
                event.value = .real(number)
                now[device] = number
                events.append(event)
            }
            let found = try #require(try summary(&fleet, events).aspects.first?.preference?.numbers)
            let sorted = now.values.sorted()
            for (index, percent) in [5, 25, 50, 75, 95].enumerated() {
                let exact = sorted[(sorted.count - 1) * percent / 100]
                let error = abs(found.quantiles[index] - exact)
                #expect(error <= 0.01 * abs(exact) + 1e-12, "seed \(seed), \(percent) %")
            }
            #expect(found.devices == now.count, "seed \(seed)")
            let mean = sorted.reduce(0, +) / Double(sorted.count)
            let scale = sorted.reduce(0) { $0 + abs($1) } / Double(sorted.count)
            #expect(abs(try #require(found.meanNow) - mean) <= 1e-9 * scale, "seed \(seed)")
        }
    }
}
