// Consents as a fold: what was said last, until when it holds, and what of an event is stored without one.

import Admission
import Events
import Testing
import TidingsTesting

private let start: Int64 = 1_767_225_600_000
private let kettle = SymbolID(rawValue: 1)
private let oven = SymbolID(rawValue: 2)
private let anna = CustomerID(rawValue: 1)
private let berta = CustomerID(rawValue: 2)

private func at(_ seconds: Int64) -> Timestamp { Timestamp(rawValue: start + seconds * 1_000) }

/// A consent said at one time that arrives at another, both in seconds.
private func consent(
    _ kind: EventKind, _ time: Int64, arrival: Int64? = nil, of customer: CustomerID = anna,
    product: SymbolID = kettle
) -> Event {
    var event = Event()
    (event.kind, event.customer, event.product) = (kind, customer, product)
    event.value = .symbol(SymbolID(rawValue: 1))
    (event.time, event.arrival) = (at(time), at(arrival ?? time))
    return event
}

private func until(_ seconds: Int64) -> EventDetails {
    var details = EventDetails()
    details.expiry = at(seconds)
    return details
}

@Suite struct ConsentTableTests {
    private func isInForce(_ table: ConsentTable, _ time: Int64, _ customer: CustomerID = anna) -> Bool {
        table.isInForce(.analytics, customer, kettle, at: at(time))
    }

    @Test func nobodyHasConsentedAtFirst() {
        let table = ConsentTable()
        #expect(!isInForce(table, 0) && table.isEmpty)
    }

    @Test func whatIsSaidLastCountsInWhateverOrderItArrives() {
        var table = ConsentTable()
        table.fold(consent(.consentGiven, 10), EventDetails(), .analytics)
        #expect(isInForce(table, 11) && isInForce(table, 0))
        table.fold(consent(.consentWithdrawn, 5, arrival: 12), EventDetails(), .analytics)
        #expect(isInForce(table, 13), "what was said before does not count")
        table.fold(consent(.consentWithdrawn, 10, arrival: 14), EventDetails(), .analytics)
        #expect(!isInForce(table, 15), "at the same time the log's order counts")
        table.fold(consent(.consentGiven, 10, arrival: 16), EventDetails(), .analytics)
        #expect(isInForce(table, 17))
        #expect(table.count == 1)
    }

    /// A device whose clock is an hour ahead says yes; then the customer says no on one whose clock is right.
    @Test func aClockThatRunsAheadDoesNotOutliveTheWithdrawal() {
        var table = ConsentTable()
        table.fold(consent(.consentGiven, 3_600, arrival: 10), EventDetails(), .analytics)
        #expect(isInForce(table, 11))
        table.fold(consent(.consentWithdrawn, 20), EventDetails(), .analytics)
        #expect(!isInForce(table, 21))
    }

    @Test func aConsentEndsBeforeItsExpiry() {
        var table = ConsentTable()
        table.fold(consent(.consentGiven, 10), until(100), .analytics)
        #expect(isInForce(table, 99) && !isInForce(table, 100) && !isInForce(table, 101))
        table.fold(consent(.consentGiven, 50), EventDetails(), .analytics)
        #expect(isInForce(table, 101), "given again without an end")
    }

    @Test func purposesProductsAndCustomersAreApart() {
        var table = ConsentTable()
        for purpose in ConsentPurpose.allCases {
            table.fold(consent(.consentGiven, 1, of: anna, product: kettle), EventDetails(), purpose)
            for other in ConsentPurpose.allCases {
                #expect(table.isInForce(other, anna, kettle, at: at(2)) == (other.rawValue <= purpose.rawValue))
            }
        }
        #expect(!table.isInForce(.analytics, anna, oven, at: at(2)))
        #expect(!table.isInForce(.analytics, berta, kettle, at: at(2)))
        #expect(table.count == 4)
    }

    @Test func whatGatesNothingAndWhoIsNobodyTakesNoMemory() {
        var table = ConsentTable()
        table.fold(consent(.consentGiven, 1), EventDetails(), nil)
        table.fold(consent(.consentGiven, 1, of: .none), EventDetails(), .analytics)
        table.fold(consent(.featureUsed, 1), EventDetails(), .analytics)
        #expect(table.isEmpty)
    }

    @Test func aFullTableLetsNobodyNewConsentAndForgetsNobody() {
        var table = ConsentTable(limit: 2)
        for customer in 1...4 as ClosedRange<UInt32> {
            table.fold(consent(.consentGiven, 1, of: CustomerID(rawValue: customer)), EventDetails(), .analytics)
        }
        #expect(isInForce(table, 2, CustomerID(rawValue: 2)) && !isInForce(table, 2, CustomerID(rawValue: 3)))
        table.fold(consent(.consentWithdrawn, 2), EventDetails(), .analytics)
        #expect(!isInForce(table, 3))
    }

