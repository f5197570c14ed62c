// All names that the daemon knows, and which of them the log has still to be told.

import Bytes

/// A word of the log's vocabulary, as it is written beside the first block that uses it.
@usableFromInline package struct Symbol: Hashable, Sendable {
    package var kind: SymbolKind
    package var id: SymbolID
    package var text: [UInt8]

    package init(kind: SymbolKind, id: SymbolID, text: [UInt8]) {
        self.kind = kind
        self.id = id
        self.text = text
    }
}

/// A device that has been given a name, for the identity store.
@usableFromInline package struct DeviceName: Sendable, BitwiseCopyable {
    package var id: DeviceID
    package var product: SymbolID
    /// Where the name stands.
    fileprivate var range: NameRange
}

/// A customer that has been given a name, for the identity store.
@usableFromInline package struct CustomerName: Sendable, BitwiseCopyable {
    package var id: CustomerID
    /// What the customer's key is made of; `none` where the names are only read.
    package var seed: Seed
    fileprivate var range: NameRange
}

/// What the key of a product is made of.
@usableFromInline package struct ProductSeed: Sendable, BitwiseCopyable {
    package var product: SymbolID
    package var seed: Seed
}

/// A part of the names of some definitions.
private struct NameRange: Sendable, BitwiseCopyable {
    var start: Int
    var count: Int

    func moved(by distance: Int) -> NameRange { NameRange(start: start + distance, count: count) }
}

/// Names that were first used by the events of one block: symbols go beside the block, the others to the identity
/// store, which is committed first.
@usableFromInline package struct Definitions: Equatable, Sendable {
    package var symbols: [Symbol] = []
    package private(set) var devices: [DeviceName] = []
    package private(set) var customers: [CustomerName] = []
    /// Of the products among `symbols` that were named anew.
    package private(set) var productSeeds: [ProductSeed] = []
    /// The names of devices and customers, back to back: at start there is one for each that the log knows.
    private var names: [UInt8] = []

    package init() {}

    package var isEmpty: Bool { symbols.isEmpty && devices.isEmpty && customers.isEmpty }

    package mutating func add(device id: DeviceID, product: SymbolID, name: Span<UInt8>) {
        devices.append(DeviceName(id: id, product: product, range: keep(name)))
    }

    package mutating func add(customer id: CustomerID, name: Span<UInt8>, seed: Seed = .none) {
        customers.append(CustomerName(id: id, seed: seed, range: keep(name)))
    }

    package mutating func add(seed: Seed, of product: SymbolID) {
        productSeeds.append(ProductSeed(product: product, seed: seed))
    }

    private mutating func keep(_ name: Span<UInt8>) -> NameRange {
        let start = names.count
        names.append(copying: name)
        return NameRange(start: start, count: name.count)
    }

    /// Whether a byte stands in the name of a device or a customer.
    package func haveNames(with byte: UInt8) -> Bool { names.span.first(byte, from: 0) < names.count }

    /// The UTF-8 of the name of one of `devices`.
    package func name(of device: DeviceName) -> ArraySlice<UInt8> { name(device.range) }

    /// The UTF-8 of the name of one of `customers`.
    package func name(of customer: CustomerName) -> ArraySlice<UInt8> { name(customer.range) }

    private func name(_ range: NameRange) -> ArraySlice<UInt8> { names[range.start..<range.start + range.count] }

    /// Whether both give the same names to the same numbers, in the same order; whatever their seeds are.
    @usableFromInline package static func == (a: Definitions, b: Definitions) -> Bool {
        a.symbols == b.symbols
            && a.devices.elementsEqual(b.devices) {
                $0.id == $1.id && $0.product == $1.product && a.name(of: $0) == b.name(of: $1)
            } && a.customers.elementsEqual(b.customers) { $0.id == $1.id && a.name(of: $0) == b.name(of: $1) }
    }

    /// Takes names back that were given out: nothing uses them.
    package mutating func remove(_ pseudonyms: [Pseudonym]) {
        guard !devices.isEmpty || !customers.isEmpty else { return }
        let gone = Set(pseudonyms)
        for device in devices where gone.contains(.device(device.id)) { blank(device.range) }
        for customer in customers where gone.contains(.customer(customer.id)) { blank(customer.range) }
        devices.removeAll { gone.contains(.device($0.id)) }
        customers.removeAll { gone.contains(.customer($0.id)) }
    }

    private mutating func blank(_ range: NameRange) {
        for index in range.start..<(range.start + range.count) { names[index] = 0 }
    }

    package mutating func append(_ other: Definitions) {
        guard !isEmpty else {
            self = other
            return
        }
        let distance = names.count
        symbols += other.symbols
        productSeeds += other.productSeeds
        names += other.names
        for device in other.devices {
            let range = device.range.moved(by: distance)
            devices.append(DeviceName(id: device.id, product: device.product, range: range))
        }
        for customer in other.customers {
            var moved = customer
            moved.range = customer.range.moved(by: distance)
            customers.append(moved)
        }
    }
}

