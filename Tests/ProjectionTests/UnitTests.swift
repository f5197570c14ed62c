// Numbers in several units, against a second fold of plain dictionaries.

import Events
import Log
import Projection
import Testing
import TidingsTesting

private let clock: @Sendable () -> Timestamp = { Timestamp(rawValue: Fleet.start) }

/// Folds a product's events one by one, each in the order of the log, with dictionaries.
private struct Oracle {
    struct Numbers {
        var all: [Double] = []
        var byDay: [Int32: [Double]] = [:]
    }
    enum Held: Equatable {
        case word(String)
        case flag(Bool)
        case number(String, Double)

        func isSame(as other: Held) -> Bool {
            guard case .number(let unit, let number) = self, case .number(let otherUnit, let otherNumber) = other else {
                return self == other
            }
            return unit == otherUnit && abs(number - otherNumber) < 1e-9
        }
    }
    struct Aspect {
        var unit = ""
        /// The unit's group is named by its first unit; the aspect's own is "".
        var units: [String] = []
        var numbers: [String: Numbers] = [:]
        var held: [UInt32: (seq: UInt64, value: Held)] = [:]
        var moves = 0
        var late = 0
        var flags = 0
    }
    var aspects: [UInt32: Aspect] = [:]

    /// Of some units: their kind, factor and offset, as physics has them.
    static let known: [String: (String, Double, Double)] = [
        "Cel": ("K", 1, 273.15), "K": ("K", 1, 0), "Far": ("K", 1 / 1.8, 459.67 / 1.8), "s": ("s", 1, 0),
        "min": ("s", 60, 0),
    ]

    static func convert(_ number: Double, _ from: String, _ to: String) -> Double? {
        if from == to { return number }
        guard let a = known[from], let b = known[to], a.0 == b.0 else { return nil }
        return (number * a.1 + a.2 - b.2) / b.1
    }

    mutating func fold(_ event: Event, unit: String, word: String) {
        var aspect = aspects[event.aspect.rawValue, default: Aspect()]
        defer { aspects[event.aspect.rawValue] = aspect }
        let number = event.valueKind == .flag ? nil : event.number
        if number != nil, aspect.unit.isEmpty { aspect.unit = unit }
        guard event.kind == .preferenceSet else { return }
        let value: Held
        if let number {
            var (group, converted) = ("", unit.isEmpty ? number : Self.convert(number, unit, aspect.unit) ?? .nan)
            if converted.isNaN {
                group = aspect.units.first { Self.convert(0, unit, $0) != nil } ?? unit
                if !aspect.units.contains(group) { aspect.units.append(group) }
                converted = Self.convert(number, unit, group) ?? .nan
            }
            aspect.numbers[group, default: Numbers()].all.append(converted)
            aspect.numbers[group]?.byDay[event.time.day, default: []].append(converted)
            value = .number(group, converted)
        } else if event.valueKind == .flag || word == "true" || word == "false" {
            value = .flag(event.valueKind == .flag ? event.value == .flag(true) : word == "true")
            aspect.flags += 1
        } else {
            value = .word(word)
        }
        guard event.device != .none else { return }
        let before = aspect.held[event.device.rawValue]
        if event.identity == .sequence, let before, before.seq >= event.seq {
            aspect.late += 1
            return
        }
        if let before, !before.value.isSame(as: value) { aspect.moves += 1 }
        let kept = before.map { $0.value.isSame(as: value) ? $0.value : value } ?? value
        aspect.held[event.device.rawValue] = (event.identity == .sequence ? event.seq : before?.seq ?? 0, kept)
    }
}

/// Numbers in units of several kinds, of none and of none that is known, words, flags and state reports.
private struct Mixture {
    var fleet: Fleet
    var random: SeededGenerator
    var events: [Event] = []
    var oracle = Oracle()
    private var seqs: [UInt32: UInt64] = [:]

