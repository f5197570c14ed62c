// Numbers and decimals: which are whole, what decimal a float stands for, powers of ten, and how numbers are written.

/// Whole numbers at and above this magnitude cannot all be told apart as doubles, and are not taken.
@inlinable @inline(__always) package var wholeLimit: UInt64 { 1 << 53 }

/// The number as an integer, if it is integral and below 2^53.
@inlinable @inline(__always)
package func wholeNumber(_ number: Double) -> Int64? {
    guard number.magnitude < Double(wholeLimit), number.rounded(.towardZero) == number else { return nil }
    return Int64(number)
}

@usableFromInline let powersOfTen: [23 of Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
]

/// 10 to the power of 0 ... 22, exactly.
@inlinable @inline(__always)
package func powerOfTen(_ exponent: Int) -> Double { powersOfTen[exponent] }

/// The double nearest to the shortest decimal that gives this float: 0.1 for `Float(0.1)`, not 0.10000000149.
package func widened(_ number: Float) -> Double {
    let exact = Double(number)
    // Below 2^24 every integer is a float, so the shortest decimal is the one with the fewest places.
    guard exact.magnitude < 16_777_216, exact.magnitude >= 0.001 else {
        return number.isFinite && number != 0 ? Double(number.description) ?? exact : exact
    }
    for places in 0...11 {
        let candidate = (exact * powerOfTen(places)).rounded(.toNearestOrEven) / powerOfTen(places)
        if Float(candidate) == number { return candidate }
    }
    return exact
}

/// Appends a finite double as Python's `repr` writes it: the shortest decimal that gives it back.
package func appendReal(_ number: Double, to bytes: inout [UInt8]) {
    let shortest = number.description
    // Swift writes plain decimals up to 2^54, Python below 10^16; they agree everywhere else.
    guard number.magnitude >= 1e16, !shortest.utf8.contains(UInt8(ascii: "e")) else {
        bytes.append(contentsOf: shortest.utf8)
        return
    }
    var digits = Array(shortest.utf8)
    if digits.first == UInt8(ascii: "-") { bytes.append(digits.removeFirst()) }
    digits.removeLast(2)
    let exponent = digits.count - 1
    while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }
    bytes.append(digits[0])
    if digits.count > 1 { bytes.append(UInt8(ascii: ".")) }
    bytes.append(contentsOf: digits.dropFirst())
    bytes.append(contentsOf: "e+\(exponent)".utf8)
}

/// Appends an integer in decimal.
package func appendDecimal(_ number: UInt64, to bytes: inout [UInt8]) {
    guard number >= 10 else { return bytes.append(UInt8(ascii: "0") + UInt8(number)) }
    var buffer = [20 of UInt8](repeating: 0)
    var start = buffer.count
    var rest = number
    while rest > 0 {
        start -= 1
        buffer[start] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
    }
    bytes.append(copying: buffer.span.extracting(start..<buffer.count))
}

/// Appends an integer in decimal, with its sign.
package func appendDecimal(_ number: Int64, to bytes: inout [UInt8]) {
    if number < 0 { bytes.append(UInt8(ascii: "-")) }
    appendDecimal(number.magnitude, to: &bytes)
}
