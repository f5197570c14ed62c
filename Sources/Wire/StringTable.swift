// The strings that one connection has defined, and what each stands for once it has been used.
package import Events

/// A connection's string table: entries are numbered from 1 and never change.
///
/// What an entry means depends on where it is used, so each remembers one number per role. The first use of an entry
/// in a role costs a look-up in the vocabulary, every later use one array load. Bounded by its two limits: about
/// 40 bytes an entry and the bytes themselves. Owned by the thread that owns the connection; on UDP it is `reset`
/// before every datagram.
package struct StringTable: Sendable {
    enum Role: Int {
        case device, product, customer, aspect, value, unit, language, type
    }

    private struct Entry {
        var start: UInt32
        var count: UInt32
        /// By role: 0 = not looked up yet, `invalid` = cannot play this role, else the number.
        var ids: [8 of UInt32] = .init(repeating: 0)
    }

    /// Stands for a string that cannot play the role: no aspect, or too long.
    static let invalid = UInt32.max

    private var entries: [Entry] = []
    private var bytes: [UInt8] = []
    private let maxEntries: Int
    private let maxBytes: Int

    package init(maxEntries: Int = Limits.tableEntries, maxBytes: Int = Limits.tableBytes) {
        self.maxEntries = maxEntries
        self.maxBytes = maxBytes
    }

    package var count: Int { entries.count }

    /// Forgets every entry, and keeps the memory.
    package mutating func reset() {
        entries.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
    }

    /// Adds an entry.
    ///
    /// - Throws: `.tableFull`: nothing is added. `.badUTF8`: an empty entry is added, so that later numbers stay right.
    package mutating func define(_ text: Span<UInt8>) throws(Refusal) {
        guard entries.count < maxEntries, bytes.count + text.count <= maxBytes else { throw .tableFull }
        let valid = isUTF8(text)
        let count = valid ? text.count : 0
        entries.append(Entry(start: UInt32(bytes.count), count: UInt32(count)))
        guard valid else { throw .badUTF8 }
        append(text, to: &bytes)
    }

    /// The number of entry `ref` in a role, or `invalid`.
    ///
    /// - Throws: `.unknownReference`, `.vocabularyFull`; in the role of a device also `.noDevice` and `.noProduct`.
    @inline(__always)
    mutating func id(
        _ role: Role, _ ref: UInt32, _ vocabulary: inout Vocabulary
    ) throws(Refusal) -> UInt32 {
        let index = Int(ref) &- 1
        guard index >= 0, index < entries.count else { throw .unknownReference }
        let known = entries[index].ids[role.rawValue]
        if known != 0 { return known }
        return try resolve(role, index, &vocabulary)
    }

    /// The product of entry `ref`, which has been used as a device.
    @inline(__always)
    func product(_ ref: UInt32) -> UInt32 { entries[Int(ref) &- 1].ids[Role.product.rawValue] }

    @inline(never)
    private mutating func resolve(
        _ role: Role, _ index: Int, _ vocabulary: inout Vocabulary
    ) throws(Refusal) -> UInt32 {
        let start = Int(entries[index].start)
        let bytes = self.bytes
        let text = bytes.span.extracting(start..<(start + Int(entries[index].count)))
        var id: UInt32?
        switch role {
        case .device, .product:
            let found = try device(of: text, vocabulary: &vocabulary)
            entries[index].ids[Role.device.rawValue] = found.rawValue
            entries[index].ids[Role.product.rawValue] = vocabulary.product(of: found).rawValue
            return entries[index].ids[role.rawValue]
        case .customer:
            id = fits(text, Limits.customerBytes) ? vocabulary.customer(text)?.rawValue : Self.invalid
        case .aspect: id = isAspect(text) ? vocabulary.symbol(.aspect, text)?.rawValue : Self.invalid
        case .value: id = fits(text, Limits.valueBytes) ? vocabulary.symbol(.value, text)?.rawValue : Self.invalid
        case .unit: id = fits(text, Limits.unitBytes) ? vocabulary.symbol(.unit, text)?.rawValue : Self.invalid
        case .language: id = fits(text, Limits.unitBytes) ? vocabulary.symbol(.language, text)?.rawValue : Self.invalid
        case .type: id = fits(text, Limits.valueBytes) ? vocabulary.symbol(.type, text)?.rawValue : Self.invalid
        }
        guard let id else { throw .vocabularyFull }
        entries[index].ids[role.rawValue] = id
        return id
    }
}

/// Whether a string may be a name: neither empty nor over `limit` bytes.
@inline(__always)
func fits(_ text: Span<UInt8>, _ limit: Int) -> Bool { !text.isEmpty && text.count <= limit }
