// Bytes as hexadecimal digits.

/// The lower-case hexadecimal digit of a number below 16.
@inlinable @inline(__always)
package func hexDigit(_ number: UInt8) -> UInt8 {
    number < 10 ? UInt8(ascii: "0") + number : UInt8(ascii: "a") - 10 + number
}

/// Appends the lowest lower-case digits of a number.
package func appendHexadecimal(_ number: UInt64, digits: Int, to output: inout [UInt8]) {
    for digit in (0..<digits).reversed() {
        output.append(hexDigit(UInt8(truncatingIfNeeded: number >> UInt64(4 * digit)) & 0xf))
    }
}

extension Span where Element == UInt8 {
    /// The number that the lower-case hexadecimal digits from `start` on are, up to 16; nil when there are others.
    package func hexadecimal(from start: Int) -> UInt64? {
        guard count - start <= 16 else { return nil }
        var value: UInt64 = 0
        for index in start..<count {
            switch self[index] {
            case asciiDigits: value = value << 4 | UInt64(self[index] - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"):
                value = value << 4 | UInt64(self[index] - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}

/// Two lower-case digits for each byte.
package func hexadecimal(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.flatMap { [hexDigit($0 >> 4), hexDigit($0 & 0xf)] }, as: UTF8.self)
}
