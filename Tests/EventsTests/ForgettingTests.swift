// Names that are forgotten: their bytes are gone, their numbers stay taken, and all others are found as before.

import Events
import Testing
import TidingsTesting

@Suite struct ForgettingTests {
    /// Everybody who was forgotten, for the vocabulary to ask.
    private final class List: ErasedNames {
        let names: [String: Int64]
        init(_ names: [String: Int64]) { self.names = names }

        func erasure(ofCustomer name: Span<UInt8>) -> Timestamp? { find(name) }
        func erasure(ofDevice name: Span<UInt8>, product: Span<UInt8>) -> Timestamp? { find(name) }

        private func find(_ name: Span<UInt8>) -> Timestamp? {
            let text = String(decoding: name.indices.map { name[$0] }, as: UTF8.self)
            return names[text].map { Timestamp(rawValue: $0) }
        }
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func customer(_ name: String, _ vocabulary: inout Vocabulary) -> CustomerID {
        vocabulary.customer(bytes(name).span) ?? .none
    }

    private func find(_ name: String, _ vocabulary: Vocabulary) -> CustomerID? {
        vocabulary.find(customer: bytes(name).span)
    }

    /// Against a dictionary: names come and go in any order, in tables of every size.
    @Test(arguments: 1...20) func theOthersAreFoundAsBefore(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var interner = Interner(seed: seed)
        var model: [String: UInt32] = [:]
        var gone: Set<UInt32> = []
        for _ in 0..<3_000 {
            let name = "n\(Int.random(in: 0..<600, using: &random))"
            if Int.random(in: 0..<3, using: &random) == 0, let known = model.randomElement(using: &random) {
                interner.forget(known.value)
                model[known.key] = nil
                gone.insert(known.value)
                #expect(interner.bytes(of: known.value).isEmpty)
            } else {
                let id = interner.intern(bytes(name).span, limit: 10_000)
                if let known = model[name] { #expect(id == known, "seed \(seed)") }
                #expect(!gone.contains(id), "seed \(seed): a number was given out again")
                model[name] = id
            }
        }
        for number in 0..<600 {
            let name = "n\(number)"
            let found = interner.find(bytes(name).span)
            #expect(found == model[name] ?? 0, "seed \(seed): \(name)")
        }
    }

    @Test func aNumberIsNotGivenOutAgain() {
        var vocabulary = Vocabulary()
        let anna = customer("anna", &vocabulary)
        let berta = customer("berta", &vocabulary)
        vocabulary.forget([.customer(berta)], isInUse: false)
        #expect(vocabulary.name(of: berta).isEmpty)
        #expect(find("berta", vocabulary) == nil)
        #expect(find("anna", vocabulary) == anna)
        // It was given out, and nothing uses it: it does not go to the names any more.
        let definitions = vocabulary.takeDefinitions()
        #expect(definitions.customers.map(\.id) == [anna])
        let again = customer("berta", &vocabulary)
        #expect(again.rawValue == berta.rawValue + 1)
        var later = Vocabulary()
        later.reserve(customers: 2, devices: 5)
        let carla = customer("carla", &later)
        #expect(carla.rawValue == 3)
        #expect(later.deviceCount == 5)
    }

    @Test func whoWasForgottenHasAStandInUntilReadmitted() throws {
        var vocabulary = Vocabulary()
        vocabulary.forgotten.list = List(["berta": 1_000])
        let standIn = customer("berta", &vocabulary)
        #expect(standIn.rawValue > ForgottenNames.firstNumber)
        let repeated = customer("berta", &vocabulary)
        #expect(repeated == standIn)
        let definitions = vocabulary.takeDefinitions()
        #expect(vocabulary.customerCount == 0 && definitions.isEmpty)
        #expect(vocabulary.readmitted(standIn) == CustomerID.none)
        #expect(vocabulary.erasure(of: standIn)?.rawValue == 1_000)
        let anna = customer("anna", &vocabulary)
        #expect(anna.rawValue == 1 && vocabulary.readmitted(anna) == nil)
        let readmitted = vocabulary.readmit(standIn)
        let new = try #require(readmitted)
        #expect(new.number.rawValue == 2 && new.name == bytes("berta"))
        #expect(vocabulary.readmitted(standIn) == new.number)
        let returned = customer("berta", &vocabulary)
        #expect(returned == new.number)
        // Forgotten once more: the old stand-in says nothing any more.
        vocabulary.forget([.customer(new.number)], isInUse: true)
        #expect(vocabulary.readmitted(standIn) == nil)
        let once = customer("berta", &vocabulary)
        #expect(once.rawValue == standIn.rawValue)
    }

    @Test func aDeviceThatWasForgottenIsNew() {
        var vocabulary = Vocabulary()
        let product = vocabulary.symbol(.product, bytes("kettle").span) ?? .none
        let old = vocabulary.device(product: product, name: bytes("k-1").span) ?? .none
        vocabulary.forgotten.list = List(["k-1": 7])
        vocabulary.forget([.device(old)], isInUse: false)
        let new = vocabulary.device(product: product, name: bytes("k-1").span) ?? .none
        #expect(new != old && vocabulary.forgotten.devices == [new.rawValue: Timestamp(rawValue: 7)])
        _ = vocabulary.device(product: product, name: bytes("k-2").span)
        #expect(vocabulary.forgotten.devices.count == 1)
        #expect(vocabulary.product(of: old) == product)
    }
}
