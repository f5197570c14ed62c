// The arrays of numbers in the columns of summaries.sqlite, read back. `JSONNumbers` writes them.

/// A JSON array of numbers and arrays, as `JSONNumbers` writes it.
struct NumberArray {
    private(set) var numbers: [Double] = []
    private(set) var arrays: [NumberArray] = []

    /// A number; 0 when it is not there.
    func number(_ place: Int) -> Double { place < numbers.count ? numbers[place] : 0 }

    /// A number that counts something.
    func count(_ place: Int) throws -> Int { try plausible(Int(exactly: number(place)) ?? -1) }

    /// A sum of any size; 0 when it is none.
    func total(_ place: Int) -> Int { number(place) < 0x1p63 ? Int(exactly: max(0, number(place))) ?? 0 : .max }

    /// The number of a word.
    func word(_ place: Int) throws -> UInt32 { try UInt32(clamping: count(place)) }

    func counts() throws -> [Int] { try numbers.indices.map(count) }

    /// Events by kind, from the first six numbers.
    func kinds() throws -> KindCounts { try KindCounts(count) }

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

    private static func number(_ bytes: [UInt8], _ at: inout Int) -> Double {
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
        if isWhole, at - start < 16 { return Double(whole) }
        return Double(String(decoding: bytes[start..<at], as: UTF8.self)) ?? 0
    }
}