    init(seed: UInt64, count: Int) {
        fleet = Fleet(seed: seed)
        random = SeededGenerator(seed: seed)
        let words = ["", "", "Cel", "Cel", "Cel", "Far", "K", "s", "min", "psi", "bogus"]
        let values = ["true", "false", "warm"]
        var said: [(event: Event, unit: String, word: String)] = []
        for _ in 0..<count {
            let device = "d\(Int.random(in: 0..<20, using: &random))"
            // An aspect beyond the first 64, and devices of another product, are kept elsewhere.
            let aspect = Int.random(in: 0..<80, using: &random) == 0 ? 70 : Int.random(in: 0..<6, using: &random)
            var event = fleet.event(.preferenceSet, product: "kettle", device: device, aspect: "a\(aspect)")
            if Int.random(in: 0..<12, using: &random) == 0 {
                event.device = fleet.device(fleet.word(.product, "oven"), device)
            }
            seqs[event.device.rawValue, default: 0] += 1
            event.seq = seqs[event.device.rawValue, default: 0]
            event.time.rawValue += Int64.random(in: 0..<3 * 86_400_000, using: &random)
            if Int.random(in: 0..<9, using: &random) == 0 { event.kind = .stateReported }
            var (unit, word) = ("", "")
            switch Int.random(in: 0..<12, using: &random) {
            case 0:
                word = values.randomElement(using: &random) ?? ""
                event.value = .symbol(fleet.word(.value, word))
            case 1: event.value = .flag(Bool.random(using: &random))
            case 2...4: event.value = .real(Double(Int.random(in: -40..<200, using: &random)) + 0.25)
            // Those that are said often in one unit and in another.
            case 5, 6: event.value = .whole([32, 212, 0, 100].randomElement(using: &random) ?? 0)
            default: event.value = .whole(Int64.random(in: -40..<250, using: &random))
            }
            if word.isEmpty { unit = words.randomElement(using: &random) ?? "" }
            if !unit.isEmpty { event.unit = fleet.word(.unit, unit) }
            switch Int.random(in: 0..<30, using: &random) {
            case 0: (event.identity, event.seq, event.epoch) = (.none, 0, 0)
            case 1: (event.device, event.identity, event.seq, event.epoch) = (.none, .none, 0, 0)
            default: break
            }
            said.append((event, unit, word))
            if said.count > 3, Int.random(in: 0..<8, using: &random) == 0 {
                said.swapAt(said.count - 1, said.count - 1 - Int.random(in: 1..<3, using: &random))
            }
        }
        for (event, unit, word) in said {
            events.append(event)
            oracle.fold(event, unit: unit, word: word)
        }
    }
}

private func expect(_ found: NumberSummary?, _ wanted: [Double], held: [Double]?, unit: String, _ seed: UInt64) throws {
    let found = try #require(found, "seed \(seed)")
    func near(_ a: Double, _ b: Double, _ part: Double = 1e-9) -> Bool { abs(a - b) <= part * abs(b) + 1e-9 }
    #expect(found.unit ?? "" == unit, "seed \(seed)")
    #expect(found.timesSet == wanted.count, "seed \(seed) \(unit)")
    #expect(near(found.mean, wanted.reduce(0, +) / Double(wanted.count)), "seed \(seed) \(unit)")
    #expect(near(found.least, wanted.min() ?? 0) && near(found.most, wanted.max() ?? 0), "seed \(seed) \(unit)")
    guard let held else { return }
    #expect(found.devices == held.count, "seed \(seed) \(unit)")
    guard !held.isEmpty else { return }
    #expect(near(found.meanNow ?? .nan, held.reduce(0, +) / Double(held.count)), "seed \(seed) \(unit)")
    for (index, percent) in [5, 25, 50, 75, 95].enumerated() {
        let exact = held.sorted()[(held.count - 1) * percent / 100]
        #expect(near(found.quantiles[index], exact, 0.01), "seed \(seed) \(unit) \(percent) %")
    }
}

