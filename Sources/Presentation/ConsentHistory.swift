// What one customer has said about consents, in the order of the log, and what of it holds.

package import Admission
package import Events

/// The consents of one customer by product and purpose, each with all that was said about it. A fold over the events
/// of that customer, by the rule of `ConsentTable`, which knows the purposes that gate and only what was said last.
package struct ConsentHistory: Sendable {
    /// One thing that was said.
    package struct Entry: Sendable, Equatable {
        package var isGiven: Bool
        /// The sender's own time, as it came.
        package var time: Timestamp
        /// When it came in; nil when only the outcome is known, because retention has dropped the event.
        package var arrival: Timestamp?
        /// Until when it holds; nil when no end was said.
        package var expiry: Timestamp?
        package var notice = ""
        package var method = ""
        /// Its place in the log; nil as `arrival` is.
        package var offset: Offset?
        /// By what it is told whether something was said later.
        fileprivate var order: Timestamp { arrival.map { min(time, $0) } ?? time }
    }

    /// What was said about one purpose of one product.
    package struct Record: Sendable {
        package var product: String
        /// The word of the first entry.
        package var word: String
        /// Nil for one that gates nothing.
        package var purpose: ConsentPurpose?
        package fileprivate(set) var entries: [Entry] = []
        /// What was said last: the index of the entry that counts.
        package fileprivate(set) var last = 0

        package enum State: String, Sendable { case given, withdrawn, expired }

        package func state(at now: Timestamp) -> State {
            guard entries[last].isGiven else { return .withdrawn }
            return entries[last].expiry.map { now < $0 } ?? true ? .given : .expired
        }

        fileprivate mutating func add(_ entry: Entry) {
            entries.append(entry)
            if entry.order >= entries[last].order { last = entries.count - 1 }
        }
    }

    /// In the order in which they were first mentioned.
    package private(set) var records: [Record] = []
    private let customer: CustomerID
    private let product: String?

    /// - Parameter product: only what was said of this one.
    package init(of customer: CustomerID, product: String? = nil) {
        (self.customer, self.product) = (customer, product)
    }

    /// An event of the log, and its block.
    package mutating func add(_ event: Event, of batch: borrowing EventBatch, at offset: Offset, _ words: Vocabulary) {
        guard event.customer == customer, event.kind.isConsent, case .none = event.quarantine,
            case .symbol(let purpose) = event.value
        else { return }
        let details = batch.details(of: event)
        var entry = Entry(
            isGiven: event.kind == .consentGiven, time: event.time, arrival: event.arrival, offset: offset)
        if details.expiry.rawValue != 0 { entry.expiry = details.expiry }
        entry.notice = Self.text(details.notice, words)
        entry.method = Self.text(details.method, words)
        let product = String(decoding: words.text(.product, event.product), as: UTF8.self)
        add(entry, product, String(decoding: words.text(.value, purpose), as: UTF8.self))
    }

    /// What the summaries remember of events that retention has dropped. To be given before the events that are left.
    package mutating func add(_ consent: Consent, _ words: Vocabulary) {
        guard consent.customer == customer else { return }
        var entry = Entry(isGiven: consent.isGiven, time: consent.time)
        if consent.expiry.rawValue != 0 { entry.expiry = consent.expiry }
        entry.notice = Self.text(consent.notice, words)
        let product = String(decoding: words.text(.product, consent.product), as: UTF8.self)
        add(entry, product, "\(consent.purpose.name)")
    }

    private static func text(_ symbol: SymbolID, _ words: Vocabulary) -> String {
        symbol == .none ? "" : String(decoding: words.text(.value, symbol), as: UTF8.self)
    }

    private mutating func add(_ entry: Entry, _ product: String, _ word: String) {
        guard self.product == nil || self.product == product else { return }
        let purpose = ConsentPurpose(word: word.utf8)
        let known = records.firstIndex {
            $0.product == product && (purpose == nil ? $0.word == word : $0.purpose == purpose)
        }
        guard let known else {
            records.append(Record(product: product, word: word, purpose: purpose, entries: [entry]))
            return
        }
        // What the summaries remember may be an event that is still there.
        let isRemembered = records[known].entries.firstIndex {
            $0.offset == nil && $0.time == entry.order && $0.isGiven == entry.isGiven && $0.expiry == entry.expiry
        }
        if let isRemembered { records[known].entries[isRemembered] = entry } else { records[known].add(entry) }
    }
}
