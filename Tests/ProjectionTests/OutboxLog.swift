// Random logs with messages: devices that answer and ignore, customers that agree and withdraw, operators that cancel.

import Admission
import Events
import Log
import Projection
import TidingsTesting

/// Makes a log event by event, with the fold's own decisions in it.
struct OutboxLog {
    var fleet: Fleet
    var random: SeededGenerator
    var batch = EventBatch()
    /// The fold that decides.
    var state = SummaryState()
    private var lastMessage: UInt32 = 0
    private var tags: [UInt32: UInt32] = [:]
    private var folded = 0
    private var definitions = Definitions()
    static let products = ["kettle", "toaster"]
    static let aspects = ["temperature", "sound"]

    init(seed: UInt64) {
        fleet = Fleet(seed: seed)
        random = SeededGenerator(seed: seed)
    }

    mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }
    var now: Timestamp { Timestamp(rawValue: Fleet.start + Int64(batch.count) * 60_000) }

    /// Folds what is new.
    mutating func fold() {
        var part = EventBatch()
        for event in batch.events[folded...] { part.append(event, of: batch) }
        let names = fleet.vocabulary.takeDefinitions()
        definitions.symbols += names.symbols
        state.apply(Block(firstOffset: Offset(rawValue: UInt64(folded)), batch: part, definitions: names))
        folded = batch.count
    }

    /// Appends what the fold decides, as the daemon does.
    mutating func decide() {
        fold()
        let decided = state.decide(at: now)
        for event in decided.events { batch.append(event, of: decided) }
        fold()
    }

    var names: Definitions { definitions }

    mutating func device() -> (product: String, device: String) {
        let product = Self.products[number(0..<2)]
        return (product, "\(product)-\(number(0..<6))")
    }

    mutating func append(_ event: Event, _ details: EventDetails = EventDetails(), payload: String = "") {
        batch.append(event, details, Array(payload.utf8))
    }

    /// An event of a device with its next number, by its customer if it has one.
    mutating func event(_ kind: EventKind, aspect: String = "temperature") -> Event {
        let (product, name) = device()
        return event(kind, product, name, aspect: aspect)
    }

    mutating func event(_ kind: EventKind, _ product: String, _ name: String, aspect: String = "temperature") -> Event {
        var event = fleet.event(kind, product: product, device: name, aspect: aspect)
        (event.time, event.arrival) = (now, now)
        if number(0..<3) > 0 { event.customer = fleet.customer("c\(number(0..<4))") }
        return event
    }

    mutating func value() -> Value { number(0..<4) == 0 ? .flag(true) : .whole(Int64(number(80..<84))) }

    mutating func consent(_ kind: EventKind) -> Event {
        var event = event(kind)
        event.customer = fleet.customer("c\(number(0..<4))")
        event.value = .symbol(fleet.word(.value, "contact"))
        return event
    }

    // MARK: Messages

    @discardableResult
    mutating func message(
        _ kind: EventKind, product: String, _ terms: MessageTerms = MessageTerms(), device: String? = nil,
        customer: String? = nil, aspect: String = "", value: Value = .none, collapse: String = "", minutes: Int = 0
    ) -> UInt32 {
        lastMessage += 1
        let tag = UInt32.random(in: 0...UInt32.max, using: &random)
        tags[lastMessage] = tag
        var event = Event()
        (event.kind, event.product) = (kind, fleet.word(.product, product))
        terms.write(to: &event)
        (event.time, event.arrival, event.clock) = (now, now, .arrival)
        if let device { event.device = fleet.device(event.product, device) }
        if let customer { event.customer = fleet.customer(customer) }
        if !aspect.isEmpty { event.aspect = fleet.word(.aspect, aspect) }
        event.value = value
        var details = EventDetails()
        details.message = MessageID(number: lastMessage, tag: tag)
        if !collapse.isEmpty { details.collapse = fleet.word(.value, collapse) }
        if minutes > 0 { details.expiry = Timestamp(rawValue: now.rawValue + Int64(minutes) * 60_000) }
        append(event, details, payload: "{\"text\":\"message \(lastMessage)\"}")
        return lastMessage
    }

    mutating func anyMessage() {
        let (product, device) = device()
        var terms = MessageTerms()
        terms.basis = number(0..<2) == 0 ? .consent : .contract
        terms.priority = MessagePriority.allCases[number(0..<4)]
        if number(0..<2) == 0 {
            terms.policy = SettingPolicy.allCases[number(0..<3)]
            terms.scope = number(0..<2) == 0 ? .device : .product
            terms.isLive = terms.scope == .product && number(0..<2) == 0
            let value = value()
            message(
                .setting, product: product, terms, device: terms.scope == .device ? device : nil,
                aspect: Self.aspects[number(0..<2)], value: value)
        } else {
            terms.scope = [.product, .device, .customer][number(0..<3)]
            message(
                [.notice, .question, .reply][number(0..<3)], product: product, terms,
                device: terms.scope == .device ? device : nil,
                customer: terms.scope == .customer ? "c\(number(0..<4))" : nil,
                collapse: number(0..<3) == 0 ? "descale" : "", minutes: number(0..<2) * number(1..<400))
        }
    }

    func details(of number: UInt32) -> EventDetails {
        var details = EventDetails()
        details.message = MessageID(number: number, tag: tags[number] ?? 0)
        return details
    }

    mutating func receipt() {
        guard lastMessage > 0 else { return }
        let message = UInt32(number(1..<Int(lastMessage) + 1))
        var details = details(of: message)
        var event = event(.receipt)
        event.aspect = .none
        event.scale = UInt8(number(1..<9))
        event.severity = UInt8(number(0..<3))
        switch number(0..<12) {
        case 0: details.causeTag ^= 1
        case 1: details.hasCauseTag = false
        case 2...4:
            // The daemon's own.
            (event.identity, event.epoch, event.seq) = (.none, 0, 0)
            event.customer = .none
            event.scale = [ReceiptStage.sent, .sent, .received, .failed][number(0..<4)].rawValue
            event.severity = ReceiptEvidence.transport.rawValue
            event.count = UInt32(number(1..<20))
        case 5...7:
            event.kind = [.ratingGiven, .preferenceSet, .feedbackText][number(0..<3)]
            (event.scale, event.severity) = (0, 0)
            event.aspect = fleet.word(.aspect, Self.aspects[number(0..<2)])
            event.value = event.kind == .ratingGiven ? .whole(Int64(number(1..<6))) : value()
            if event.kind == .feedbackText {
                event.value = .none
                batch.setText(Array("so".utf8).span, of: &event)
            }
        case 8: event.product = fleet.word(.product, "stranger")
        default: break
        }
        append(event, details)
    }

    /// One more thing happens.
    mutating func step() {
        switch number(0..<40) {
        case 0...2: anyMessage()
        case 3...16: receipt()
        case 17...24:
            var event = event(.preferenceSet, aspect: Self.aspects[number(0..<2)])
            event.value = value()
            if number(0..<6) == 0 { event.origin = .user }
            if number(0..<9) == 0 { (event.identity, event.epoch, event.seq) = (.none, 0, 0) }
            // Some arrive behind later ones.
            append(event)
            if number(0..<3) == 0, batch.count > 2 { swapLast() }
        case 25...28:
            var event = event(.stateReported, aspect: Self.aspects[number(0..<2)])
            event.value = value()
            append(event)
        case 29...31: append(consent(.consentGiven))
        case 32: append(consent(.consentWithdrawn))
        case 33:
            guard lastMessage > 0 else { return }
            let message = UInt32(number(1..<Int(lastMessage) + 1))
            var event = Event()
            event.kind = .closed
            event.scale = UInt8(number(1..<4))
            (event.time, event.arrival, event.clock) = (now, now, .arrival)
            append(event, details(of: message))
        case 34 where number(0..<5) == 0:
            var event = Event()
            event.kind = .customerErased
            event.customer = fleet.customer("c\(number(0..<4))")
            (event.time, event.arrival, event.clock) = (now, now, .arrival)
            append(event)
        default: append(event(.featureUsed))
        }
        if number(0..<3) == 0 { decide() }
    }

    /// Swaps the last two events, if both are of devices and not folded yet.
    private mutating func swapLast() {
        let last = batch.count - 1
        guard folded < last, batch.events[last].kind.isUplink, batch.events[last - 1].kind.isUplink else { return }
        batch.events.swapAt(last, last - 1)
    }

    static func random(seed: UInt64, steps: Int) -> OutboxLog {
        var log = OutboxLog(seed: seed)
        for _ in 0..<steps { log.step() }
        log.decide()
        return log
    }
}
