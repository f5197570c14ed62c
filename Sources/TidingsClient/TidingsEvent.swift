// An event as a device maker writes it down.

import Events
import Wire

/// One thing that a device or its user has to tell.
///
/// Only `product`, `device` and `kind` must be given; what a kind needs besides is said at its case. The pair
/// (`epoch`, `seq`) is how the event is told from every other event of its device: sent twice, it is counted once.
/// Without it the connection numbers the event, which protects against repeats of this connection only.
public struct TidingsEvent: Hashable, Sendable {
    /// What the event says.
    public enum Kind: Hashable, Sendable {
        /// A setting that somebody chose; needs `aspect` and `value`.
        case preferenceSet
        /// A rating; needs `aspect` and a number as `value`.
        case ratingGiven
        /// Something was used `count` times; needs `aspect`. A number as `value` is how long, in seconds.
        case featureUsed
        /// Words of a customer; needs `text`.
        case feedbackText
        /// Something went wrong; needs `aspect`.
        case faultSeen
        /// How something stands; needs `aspect` and `value`.
        case stateReported
        /// Consent to a purpose, which is the `value`.
        case consentGiven
        /// Consent is taken back; the purpose is the `value`.
        case consentWithdrawn
        /// What became of the message of `cause`; needs neither aspect nor value.
        case receipt(Stage, Evidence = .unknown)
        /// A vendor's own type, such as `com.example.descaled`.
        case custom(String)
    }

    /// How far a message has come.
    public enum Stage: Hashable, Sendable, CaseIterable {
        case received
        case shown
        case answered
        case dismissed
        case failed
        case sent
        case applied
        case refused
    }

    /// How that is known.
    public enum Evidence: Hashable, Sendable, CaseIterable {
        case unknown
        case transport
        case app
    }

    /// Who chose a value.
    public enum Origin: Hashable, Sendable, CaseIterable {
        case user
        case `default`
        case rule
    }

    /// The value of a setting, rating or state.
    public enum Value: Hashable, Sendable {
        case whole(Int64)
        case real(Double)
        case choice(String)
        case flag(Bool)
    }

    /// The kind of product, for example `kettle`; up to 128 bytes.
    public var product: String
    /// The device's name among those of its product; up to 128 bytes.
    public var device: String
    /// A pseudonym of the household or user, up to 64 bytes; nil for an event of the device alone.
    public var customer: String?
    /// What the event says.
    public var kind: Kind
    /// What it is about: words of `[a-z0-9_]` joined by dots, for example `door.sound`.
    public var aspect: String?
    /// What was chosen, given or measured.
    public var value: Value?
    /// The unit of the value, from the SenML registry, for example `Cel`.
    public var unit: String?
    /// Who chose the value; nil when that is not said.
    public var origin: Origin?
    /// How often it happened.
    public var count: UInt32 = 1
    /// OpenTelemetry severity number of a fault, 1 ... 24; 0 = not given.
    public var severity: UInt8 = 0
    /// The scale of a rating: 0 = 1 ... 5, 1 = 0 ... 1, 10 = 0 ... 10, 255 = 1 ... 10, any other n = 1 ... n.
    public var scale: UInt8 = 0
    /// A customer's words, up to 4 KiB of UTF-8.
    public var text: String?
    /// The language of `text`, as a BCP 47 tag.
    public var language: String?
    /// Milliseconds since 1970-01-01T00:00:00Z by the device's clock; nil when it has none.
    public var timeMilliseconds: Int64?
    /// Counts the device's resets.
    public var epoch: UInt32 = 0
    /// The device's number for the event, from 1 up in each epoch; nil when it does not number its events.
    public var seq: UInt64?
    /// Instead of `seq`: a string that no other event of the device has, such as a UUID; up to 64 bytes.
    public var id: String?
    /// The id of the message that the event answers, as it came with the message: `m17` or `m17-9f31c2aa`.
    public var cause: String?
    /// Of a consent: the version of the notice that the customer saw; up to 256 bytes.
    public var notice: String?
    /// Of a consent: how it was given; up to 256 bytes.
    public var method: String?
    /// Of a consent: until when it holds, milliseconds since 1970-01-01T00:00:00Z.
    public var expiryMilliseconds: Int64?

    /// An event with what every event needs.
    public init(product: String, device: String, kind: Kind, aspect: String? = nil, value: Value? = nil) {
        self.product = product
        self.device = device
        self.kind = kind
        self.aspect = aspect
        self.value = value
    }

    /// Why an event cannot be sent.
    struct Unusable: Error {
        var cause: String
    }

