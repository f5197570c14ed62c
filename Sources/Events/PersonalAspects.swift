// Aspects whose values say something about one person: those of the configuration, and those with too many words.

import Bytes

/// Which aspects have values that are kept apart from the vocabulary, sealed with what else people say.
///
/// A plain value; owned by the thread that owns the vocabulary.
package struct PersonalAspects: Sendable {
    /// `privacy.personal_aspects`: the names.
    private var names: Set<[UInt8]> = []
    /// By the aspect's number: whether its values are personal.
    private var marks: [Bool] = []
    /// By the aspect's number: how many words of the vocabulary were first used as its value.
    private var words: [UInt16] = []
    /// Whether there is any such aspect.
    package private(set) var isAny = false

    package init() {}

    package func contains(_ aspect: SymbolID) -> Bool {
        Int(aspect.rawValue) < marks.count && marks[Int(aspect.rawValue)]
    }

    /// Replaces the names; aspects that have had too many words stay.
    mutating func change(to names: Set<[UInt8]>, number: (Span<UInt8>) -> SymbolID?) {
        self.names = names
        marks = []
        isAny = false
        for (aspect, count) in words.enumerated() where count > Limits.valuesOfAspect {
            mark(SymbolID(rawValue: UInt32(aspect)))
        }
        for name in names { if let aspect = number(name.span) { mark(aspect) } }
    }

    /// An aspect was named for the first time.
    mutating func note(_ name: Span<UInt8>, _ aspect: SymbolID) {
        if !names.isEmpty, names.contains(Array(copying: name)) { mark(aspect) }
    }

    /// A word is new in the vocabulary and was used as an aspect's value.
    ///
    /// - Returns: whether it is one more than an aspect may have.
    mutating func noteWord(of aspect: SymbolID) -> Bool {
        let index = Int(aspect.rawValue)
        if index >= words.count { words.append(contentsOf: repeatElement(0, count: index + 1 - words.count)) }
        words[index] = min(words[index] + 1, UInt16(Limits.valuesOfAspect) + 1)
        guard words[index] > Limits.valuesOfAspect else { return false }
        mark(aspect)
        return true
    }

    private mutating func mark(_ aspect: SymbolID) {
        let index = Int(aspect.rawValue)
        if index >= marks.count { marks.append(contentsOf: repeatElement(false, count: index + 1 - marks.count)) }
        marks[index] = true
        isAny = true
    }
}
