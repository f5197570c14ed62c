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
        /// Something was used `count` times; needs `aspect`.
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
        /// A vendor's own type, such as `com.example.descaled`.
        case custom(String)
    }

    /// The value of a setting, rating or state.
    public enum Value: Hashable, Sendable {
        case whole(Int64)
        case real(Double)
        case choice(String)
        case flag(Bool)
    }

    /// The kind of product, for example `kettle`; up to 128 bytes, without `/`.
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
        guard !product.isEmpty, product.utf8.count <= Limits.productBytes, !product.utf8.contains(0x2f) else {
            throw Unusable(cause: "a product has from 1 to \(Limits.productBytes) bytes, and no /")
        }
        guard !device.isEmpty, device.utf8.count <= Limits.deviceBytes else {
            throw Unusable(cause: "a device's name has from 1 to \(Limits.deviceBytes) bytes")
        }
        guard (customer?.utf8.count ?? 0) <= Limits.customerBytes else {
            throw Unusable(cause: "a customer's pseudonym has up to \(Limits.customerBytes) bytes")
        }
        guard count > 0 else { throw Unusable(cause: "count is 0; what did not happen is no event") }
        guard seq != 0 else { throw Unusable(cause: "seq is 0; numbers count from 1") }
        var event = Event()
        event.product = try symbol(.product, product, &vocabulary)
        guard let id = vocabulary.device(product: event.product, name: Array(device.utf8).span) else {
            throw .tooManyWords
        }
        event.device = id
        // Few names can be taken for something else on the wire: these are tried.
        let isUnclear = product.utf8.contains(0x3a) || device.utf8.starts(with: "urn:".utf8)
        guard !isUnclear || canBeNamed(id, &vocabulary) else {
            throw Unusable(cause: "product and device cannot be told apart; use words of letters, digits and -")
        }
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
        event.time = Timestamp(rawValue: timeMilliseconds ?? 0)
        event.clock = timeMilliseconds == nil ? .arrival : .device
        event.epoch = epoch
        event.seq = seq ?? 0
        event.identity = seq == nil ? .none : .sequence
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
        case .custom: .custom
        }
    }

    private func symbol(
        _ kind: SymbolKind, _ text: String?, _ vocabulary: inout Vocabulary
    ) throws(Unusable) -> SymbolID {
        guard let text, !text.isEmpty else { return .none }
        guard let id = vocabulary.symbol(kind, Array(text.utf8).span) else { throw .tooManyWords }
        return id
    }
}

extension TidingsEvent.Unusable {
    static let tooManyWords = TidingsEvent.Unusable(
        cause: "more different names and words than can be numbered were sent before it")
}
