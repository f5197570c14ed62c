// A search is a hint: whatever it has found, the number is that of the bytes.

import Events
import Testing

@Suite struct NameSearchTests {
    private func name(_ number: Int) -> [UInt8] { Array("name-\(number)".utf8) }

    @Test func aSearchedNameHasTheNumberThatItHasWithoutASearch() throws {
        var vocabulary = Vocabulary()
        let product = try required(vocabulary.symbol(.product, name(0).span))
        for number in 0..<500 {
            _ = vocabulary.device(product: product, name: name(number).span)
            _ = vocabulary.customer(name(number).span)
        }
        for number in 0..<1_000 {
            var searches = NameSearches()
            vocabulary.search(product: name(0).span, device: name(number).span, &searches)
            vocabulary.search(customer: name(number).span, &searches)
            vocabulary.meet(&searches)
            vocabulary.approach(searches)
            let device = try required(
                vocabulary.device(product: product, name: name(number).span, search: searches.device))
            let customer = try required(vocabulary.customer(name(number).span, search: searches.customer))
            #expect(device.rawValue == UInt32(number + 1))
            #expect(customer.rawValue == UInt32(number + 1))
            #expect(searches.likelyDevice == (number < 500 ? device : .none))
        }
    }

    @Test func aSearchForOtherBytesDoesNoHarm() throws {
        var vocabulary = Vocabulary()
        let product = try required(vocabulary.symbol(.product, name(0).span))
        for number in 0..<100 { _ = vocabulary.device(product: product, name: name(number).span) }
        var searches = NameSearches()
        vocabulary.search(product: name(0).span, device: name(7).span, &searches)
        vocabulary.meet(&searches)
        let device = try required(vocabulary.device(product: product, name: name(8).span, search: searches.device))
        #expect(device.rawValue == 9 || device.rawValue > 100, "the number of another name")
        #expect(Array(vocabulary.name(of: device)) == name(8))
    }
}

@Suite struct WordsTests {
    @Test func aByteIsFoundWhereItIs() {
        for count in 0..<40 {
            for place in 0..<(count + 3) {
                var bytes = [UInt8](repeating: 0x0b, count: count)
                if place < count { bytes[place] = 0x0a }
                for start in 0...count {
                    let expected = place >= start && place < count ? place : count
                    let found = bytes.span.first(0x0a, from: start)
                    #expect(found == expected, "\(count) \(place) \(start)")
                }
            }
        }
    }

    @Test func shortWordsAreTheBytesAndZeros() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8(0xe0 + $0) }
            for start in 0...count {
                for length in 0..<min(8, count - start + 1) {
                    var expected: UInt64 = 0
                    for offset in 0..<length { expected |= UInt64(bytes[start + offset]) << UInt64(8 * offset) }
                    let word = bytes.span.shortWord(at: start, count: length)
                    #expect(word == expected, "\(count) \(start) \(length)")
                }
            }
        }
    }
}
