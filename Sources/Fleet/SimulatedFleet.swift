// A fleet that never was: devices with habits, customers with opinions, the same for the same seed.

package import Events

/// Where events to send come from. `next` may block.
package protocol EventSource {
    /// Appends up to `limit` events, their names numbered by `vocabulary`.
    ///
    /// - Returns: false when there will be no more.
    mutating func next(into batch: inout EventBatch, vocabulary: inout Vocabulary, limit: Int) throws -> Bool
}

/// An endless or limited stream of believable events. Deterministic: the same arguments give the same events.
///
/// Every device numbers its events from 1 in `epoch`, so that a second run with the same seed and epoch repeats the
/// first one. Most preferences of an aspect lie around the favourite of its product and drift as events go by.
package struct SimulatedFleet: EventSource {
    /// What a fleet is made of.
    package struct Options: Sendable {
        package var seed: UInt64 = 1
        package var devices = 1_000
        /// How many events in all; nil = endless.
        package var events: Int?
        package var epoch: UInt32 = 1
        /// The device time of the first event; nil = devices without a clock.
        package var start: Timestamp?
        /// Milliseconds from one event to the next.
        package var millisecondsPerEvent = 1.0

        package init() {}
    }

    private struct Device {
        var id: DeviceID
        var model: UInt16
        var customer: CustomerID
        var seq: UInt64 = 0
    }

    /// A model of the catalogue with its words as numbers.
    private struct Model {
        var product: SymbolID
        var aspects: [Aspect]
        var faults: [SymbolID]
    }

    private struct Aspect {
        var id: SymbolID
        var range: SimulatedAspect.Range
        var choices: [SymbolID]
        var unit: SymbolID
        /// What most customers like: an index into `choices`, or a step of the range.
        var favourite: Int
        /// How well customers like it, 1 ... 5.
        var liking: Int
    }

    private let options: Options
    private var random: SplitMix64
    private var models: [Model] = []
    private var devices: [Device] = []
    private var sentences: [[UInt8]] = []
    private var language = SymbolID.none
    private var made = 0

    package init(_ options: Options = Options()) {
        self.options = options
        random = SplitMix64(seed: options.seed)
    }

    /// How many events have been made.
    package var count: Int { made }

    package mutating func next(into batch: inout EventBatch, vocabulary: inout Vocabulary, limit: Int) -> Bool {
        if devices.isEmpty { populate(&vocabulary) }
        let wanted = min(limit, (options.events ?? .max) - made)
        for _ in 0..<wanted { makeEvent(into: &batch) }
        return made < options.events ?? .max
    }

    private mutating func makeEvent(into batch: inout EventBatch) {
        let index = random.below(devices.count)
        devices[index].seq += 1
        let device = devices[index]
        let model = models[Int(device.model)]
        var event = Event()
        event.device = device.id
        event.product = model.product
        event.customer = device.customer
        event.epoch = options.epoch
        event.seq = device.seq
        event.identity = .sequence
        if let start = options.start {
            let elapsed = Int64(Double(made) * options.millisecondsPerEvent)
            event.time = Timestamp(rawValue: start.rawValue + elapsed)
        } else {
            event.clock = .arrival
        }
        let aspect = model.aspects[random.below(model.aspects.count)]
        event.aspect = aspect.id
        switch random.below(100) {
        case 0..<55: prefer(aspect, index, &event)
        case 55..<70: rate(aspect, &event)
        case 70..<90:
            event.kind = .featureUsed
            event.count = UInt32(1 + random.below(5))
        case 90..<95:
            event.kind = .feedbackText
            event.language = language
            let sentence = sentences[random.below(sentences.count)]
            batch.setText(sentence.span, of: &event)
        default:
            event.kind = .faultSeen
            event.value = .symbol(model.faults[random.below(model.faults.count)])
            event.severity = random.below(10) == 0 ? 17 : 13
        }
        batch.events.append(event)
        made += 1
    }

    private mutating func prefer(_ aspect: Aspect, _ device: Int, _ event: inout Event) {
        event.kind = .preferenceSet
        event.unit = aspect.unit
        // A habit of the device, then the mood of the moment, then the fashion, which moves with the events made.
        let habit = Int((UInt64(device) &* 0x9e37_79b9_7f4a_7c15) >> 61) - 3
        let mood = random.below(3) - 1
        let fashion = (made / 200_000) % 3
        switch aspect.range {
        case .choices:
            let far = random.below(4) == 0 ? random.below(aspect.choices.count) : 0
            event.value = .symbol(aspect.choices[(aspect.favourite + far + fashion) % aspect.choices.count])
        case .flag: event.value = .flag((habit + mood > 0) != (aspect.favourite == 0))
        case .whole(let low, let high, let step):
            let value = low + (aspect.favourite + habit + mood + fashion) * step
            event.value = .whole(Int64(min(max(value, low), high)))
        case .real(let low, let high, let step):
            let value = low + Double(aspect.favourite + habit + mood + fashion) * step
            event.value = .real(min(max(value, low), high))
        }
    }

    private mutating func rate(_ aspect: Aspect, _ event: inout Event) {
        event.kind = .ratingGiven
        let rating = aspect.liking + random.below(3) - 1 - (random.below(12) == 0 ? 2 : 0)
        event.value = .whole(Int64(min(max(rating, 1), 5)))
    }

    private mutating func populate(_ vocabulary: inout Vocabulary) {
        for (index, model) in simulatedCatalogue.enumerated() {
            models.append(number(model, &vocabulary))
            let share = options.devices * model.share / 100
            let count = index == 0 ? options.devices - devicesOfOthers() : share
            for serial in 0..<count { addDevice(model, index, serial, &vocabulary) }
        }
        sentences = simulatedSentences.map { Array($0.utf8) }
        language = word(.language, "en", &vocabulary)
    }

    private func devicesOfOthers() -> Int {
        simulatedCatalogue.dropFirst().reduce(0) { $0 + options.devices * $1.share / 100 }
    }

    private mutating func addDevice(
        _ model: SimulatedModel, _ index: Int, _ serial: Int, _ vocabulary: inout Vocabulary
    ) {
        let product = models[index].product
        let name = "\(model.product.prefix(2))-\(serial + 1)"
        guard let id = vocabulary.device(product: product, name: Array(name.utf8).span) else { return }
        // Two of three devices belong to somebody, and some households have several.
        var customer = CustomerID.none
        if random.below(3) > 0 {
            let household = "h-\(random.below(max(options.devices / 2, 1)) + 1)"
            customer = vocabulary.customer(Array(household.utf8).span) ?? .none
        }
        devices.append(Device(id: id, model: UInt16(index), customer: customer))
    }

    private mutating func number(_ model: SimulatedModel, _ vocabulary: inout Vocabulary) -> Model {
        var aspects: [Aspect] = []
        for aspect in model.aspects {
            var choices: [SymbolID] = []
            var steps = 2
            switch aspect.range {
            case .choices(let words):
                choices = words.map { word(.value, $0, &vocabulary) }
                steps = words.count
            case .flag: break
            case .whole(let low, let high, let step): steps = (high - low) / step
            case .real(let low, let high, let step): steps = Int((high - low) / step)
            }
            aspects.append(
                Aspect(
                    id: word(.aspect, aspect.name, &vocabulary), range: aspect.range, choices: choices,
                    unit: aspect.unit.isEmpty ? .none : word(.unit, aspect.unit, &vocabulary),
                    favourite: random.below(max(steps, 1)), liking: 2 + random.below(4)))
        }
        return Model(
            product: word(.product, model.product, &vocabulary), aspects: aspects,
            faults: model.faults.map { word(.value, $0, &vocabulary) })
    }

    private func word(_ kind: SymbolKind, _ text: String, _ vocabulary: inout Vocabulary) -> SymbolID {
        vocabulary.symbol(kind, Array(text.utf8).span) ?? .none
    }
}

/// A small, fast, seeded generator (Steele, Lea and Flood 2014).
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    /// A number from 0 up to, not including, `bound`.
    mutating func below(_ bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}