private func expect(_ found: ProductSummary, _ oracle: Oracle, day: Int32?, _ mixture: Mixture, _ seed: UInt64) throws {
    for (id, wanted) in oracle.aspects {
        let name = String(decoding: mixture.fleet.vocabulary.text(.aspect, SymbolID(rawValue: id)), as: UTF8.self)
        let preference = found.aspects.first { $0.aspect == name }?.preference
        for (group, numbers) in wanted.numbers {
            let held: [Double] = wanted.held.values.compactMap {
                if case .number(group, let number) = $0.value { number } else { nil }
            }
            let all = day.map { numbers.byDay[$0] ?? [] } ?? numbers.all
            let summary = group.isEmpty ? preference?.numbers : preference?.otherUnits.first { $0.unit == group }
            if all.isEmpty {
                #expect(summary == nil, "seed \(seed)")
            } else {
                try expect(
                    summary, all, held: day == nil ? held : nil, unit: group.isEmpty ? wanted.unit : group, seed)
            }
        }
        guard day == nil, let preference else { continue }
        #expect(preference.otherUnits.count == wanted.units.count, "seed \(seed)")
        #expect(preference.devices == wanted.held.count, "seed \(seed)")
        #expect(preference.changes == wanted.moves, "seed \(seed)")
        for flag in [true, false] {
            let rows = preference.choices.filter { $0.value == "\(flag)" }
            let holders = wanted.held.values.filter { $0.value == .flag(flag) }.count
            #expect(rows.count <= 1 && rows.first?.devices ?? 0 == holders, "seed \(seed)")
        }
    }
}

@Suite struct UnitTests {
    @Test(arguments: 0..<16) func mixedUnitsAreAsTheOracleHasThem(round: UInt64) async throws {
        let seed = 0x7567_1600 &+ round
        var mixture = Mixture(seed: seed, count: 2_500)
        var batch = EventBatch()
        batch.events = mixture.events
        let names = mixture.fleet.vocabulary.takeDefinitions()
        let log = ListLog(blocks: cut(batch, names, &mixture.random, most: 300))
        var folder = try Folder()
        func open() async throws -> Projector {
            try Projector(directory: folder.path, identity: "log", start: .zero, head: await log.head, now: clock)
        }
        var projector = try await open()
        for block in log.blocks {
            await projector.apply(block)
            switch Int.random(in: 0..<8, using: &mixture.random) {
            case 0: try await projector.checkpoint()
            case 1:
                try await projector.stop()
                projector = try await open()
            case 2:
                try await projector.checkpoint(snapshot: Bool.random(using: &mixture.random))
                folder = try folder.copyAsKilled()
                projector = try await open()
                let written = log.blocks.filter { $0.endOffset <= block.endOffset }
                try await projector.catchUp(with: ListLog(blocks: written))
            default: break
            }
        }
        try await projector.checkpoint()
        let live = try await projector.dump()
        try await projector.stop()
        let other = try Folder()
        let again = ListLog(blocks: cut(batch, names, &mixture.random, most: 1_500))
        _ = try await Projector.rebuild(log: again, identity: "log", into: other.path, now: clock)
        let rebuilt = try SummaryStore(path: other.summaries, identity: "log")
        let difference = zip(live, try rebuilt.dump()).first { $0 != $1 }.map { "\($0) is not \($1)" }
        #expect(difference == nil, "seed \(seed)")
        #expect(live.contains { $0.hasPrefix("daily_numeric|") && $0.contains("bogus") }, "seed \(seed)")

        let reader = try SummaryReader(path: other.summaries)
        let whole = try #require(try reader.summary(product: "kettle"))
        try expect(whole, mixture.oracle, day: nil, mixture, seed)
        let day = Day(Timestamp(rawValue: Fleet.start + 86_400_000))
        let window = try #require(try reader.summary(product: "kettle", since: day, until: day))
        try expect(window, mixture.oracle, day: day.rawValue, mixture, seed)
    }

