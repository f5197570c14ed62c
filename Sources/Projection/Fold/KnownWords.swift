// The few words that the fold itself understands: units that can be converted, the choices `true` and `false`, and the
// purposes of consents that gate.

import Admission
import Events

/// What some symbols mean, by their numbers in the log.
///
/// A symbol is defined no later than with the first block that uses it, so what is known when an event is folded does
/// not depend on where blocks end. After a restart these are noted again from the words in summaries.sqlite.
struct KnownWords: Sendable {
    /// By the number of the unit: 1 + its index in `MeasurementUnit.known`; 0 for any other word.
    private var units: [UInt8] = []
    /// The values `true` and `false`; 0 while the log has no such word.
    private var on: UInt64 = 0
    private var off: UInt64 = 0
    private(set) var purposes = ConsentPurposes()

    /// The texts of words that `note` has to be given after a restart.
    static var texts: [String] {
        MeasurementUnit.known.map { "\($0.name)" } + ["true", "false"] + ConsentPurpose.words.map(\.text)
    }

    mutating func note(_ kind: SymbolKind, _ id: SymbolID, _ text: [UInt8]) {
        switch kind {
        case .unit:
            let number = Int(id.rawValue)
            guard number <= Limits.symbols, let index = MeasurementUnit.index(of: text) else { return }
            if number >= units.count { units += [UInt8](repeating: 0, count: number + 1 - units.count) }
            units[number] = UInt8(index + 1)
        case .value:
            if text.elementsEqual("true".utf8) { on = UInt64(id.rawValue) }
            if text.elementsEqual("false".utf8) { off = UInt64(id.rawValue) }
            purposes.note(id, text)
        case .product, .aspect, .language, .type: break
        }
    }

    /// Nil for a unit that no other can be converted to.
    func unit(_ id: UInt32) -> MeasurementUnit? {
        guard Int(id) < units.count, units[Int(id)] > 0 else { return nil }
        return MeasurementUnit.known[Int(units[Int(id)]) - 1]
    }

    /// The flag that a choice stands for; nil for any other.
    func flag(_ choice: UInt64) -> Bool? {
        guard choice != 0 else { return nil }
        return choice == on ? true : choice == off ? false : nil
    }
}