/// Names to numbers and back, for symbols, devices and customers.
///
/// Owned by one thread at a time. The ingest event loop has the one that gives out numbers; readers of the log build
/// their own with `define`.
package struct Vocabulary: Sendable {
    var products = Interner()
    private(set) var aspects = Interner()
    private(set) var values = Interner()
    private var units = Interner()
    private var languages = Interner()
    private var types = Interner()
    var devices = Interner()
    var customers = Interner()
    /// Names given out since the last `takeDefinitions`.
    var pending = Definitions()
    /// Those that were forgotten.
    package var forgotten = ForgottenNames()
    /// How many more names may be given out; known ones are found even when it is 0. For the quota of a sender.
    package var newNames = Int.max
    /// Whether devices and customers get no new name that has an @ in it; known ones are found all the same.
    package var refusesEmails = false
    package static let at = UInt8(ascii: "@")
    /// The aspects whose values are no words of this vocabulary.
    package private(set) var personal = PersonalAspects()
    /// The last word that was given out as a value, until somebody has asked whose it is.
    package var newestValue = SymbolID.none
    /// The devices that whoever sends now may name, known or not; nil for all.
    package var scope: Scope?

    package init() {}

    /// The number of a word, given out if it is new; nil when the vocabulary is full (`Limits.symbols`)
    /// or there are no `newNames` left.
    package mutating func symbol(
        _ kind: SymbolKind, _ text: Span<UInt8>, search: NameSearch = NameSearch()
    ) -> SymbolID? {
        let limit = newNames > 0 ? Limits.symbols : 0
        let (known, id) = withInterner(kind) { ($0.count, $0.intern(text, limit: limit, search: search)) }
        if Int(id) > known {
            newNames -= 1
            pending.symbols.append(Symbol(kind: kind, id: SymbolID(rawValue: id), text: Array(copying: text)))
            if case .value = kind { newestValue = SymbolID(rawValue: id) }
            if case .aspect = kind { personal.note(text, SymbolID(rawValue: id)) }
            if case .product = kind { pending.add(seed: .drawn(), of: SymbolID(rawValue: id)) }
        }
        return id == 0 ? nil : SymbolID(rawValue: id)
    }

    /// A product and a device of it, as one who sends names them. Their numbers are given out if they are new, and not
    /// before it is known that they may be: a name that is refused leaves nothing behind.
    ///
    /// - Throws: `.forbidden` outside the `scope`, `.badIdentity`, `.vocabularyFull`.
    package mutating func device(
        product: Span<UInt8>, name: Span<UInt8>, searches: NameSearches = NameSearches()
    ) throws(Refusal) -> (product: SymbolID, device: DeviceID) {
        if let scope, !scope.contains(product: product, name: name) { throw .forbidden }
        guard let productID = symbol(.product, product, search: searches.product) else { throw .vocabularyFull }
        guard let id = device(product: productID, name: name, search: searches.device) else {
            throw refusal(of: name)
        }
        return (productID, id)
    }

    /// The pseudonym of a product's device, given out if it is new; nil when there are `Limits.devices` or no
    /// `newNames` left.
    package mutating func device(
        product: SymbolID, name: Span<UInt8>, search: NameSearch = NameSearch()
    ) -> DeviceID? {
        let known = devices.count
        let limit = mayBeNew(name) ? Limits.devices : 0
        let id = devices.intern(name, scope: product.rawValue, limit: limit, search: search)
        if Int(id) > known {
            newNames -= 1
            pending.add(device: DeviceID(rawValue: id), product: product, name: name)
            if forgotten.list != nil { noteReturn(of: DeviceID(rawValue: id), name: name, product: product) }
        }
        return id == 0 ? nil : DeviceID(rawValue: id)
    }

    /// The pseudonym of a customer, given out if it is new; nil when there are `Limits.customers` or no `newNames`
    /// left.
    package mutating func customer(_ name: Span<UInt8>, search: NameSearch = NameSearch()) -> CustomerID? {
        if forgotten.list != nil {
            let id = customers.intern(name, limit: 0, search: search)
            if id != 0 { return CustomerID(rawValue: id) }
            if let standIn = forgottenCustomer(name) { return standIn }
        }
        return newCustomer(name, search: search)
    }

    /// As `customer`, for one who was not forgotten.
    mutating func newCustomer(_ name: Span<UInt8>, search: NameSearch = NameSearch()) -> CustomerID? {
        let known = customers.count
        let id = customers.intern(name, limit: mayBeNew(name) ? Limits.customers : 0, search: search)
        if Int(id) > known {
            newNames -= 1
            pending.add(customer: CustomerID(rawValue: id), name: name, seed: .drawn())
        }
        return id == 0 ? nil : CustomerID(rawValue: id)
    }

    /// Names the aspects whose values say something about one person.
    package mutating func setPersonalAspects(_ names: Set<[UInt8]>) {
        var changed = personal
        changed.change(to: names) { find(.aspect, $0) }
        personal = changed
    }

    /// Counts a word that is new, as a value of an aspect; returns whether it is one too many.
    package mutating func noteWord(of aspect: SymbolID) -> Bool { personal.noteWord(of: aspect) }

    /// Why a device or a customer has got no number.
    package func refusal(of name: Span<UInt8>) -> Refusal {
        refusesEmails && hasAt(name) ? .badIdentity : .vocabularyFull
    }

    /// Whether a device or a customer may get this name, if it is not known.
    private func mayBeNew(_ name: Span<UInt8>) -> Bool { newNames > 0 && !(refusesEmails && hasAt(name)) }

    private func hasAt(_ name: Span<UInt8>) -> Bool { name.first(Self.at, from: 0) < name.count }

    /// The names given out since the last call.
    package mutating func takeDefinitions() -> Definitions {
        let taken = pending
        pending = Definitions()
        return taken
    }

    /// Puts back names read from a log and an identity store. The order of numbers
    /// does not matter; a number that has a name keeps it.
    package mutating func define(_ definitions: Definitions) {
        define(words: definitions.symbols)
        for device in definitions.devices {
            let name = definitions.name(of: device)
            devices.restore(name.span, scope: device.product.rawValue, id: device.id.rawValue)
        }
        for customer in definitions.customers {
            customers.restore(definitions.name(of: customer).span, id: customer.id.rawValue)
        }
    }

    /// The same for words alone.
    package mutating func define(words: [Symbol]) {
        for symbol in words {
            withInterner(symbol.kind) { $0.restore(symbol.text.span, id: symbol.id.rawValue) }
        }
    }

    /// Keeps a kind's numbers up to `id` from being given out again: they were in use, under words that are lost.
    package mutating func reserve(_ kind: SymbolKind, upTo id: UInt32) {
        withInterner(kind) { $0.reserve(upTo: id) }
    }

    /// The number of a known word, or nil.
    package func find(_ kind: SymbolKind, _ text: Span<UInt8>) -> SymbolID? {
        let id = interner(kind).find(text)
        return id == 0 ? nil : SymbolID(rawValue: id)
    }

    /// The number of a known device, or nil.
    package func find(device name: Span<UInt8>, of product: SymbolID) -> DeviceID? {
        let id = devices.find(name, scope: product.rawValue)
        return id == 0 ? nil : DeviceID(rawValue: id)
    }

    /// The UTF-8 of a word; empty when unknown.
    package func text(_ kind: SymbolKind, _ id: SymbolID) -> ArraySlice<UInt8> {
        interner(kind).bytes(of: id.rawValue)
    }

    /// The UTF-8 of a device's name; empty when unknown or forgotten.
    package func name(of device: DeviceID) -> ArraySlice<UInt8> { devices.bytes(of: device.rawValue) }

    /// The product that a device belongs to.
    package func product(of device: DeviceID) -> SymbolID {
        SymbolID(rawValue: devices.scope(of: device.rawValue))
    }

    /// The UTF-8 of a customer's name; empty when unknown or forgotten.
    package func name(of customer: CustomerID) -> ArraySlice<UInt8> { customers.bytes(of: customer.rawValue) }

    /// The words of a kind by their numbers; the first is of none.
    package func texts(_ kind: SymbolKind) -> [[UInt8]] {
        (0...count(kind)).map { Array(text(kind, SymbolID(rawValue: UInt32($0)))) }
    }

    package func count(_ kind: SymbolKind) -> Int { interner(kind).count }
    package var deviceCount: Int { devices.count }
    package var customerCount: Int { customers.count }

    private func interner(_ kind: SymbolKind) -> Interner {
        switch kind {
        case .product: products
        case .aspect: aspects
        case .value: values
        case .unit: units
        case .language: languages
        case .type: types
        }
    }

    private mutating func withInterner<Result>(_ kind: SymbolKind, _ body: (inout Interner) -> Result) -> Result {
        switch kind {
        case .product: body(&products)
        case .aspect: body(&aspects)
        case .value: body(&values)
        case .unit: body(&units)
        case .language: body(&languages)
        case .type: body(&types)
        }
    }
}

// MARK: Names that are not to be kept

extension Definitions {
    /// Takes customers out. The bytes of their names stay in memory as long as the others.
    package mutating func removeCustomers(where isRemoved: (CustomerID) -> Bool) {
        customers.removeAll { isRemoved($0.id) }
    }

    /// Adds a customer of other definitions, as it is defined there.
    package mutating func add(_ customer: CustomerName, of other: borrowing Definitions) {
        var added = customer
        added.range = keep(other.name(of: customer).span)
        customers.append(added)
    }
}