    /// Appends the event to a batch, its names numbered by `vocabulary`.
    ///
    /// - Throws: for what every daemon would refuse, and for what cannot be written down in every format.
    func append(to batch: inout EventBatch, vocabulary: inout Vocabulary) throws(Unusable) {
        guard !product.isEmpty, product.utf8.count <= Limits.productBytes else {
            throw Unusable(cause: "a product has from 1 to \(Limits.productBytes) bytes")
        }
        guard !device.isEmpty, device.utf8.count <= Limits.deviceBytes else {
            throw Unusable(cause: "a device's name has from 1 to \(Limits.deviceBytes) bytes")
        }
        guard (customer?.utf8.count ?? 0) <= Limits.customerBytes else {
            throw Unusable(cause: "a customer's pseudonym has up to \(Limits.customerBytes) bytes")
        }
        guard count > 0 else { throw Unusable(cause: "count is 0; what did not happen is no event") }
        guard seq != 0 else { throw Unusable(cause: "seq is 0; numbers count from 1") }
        guard id.map({ (1...Limits.idBytes).contains($0.utf8.count) }) ?? true else {
            throw Unusable(cause: "an id has from 1 to \(Limits.idBytes) bytes")
        }
        var event = Event()
        event.product = try symbol(.product, product, &vocabulary)
        guard let id = vocabulary.device(product: event.product, name: Array(device.utf8).span) else {
            throw .tooManyWords
        }
        event.device = id
        if let customer, !customer.isEmpty {
            guard let id = vocabulary.customer(Array(customer.utf8).span) else { throw .tooManyWords }
            event.customer = id
        }
        event.aspect = try symbol(.aspect, aspect, &vocabulary)
        event.unit = try symbol(.unit, unit, &vocabulary)
        event.language = try symbol(.language, language, &vocabulary)
        switch value {
        case .whole(let number): event.value = .whole(number)
        case .real(let number): event.value = .real(number)
        case .choice(let word): event.value = .symbol(try symbol(.value, word, &vocabulary))
        case .flag(let flag): event.value = .flag(flag)
        case nil: break
        }
        event.kind = eventKind
        if case .custom(let type) = kind { event.type = try symbol(.type, type, &vocabulary) }
        event.count = count
        event.severity = severity
        event.scale = scale
        if case .receipt(let stage, let evidence) = kind {
            (event.scale, event.severity) = (stage.number, evidence.number)
        }
        event.origin = origin?.value ?? .none
        event.time = Timestamp(rawValue: timeMilliseconds ?? 0)
        event.clock = timeMilliseconds == nil ? .arrival : .device
        event.epoch = epoch
        event.seq = seq ?? 0
        event.identity = seq == nil ? .none : .sequence
        if let own = self.id { event.setIdentity(Array(own.utf8).span) }
        try setDetails(of: &event, in: &batch, &vocabulary)
        if let text { batch.setText(Array(text.utf8).span, of: &event) }
        batch.events.append(event)
    }

    private var eventKind: EventKind {
        switch kind {
        case .preferenceSet: .preferenceSet
        case .ratingGiven: .ratingGiven
        case .featureUsed: .featureUsed
        case .feedbackText: .feedbackText
        case .faultSeen: .faultSeen
        case .stateReported: .stateReported
        case .consentGiven: .consentGiven
        case .consentWithdrawn: .consentWithdrawn
        case .receipt: .receipt
        case .custom: .custom
        }
    }

    private func setDetails(
        of event: inout Event, in batch: inout EventBatch, _ vocabulary: inout Vocabulary
    ) throws(Unusable) {
        var details = EventDetails()
        if let cause, !details.setCause(Array(cause.utf8).span) {
            throw Unusable(cause: "cause is no message's id; give back the one that came with it, such as m17-9f31c2aa")
        }
        details.notice = try symbol(.value, notice, &vocabulary)
        details.method = try symbol(.value, method, &vocabulary)
        details.expiry = Timestamp(rawValue: expiryMilliseconds ?? 0)
        batch.setDetails(details, of: &event)
    }

    private func symbol(
        _ kind: SymbolKind, _ text: String?, _ vocabulary: inout Vocabulary
    ) throws(Unusable) -> SymbolID {
        guard let text, !text.isEmpty else { return .none }
        guard let id = vocabulary.symbol(kind, Array(text.utf8).span) else { throw .tooManyWords }
        return id
    }
}

extension TidingsEvent.Stage {
    fileprivate var number: UInt8 {
        let stage: ReceiptStage =
            switch self {
            case .received: .received
            case .shown: .shown
            case .answered: .answered
            case .dismissed: .dismissed
            case .failed: .failed
            case .sent: .sent
            case .applied: .applied
            case .refused: .refused
            }
        return stage.rawValue
    }
}

extension TidingsEvent.Evidence {
    fileprivate var number: UInt8 {
        let evidence: ReceiptEvidence =
            switch self {
            case .unknown: .none
            case .transport: .transport
            case .app: .app
            }
        return evidence.rawValue
    }
}

extension TidingsEvent.Origin {
    fileprivate var value: Events.Origin {
        switch self {
        case .user: .user
        case .default: .default
        case .rule: .rule
        }
    }
}

extension TidingsEvent.Unusable {
    static let tooManyWords = TidingsEvent.Unusable(
        cause: "more different names and words than can be numbered were sent before it")
}
