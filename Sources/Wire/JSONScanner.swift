// The grammar of JSON (RFC 8259) over a span: every function reads one thing at an offset and moves it behind.
import Bytes
import Events

/// A string as it stands in a line, between its quotes and with its escapes; or a number. `start == 0` means there is
/// none, since no value of an object can start there.
struct JSONToken: Equatable {
    var start: UInt32 = 0
    var end: UInt32 = 0
    var isEscaped = false

    @inline(__always) var isPresent: Bool { start != 0 }
    @inline(__always) var range: Range<Int> { Int(start)..<Int(end) }
}

/// Moves behind white space and returns the byte there; 0 at the end.
@inline(__always)
func nextByte(_ line: Span<UInt8>, _ at: inout Int) -> UInt8 {
    while at < line.count {
        let byte = line[at]
        if byte > 0x20 { return byte }
        guard
            byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
                || byte == UInt8(ascii: "\t")
        else { return byte == 0 ? 1 : byte }
        at &+= 1
    }
    return 0
}

/// Moves behind `byte`, which must be next but for white space.
@inline(__always)
func expect(_ byte: UInt8, _ line: Span<UInt8>, _ at: inout Int) throws(Refusal) {
    guard nextByte(line, &at) == byte else { throw .malformedJSON }
    at &+= 1
}

/// Reads a string whose opening quote is at `at`.
///
/// - Throws: `.malformedJSON` (no end, a bare control character, an unknown escape), `.badUTF8` (half a surrogate
///   pair).
@inline(__always)
func readText(_ line: Span<UInt8>, _ at: inout Int) throws(Refusal) -> JSONToken {
    at &+= 1
    let start = at
    while at &+ 8 <= line.count {
        let word = line.word(at: at)
        let special = zeroBytes(word ^ 0x2222_2222_2222_2222) | zeroBytes(word ^ 0x5c5c_5c5c_5c5c_5c5c)
        let control = (word &- 0x2020_2020_2020_2020) & ~word & 0x8080_8080_8080_8080
        let found = special | control
        if found != 0 {
            // The lowest mark is certain; the byte there is looked at below.
            at &+= found.trailingZeroBitCount &>> 3
            break
        }
        at &+= 8
    }
    while at < line.count {
        let byte = line[at]
        if byte == UInt8(ascii: "\"") {
            at &+= 1
            return JSONToken(start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: at &- 1))
        }
        if byte < 0x20 { throw .malformedJSON }
        if byte == UInt8(ascii: "\\") { return try readEscapedText(line, &at, start) }
        at &+= 1
    }
    throw .malformedJSON
}

@inline(never)
private func readEscapedText(_ line: Span<UInt8>, _ at: inout Int, _ start: Int) throws(Refusal) -> JSONToken {
    while at < line.count {
        let byte = line[at]
        at += 1
        if byte == UInt8(ascii: "\"") { return JSONToken(start: UInt32(start), end: UInt32(at - 1), isEscaped: true) }
        if byte < 0x20 { throw .malformedJSON }
        guard byte == UInt8(ascii: "\\") else { continue }
        guard at < line.count else { throw .malformedJSON }
        let escape = line[at]
        at += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            break
        case UInt8(ascii: "u"): _ = try readUnicodeEscape(line, &at)
        default: throw .malformedJSON
        }
    }
    throw .malformedJSON
}

/// Reads what stands behind `\u`: one code unit, or two that are a surrogate pair.
private func readUnicodeEscape(_ line: Span<UInt8>, _ at: inout Int) throws(Refusal) -> UInt32 {
    let unit = try readHex(line, &at)
    switch unit {
    case 0xd800..<0xdc00:
        guard at + 1 < line.count, line[at] == UInt8(ascii: "\\"), line[at + 1] == UInt8(ascii: "u") else {
            throw .badUTF8
        }
        at += 2
        let low = try readHex(line, &at)
        guard (0xdc00..<0xe000).contains(low) else { throw .badUTF8 }
        return 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
    case 0xdc00..<0xe000: throw .badUTF8
    default: return unit
    }
}

private func readHex(_ line: Span<UInt8>, _ at: inout Int) throws(Refusal) -> UInt32 {
    guard at + 4 <= line.count else { throw .malformedJSON }
    var value: UInt32 = 0
    for _ in 0..<4 {
        let byte = line[at]
        at += 1
        switch byte {
        case asciiDigits: value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
        default: throw .malformedJSON
        }
    }
    return value
}

