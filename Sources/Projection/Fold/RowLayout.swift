// What the fold relies on of how its rows lie in memory, beside how they do lie there.

/// Bytes that a constant of the code states, and those that the compiler has laid out. They are equal, or prefetches
/// fetch the wrong lines; `LayoutTests` compares them.
package enum RowLayout {
    package struct Fact: Sendable {
        package let name: String
        package let stated: Int
        package let found: Int?
    }

    package static var facts: [Fact] {
        [
            Fact(
                name: "AspectRow up to runDayRow", stated: AspectRow.runBytes,
                found: end(of: \AspectRow.runDayRow)),
            Fact(
                name: "AspectDayRow up to choices", stated: AspectDayRow.choicesBytes,
                found: end(of: \AspectDayRow.choices)),
            Fact(
                name: "AspectDayRow up to numbers", stated: AspectDayRow.countsBytes,
                found: MemoryLayout<AspectDayRow>.offset(of: \.numbers)),
            Fact(
                name: "ProductRow up to dayRow", stated: ProductRow.dayBytes,
                found: end(of: \ProductRow.dayRow)),
            Fact(
                name: "OpenDay: two lines, the second one from run", stated: 64,
                found: MemoryLayout<OpenDay>.offset(of: \.run)),
            Fact(name: "OpenDay: two lines", stated: 128, found: MemoryLayout<OpenDay>.stride),
            Fact(name: "AspectDayRow: 128 bytes", stated: 128, found: MemoryLayout<AspectDayRow>.stride),
            Fact(name: "PackedPreference: four in a line", stated: 16, found: MemoryLayout<PackedPreference>.stride),
            Fact(name: "DeviceRow: a line", stated: 64, found: MemoryLayout<DeviceRow>.stride),
        ]
    }

    /// Where a property ends.
    private static func end<Row, Value>(of path: KeyPath<Row, Value>) -> Int? {
        MemoryLayout<Row>.offset(of: path).map { $0 + MemoryLayout<Value>.size }
    }
}