    private var fleet = Fleet(seed: 1)

    private mutating func number(
        _ value: Value, _ unit: String, device: String, kind: EventKind = .preferenceSet
    ) -> Event {
        var event = fleet.event(kind, product: "kettle", device: device, aspect: "temperature")
        event.value = value
        if !unit.isEmpty { event.unit = fleet.word(.unit, unit) }
        return event
    }

    private mutating func summary(_ events: [Event]) throws -> ProductSummary {
        var batch = EventBatch()
        batch.events = events
        var state = SummaryState()
        state.apply(Block(firstOffset: .zero, batch: batch, definitions: fleet.vocabulary.takeDefinitions()))
        let folder = try Folder()
        var store = try SummaryStore(path: folder.summaries, identity: "log")
        try store.checkpoint(&state, updated: Timestamp(rawValue: 0))
        return try #require(try SummaryReader(path: folder.summaries).summary(product: "kettle"))
    }

    @Test mutating func threeDevicesInCelsiusAndOneInFahrenheit() throws {
        let events = [
            number(.whole(90), "Cel", device: "k1"), number(.whole(92), "Cel", device: "k2"),
            number(.whole(94), "Cel", device: "k3"), number(.whole(198), "Far", device: "k4"),
        ]
        let preference = try #require(try summary(events).aspects.first?.preference)
        let numbers = try #require(preference.numbers)
        #expect(numbers.unit == "Cel" && numbers.devices == 4)
        #expect(abs(numbers.quantiles[2] - 92) <= 0.92, "\(numbers.quantiles)")
        #expect(abs(numbers.mean - (90 + 92 + 94 + 92.2222222222) / 4) < 1e-9)
        #expect(numbers.least == 90 && numbers.most == 94)
        #expect(preference.otherUnits.isEmpty)
    }

    /// What is the same in two units is the same number: no device has changed its mind.
    @Test mutating func theSameInAnotherUnitIsNoMove() throws {
        let events = [
            number(.whole(100), "Cel", device: "k1"), number(.whole(212), "Far", device: "k1"),
            number(.real(373.15), "K", device: "k1"), number(.whole(0), "Cel", device: "k2"),
            number(.whole(32), "Far", device: "k2"), number(.real(68.54), "Far", device: "k3"),
            number(.real(20.3), "Cel", device: "k3"),
        ]
        let preference = try #require(try summary(events).aspects.first?.preference)
        #expect(preference.changes == 0)
        #expect(preference.numbers?.quantiles == [0, 0, 20.3, 20.3, 20.3])
        #expect(preference.devices == 3)
    }

    @Test mutating func numbersBeforeTheFirstUnitAreInIt() throws {
        let events = [
            number(.whole(20), "", device: "k1"), number(.whole(68), "Far", device: "k2"),
            number(.whole(20), "Cel", device: "k3"), number(.whole(68), "", device: "k4"),
        ]
        let numbers = try #require(try summary(events).aspects.first?.preference?.numbers)
        #expect(numbers.unit == "Far")
        #expect(numbers.quantiles == [20, 20, 68, 68, 68])
        #expect(numbers.mean == 56)
    }

    @Test mutating func aStateReportNamesTheUnitToo() throws {
        let events = [
            number(.whole(20), "Cel", device: "k1", kind: .stateReported), number(.whole(68), "Far", device: "k1"),
        ]
        let numbers = try #require(try summary(events).aspects.first?.preference?.numbers)
        #expect(numbers.unit == "Cel" && numbers.quantiles == [20, 20, 20, 20, 20] && numbers.timesSet == 1)
    }

