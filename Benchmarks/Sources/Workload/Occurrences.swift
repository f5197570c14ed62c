// What happens: the events of one week, made slice by slice in the order in which they reach a daemon.
import Glibc

/// The kinds of the workload; the raw value is the kind's number on the wire.
package enum OccurrenceKind: UInt8, CaseIterable, Sendable {
    case preference = 1
    case rating = 2
    case use = 3
    case text = 4
    case fault = 5

    package var name: String {
        switch self {
        case .preference: "preference.set"
        case .rating: "rating.given"
        case .use: "feature.used"
        case .text: "feedback.text"
        case .fault: "fault.seen"
        }
    }
}

/// One event as numbers.
package struct Occurrence: Sendable {
    package var time: Int64
    package var device: Int32
    package var customer: Int32
    package var seq: Int32
    /// The aspect's number within its product, 0 ..< 20.
    package var aspect: Int32
    package var kind: OccurrenceKind
    /// Whether a preference is a choice (a word) and not a number.
    package var isChoice: Bool
    /// A choice's number, twice the number of a numeric preference, a rating, a count of uses, a text's number, or a
    /// fault code's number.
    package var value: Int32
}

/// The events, as a stream of slices of up to 65,536.
///
/// Times are uniform over the week and ascend, but for 1 % of the events that come up to an hour late. Each slice
/// spans its own part of the week; within it times are independent.
package struct Occurrences: Sendable {
    package static let sliceEvents = 65_536
    /// 2026-01-01T00:00:00Z.
    package static let start: Int64 = 1_767_225_600_000
    package static let week: Int64 = 7 * 86_400_000

    package let fleet: Fleet
    package let count: Int
    private let seed: UInt64
    private var produced = 0
    private var seqOf: [Int32]
    private var times: [Int64] = []
    private let kinds = Distribution(weights: [0.55, 0.15, 0.20, 0.05, 0.05])
    private let ratings = Distribution(weights: [0.06, 0.09, 0.20, 0.35, 0.30])
    private let uses = Distribution(weights: (1...600).map { pow(39.0 / 40, Double($0 - 1)) / 40 })
    private let numbers = Distribution(weights: Occurrences.clippedNormal())
    private let options: [Distribution]

    package init(fleet: Fleet, count: Int, seed: UInt64) {
        self.fleet = fleet
        self.count = count
        self.seed = seed
        seqOf = Array(repeating: 0, count: fleet.deviceCount)
        options = (0...6).map { count in
            guard count > 0 else { return Distribution(weights: [1]) }
            // floor(u^1.7 * count) for a uniform u.
            let edges = (0...count).map { pow(Double($0) / Double(count), 1 / 1.7) }
            return Distribution(weights: (0..<count).map { edges[$0 + 1] - edges[$0] })
        }
    }

    /// Replaces the contents of `slice` by the next events.
    ///
    /// - Returns: whether there were any.
    package mutating func next(into slice: inout [Occurrence]) -> Bool {
        slice.removeAll(keepingCapacity: true)
        let size = min(Occurrences.sliceEvents, count - produced)
        guard size > 0 else { return false }
        var random = SplitMix64(seed: seed &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(produced + 1) &* 0xd129_0a2e_ea7d_5b25)
        let from = Occurrences.week * Int64(produced) / Int64(count)
        let span = Occurrences.week * Int64(produced + size) / Int64(count) - from
        times.removeAll(keepingCapacity: true)
        for _ in 0..<size { times.append(Occurrences.start + from + Int64(random.below(Int(span)))) }
        times.sort()
        for time in times { slice.append(occurrence(at: time, &random)) }
        produced += size
        return true
    }

    private mutating func occurrence(at instant: Int64, _ random: inout SplitMix64) -> Occurrence {
        let device = random.below(fleet.deviceCount)
        let usual = random.unit() < 0.9
        let customer = usual ? fleet.customerOf[device] : fleet.otherCustomerOf[device]
        let late = random.unit() < 0.01
        let time = late ? instant - Int64(1 + random.below(3_599_999)) : instant
        let popularity = random.unit()
        let aspect = min(Int(popularity * popularity.squareRoot() * 20), 19)
        let slot = Int(fleet.productOf[device]) * Fleet.aspectsPerProduct + aspect
        let kind = OccurrenceKind(rawValue: UInt8(kinds.draw(&random) + 1)) ?? .preference
        seqOf[device] += 1
        let isChoice = kind == .preference && fleet.isChoice[slot]
        let value: Int32
        switch kind {
        case .preference where isChoice:
            value = fleet.firstOption[slot] + Int32(options[Int(fleet.optionCount[slot])].draw(&random))
        case .preference: value = fleet.lowest[slot] * 2 + Int32(numbers.draw(&random))
        case .rating: value = Int32(ratings.draw(&random) + 1)
        case .use: value = Int32(uses.draw(&random) + 1)
        case .text: value = Int32(random.below(fleet.texts.count))
        case .fault:
            let severity = random.unit()
            value = Int32(severity * severity * 6)
        }
        return Occurrence(
            time: time, device: Int32(device), customer: customer, seq: seqOf[device], aspect: Int32(aspect),
            kind: kind,
            isChoice: isChoice, value: value)
    }

    /// A normal distribution of mean 20 and deviation 6, clipped to 0 ... 40 and rounded to halves, as 81 weights.
    private static func clippedNormal() -> [Double] {
        func below(_ x: Double) -> Double { 0.5 * erfc(-(x - 20) / (6 * 2.0.squareRoot())) }
        return (0...80).map { step in
            let low = step == 0 ? 0 : below(Double(step) / 2 - 0.25)
            let high = step == 80 ? 1 : below(Double(step) / 2 + 0.25)
            return high - low
        }
    }
}
