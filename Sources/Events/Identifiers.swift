// The small integers that stand for names on the hot path and in the log.

/// A device's pseudonym: sequential from 1, given when the device is first heard; 0 is "no device".
///
/// The log knows a device only by this number; its name is in the identity store.
@usableFromInline package struct DeviceID: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    @usableFromInline package var rawValue: UInt32
    @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
    @inlinable package static var none: DeviceID { DeviceID(rawValue: 0) }
    @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A customer's pseudonym: sequential from 1; 0 is "nobody in particular", a device-level event.
@usableFromInline package struct CustomerID: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    @usableFromInline package var rawValue: UInt32
    @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
    @inlinable package static var none: CustomerID { CustomerID(rawValue: 0) }
    @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A word of the log's vocabulary (product, aspect, choice, unit, language or type): sequential from 1 within
/// its `SymbolKind`; 0 is "absent".
@usableFromInline package struct SymbolID: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    @usableFromInline package var rawValue: UInt32
    @inlinable package init(rawValue: UInt32) { self.rawValue = rawValue }
    @inlinable package static var none: SymbolID { SymbolID(rawValue: 0) }
    @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The vocabularies; each numbers its words on its own. The raw values are part of the log format.
@usableFromInline package enum SymbolKind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case product = 1
    case aspect = 2
    /// A string value of a preference, the code of a fault, the purpose of a consent.
    case value = 3
    case unit = 4
    case language = 5
    /// A vendor's own event type.
    case type = 6

    package var name: StaticString {
        switch self {
        case .product: "product"
        case .aspect: "aspect"
        case .value: "value"
        case .unit: "unit"
        case .language: "language"
        case .type: "type"
        }
    }
}

/// A position in the log: the number of the event, from 0, without gaps, in commit order.
@usableFromInline package struct Offset: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    @usableFromInline package var rawValue: UInt64
    @inlinable package init(rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable package static var zero: Offset { Offset(rawValue: 0) }
    @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    @inlinable package static func + (a: Self, count: Int) -> Self { Offset(rawValue: a.rawValue &+ UInt64(count)) }
}

/// Milliseconds since 1970-01-01T00:00:00Z. Leap seconds as in POSIX.
@usableFromInline package struct Timestamp: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    @usableFromInline package var rawValue: Int64
    @inlinable package init(rawValue: Int64) { self.rawValue = rawValue }
    @inlinable package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// Days since 1970-01-01 (UTC), rounded down; the bucket of the daily summaries.
    @inlinable package var day: Int32 {
        let millisecondsPerDay: Int64 = 86_400_000
        return Int32(truncatingIfNeeded: (rawValue - (rawValue < 0 ? millisecondsPerDay - 1 : 0)) / millisecondsPerDay)
    }
}
