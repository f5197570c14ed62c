// Ranges of ASCII. A single character is written as `UInt8(ascii:)`.

@inlinable @inline(__always) package var asciiDigits: ClosedRange<UInt8> { UInt8(ascii: "0")...UInt8(ascii: "9") }
@inlinable @inline(__always) package var asciiLowercase: ClosedRange<UInt8> { UInt8(ascii: "a")...UInt8(ascii: "z") }
@inlinable @inline(__always) package var asciiUppercase: ClosedRange<UInt8> { UInt8(ascii: "A")...UInt8(ascii: "Z") }
/// What leaves a mark on paper: neither control characters nor the space.
@inlinable @inline(__always) package var asciiVisible: ClosedRange<UInt8> { UInt8(ascii: "!")...UInt8(ascii: "~") }
