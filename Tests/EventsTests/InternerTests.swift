// Names to numbers and back.

import Events
import Testing
import TidingsTesting

/// `#require` for calls that mutate.
func required<Value>(_ value: Value?, _ location: SourceLocation = #_sourceLocation) throws -> Value {
    try #require(value, sourceLocation: location)
}

@Suite struct InternerTests {
    @Test func numbersAreSequentialAndStable() {
        var interner = Interner()
        do {
            let got = interner.intern(Array("kettle".utf8).span, limit: 10)
            #expect(got == 1)
        }
        do {
            let got = interner.intern(Array("oven".utf8).span, limit: 10)
            #expect(got == 2)
        }
        do {
            let got = interner.intern(Array("kettle".utf8).span, limit: 10)
            #expect(got == 1)
        }
        do {
            let got = interner.find(Array("oven".utf8).span)
            #expect(got == 2)
        }
        do {
            let got = interner.find(Array("watch".utf8).span)
            #expect(got == 0)
        }
        #expect(Array(interner.bytes(of: 2)) == Array("oven".utf8))
        #expect(interner.bytes(of: 3).isEmpty)
        #expect(interner.bytes(of: 0).isEmpty)
    }

    @Test func equalNamesInTwoScopesAreTwoEntries() {
        var interner = Interner()
        let name = Array("k-1".utf8)
        do {
            let got = interner.intern(name.span, scope: 1, limit: 10)
            #expect(got == 1)
        }
        do {
            let got = interner.intern(name.span, scope: 2, limit: 10)
            #expect(got == 2)
        }
        #expect(interner.scope(of: 2) == 2)
    }