    @Test mutating func whatCannotBeConvertedStandsApart() throws {
        let events = [
            number(.whole(90), "Cel", device: "k1"), number(.whole(5), "psi", device: "k1"),
            number(.whole(7), "psi", device: "k2"), number(.whole(2), "min", device: "k3"),
            number(.whole(60), "s", device: "k4"), number(.whole(80), "Cel", device: "k2"),
        ]
        let preference = try #require(try summary(events).aspects.first?.preference)
        #expect(preference.devices == 4 && preference.changes == 2)
        #expect(preference.numbers?.devices == 1 && preference.numbers?.meanNow == 80)
        #expect(preference.otherUnits.map(\.unit) == ["min", "psi"])
        #expect(preference.otherUnits.map(\.devices) == [2, 1])
        #expect(preference.otherUnits.map(\.meanNow) == [1.5, 5])
        #expect(preference.otherUnits.map(\.mean) == [1.5, 6])
        #expect(preference.otherUnits.map(\.timesSet) == [2, 2])
    }

    @Test mutating func unitsBeyondTheBoundAreOnlyCounted() throws {
        var events = [number(.whole(1), "Cel", device: "k")]
        let bound = ProjectionLimits.unitsPerAspect
        for unit in 0..<bound + 5 { events.append(number(.whole(7), "u\(unit)", device: "k\(unit)")) }
        events.append(number(.whole(2), "Cel", device: "k\(bound + 1)"))
        let preference = try #require(try summary(events).aspects.first?.preference)
        #expect(preference.otherUnits.count == bound)
        #expect(preference.devices == bound + 6 && preference.numbers?.devices == 2)
        #expect(preference.timesSet == bound + 7)
    }

    @Test mutating func aNumberTooLargeForTheUnitStaysFinite() throws {
        let events = [number(.whole(1), "mm", device: "k1"), number(.real(1e308), "km", device: "k2")]
        let numbers = try #require(try summary(events).aspects.first?.preference?.numbers)
        #expect(numbers.most == .greatestFiniteMagnitude && numbers.devices == 2)
    }

    @Test mutating func flagsInWordsAreFlags() throws {
        let events = [
            number(.symbol(fleet.word(.value, "true")), "", device: "k1"), number(.flag(true), "", device: "k2"),
            number(.symbol(fleet.word(.value, "false")), "", device: "k2"),
            number(.flag(true), "", device: "k1"), number(.symbol(fleet.word(.value, "True")), "", device: "k3"),
        ]
        let preference = try #require(try summary(events).aspects.first?.preference)
        #expect(preference.choices.map(\.value) == ["True", "false", "true"])
        #expect(preference.choices.map(\.devices) == [1, 1, 1])
        #expect(preference.changes == 1)
    }

    /// A use may say how long it took; a receipt keeps its stage where ratings have their scale.
    @Test mutating func durationsAndReceiptsAreNoNumbersOfPreferences() throws {
        var receipt = number(.none, "", device: "k1", kind: .receipt)
        (receipt.scale, receipt.severity) = (3, 2)
        var use = number(.real(12.5), "", device: "k1", kind: .featureUsed)
        use.count = 2
        let aspect = try #require(try summary([receipt, use]).aspects.first)
        #expect(aspect.preference == nil && aspect.ratings.isEmpty && aspect.maxSeverity == 0)
        #expect(aspect.useTotal == 2 && aspect.kinds.uses == 1 && aspect.kinds.others == 1)
        #expect(aspect.faultTotal == 0)
    }

    /// Each reason has its own count, whatever its number.
    @Test mutating func everyReasonIsCounted() throws {
        var events: [Event] = []
        let reasons = QuarantineReason.allCases.filter { $0 != .none }
        for (index, reason) in reasons.enumerated() {
            for _ in 0...index {
                var event = number(.whole(1), "", device: "k1")
                event.quarantine = reason
                events.append(event)
            }
        }
        let quarantined = try #require(try summary(events).quarantined)
        #expect(quarantined.map(\.reason) == reasons.map { "\($0.name)" })
        #expect(quarantined.map(\.count) == Array(1...reasons.count))
    }
}
