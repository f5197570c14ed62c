// What of an event is stored without the customer's consent: decided once, when the event comes in.

package import Events

/// The consents, the policy and what follows for events. Owned by the ingest event loop, as part of `Admission`.
package struct ConsentGate: Sendable {
    package internal(set) var table: ConsentTable
    /// Which products need which consents.
    package var policy = ConsentPolicy() {
        didSet {
            requirements.removeAll()
            isOn = policy.gatesEvents || isOptedOut
            if policy.gatesEvents { withholdsNames = true }
        }
    }
    /// Whether whoever sends what is being read wants nothing stored that names a person (`Sec-GPC: 1`).
    package var isOptedOut = false {
        didSet {
            isOn = policy.gatesEvents || isOptedOut
            if isOptedOut { withholdsNames = true }
        }
    }
    /// Whether events have to be looked at that are no consents.
    private(set) var isOn = false
    /// Whether names of customers may have come that are not to be kept: then only those are that an event in the log
    /// has. A repetition of an event that was stored without its customer brings the name again; so once there was a
    /// reason, this stays for the rest of the process.
    package private(set) var withholdsNames = false
    /// What a product needs, a bit for each purpose, by its number; found out when it is first asked for.
    private var requirements: [UInt8] = []
    private static let unknown: UInt8 = 0x80

    package init(table: ConsentTable = ConsentTable()) { self.table = table }

    /// Whether something may be done for a purpose: the product needs no consent to it, or the customer's holds.
    ///
    /// - Parameter time: when; of an event, its arrival.
    package func allows(
        _ purpose: ConsentPurpose, _ customer: CustomerID, _ product: SymbolID, at time: Timestamp,
        in vocabulary: borrowing Vocabulary
    ) -> Bool {
        !policy.requires(purpose, of: vocabulary.text(.product, product))
            || table.isInForce(purpose, customer, product, at: time)
    }

    /// The same for one event after another, which remembers what their products need.
    fileprivate mutating func allowsAnalytics(_ event: Event, _ vocabulary: borrowing Vocabulary) -> Bool {
        let product = Int(event.product.rawValue)
        if product >= requirements.count {
            let count = product + 1 - requirements.count
            requirements.append(contentsOf: repeatElement(Self.unknown, count: count))
        }
        if requirements[product] == Self.unknown {
            let name = vocabulary.text(.product, event.product)
            requirements[product] = ConsentPurpose.allCases.reduce(0) { bits, purpose in
                policy.requires(purpose, of: name) ? bits | 1 << purpose.rawValue : bits
            }
        }
        return requirements[product] & 1 << ConsentPurpose.analytics.rawValue == 0
            || table.isInForce(.analytics, event.customer, event.product, at: event.arrival)
    }
}

extension Admission {
    /// Folds the consents among events that were just admitted, and takes from the others what may not be stored: of a
    /// customer without consent to `analytics`, where the product needs it, the customer, the parts and the personal
    /// values; of a sender that wants nothing kept of persons, the same of all. A consent keeps its customer.
    ///
    /// To be called when `AdmissionResult.needsGate`, before anything else is done with the events.
    package mutating func gate(
        _ batch: inout EventBatch, _ range: Range<Int>, _ vocabulary: borrowing Vocabulary, transport: TransportKind
    ) {
        for index in range {
            let event = batch.events[index]
            // Whoever asks for their data, or to be forgotten, must be known to be answered.
            var keepsCustomer = event.kind == .dataRequested || event.kind == .erasureRequested
            if event.kind.isConsent, case .none = event.quarantine, case .symbol(let id) = event.value {
                let purpose = ConsentPurpose(word: vocabulary.text(.value, id))
                consent.table.fold(event, batch.details(of: event), purpose)
                keepsCustomer = true
            }
            guard consent.isOn else { continue }
            if !consent.isOptedOut {
                if event.customer == .none { continue }
                if consent.allowsAnalytics(event, vocabulary) { continue }
            }
            strip(&batch, index, keepsCustomer: keepsCustomer)
            if !keepsCustomer { noteWithoutConsent(transport) }
        }
    }

    /// Takes the parts from an event, a personal value among them. What is in the arena stays there until the block is
    /// written; nothing points to it.
    private func strip(_ batch: inout EventBatch, _ index: Int, keepsCustomer: Bool) {
        var event = batch.events[index]
        if !keepsCustomer { event.customer = .none }
        if event.isValueWithheld { event.value = .none }
        (event.textStart, event.textLength) = (0, 0)
        if event.detail != 0 {
            var details = batch.details(of: event)
            for part in EventDetails.parts { details[keyPath: part] = TextPart() }
            // The old ones stay for whoever explains the verdict.
            event.detail = 0
            batch.setDetails(details, of: &event)
        }
        batch.events[index] = event
    }
}
