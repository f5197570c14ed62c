// What is kept of an event beside its row: what came in when it cannot be read, and properties that no schema knows.
import Bytes
import Events

/// Keys whose values name somebody, in lower case. What they say is kept nowhere but in the vocabulary of names.
private let nameKeys = ["device", "source", "customer", "subject", "id"]

/// Keys of an export that say nothing of an event that is sent: each is known, and passed over.
private let exportKeys: Set<String> = [
    "offset", "arrival", "clock", "raw", "raw_cut", "replays", "epoch_assigned", "payload", "vendor_type",
]

/// Whether a key is one of an export that says nothing of an event that is sent.
func isOfExport(_ key: String) -> Bool { exportKeys.contains(key) }

/// Whether the value of a key names somebody, however its letters are written.
private func isNameKey(_ key: Span<UInt8>) -> Bool {
    nameKeys.contains { name in
        name.utf8.count == key.count && name.utf8.enumerated().allSatisfy { key[$0.offset] | 0x20 == $0.element }
    }
}

extension EventBatch {
    /// Keeps a line with an event that is no good one, without the names in it.
    @inline(never)
    mutating func keepRaw(_ line: Span<UInt8>, of event: inout Event) {
        var raw: [UInt8] = []
        var at = 0
        try? appendNameless(line, &at, depth: 0, to: &raw)
        keepRaw(raw, of: &event)
    }

    /// Keeps as much of what came in as there is room for.
    mutating func keepRaw(_ raw: [UInt8], of event: inout Event) {
        let end = cut(raw.span, limit: Limits.rawBytes)
        var details = details(of: event)
        details.raw = append(part: raw.span.extracting(0..<end), isCut: end < raw.count)
        setDetails(details, of: &event)
    }

    /// Keeps the properties of a line that no schema knows.
    ///
    /// - Parameter extraAt: where a value begins that holds more of them, as an export has; 0 for none.
    @inline(never)
    mutating func keepExtra(_ line: Span<UInt8>, extraAt: Int, of event: inout Event) {
        var extra = ExtraProperties()
        var at = 0
        guard nextByte(line, &at) == UInt8(ascii: "{") else { return }
        try? extra.collect(line, &at, isTop: true)
        if extraAt > 0 {
            at = extraAt
            if line[at] == UInt8(ascii: "{") {
                try? extra.collect(line, &at, isTop: false)
            } else {
                try? extra.addScalar(key: Array("extra".utf8), line, &at)
            }
        }
        keep(extra, of: &event)
    }

    /// Keeps the properties of an object of them; nothing when it is none.
    mutating func keepExtra(object: Span<UInt8>, of event: inout Event) {
        var extra = ExtraProperties()
        var at = 0
        do throws(Refusal) {
            guard nextByte(object, &at) == UInt8(ascii: "{") else { return }
            try extra.collect(object, &at, isTop: false)
            guard nextByte(object, &at) == 0 else { return }
        } catch {
            return
        }
        keep(extra, of: &event)
    }

    private mutating func keep(_ extra: ExtraProperties, of event: inout Event) {
        guard extra.count > 0 else { return }
        var details = details(of: event)
        let object = [UInt8(ascii: "{")] + extra.members + [UInt8(ascii: "}")]
        details.extra = append(part: object.span)
        setDetails(details, of: &event)
    }
}

/// Properties that no schema knows, as members of a JSON object: keys and values as they stood.
private struct ExtraProperties {
    private(set) var members: [UInt8] = []
    private(set) var count = 0
    private var keys: Set<[UInt8]> = []

    /// Collects from an object whose opening brace is at `at`; of the top also from its `data`.
    mutating func collect(_ line: Span<UInt8>, _ at: inout Int, isTop: Bool, isData: Bool = false) throws(Refusal) {
        try forEachMember(line, &at) { (text, at) throws(Refusal) in
            let plain = try unescaped(line, text)
            var key = EventKey.table.find(plain.span, 0..<plain.count)
            // In an object of such properties one may be called so itself.
            if key == .extra, !isTop, !isData { key = nil }
            if isTop, key == .data, nextByte(line, &at) == UInt8(ascii: "{") {
                try collect(line, &at, isTop: false, isData: true)
            } else if key != nil || isNameKey(plain.span) || isOfExport(String(decoding: plain, as: UTF8.self)) {
                try skipValue(line, &at, depth: isData ? 2 : 1)
            } else {
                try add(plain, key: Array(copying: line.extracting(text.range)), line, &at)
            }
        }
    }

    /// Adds one with a key of ours.
    mutating func addScalar(key: [UInt8], _ line: Span<UInt8>, _ at: inout Int) throws(Refusal) {
        try add(key, key: key, line, &at)
    }

    /// Adds one that is there for the first time, a scalar, and not too long; moves behind its value.
    private mutating func add(
        _ plain: [UInt8], key: [UInt8], _ line: Span<UInt8>, _ at: inout Int
    ) throws(Refusal) {
        let start = at
        try skipValue(line, &at, depth: 1)
        let first = line[start]
        guard first != UInt8(ascii: "{"), first != UInt8(ascii: "["), first != UInt8(ascii: "n"),
            count < Limits.extraProperties, key.count + at - start <= Limits.extraBytes, keys.insert(plain).inserted
        else { return }
        if count > 0 { members.append(UInt8(ascii: ",")) }
        members.append(UInt8(ascii: "\""))
        members += key
        members += [UInt8(ascii: "\""), UInt8(ascii: ":")]
        members.append(copying: line.extracting(start..<at))
        count += 1
    }
}

/// Appends a JSON value as it stands, but for the values of keys that name somebody, and moves behind it. Ends where
/// more is appended than is kept.
///
/// - Throws: for what is no JSON; what stands before that is appended.
func appendNameless(
    _ line: Span<UInt8>, _ at: inout Int, depth: Int, to output: inout [UInt8]
) throws(Refusal) {
    let first = nextByte(line, &at)
    let isObject = first == UInt8(ascii: "{")
    guard isObject || first == UInt8(ascii: "[") else {
        let start = at
        try skipValue(line, &at, depth: depth)
        return output.append(copying: line.extracting(start..<at))
    }
    guard depth < Limits.jsonDepth else { throw .tooDeep }
    let end = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
    output.append(first)
    at += 1
    if nextByte(line, &at) == end {
        at += 1
        return output.append(end)
    }
    while output.count <= Limits.rawBytes {
        if isObject {
            guard nextByte(line, &at) == UInt8(ascii: "\"") else { throw .malformedJSON }
            let start = at
            let key = try readText(line, &at)
            output.append(copying: line.extracting(start..<at))
            try expect(UInt8(ascii: ":"), line, &at)
            output.append(UInt8(ascii: ":"))
            let plain = try unescaped(line, key)
            if isNameKey(plain.span) {
                try skipValue(line, &at, depth: depth)
                output += Array("null".utf8)
            } else {
                try appendNameless(line, &at, depth: depth + 1, to: &output)
            }
        } else {
            try appendNameless(line, &at, depth: depth + 1, to: &output)
        }
        let next = nextByte(line, &at)
        guard next == UInt8(ascii: ",") || next == end else { throw .malformedJSON }
        at += 1
        output.append(next)
        if next == end { return }
    }
}