/// The UTF-8 that a scanned string stands for.
func unescaped(_ line: Span<UInt8>, _ text: JSONToken) throws(Refusal) -> [UInt8] {
    var plain: [UInt8] = []
    plain.reserveCapacity(text.range.count)
    var at = Int(text.start)
    while at < Int(text.end) {
        let byte = line[at]
        at += 1
        guard byte == UInt8(ascii: "\\") else {
            plain.append(byte)
            continue
        }
        let escape = line[at]
        at += 1
        switch escape {
        case UInt8(ascii: "b"): plain.append(0x08)
        case UInt8(ascii: "f"): plain.append(0x0c)
        case UInt8(ascii: "n"): plain.append(UInt8(ascii: "\n"))
        case UInt8(ascii: "r"): plain.append(UInt8(ascii: "\r"))
        case UInt8(ascii: "t"): plain.append(UInt8(ascii: "\t"))
        case UInt8(ascii: "u"): appendScalar(try readUnicodeEscape(line, &at), to: &plain)
        default: plain.append(escape)
        }
    }
    return plain
}

private func appendScalar(_ scalar: UInt32, to bytes: inout [UInt8]) {
    func tail(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(truncatingIfNeeded: scalar >> shift) & 0x3f }
    switch scalar {
    case 0..<0x80: bytes.append(UInt8(scalar))
    case 0x80..<0x800: bytes += [0xc0 | UInt8(scalar >> 6), tail(0)]
    case 0x800..<0x10000: bytes += [0xe0 | UInt8(scalar >> 12), tail(6), tail(0)]
    default: bytes += [0xf0 | UInt8(scalar >> 18), tail(12), tail(6), tail(0)]
    }
}

/// Gives `body` the UTF-8 that a scanned string stands for; copies only when it holds escapes.
@inline(__always)
func withPlain<Result>(
    _ line: Span<UInt8>, _ text: JSONToken, _ body: (Span<UInt8>) throws(Refusal) -> Result
) throws(Refusal) -> Result {
    guard text.isEscaped else { return try body(line.extracting(text.range)) }
    let plain = try unescaped(line, text)
    return try body(plain.span)
}

/// A number as it stands in a line, taken apart.
struct JSONNumber: Equatable {
    var isNegative = false
    /// Neither fraction nor exponent.
    var isInteger = true
    /// Whether `mantissa` holds all digits.
    var isExact = true
    /// All digits, as one integer.
    var mantissa: UInt64 = 0
    /// The power of ten to multiply the mantissa with.
    var exponent = 0
}

/// Reads a number that starts at `at`.
@inline(__always)
func readNumber(_ line: Span<UInt8>, _ at: inout Int) throws(Refusal) -> JSONNumber {
    var number = JSONNumber()
    if line[at] == UInt8(ascii: "-") {
        number.isNegative = true
        at &+= 1
    }
    let first = at
    readDigits(line, &at, &number)
    guard at > first, at == first &+ 1 || line[first] != UInt8(ascii: "0") else { throw .malformedJSON }
    if at < line.count, line[at] == UInt8(ascii: ".") {
        at &+= 1
        number.isInteger = false
        let fraction = at
        readDigits(line, &at, &number)
        guard at > fraction else { throw .malformedJSON }
        number.exponent = fraction &- at
    }
    if at < line.count, line[at] | 0x20 == UInt8(ascii: "e") { try readExponent(line, &at, &number) }
    return number
}

@inline(__always)
private func readDigits(_ line: Span<UInt8>, _ at: inout Int, _ number: inout JSONNumber) {
    while at < line.count {
        let digit = line[at] &- UInt8(ascii: "0")
        guard digit < 10 else { return }
        at &+= 1
        let (tenfold, overflow) = number.mantissa.multipliedReportingOverflow(by: 10)
        let (sum, carry) = tenfold.addingReportingOverflow(UInt64(digit))
        if overflow || carry { number.isExact = false }
        number.mantissa = sum
    }
}

private func readExponent(_ line: Span<UInt8>, _ at: inout Int, _ number: inout JSONNumber) throws(Refusal) {
    at += 1
    number.isInteger = false
    var isNegative = false
    if at < line.count, line[at] == UInt8(ascii: "+") || line[at] == UInt8(ascii: "-") {
        isNegative = line[at] == UInt8(ascii: "-")
        at += 1
    }
    let first = at
    var exponent = 0
    while at < line.count, line[at] &- UInt8(ascii: "0") < 10 {
        exponent = min(exponent * 10 + Int(line[at] - UInt8(ascii: "0")), 1_000_000)
        at += 1
    }
    guard at > first else { throw .malformedJSON }
    number.exponent += isNegative ? -exponent : exponent
}

/// The value that a number stands for; nil when it cannot be held exactly enough: an integer of 2^53 or more, or
/// anything beyond the range of a double.
func value(of text: JSONToken, _ line: Span<UInt8>) throws(Refusal) -> Value? {
    var at = Int(text.start)
    let number = try readNumber(line, &at)
    if number.isInteger {
        guard number.isExact, number.mantissa < wholeLimit else { return nil }
        return .whole(number.isNegative ? -Int64(number.mantissa) : Int64(number.mantissa))
    }
    var real: Double
    if number.isExact, number.mantissa < wholeLimit, number.exponent.magnitude <= 22 {
        // Both are exact doubles, so one rounding gives the nearest one.
        real = Double(number.mantissa)
        if number.exponent < 0 { real /= powerOfTen(-number.exponent) } else { real *= powerOfTen(number.exponent) }
        if number.isNegative { real = -real }
    } else {
        let digits = Array(copying: line.extracting(text.range))
        guard let parsed = Double(String(decoding: digits, as: UTF8.self)), parsed.isFinite else { return nil }
        real = parsed
    }
    if let whole = wholeNumber(real) { return .whole(whole) }
    return .real(real)
}

