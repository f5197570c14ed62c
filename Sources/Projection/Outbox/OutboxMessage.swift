// One message of the outbox: what its event says, and the counts of what has become of it.

import Events

/// A message that the log has, open or over.
struct OutboxMessage: Sendable, BitwiseCopyable {
    var number: UInt32 = 0
    var tag: UInt32 = 0
    var offset: UInt64 = 0
    var kind = EventKind.notice
    var terms = MessageTerms()
    var product: UInt32 = 0
    /// To whom, when it is one; 0 otherwise.
    var device: UInt32 = 0
    var customer: UInt32 = 0
    var aspect: UInt32 = 0
    var collapse: UInt32 = 0
    var author: UInt32 = 0
    /// The hash of its author's own id of it; 0 without.
    var key: UInt64 = 0
    /// Of a setting: how it should stand; no value means that it is the device's own again.
    var valueKind = Event.ValueKind.none
    var valueBits: UInt64 = 0
    var unit: UInt32 = 0
    /// Of a reply: 1 + the offset of the feedback.
    var feedback: UInt64 = 0
    var notBefore: Int64 = 0
    var expires: Int64 = 0

    /// The log as of which its devices were found: 1 + the offset; 0 while they are not.
    var asOf: UInt64 = 0
    /// Why it is over; 0 while it is open.
    var closing: UInt8 = 0
    var closedAt: UInt64 = 0
    /// How many devices are in each state; together those addressed.
    var states = InlineArray<16, UInt32>(repeating: 0)
    /// Receipts that came when it was over.
    var late: UInt32 = 0
    var attempts: UInt64 = 0

    var isDirty = false
    /// Whether its answers are to be written anew.
    var hasNewAnswers = false

    init() {}

    init(_ event: borrowing Event, _ details: EventDetails, at offset: UInt64) {
        (number, tag, self.offset) = (details.cause, details.causeTag, offset)
        (kind, terms) = (event.kind, MessageTerms(event))
        (product, aspect) = (event.product.rawValue, event.aspect.rawValue)
        (device, customer) = (event.device.rawValue, event.customer.rawValue)
        (collapse, author) = (details.collapse.rawValue, details.author.rawValue)
        if case .hash = event.identity { key = event.seq }
        (valueKind, valueBits, unit) = (event.valueKind, event.valueBits, event.unit.rawValue)
        feedback = details.replaysOffsetPlusOne
        (notBefore, expires) = (event.time.rawValue, details.expiry.rawValue)
    }

    var isOpen: Bool { closing == 0 }
    /// Whether its time has come.
    func isDue(at now: Int64) -> Bool { !terms.isScheduled || notBefore <= now }
    var isAddressed: Bool { asOf != 0 }
    var isSetting: Bool { kind == .setting }
    /// Whether the customer must have agreed to it.
    var needsConsent: Bool { kind.isForPeople && terms.basis == .consent }
    /// Whether it must be known whose devices are whose, to bring it to them.
    var isPersonal: Bool { kind.isForPeople || customer != 0 }
    var addressed: UInt32 { states.span.reduce(1) }

    /// Whether a newer message takes the place of this one where both go to a device.
    func isReplaced(by newer: OutboxMessage) -> Bool {
        guard product == newer.product, number < newer.number else { return false }
        if isSetting || newer.isSetting { return isSetting && newer.isSetting && aspect == newer.aspect }
        return collapse != 0 && collapse == newer.collapse
    }

    /// Whether it goes to just the same ones.
    func hasTarget(of other: OutboxMessage) -> Bool {
        product == other.product && terms.scope == other.terms.scope && device == other.device
            && customer == other.customer && terms.scope != .list
    }
}

extension Span<UInt32> {
    fileprivate func reduce(_ first: Int) -> UInt32 {
        var sum: UInt32 = 0
        for index in first..<count { sum &+= self[index] }
        return sum
    }
}

extension OutboxMessage: SnapshotRow {
    mutating func code<Coder: RowCoder & ~Copyable & ~Escapable>(with coder: inout Coder) {
        var (kindNumber, valueNumber) = (kind.rawValue, valueKind.rawValue)
        var packed = Event()
        terms.write(to: &packed)
        coder.code(&number)
        coder.code(&tag)
        coder.code(&offset)
        coder.code(&kindNumber)
        coder.code(&packed.severity)
        coder.code(&packed.scale)
        for field in [\OutboxMessage.product, \.device, \.customer, \.aspect, \.collapse, \.author, \.unit, \.late] {
            coder.code(&self[keyPath: field])
        }
        for field in [\OutboxMessage.key, \.valueBits, \.feedback, \.asOf, \.closedAt, \.attempts] {
            coder.code(&self[keyPath: field])
        }
        coder.code(&valueNumber)
        coder.code(&notBefore)
        coder.code(&expires)
        coder.code(&closing)
        for index in states.indices { coder.code(&states[index]) }
        (kind, terms) = (EventKind(rawValue: kindNumber) ?? .custom, MessageTerms(packed))
        valueKind = Event.ValueKind(rawValue: valueNumber) ?? .none
    }
}

/// What a device has answered last to a message.
struct OutboxAnswer: Hashable, Sendable, BitwiseCopyable {
    var order = DeviceOrder()
    /// A number, a word or a flag; nothing for an answer in words of one's own.
    var valueKind = Event.ValueKind.none
    var bits: UInt64 = 0
}
