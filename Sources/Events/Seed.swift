// The random bytes that a key is made of: drawn where a name is first seen, and destroyed when it is forgotten.

import Bytes

/// 16 random bytes, of which, with the sealing secret, the key of a customer or of a product is made. Without them the
/// key cannot be made again by anybody.
@usableFromInline package struct Seed: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline package var first: UInt64
    @usableFromInline package var second: UInt64

    package static let byteCount = 16
    /// No seed.
    package static let none = Seed(first: 0, second: 0)

    package init(first: UInt64, second: UInt64) { (self.first, self.second) = (first, second) }

    /// - Parameter bytes: 16; nil for another length, and for `none`.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        func word(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(first: word(0..<8), second: word(8..<16))
        guard self != .none else { return nil }
    }

    /// A new one, of the system's generator.
    package static func drawn() -> Seed {
        var generator = SystemRandomNumberGenerator()
        return Seed(first: generator.next(), second: UInt64.random(in: 1...UInt64.max, using: &generator))
    }

    /// Most significant byte first.
    package func append(to bytes: inout [UInt8]) {
        for word in [first, second] {
            appendBigEndian(UInt32(truncatingIfNeeded: word >> 32), to: &bytes)
            appendBigEndian(UInt32(truncatingIfNeeded: word), to: &bytes)
        }
    }
}

/// Whose key seals what an event says: its customer's, or its product's when it names no customer.
package enum PartOwner: Hashable, Sendable, BitwiseCopyable {
    case customer(CustomerID)
    case product(SymbolID)

    package init(_ event: borrowing Event) {
        self = event.customer == .none ? .product(event.product) : .customer(event.customer)
    }
}
