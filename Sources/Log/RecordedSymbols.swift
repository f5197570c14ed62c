// Which words the growing segment has recorded already.

package import Events

/// Which words a segment has recorded: a bit for each, by kind. A plain value; the same for every engine.
package struct RecordedSymbols: Sendable {
    private var products = Bits()
    private var aspects = Bits()
    private var values = Bits()
    private var units = Bits()
    private var languages = Bits()
    private var types = Bits()

    package init() {}

    private struct Bits {
        private var words: [UInt64] = []

        /// Whether the bit was not set before; 0 is no word.
        @inline(__always) mutating func insert(_ id: SymbolID) -> Bool {
            let index = Int(id.rawValue >> 6)
            let bit: UInt64 = 1 << UInt64(id.rawValue & 63)
            if index < words.count, words[index] & bit != 0 { return false }
            return add(id, index, bit)
        }

        private mutating func add(_ id: SymbolID, _ index: Int, _ bit: UInt64) -> Bool {
            guard id.rawValue != 0 else { return false }
            if index >= words.count { words.append(contentsOf: repeatElement(0, count: index + 1 - words.count)) }
            words[index] |= bit
            return true
        }
    }

    /// Notes a word; returns whether it is a new one.
    @discardableResult
    package mutating func insert(_ kind: SymbolKind, _ id: SymbolID) -> Bool {
        switch kind {
        case .product: products.insert(id)
        case .aspect: aspects.insert(id)
        case .value: values.insert(id)
        case .unit: units.insert(id)
        case .language: languages.insert(id)
        case .type: types.insert(id)
        }
    }

    /// Notes the words of a batch; returns the new ones.
    package mutating func add(_ batch: EventBatch) -> [(SymbolKind, SymbolID)] {
        var added: [(SymbolKind, SymbolID)] = []
        let events = batch.events.span
        for index in events.indices {
            let (product, aspect) = (events[index].product, events[index].aspect)
            if products.insert(product) { added.append((.product, product)) }
            if aspects.insert(aspect) { added.append((.aspect, aspect)) }
            if case .symbol = events[index].valueKind {
                let value = SymbolID(rawValue: UInt32(truncatingIfNeeded: events[index].valueBits))
                if values.insert(value) { added.append((.value, value)) }
            }
            if events[index].detail != 0 { add(words: batch.details(of: events[index]), &added) }
            let (unit, language, type) = (events[index].unit, events[index].language, events[index].type)
            guard unit.rawValue | language.rawValue | type.rawValue != 0 else { continue }
            if units.insert(unit) { added.append((.unit, unit)) }
            if languages.insert(language) { added.append((.language, language)) }
            if types.insert(type) { added.append((.type, type)) }
        }
        return added
    }

    private mutating func add(words details: EventDetails, _ added: inout [(SymbolKind, SymbolID)]) {
        for word in [details.notice, details.method] where values.insert(word) { added.append((.value, word)) }
    }
}
