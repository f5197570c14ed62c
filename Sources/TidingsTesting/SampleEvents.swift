// Random but repeatable events, for tests of the log and of what stands on it.

package import Events

/// Gives out batches with every kind of field, and the names that they use.
package struct SampleEvents: Sendable {
    private var generator: SeededGenerator
    package private(set) var vocabulary = Vocabulary()
    private var sequences: [UInt64] = Array(repeating: 0, count: 65)
    private var clock: Int64 = 1_767_225_600_000

    package init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// A batch, with text where an event has some, and the names that it is the first to use.
    package mutating func batch(_ count: Int) -> (batch: EventBatch, definitions: Definitions) {
        var batch = EventBatch(capacity: count)
        for _ in 0..<count { append(to: &batch) }
        return (batch, vocabulary.takeDefinitions())
    }

    private mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }

    private mutating func word(_ kind: SymbolKind, _ count: Int) -> SymbolID {
        let text = Array("\(kind.name)-\(pick(count))".utf8)
        return vocabulary.symbol(kind, text.span) ?? .none
    }

    private mutating func append(to batch: inout EventBatch) {
        var event = Event()
        let device = pick(64)
        let product = Array("product-\(device % 7)".utf8)
        event.product = vocabulary.symbol(.product, product.span) ?? .none
        let name = Array("device-\(device)".utf8)
        event.device = vocabulary.device(product: event.product, name: name.span) ?? .none
        if pick(8) > 0 {
            let customer = Array("customer-\(device / 2 + pick(2))".utf8)
            event.customer = vocabulary.customer(customer.span) ?? .none
        }
        event.kind = EventKind(rawValue: UInt8(pick(EventKind.allCases.count))) ?? .custom
        clock += Int64(pick(1_000))
        event.arrival = Timestamp(rawValue: clock - clock % 5)
        event.time = Timestamp(rawValue: clock - Int64(pick(2_000)))
        setIdentity(&event, device)
        setValue(&event)
        setRareFields(&event)
        if pick(6) == 0 {
            let text = Array("Text \(pick(30)) with ü and more of it.".utf8)
            batch.setText(text.span, of: &event)
        }
        if pick(20) == 0 { setDetails(&event, &batch) }
        batch.events.append(event)
    }

    private mutating func setDetails(_ event: inout Event, _ batch: inout EventBatch) {
        var details = EventDetails()
        event.origin = Origin.allCases[pick(Origin.allCases.count)]
        event.isEpochAssigned = pick(3) == 0
        if pick(2) == 0 { details.cause = UInt32(truncatingIfNeeded: generator.next() >> UInt64(32 + pick(31))) | 1 }
        if details.cause != 0, pick(3) == 0 {
            details.causeTag = UInt32(truncatingIfNeeded: generator.next())
            details.hasCauseTag = true
        }
        if pick(3) == 0 {
            (details.notice, details.method) = (word(.value, 40), pick(2) == 0 ? .none : word(.value, 40))
            details.expiry = Timestamp(rawValue: pick(2) == 0 ? 0 : clock + Int64(pick(1_000_000)))
        }
        if pick(4) == 0 { details.replays = Offset(rawValue: UInt64(pick(1_000_000))) }
        for part in EventDetails.parts where pick(3) == 0 {
            if part == \.sealedText, event.textLength > 0 { continue }
            let bytes = Array(#"{"a":\#(pick(9)),"b":"ö"}"#.utf8)
            details[keyPath: part] = batch.append(part: bytes.span, isCut: pick(4) == 0)
            if part == \.sealedText { details[keyPath: part].codec = .sealed }
        }
        batch.setDetails(details, of: &event)
    }

    private mutating func setIdentity(_ event: inout Event, _ device: Int) {
        switch pick(12) {
        case 0: event.identity = .none
        case 1:
            event.identity = .hash
            event.seq = generator.next()
        case 2:
            event.identity = .sequence
            event.epoch = UInt32(pick(3))
            event.seq = UInt64(pick(1_000_000))
        default:
            event.identity = .sequence
            sequences[device] += 1
            event.seq = sequences[device]
        }
    }

    private mutating func setValue(_ event: inout Event) {
        switch pick(9) {
        case 0: break
        case 1: event.value = .flag(pick(2) == 1)
        case 2, 3: event.value = .symbol(word(.value, 40))
        case 4: event.value = .real(Double(pick(1_000)) / 10)
        case 5:
            event.value = .real(
                [0.1 + 0.2, -0.0, 1e300, -1e-300, 1e21, .leastNonzeroMagnitude, 92.0, -7.25][pick(8)])
        case 6: event.value = .whole([Int64.min, .max, 0, -1, 1 << 53][pick(5)])
        default: event.value = .whole(Int64(pick(200)) - 100)
        }
    }

    private mutating func setRareFields(_ event: inout Event) {
        if pick(10) > 0 { event.aspect = word(.aspect, 300) }
        if pick(5) == 0 { event.count = UInt32(truncatingIfNeeded: generator.next() >> UInt64(33 + pick(30))) }
        if pick(7) == 0 { event.unit = word(.unit, 5) }
        if pick(9) == 0 { event.language = word(.language, 4) }
        if event.kind == .custom { event.type = word(.type, 6) }
        if pick(5) == 0 { event.severity = UInt8(pick(25)) }
        if pick(9) == 0 { event.scale = UInt8(pick(256)) }
        if pick(12) == 0 { event.quarantine = QuarantineReason.allCases[pick(QuarantineReason.allCases.count)] }
        event.clock = Clock(rawValue: UInt8(pick(3))) ?? .device
        if event.clock == .arrival, pick(4) > 0 { event.time = event.arrival }
    }
}