    @Test func theLimitRefusesNewNamesOnly() {
        var interner = Interner()
        do {
            let got = interner.intern(Array("a".utf8).span, limit: 1)
            #expect(got == 1)
        }
        do {
            let got = interner.intern(Array("b".utf8).span, limit: 1)
            #expect(got == 0)
        }
        do {
            let got = interner.intern(Array("a".utf8).span, limit: 1)
            #expect(got == 1)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func agreesWithADictionary(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var interner = Interner(seed: seed)
        var model: [[UInt8]: UInt32] = [:]
        for _ in 0..<20_000 {
            let length = Int.random(in: 0...20, using: &generator)
            let name = (0..<length).map { _ in UInt8.random(in: 97...100, using: &generator) }
            let expected = model[name] ?? UInt32(model.count + 1)
            model[name] = expected
            do {
                let got = interner.intern(name.span, limit: .max)
                #expect(got == expected, "seed \(seed)")
            }
        }
        for (name, id) in model { #expect(Array(interner.bytes(of: id)) == name, "seed \(seed)") }
    }

    /// Names are compared eight bytes at a time: a difference must count wherever it stands.
    @Test func namesThatDifferInOneByteAreTwo() {
        for length in 1...33 {
            var interner = Interner()
            let name = [UInt8](repeating: 0x61, count: length)
            _ = interner.intern(name.span, limit: .max)
            for place in 0..<length {
                var other = name
                other[place] = 0x62
                let got = interner.intern(other.span, limit: .max)
                #expect(got == UInt32(place + 2), "byte \(place) of \(length)")
            }
            let got = interner.find(name.span)
            #expect(got == 1, "\(length) bytes")
        }
    }

    @Test func restoredEntriesKeepTheirNumbersAndHoles() {
        var interner = Interner()
        interner.restore(Array("a".utf8).span, id: 3)
        interner.restore(Array("b".utf8).span, id: 7)
        for number in 0..<100 { _ = interner.intern(Array("n\(number)".utf8).span, limit: .max) }
        do {
            let got = interner.find(Array("a".utf8).span)
            #expect(got == 3)
        }
        do {
            let got = interner.find(Array("b".utf8).span)
            #expect(got == 7)
        }
        do {
            let got = interner.find(Array("n0".utf8).span)
            #expect(got == 8)
        }
        #expect(interner.bytes(of: 5).isEmpty)
        let nothing = interner.find([UInt8]().span)
        #expect(nothing == 0, "a hole is not the empty name")
    }
}

@Suite struct VocabularyTests {
    @Test func definitionsKeepTheirNamesWhenTheyAreJoined() {
        var joined = Definitions()
        for part in 0..<3 as Range<UInt32> {
            var more = Definitions()
            for id in part * 2 + 1...part * 2 + 2 {
                more.add(
                    device: DeviceID(rawValue: id), product: SymbolID(rawValue: 1), name: Array("d\(id)".utf8).span)
                more.add(customer: CustomerID(rawValue: id), name: Array("customer \(id)".utf8).span)
            }
            joined.append(more)
        }
        #expect(joined.devices.map { String(decoding: joined.name(of: $0), as: UTF8.self) } == (1...6).map { "d\($0)" })
        #expect(joined.customers.map(\.id.rawValue) == Array(1...6))
        #expect(String(decoding: joined.name(of: joined.customers[5]), as: UTF8.self) == "customer 6")
    }

    @Test func freshNamesAreHandedOutOnce() throws {
        var vocabulary = Vocabulary()
        let kettle = try required(vocabulary.symbol(.product, Array("kettle".utf8).span))
        let device = try required(vocabulary.device(product: kettle, name: Array("k-1".utf8).span))
        _ = vocabulary.customer(Array("ada".utf8).span)
        _ = vocabulary.symbol(.product, Array("kettle".utf8).span)
        let fresh = vocabulary.takeDefinitions()
        #expect(fresh.symbols == [Symbol(kind: .product, id: kettle, text: Array("kettle".utf8))])
        #expect(fresh.devices.map(\.id) == [device] && fresh.devices.map(\.product) == [kettle])
        #expect(Array(fresh.name(of: fresh.devices[0])) == Array("k-1".utf8))
        #expect(fresh.customers.count == 1)
        #expect(vocabulary.takeDefinitions().isEmpty)

        var reader = Vocabulary()
        reader.define(fresh)
        reader.define(fresh)
        #expect(Array(reader.name(of: device)) == Array("k-1".utf8))
        #expect(reader.product(of: device) == kettle)
        do {
            let got = reader.find(.product, Array("kettle".utf8).span)
            #expect(got == kettle)
        }
        #expect(reader.takeDefinitions().isEmpty)
    }

    @Test func oneNameIsAnotherDeviceInAnotherProduct() throws {
        var vocabulary = Vocabulary()
        let kettle = try required(vocabulary.symbol(.product, Array("kettle".utf8).span))
        let oven = try required(vocabulary.symbol(.product, Array("oven".utf8).span))
        let name = Array("1".utf8)
        do {
            let got = vocabulary.device(product: kettle, name: name.span)
            #expect(got != vocabulary.device(product: oven, name: name.span))
        }
    }
}

@Suite struct EventTests {
    @Test(arguments: [
        Value.none, .whole(-42), .whole(.max), .real(92.5), .symbol(SymbolID(rawValue: 7)), .flag(true), .flag(false),
    ])
    func valuesComeBack(value: Value) {
        var event = Event()
        event.value = value
        #expect(event.value == value)
    }

    @Test func daysRoundDown() {
        #expect(Timestamp(rawValue: 0).day == 0)
        #expect(Timestamp(rawValue: 86_399_999).day == 0)
        #expect(Timestamp(rawValue: 86_400_000).day == 1)
        #expect(Timestamp(rawValue: -1).day == -1)
        #expect(Timestamp(rawValue: -86_400_000).day == -1)
        #expect(Timestamp(rawValue: -86_400_001).day == -2)
    }

    @Test func aRowIsSmallAndPlain() {
        #expect(MemoryLayout<Event>.stride == 88)
    }

    @Test func textsStandInTheArena() {
        var batch = EventBatch()
        var event = Event()
        batch.setText(Array("too loud".utf8).span, of: &event)
        batch.events.append(event)
        let mark = batch.mark
        var second = Event()
        batch.setText(Array("fine".utf8).span, of: &second)
        batch.events.append(second)
        #expect(Array(batch.text(of: batch.events[1])) == Array("fine".utf8))
        batch.truncate(to: mark)
        #expect(Array(batch.text(of: batch.events[0])) == Array("too loud".utf8))
        #expect(batch.text.count == 8)
    }

    @Test func identityHashIsTheFormatsOwn() {
        // Test vectors of FNV-1a 64 (draft-eastlake-fnv).
        #expect(identityHash([UInt8]().span) == 0xcbf2_9ce4_8422_2325)
        #expect(identityHash(Array("a".utf8).span) == 0xaf63_dc4c_8601_ec8c)
        #expect(identityHash(Array("foobar".utf8).span) == 0x8594_4171_f739_67e8)
    }
}
