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
            vocabulary.probe(&searches)
            vocabulary.prefetchBytes(of: searches)
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
        vocabulary.probe(&searches)
        let device = try required(vocabulary.device(product: product, name: name(8).span, search: searches.device))
        #expect(device.rawValue == 9 || device.rawValue > 100, "the number of another name")
        #expect(Array(vocabulary.name(of: device)) == name(8))
    }
}
