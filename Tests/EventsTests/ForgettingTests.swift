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
            #expect(interner.find(bytes(name).span) == model[name] ?? 0, "seed \(seed): \(name)")
        }
    }

    @Test func aNumberIsNotGivenOutAgain() throws {
        var vocabulary = Vocabulary()
        let anna = try #require(vocabulary.customer(bytes("anna").span))
        let berta = try #require(vocabulary.customer(bytes("berta").span))
        vocabulary.forget([.customer(berta)], isInUse: false)
        #expect(vocabulary.name(of: berta).isEmpty)
        #expect(vocabulary.find(customer: bytes("berta").span) == nil)
        #expect(vocabulary.find(customer: bytes("anna").span) == anna)
        // It was given out, and nothing uses it: it does not go to the names any more.
        #expect(vocabulary.takeDefinitions().customers.map(\.id) == [anna])
        let again = try #require(vocabulary.customer(bytes("berta").span))
        #expect(again.rawValue == berta.rawValue + 1)
        var later = Vocabulary()
        later.reserve(customers: 2, devices: 5)
        #expect(later.customer(bytes("carla").span)?.rawValue == 3)
        #expect(later.deviceCount == 5)
    }

    @Test func whoWasForgottenHasAStandInUntilReadmitted() throws {
        var vocabulary = Vocabulary()
        vocabulary.forgotten.list = List(["berta": 1_000])
        let standIn = try #require(vocabulary.customer(bytes("berta").span))
        #expect(standIn.rawValue > ForgottenNames.firstNumber)
        #expect(vocabulary.customer(bytes("berta").span) == standIn)
        #expect(vocabulary.customerCount == 0 && vocabulary.takeDefinitions().isEmpty)
        #expect(vocabulary.readmitted(standIn) == CustomerID.none)
        #expect(vocabulary.erasure(of: standIn)?.rawValue == 1_000)
        let anna = try #require(vocabulary.customer(bytes("anna").span))
        #expect(anna.rawValue == 1 && vocabulary.readmitted(anna) == nil)
        let new = try #require(vocabulary.readmit(standIn))
        #expect(new.number.rawValue == 2 && new.name == bytes("berta"))
        #expect(vocabulary.readmitted(standIn) == new.number)
        #expect(vocabulary.customer(bytes("berta").span) == new.number)
        // Forgotten once more: the old stand-in says nothing any more.
        vocabulary.forget([.customer(new.number)], isInUse: true)
        #expect(vocabulary.readmitted(standIn) == nil)
        #expect(vocabulary.customer(bytes("berta").span)?.rawValue == standIn.rawValue)
    }

    @Test func aDeviceThatWasForgottenIsNew() throws {
        var vocabulary = Vocabulary()
        let product = try #require(vocabulary.symbol(.product, bytes("kettle").span))
        let old = try #require(vocabulary.device(product: product, name: bytes("k-1").span))
        vocabulary.forgotten.list = List(["k-1": 7])
        vocabulary.forget([.device(old)], isInUse: false)
        let new = try #require(vocabulary.device(product: product, name: bytes("k-1").span))
        #expect(new != old && vocabulary.forgotten.devices == [new.rawValue: Timestamp(rawValue: 7)])
        _ = vocabulary.device(product: product, name: bytes("k-2").span)
        #expect(vocabulary.forgotten.devices.count == 1)
        #expect(vocabulary.product(of: old) == product)
    }
}
