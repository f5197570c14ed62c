// The purposes of a consent that gate something, and the words that stand for them.

package import Events

/// A purpose that gates: without a consent to it, something is not done. Other purposes are stored and gate nothing.
package enum ConsentPurpose: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// What the customer does with the product is counted for the customer: without it events have no customer.
    case analytics = 0
    /// The customer is written to.
    case contact = 1
    /// The product is set up for the customer by what is known of the customer.
    case personalise = 2
    /// What the customer does is used to find out something beyond the product.
    case research = 3

    package var name: StaticString {
        switch self {
        case .analytics: "analytics"
        case .contact: "contact"
        case .personalise: "personalise"
        case .research: "research"
        }
    }

    /// The terms of the Data Privacy Vocabulary (https://w3id.org/dpv) that may be sent instead, as `dpv:TERM` or as
    /// the whole IRI. The first one stands for the purpose in a record. docs/privacy.md lists them.
    package var terms: [String] {
        switch self {
        case .analytics:
            [
                "ServiceUsageAnalytics", "ServiceOptimisation", "OptimisationForConsumer", "OptimisationForController",
            ]
        case .contact: ["CommunicationManagement", "CommunicationForCustomerCare", "DirectMarketing"]
        case .personalise: ["ServicePersonalisation", "Personalisation", "ProvidePersonalisedRecommendations"]
        case .research:
            [
                "ResearchAndDevelopment", "AcademicResearch", "CommercialResearch", "NonCommercialResearch",
                "ScientificResearch",
            ]
        }
    }

    /// What `dpv:` is short for.
    package static let namespace = "https://w3id.org/dpv#"

    /// Every text that stands for a purpose that gates.
    package static let words: [Word] = {
        var words: [Word] = []
        for purpose in allCases {
            words.append(Word(text: "\(purpose.name)", purpose: purpose))
            for term in purpose.terms {
                words.append(Word(text: "dpv:" + term, purpose: purpose))
                words.append(Word(text: namespace + term, purpose: purpose))
            }
        }
        return words
    }()

    /// A text that stands for a purpose.
    package struct Word: Sendable {
        package let text: String
        package let purpose: ConsentPurpose
    }

    /// The purpose that a word stands for; nil for one that gates nothing.
    package init?(word: some Collection<UInt8>) {
        guard let known = Self.words.first(where: { $0.text.utf8.elementsEqual(word) }) else { return nil }
        self = known.purpose
    }
}

/// Which words of the vocabulary `value` stand for purposes that gate.
package struct ConsentPurposes: Sendable {
    private var known: [UInt32: ConsentPurpose] = [:]

    package init() {}

    /// Those that a vocabulary has.
    package init(_ vocabulary: borrowing Vocabulary) {
        for word in ConsentPurpose.words {
            let text = Array(word.text.utf8)
            if let id = vocabulary.find(.value, text.span) { known[id.rawValue] = word.purpose }
        }
    }

    /// A word of the vocabulary `value` is defined.
    package mutating func note(_ id: SymbolID, _ text: [UInt8]) {
        if let purpose = ConsentPurpose(word: text) { known[id.rawValue] = purpose }
    }

    /// The purpose of a consent; nil when it gates nothing.
    package func purpose(of event: borrowing Event) -> ConsentPurpose? {
        guard case .symbol(let id) = event.value else { return nil }
        return known[id.rawValue]
    }
}