/// The value of bytes that are a number; nil when it cannot be held.
func number(_ bytes: Span<UInt8>) -> Value? {
    let token = JSONToken(start: 0, end: UInt32(truncatingIfNeeded: bytes.count))
    return (try? value(of: token, bytes)).flatMap(\.self)
}

/// The number as an unsigned integer of up to 64 bits, exactly; nil when it is none. `42`, `42.0` and `4.2e1` are one
/// number, as JSON and the schemas have it.
func unsigned(_ text: JSONToken, _ line: Span<UInt8>) throws(Refusal) -> UInt64? {
    var at = Int(text.start)
    return try readNumber(line, &at).exactUnsigned
}

extension JSONNumber {
    /// The value as an unsigned integer, however it is written.
    fileprivate var exactUnsigned: UInt64? {
        if mantissa == 0, isExact { return 0 }
        guard isExact, !isNegative else { return nil }
        var value = mantissa
        var left = exponent
        while left < 0, value.isMultiple(of: 10) {
            value /= 10
            left += 1
        }
        while left > 0 {
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            value = tenfold
            left -= 1
        }
        return left == 0 ? value : nil
    }
}

/// Moves behind a literal whose first byte is at `at`.
func readLiteral(_ literal: StaticString, _ line: Span<UInt8>, _ at: inout Int) throws(Refusal) {
    for byte in literal.description.utf8 {
        guard at < line.count, line[at] == byte else { throw .malformedJSON }
        at += 1
    }
}

/// Moves behind any value, which is checked as strictly as one that is read.
///
/// - Parameter depth: how many arrays and objects the value stands in.
/// - Throws: `.malformedJSON`, `.badUTF8`, `.duplicateKey`, `.tooDeep`.
func skipValue(_ line: Span<UInt8>, _ at: inout Int, depth: Int) throws(Refusal) {
    switch nextByte(line, &at) {
    case UInt8(ascii: "\""): _ = try readText(line, &at)
    case UInt8(ascii: "{"): try skipObject(line, &at, depth: depth + 1)
    case UInt8(ascii: "["): try skipArray(line, &at, depth: depth + 1)
    case UInt8(ascii: "-"), asciiDigits: _ = try readNumber(line, &at)
    case UInt8(ascii: "t"): try readLiteral("true", line, &at)
    case UInt8(ascii: "f"): try readLiteral("false", line, &at)
    case UInt8(ascii: "n"): try readLiteral("null", line, &at)
    default: throw .malformedJSON
    }
}

private func skipArray(_ line: Span<UInt8>, _ at: inout Int, depth: Int) throws(Refusal) {
    guard depth <= Limits.jsonDepth else { throw .tooDeep }
    at += 1
    if nextByte(line, &at) == UInt8(ascii: "]") {
        at += 1
        return
    }
    while true {
        try skipValue(line, &at, depth: depth)
        if nextByte(line, &at) == UInt8(ascii: "]") { break }
        try expect(UInt8(ascii: ","), line, &at)
    }
    at += 1
}

private func skipObject(_ line: Span<UInt8>, _ at: inout Int, depth: Int) throws(Refusal) {
    guard depth <= Limits.jsonDepth else { throw .tooDeep }
    at += 1
    if nextByte(line, &at) == UInt8(ascii: "}") {
        at += 1
        return
    }
    var keys = UnknownKeys()
    while true {
        guard nextByte(line, &at) == UInt8(ascii: "\"") else { throw .malformedJSON }
        let key = try readText(line, &at)
        try keys.add(key, line)
        try expect(UInt8(ascii: ":"), line, &at)
        try skipValue(line, &at, depth: depth)
        if nextByte(line, &at) == UInt8(ascii: "}") { break }
        try expect(UInt8(ascii: ","), line, &at)
    }
    at += 1
}

private let keySeed = UInt64.random(in: 1...UInt64.max)

/// The keys of one object that are not ours, as hashes; no memory is taken before the first.
struct UnknownKeys {
    private var hashes: [UInt64] = []

    /// - Returns: the key's hash, another one in each process.
    /// - Throws: `.duplicateKey`; `.malformedJSON` for more than `Limits.jsonKeys`.
    @discardableResult
    mutating func add(_ key: JSONToken, _ line: Span<UInt8>) throws(Refusal) -> UInt64 {
        let hash = try withPlain(line, key) { (plain) throws(Refusal) in hashBytes(plain, seed: keySeed) }
        for known in hashes where known == hash { throw .duplicateKey }
        guard hashes.count < Limits.jsonKeys else { throw .malformedJSON }
        hashes.append(hash)
        return hash
    }
}