    @Test func aSnapshotIsTheSameTableAndContradictionsAreNone() throws {
        var random = SeededGenerator(seed: 0xc0_5e47)
        var table = ConsentTable()
        for second in 1...20_000 as ClosedRange<Int64> {
            let event = consent(
                Bool.random(using: &random) ? .consentGiven : .consentWithdrawn, second,
                of: CustomerID(rawValue: .random(in: 1...3_000, using: &random)),
                product: SymbolID(rawValue: .random(in: 1...5, using: &random)))
            table.fold(event, EventDetails(), ConsentPurpose.allCases.randomElement(using: &random))
        }
        let restored = try #require(ConsentTable(restoring: table.consents))
        #expect(restored == table && table.count > 15_000)
        for consent in table.consents {
            #expect(restored.consent(consent.purpose, consent.customer, consent.product) == consent)
        }
        #expect(ConsentTable(restoring: table.consents + [table.consents[7]]) == nil)
        #expect(ConsentTable(restoring: [Consent()]) == nil)
    }
}

@Suite struct ConsentPolicyTests {
    @Test(arguments: [
        ("none", "kettle", false), ("all", "kettle", true), ("kettle", "kettle", true), ("kettle", "oven", false),
        ("oven , kettle", "kettle", true), ("all except oven", "oven", false), ("all except oven", "kettle", true),
        ("a%2Cb", "a,b", true), ("%61ll", "all", true), ("50%25", "50%", true), ("all except a, b", "b", false),
        ("all exceptional", "ional", false),
    ])
    func listsSayWhichProducts(list: String, product: String, isListed: Bool) throws {
        let products = try #require(ProductList(list))
        #expect(products.contains(product.utf8) == isListed)
        #expect(products.isEmpty == (list == "none"))
    }

    @Test(arguments: ["", ",", "a,", "a,,b", "50%", "50%2", "%zz", "all except ", String(repeating: "x", count: 129)])
    func badListsAreNone(list: String) { #expect(ProductList(list) == nil) }

    @Test func termsOfDPVStandForThePurposes() {
        #expect(ConsentPurpose(word: "analytics".utf8) == .analytics)
        #expect(ConsentPurpose(word: "dpv:ServiceOptimisation".utf8) == .analytics)
        #expect(ConsentPurpose(word: "https://w3id.org/dpv#DirectMarketing".utf8) == .contact)
        #expect(ConsentPurpose(word: "dpv:Marketing".utf8) == nil && ConsentPurpose(word: "Analytics".utf8) == nil)
        #expect(Set(ConsentPurpose.words.map(\.text)).count == ConsentPurpose.words.count)
    }
}

@Suite struct ConsentGateTests {
    /// Admission with words: a kettle needs a consent to analytics, an oven none.
    private struct Gated {
        var admission = Admission()
        var vocabulary = Vocabulary()
        var batch = EventBatch()

        init() {
            var policy = ConsentPolicy()
            policy[.analytics] = ProductList("kettle") ?? ProductList()
            admission.consent.policy = policy
        }

        mutating func word(_ kind: SymbolKind, _ text: String) -> SymbolID {
            vocabulary.symbol(kind, text.utf8Span.span) ?? .none
        }

        mutating func add(
            _ kind: EventKind, _ product: String = "kettle", aspect: String = "boil", value: Value = .none,
            customer: CustomerID = anna, text: String = "", time: Int64 = 5,
            _ change: (inout EventDetails) -> Void = { _ in }
        ) {
            var event = Event()
            (event.kind, event.customer, event.value) = (kind, customer, value)
            (event.product, event.aspect) = (word(.product, product), word(.aspect, aspect))
            event.device = DeviceID(rawValue: 1)
            (event.time, event.arrival) = (at(time), at(time))
            if !text.isEmpty { batch.setText(text.utf8Span.span, of: &event) }
            var details = EventDetails()
            details.extra = batch.append(part: "{\"x\":1}".utf8Span.span)
            details.cause = 7
            change(&details)
            batch.setDetails(details, of: &event)
            batch.events.append(event)
        }

        mutating func admit(_ transport: TransportKind = .tcp) -> AdmissionResult {
            let result = admission.admit(&batch, from: EventBatch.Mark(), transport: transport)
            if result.needsGate { admission.gate(&batch, 0..<batch.count, vocabulary, transport: transport) }
            admission.commit(admission.takeAdmitted())
            return result
        }

