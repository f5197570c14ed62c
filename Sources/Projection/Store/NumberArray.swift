// The arrays of numbers in the columns of summaries.sqlite, read back. `JSONNumbers` writes them.

/// The fields of an array in a column: the cases, in the order in which they are written.
///
/// As with `TableColumn`, whoever writes an array goes through all of them, and whoever reads one names the case.
protocol ArrayField: CaseIterable, RawRepresentable, Sendable where RawValue == Int {
    /// What SQL calls that which walks an array of such arrays.
    static var array: String { get }
    /// What SQL calls such an array: a column, or the value of `array`.
    static var column: String { get }
}

extension ArrayField {
    static var array: String { "e" }
    static var column: String { "\(array).value" }

    /// What stands there, in SQL.
    var sql: String { "json_extract(\(Self.column), '$[\(rawValue)]')" }

    /// How far behind another field of the array it stands.
    func after(_ first: Self) -> Int { rawValue - first.rawValue }

    func named(_ name: String) -> String { "\(sql) AS \(name)" }
}

/// A JSON array of numbers and arrays, as `JSONNumbers` writes it. In an array with arrays among its fields these come
/// last, and are counted apart.
struct NumberArray {
    /// A number; `whole` when it is one that fits.
    struct Number {
        var real: Double
        var whole: Int?
    }
    private(set) var numbers: [Number] = []
    private(set) var arrays: [NumberArray] = []

    /// A number; 0 when it is not there.
    func number(at index: Int) -> Double { index < numbers.count ? numbers[index].real : 0 }
    func number(_ field: some ArrayField) -> Double { number(at: field.rawValue) }

    /// A number that counts something.
    func count(at index: Int) throws -> Int { try plausible(index < numbers.count ? numbers[index].whole ?? -1 : 0) }
    func count(_ field: some ArrayField) throws -> Int { try count(at: field.rawValue) }

    /// A sum of any size; 0 when it is none.
    func total(_ field: some ArrayField) -> Int {
        guard field.rawValue < numbers.count else { return 0 }
        let number = numbers[field.rawValue]
        return max(0, number.whole ?? (number.real < 0x1p63 ? 0 : .max))
    }

    /// The number of a symbol.
    func symbol(_ field: some ArrayField) throws -> UInt32 { try UInt32(clamping: count(field)) }

    /// An array that stands behind all numbers; nil when it is not there.
    func array(_ field: some ArrayField) -> NumberArray? {
        let index = field.rawValue - numbers.count
        return arrays.indices.contains(index) ? arrays[index] : nil
    }

    func counts() throws -> [Int] { try numbers.indices.map(count(at:)) }

    /// How deep arrays stand in each other at most.
    private static let depth = 4

    init(_ json: String) {
        let bytes = Array(json.utf8)
        var at = 0
        self.init(bytes, &at, depth: 1)
    }

    /// Reads from the bracket at `at` to behind its partner.
    private init(_ bytes: [UInt8], _ at: inout Int, depth: Int) {
        at = depth > Self.depth ? bytes.count : at + 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "]") {
            if bytes[at] == UInt8(ascii: "[") {
                arrays.append(NumberArray(bytes, &at, depth: depth + 1))
            } else if bytes[at] == UInt8(ascii: ",") {
                at += 1
            } else {
                numbers.append(Self.number(bytes, &at))
            }
        }
        at += 1
    }

    private static func number(_ bytes: [UInt8], _ at: inout Int) -> Number {
        let start = at
        var whole: UInt64 = 0
        var isWhole = true
        while at < bytes.count, bytes[at] != UInt8(ascii: ","), bytes[at] != UInt8(ascii: "]") {
            if bytes[at] >= 48, bytes[at] <= 57 {
                whole = whole &* 10 &+ UInt64(bytes[at] - 48)
            } else {
                isWhole = false
            }
            at += 1
        }
        if isWhole, at - start < 19 { return Number(real: Double(whole), whole: Int(whole)) }
        let real = Double(String(decoding: bytes[start..<at], as: UTF8.self)) ?? 0
        return Number(real: real, whole: Int(exactly: real))
    }
}
