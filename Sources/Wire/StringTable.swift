// The strings that one connection has defined, and what each stands for once it has been used.
import Bytes
package import Events

/// A connection's string table: entries are numbered from 1 and never change.
///
/// What an entry means depends on where it is used, so each remembers the number that it had in its first role, and
/// the table those of other roles. The first use of an entry in a role costs a look-up in the vocabulary, every later
/// use one array load. Bounded by its two limits: about 20 bytes an entry and the bytes themselves. Owned by the
/// thread that owns the connection; on UDP it is `reset` before every datagram.
package struct StringTable: Sendable {
    enum Role: UInt8 {
        case device = 1
        case customer
        case aspect
        case value
        case unit
        case language
        case type
        /// Always a word of the vocabulary `value`; as `value` itself `true` and `false` are flags.
        case word
    }

    /// What an entry stands for in one role. Eight bytes: the entries of many connections are to stay in the cache.
    private struct Meaning: Sendable, BitwiseCopyable {
        /// The number, or `invalid` for a string that cannot play the role.
        var id: UInt32 = 0
        /// The role in the lowest byte, 0 = not used yet; above it, for a device, its product.
        var rest: UInt32 = 0

        init() {}

        init(_ role: Role, _ id: UInt32, product: UInt32 = 0) {
            self.id = id
            rest = UInt32(role.rawValue) | product &<< 8
        }

        var role: UInt8 { UInt8(truncatingIfNeeded: rest) }
        var product: UInt32 { rest &>> 8 }
    }

    /// Where the bytes of an entry stand.
    private struct ByteRange: Sendable, BitwiseCopyable {
        var start: UInt32
        var count: UInt32
    }

    /// Stands for a string that cannot play the role: no aspect, or too long.
    static let invalid = UInt32.max
    /// Stand for the flags, as values.
    static let isTrue = UInt32.max - 1
    static let isFalse = UInt32.max - 2
    /// From here on a number stands for no name.
    static let firstSpecial = UInt32.max - 2

    private var meanings: [Meaning] = []
    private var ranges: [ByteRange] = []
    /// What entries stand for in roles other than their first, by index and role.
    private var others: [UInt64: Meaning] = [:]
    private var bytes: [UInt8] = []
    private let maxEntries: Int
    private let maxBytes: Int

    package init(maxEntries: Int = Limits.tableEntries, maxBytes: Int = Limits.tableBytes) {
        self.maxEntries = maxEntries
        self.maxBytes = maxBytes
    }

    package var count: Int { meanings.count }

    /// Searches for some of the entries that are going to be defined; forgotten by `reset`.
    package var names = BatchNames()

    /// Searches for the names among the entries from `soughtFrom` on; there for the batch being read only.
    private var sought: [NameSearches] = []
    private var soughtFrom = 0

    /// Fewer new entries than this are not worth a search.
    private static let leastSought = 8

    /// Looks for what the entries behind the first `known` ones probably name, side by side (see `NameSearch`): a
    /// source with a product a device, any other one a customer. Words are few and near.
    mutating func seek(after known: Int, _ vocabulary: inout Vocabulary) {
        if generation != vocabulary.forgotten.generation { forgetMeanings(vocabulary.forgotten.generation) }
        guard count &- known >= Self.leastSought else { return }
        soughtFrom = known
        var sought: [NameSearches] = []
        sought.reserveCapacity(count &- known)
        for index in known..<count {
            var searches = NameSearches()
            let text = bytes.span.extracting(range(index))
            if let parts = try? DeviceSource(text), !parts.product.isEmpty {
                vocabulary.search(
                    product: text.extracting(parts.product), device: text.extracting(parts.name), &searches)
            } else {
                vocabulary.search(customer: text, &searches)
            }
            sought.append(searches)
        }
        for index in sought.indices { vocabulary.probe(&sought[index]) }
        for index in sought.indices { vocabulary.prefetchBytes(of: sought[index]) }
        self.sought = sought
    }

    /// Which names were forgotten when the meanings were looked up (`ForgottenNames.generation`).
    private var generation: UInt32 = 0

    /// A name was forgotten since the table was used last: what its entries stand for is looked up anew.
    private mutating func forgetMeanings(_ generation: UInt32) {
        self.generation = generation
        for index in meanings.indices { meanings[index] = Meaning() }
        others.removeAll(keepingCapacity: true)
    }

    /// Forgets what `seek` has found.
    mutating func forgetSought() {
        if !sought.isEmpty { sought = [] }
    }

    private func searches(_ index: Int) -> NameSearches {
        index >= soughtFrom && index &- soughtFrom < sought.count ? sought[index &- soughtFrom] : NameSearches()
    }

    /// Where the bytes of an entry stand.
    private func range(_ index: Int) -> Range<Int> {
        let start = Int(ranges[index].start)
        return start..<(start + Int(ranges[index].count))
    }

    /// Forgets every entry, and keeps the memory.
    package mutating func reset() {
        meanings.removeAll(keepingCapacity: true)
        ranges.removeAll(keepingCapacity: true)
        if !others.isEmpty { others.removeAll(keepingCapacity: true) }
        bytes.removeAll(keepingCapacity: true)
        names = BatchNames()
    }

    /// Adds an entry.
    ///
    /// - Throws: `.tableFull`: nothing is added. `.badUTF8`: an empty entry is added, so that later numbers stay right.
    package mutating func define(_ text: Span<UInt8>) throws(Refusal) {
        guard meanings.count < maxEntries, bytes.count + text.count <= maxBytes else { throw .tableFull }
        let valid = isUTF8(text)
        let count = valid ? text.count : 0
        meanings.append(Meaning())
        ranges.append(ByteRange(start: UInt32(bytes.count), count: UInt32(count)))
        guard valid else { throw .badUTF8 }
        bytes.append(copying: text)
    }

    /// Asks for the memory of the whole table, if a batch of this many events is going to use enough of it. The events
    /// of many connections take turns, so each finds its own table gone; in a row the fetches do not wait for one
    /// another, as those of the events would.
    func prefetch(forEvents count: Int) {
        let meanings = meanings.span
        guard meanings.count <= count &* Self.prefetchedPerEvent else { return }
        var index = 0
        while index < meanings.count {
            meanings.prefetch(index, bytes: 1)
            index &+= Self.entriesPerLine
        }
    }

    /// Entries in a line of the cache; and how many are worth fetching for each event.
    private static let entriesPerLine = 8
    private static let prefetchedPerEvent = 16

    /// The number of entry `ref` in a role, or `invalid`.
    ///
    /// - Throws: `.unknownReference`, `.vocabularyFull`, `.tooLong` for a customer.
    @inline(__always)
    mutating func id(
        _ role: Role, _ ref: UInt32, _ vocabulary: inout Vocabulary
    ) throws(Refusal) -> UInt32 {
        try meaning(role, ref, &vocabulary).id
    }

    /// The device that entry `ref` names, and its product.
    ///
    /// - Throws: as `id`, and `.noDevice`, `.noProduct` and `.tooLong`.
    @inline(__always)
    mutating func device(
        _ ref: UInt32, _ vocabulary: inout Vocabulary
    ) throws(Refusal) -> (device: UInt32, product: UInt32) {
        let meaning = try meaning(.device, ref, &vocabulary)
        return (meaning.id, meaning.product)
    }

    /// The bytes of entry `ref`; empty when there is none.
    func text(_ ref: UInt32) -> ArraySlice<UInt8> {
        let index = Int(ref) - 1
        return ranges.indices.contains(index) ? bytes[range(index)] : []
    }

    @inline(__always)
    private mutating func meaning(
        _ role: Role, _ ref: UInt32, _ vocabulary: inout Vocabulary
    ) throws(Refusal) -> Meaning {
        let index = Int(ref) &- 1
        guard index >= 0, index < meanings.count else { throw .unknownReference }
        let known = meanings[index]
        if known.role == role.rawValue { return known }
        return try resolve(role, index, &vocabulary)
    }

    @inline(never)
    private mutating func resolve(
        _ role: Role, _ index: Int, _ vocabulary: inout Vocabulary
    ) throws(Refusal) -> Meaning {
        let isFirst = meanings[index].role == 0
        let key = UInt64(index) << 8 | UInt64(role.rawValue)
        if !isFirst, let known = others[key] { return known }
        let found = try lookUp(role, index, &vocabulary)
        if isFirst { meanings[index] = found } else { others[key] = found }
        return found
    }

    private func lookUp(
        _ role: Role, _ index: Int, _ vocabulary: inout Vocabulary
    ) throws(Refusal) -> Meaning {
        let text = bytes.span.extracting(range(index))
        let ref = UInt32(truncatingIfNeeded: index &+ 1)
        let search = names.search(role, ref)
        var id: UInt32?
        switch role {
        case .device:
            let found = try productAndDevice(
                of: text, searches: sought.isEmpty ? names.deviceSearches(ref) : searches(index),
                vocabulary: &vocabulary)
            return Meaning(.device, found.device.rawValue, product: found.product.rawValue)
        case .customer:
            let search = sought.isEmpty ? search : searches(index).customer
            guard text.count <= Limits.customerBytes else { throw .tooLong }
            id = text.isEmpty ? Self.invalid : vocabulary.customer(text, search: search)?.rawValue
        case .aspect:
            id = isAspect(text) ? vocabulary.symbol(.aspect, text, search: search)?.rawValue : Self.invalid
        case .value, .word:
            if role == .value, let flag = flag(text) { return Meaning(role, flag ? Self.isTrue : Self.isFalse) }
            id =
                fits(text, Limits.valueBytes)
                ? vocabulary.symbol(.value, text, search: search)?.rawValue : Self.invalid
        case .unit: id = fits(text, Limits.unitBytes) ? vocabulary.symbol(.unit, text)?.rawValue : Self.invalid
        case .language: id = fits(text, Limits.unitBytes) ? vocabulary.symbol(.language, text)?.rawValue : Self.invalid
        case .type: id = fits(text, Limits.valueBytes) ? vocabulary.symbol(.type, text)?.rawValue : Self.invalid
        }
        guard let id else { throw role == .customer ? vocabulary.refusal(of: text) : .vocabularyFull }
        return Meaning(role, id)
    }
}

/// Whether a string may be a name: neither empty nor over `limit` bytes.
@inline(__always)
func fits(_ text: Span<UInt8>, _ limit: Int) -> Bool { !text.isEmpty && text.count <= limit }
