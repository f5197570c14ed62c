// Who has consented to what: a fold over the log, with which admission decides and which the projector saves.

package import Events

/// What one customer has said last about one purpose of one product.
package struct Consent: Sendable, Equatable, BitwiseCopyable {
    package var customer = CustomerID.none
    package var product = SymbolID.none
    package var purpose = ConsentPurpose.analytics
    package var isGiven = false
    /// The version of the notice that the customer saw; `.none` when not said.
    package var notice = SymbolID.none
    /// When it was said: the event's own time, and never after its arrival.
    package var time = Timestamp(rawValue: 0)
    /// Until when it holds; 0 when no end was said.
    package var expiry = Timestamp(rawValue: 0)

    package init() {}

    /// What an event says. A clock that runs ahead counts as arrival: what is said later must not lose against it.
    package init(_ event: borrowing Event, _ details: EventDetails, _ purpose: ConsentPurpose) {
        (customer, product, self.purpose) = (event.customer, event.product, purpose)
        isGiven = event.kind == .consentGiven
        (notice, expiry) = (details.notice, details.expiry)
        time = min(event.time, event.arrival)
    }

    /// Whether it holds at a time: it was given, not withdrawn, and its end is not reached.
    package func isInForce(at time: Timestamp) -> Bool {
        isGiven && (expiry.rawValue == 0 || time < expiry)
    }
}

/// The consents of all customers, by product and purpose.
///
/// Of what a customer has said about a purpose, what was said last counts: by the event's own time, and by the log's
/// order where that is the same. A fold over the log: it depends on the events and their order alone, and reads no
/// clock; whether a consent has ended is asked with the arrival of the event that needs it. Customers without a consent
/// take no memory. Once there are `AdmissionLimits.consents`, nobody new can consent: no consent is the safe side.
package struct ConsentTable: Sendable {
    /// In the order in which they were first said; never removed.
    package private(set) var consents: [Consent] = []
    /// Places of a hash table: 1 + an index of `consents`, 0 for a free one. Empty while there are no consents.
    private var slots: [UInt32] = []
    private let limit: Int

    package init() { self.init(limit: AdmissionLimits.consents) }

    /// For tests.
    package init(limit: Int) { self.limit = limit }

    /// Puts back the consents of a snapshot. Nil when they contradict each other.
    package init?(restoring consents: [Consent]) {
        self.init()
        for consent in consents {
            guard consent.customer != .none, consents.count <= limit, find(consent) == nil else { return nil }
            append(consent)
        }
    }

    package var isEmpty: Bool { consents.isEmpty }
    package var count: Int { consents.count }

    /// Folds a consent of the log that is new and good; others are not to be given.
    ///
    /// - Parameter purpose: nil for one that gates nothing.
    package mutating func fold(_ event: borrowing Event, _ details: EventDetails, _ purpose: ConsentPurpose?) {
        guard let purpose, event.customer != .none, event.kind.isConsent else { return }
        let new = Consent(event, details, purpose)
        if let index = find(new) {
            if new.time >= consents[index].time { consents[index] = new }
        } else if consents.count < limit {
            append(new)
        }
    }

    /// What a customer has said last; nil when nothing.
    package func consent(_ purpose: ConsentPurpose, _ customer: CustomerID, _ product: SymbolID) -> Consent? {
        var key = Consent()
        (key.purpose, key.customer, key.product) = (purpose, customer, product)
        return find(key).map { consents[$0] }
    }

    /// Whether a customer has consented to a purpose of a product, and the consent holds at a time.
    package func isInForce(
        _ purpose: ConsentPurpose, _ customer: CustomerID, _ product: SymbolID, at time: Timestamp
    ) -> Bool {
        consent(purpose, customer, product)?.isInForce(at: time) ?? false
    }

    // MARK: The index

    private func find(_ key: Consent) -> Int? {
        guard !slots.isEmpty else { return nil }
        let mask = slots.count - 1
        var slot = Self.spread(key) & mask
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            let known = consents[index]
            if known.customer == key.customer, known.product == key.product, known.purpose == key.purpose {
                return index
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private mutating func append(_ consent: Consent) {
        consents.append(consent)
        if consents.count * 3 > slots.count * 2 {
            slots = [UInt32](repeating: 0, count: max(64, slots.count * 2))
            for index in consents.indices { place(index) }
        } else {
            place(consents.count - 1)
        }
    }

    private mutating func place(_ index: Int) {
        let mask = slots.count - 1
        var slot = Self.spread(consents[index]) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = UInt32(index + 1)
    }

    /// The numbers are given by the log itself: nobody outside can choose some that collide.
    private static func spread(_ key: Consent) -> Int {
        let product = UInt64(key.product.rawValue) << 2 | UInt64(key.purpose.rawValue)
        let mixed = (UInt64(key.customer.rawValue) << 32 ^ product &* 0xff51_afd7_ed55_8ccd) &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: mixed >> 32)
    }
}

/// Two tables are equal when they say the same, however they lie in memory.
extension ConsentTable: Equatable {
    package static func == (a: ConsentTable, b: ConsentTable) -> Bool { a.consents == b.consents }
}
