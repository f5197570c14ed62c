// A JSON line taken apart once more, key by key, for a message about it. Only for lines that something is wrong with.

import Bytes
import Events

/// The keys of a line and of its `data`, each with its value as it stands there, as far as the line can be read.
///
/// Costs allocations for each key, and so is made only for what is told to people, of which there is a bounded number
/// for each read.
struct LineContents {
    struct Entry {
        var key: String
        /// Where the value stands, quotes and all.
        var value: Range<Int>
        var isInData: Bool
    }

    private(set) var entries: [Entry] = []
    /// Where reading came to an end; nil when the line is one whole object.
    private(set) var faultAt: Int?

    init(_ line: Span<UInt8>) {
        var at = 0
        guard nextByte(line, &at) == UInt8(ascii: "{") else {
            faultAt = at
            return
        }
        do throws(Refusal) {
            try read(line, &at, isData: false)
            if nextByte(line, &at) != 0 { faultAt = at }
        } catch {
            faultAt = at
        }
    }

    private mutating func read(_ line: Span<UInt8>, _ at: inout Int, isData: Bool) throws(Refusal) {
        try forEachMember(line, &at) { (text, at) throws(Refusal) in
            let key = String(decoding: text.isEscaped ? try unescaped(line, text) : Array(line, text), as: UTF8.self)
            let start = at
            if !isData, key == "data", nextByte(line, &at) == UInt8(ascii: "{") {
                try read(line, &at, isData: true)
            } else {
                try skipValue(line, &at, depth: isData ? 2 : 1)
            }
            if entries.count < WireLimits.explainedKeys {
                entries.append(Entry(key: key, value: start..<at, isInData: isData))
            }
        }
    }

    /// The entry that counts for a key: that of `data` goes before the one at the top.
    subscript(key: EventKey) -> Entry? {
        let name = "\(key)"
        let all = entries.filter { $0.key == name }
        return key.isPayload ? all.first(where: \.isInData) ?? all.first : all.first { !$0.isInData }
    }

    /// What is said of the first of some keys that has a value of another type than it should have; nil when none has.
    func mistyped(_ keys: [EventKey], in line: Span<UInt8>, wanted: WantedType) -> String? {
        for key in keys {
            guard let entry = self[key], !entry.isNull(in: line) else { continue }
            let isRight =
                wanted == .string
                ? entry.isString(in: line) : entry.isNumber(in: line) || isNumber(entry.plain(in: line).span)
            if isRight { continue }
            return "\(key) is \(entry.type(in: line)) (\(entry.shown(in: line))); send \(wanted.rawValue)"
        }
        return nil
    }

    enum WantedType: String {
        case string = "a string"
        case number = "a whole number"
    }

    /// Keys that mean nothing to the daemon. Of a CloudEvent only those in `data`: it may have extensions.
    var unknown: [Entry] {
        let isCloudEvent = self[.specversion] != nil
        return entries.filter { entry in
            if isCloudEvent, !entry.isInData { return false }
            let bytes = Array(entry.key.utf8)
            return EventKey.table.find(bytes.span, 0..<bytes.count) == nil && !isOfExport(entry.key)
        }
    }
}

extension LineContents.Entry {
    /// What a value is, in a word with its article.
    func type(in line: Span<UInt8>) -> String {
        switch line[value.lowerBound] {
        case UInt8(ascii: "\""): "a string"
        case UInt8(ascii: "{"): "an object"
        case UInt8(ascii: "["): "an array"
        case UInt8(ascii: "t"), UInt8(ascii: "f"): "true or false"
        case UInt8(ascii: "n"): "null"
        default: "a number"
        }
    }

    func isString(in line: Span<UInt8>) -> Bool { line[value.lowerBound] == UInt8(ascii: "\"") }

    func isNumber(in line: Span<UInt8>) -> Bool {
        line[value.lowerBound] == UInt8(ascii: "-") || asciiDigits.contains(line[value.lowerBound])
    }

    func isNull(in line: Span<UInt8>) -> Bool { line[value.lowerBound] == UInt8(ascii: "n") }

    /// The value as it stands there, cut when it is long.
    func shown(in line: Span<UInt8>) -> String {
        let raw = line.extracting(value)
        let end = cut(raw, limit: WireLimits.explainedBytes)
        return String(decoding: Array(copying: raw.extracting(0..<end)), as: UTF8.self) + (end < raw.count ? "…" : "")
    }

    /// A number's value, if it is a whole one that is not negative.
    func unsigned(in line: Span<UInt8>) -> UInt64? {
        try? Wire.unsigned(JSONToken(start: UInt32(value.lowerBound), end: UInt32(value.upperBound)), line)
    }

    /// The UTF-8 of a string.
    func plain(in line: Span<UInt8>) -> [UInt8] {
        guard isString(in: line) else { return [] }
        var at = value.lowerBound
        guard let text = try? readText(line, &at) else { return [] }
        return (try? unescaped(line, text)) ?? []
    }
}

extension Array where Element == UInt8 {
    /// A copy of the bytes of a scanned string that has no escapes.
    fileprivate init(_ line: Span<UInt8>, _ text: JSONToken) { self.init(copying: line.extracting(text.range)) }
}