        func isStripped(_ index: Int) -> Bool {
            let event = batch.events[index]
            return event.customer == .none && event.textLength == 0 && batch.details(of: event).extra.isEmpty
        }
    }

    @Test func withoutConsentAnEventHasNoCustomerNoPartsAndNoPersonalValue() {
        var gated = Gated()
        let weight = gated.batch.append(part: "90".utf8Span.span)
        for product in ["kettle", "oven"] {
            gated.add(.preferenceSet, product, aspect: "weight", text: "I am Anna") { $0.personalValue = weight }
            gated.batch.events[gated.batch.count - 1].isValueWithheld = true
        }
        gated.add(.preferenceSet, value: .whole(90))
        gated.add(.preferenceSet, value: .whole(90), customer: .none, text: "nobody's")
        let result = gated.admit()
        #expect(result.accepted == 4)
        #expect(gated.isStripped(0) && !gated.batch.events[0].isValueWithheld)
        #expect(gated.batch.details(of: gated.batch.events[0]).personalValue.isEmpty)
        #expect(gated.batch.details(of: gated.batch.events[1]).personalValue == weight)
        #expect(gated.isStripped(2) && gated.batch.events[2].value == .whole(90))
        #expect(gated.batch.details(of: gated.batch.events[0]).cause == 7, "what is no part stays")
        #expect(gated.batch.events[1].customer == anna && gated.batch.events[1].textLength == 9)
        #expect(gated.batch.events[3].textLength == 8, "an event without customer is nobody's")
        let counts = gated.admission.counts[0]
        #expect(counts.withoutConsent == 2 && counts.committed == 4 && counts.isBalanced)
    }

    @Test func theLogsOrderDecidesWithinOneUnit() {
        var gated = Gated()
        let analytics = Value.symbol(gated.word(.value, "dpv:ServiceOptimisation"))
        gated.add(.featureUsed)
        gated.add(.consentGiven, value: analytics) { $0.expiry = at(50) }
        gated.add(.featureUsed, time: 49)
        gated.add(.featureUsed, time: 50)
        gated.add(.consentWithdrawn, value: analytics, time: 6)
        gated.add(.featureUsed, time: 7)
        #expect(gated.admit().accepted == 6)
        #expect([0, 1, 2, 3, 4, 5].map(gated.isStripped) == [true, false, false, true, false, true])
        #expect(gated.batch.events[4].customer == anna, "a withdrawal keeps its customer")
        #expect(gated.batch.details(of: gated.batch.events[4]).extra.isEmpty)
        #expect(gated.admission.counts[0].withoutConsent == 3)
    }

    @Test func aConsentThatIsKeptApartIsNone() {
        var gated = Gated()
        gated.add(.consentGiven)
        gated.add(.featureUsed)
        #expect(gated.admit().quarantined == 1)
        #expect(gated.isStripped(0) && gated.isStripped(1) && gated.admission.consent.table.isEmpty)
    }

    @Test func whoOptsOutLeavesNoCustomerWhateverTheProduct() {
        var gated = Gated()
        let analytics = Value.symbol(gated.word(.value, "analytics"))
        gated.add(.featureUsed, "oven", text: "hello")
        gated.add(.featureUsed, "oven", customer: .none, text: "hello")
        gated.add(.consentGiven, value: analytics)
        gated.add(.featureUsed)
        gated.admission.consent.isOptedOut = true
        #expect(gated.admit(.http).needsGate)
        #expect([0, 1, 2, 3].map(gated.isStripped) == [true, true, false, true])
        gated.admission.consent.isOptedOut = false
        gated.batch.removeAll()
        gated.add(.featureUsed)
        _ = gated.admit()
        #expect(!gated.isStripped(0), "the consent that was given holds")
    }

    @Test func withoutAPolicyNothingIsLookedAtButConsents() {
        var gated = Gated()
        gated.admission.consent.policy = ConsentPolicy()
        gated.add(.featureUsed, text: "hello")
        #expect(!gated.admit().needsGate && !gated.isStripped(0))
        gated.batch.removeAll()
        gated.add(.consentGiven, value: .symbol(gated.word(.value, "contact")))
        #expect(gated.admit().needsGate)
        let gate = gated.admission.consent
        let kettle = gated.batch.events[0].product
        #expect(gate.table.count == 1 && gate.allows(.contact, berta, kettle, at: at(9), in: gated.vocabulary))
        gated.admission.consent.policy[.contact] = ProductList("all") ?? ProductList()
        let strict = gated.admission.consent
        #expect(strict.allows(.contact, anna, kettle, at: at(9), in: gated.vocabulary))
        #expect(!strict.allows(.contact, berta, kettle, at: at(9), in: gated.vocabulary))
    }
}
