// What few native events say, and what is kept of those that are no good ones: a second look at the events of a batch.
import Bytes
import Events

/// The fields of an Event message that few have, before any reference is followed.
private struct RareEventFields {
    var origin: UInt32 = 0
    var notice: UInt32 = 0
    var method: UInt32 = 0
    var expiry: Int64 = 0
    /// The value, when it is a string of the table.
    var value: UInt32 = 0
    /// Where the strings stand in the message; nil for those that are not there.
    var cause: Range<Int>?
    var id: Range<Int>?
    var extra: Range<Int>?

    init(_ message: Span<UInt8>) throws(Refusal) {
        var at = 0
        let end = message.count
        while at < end {
            let tag = try readVarint(message, &at, end)
            switch tag {
            case EventTag.origin: origin = try readVarint32(message, &at, end)
            case EventTag.notice: notice = try readVarint32(message, &at, end)
            case EventTag.method: method = try readVarint32(message, &at, end)
            case EventTag.expiry: expiry = Int64(bitPattern: try readVarint(message, &at, end))
            case EventTag.reference: value = try readVarint32(message, &at, end)
            case EventTag.cause: cause = try readString(message, &at, end)
            case EventTag.id: id = try readString(message, &at, end)
            case EventTag.extra: extra = try readString(message, &at, end)
            default: try skipField(tag: tag, message, &at, end)
            }
        }
    }
}

/// Reads the events of a batch once more, for what the first pass has left.
struct BatchRest {
    /// Where the first event's tag stands in the body.
    var firstEvent: Int
    var keepsUnknown: Bool

    /// - Parameter first: the index of the batch's first event.
    /// - Returns: whether any event has an id of its own.
    @inline(never)
    func read(
        _ body: Span<UInt8>, from first: Int, _ table: inout StringTable, _ vocabulary: inout Vocabulary,
        _ batch: inout EventBatch
    ) throws(Refusal) -> Bool {
        var at = firstEvent
        var index = first
        var hasIDs = false
        while at < body.count {
            let tag = try readVarint(body, &at, body.count)
            guard tag == BatchTag.event else {
                try skipField(tag: tag, body, &at, body.count)
                continue
            }
            let start = try readLength(body, &at, body.count)
            let message = body.extracting(start..<at)
            var event = batch.events[index]
            let rare = try RareEventFields(message)
            if rare.id != nil { hasIDs = true }
            try fill(&event, rare, message, &table, &vocabulary, &batch)
            if event.quarantine != .none { batch.keepRaw(try nameless(message, event, table), of: &event) }
            batch.events[index] = event
            index += 1
        }
        return hasIDs
    }

    private func fill(
        _ event: inout Event, _ rare: RareEventFields, _ message: Span<UInt8>, _ table: inout StringTable,
        _ vocabulary: inout Vocabulary, _ batch: inout EventBatch
    ) throws(Refusal) {
        if let id = rare.id {
            guard fits(message.extracting(id), Limits.idBytes) else { throw .badIdentity }
            event.setIdentity(message.extracting(id))
        }
        if let origin = UInt8(exactly: rare.origin).flatMap(Origin.init(rawValue:)) {
            event.origin = origin
        } else {
            event.blame(.outOfRange)
        }
        var details = batch.details(of: event)
        if let cause = rare.cause, !cause.isEmpty, !details.setCause(message.extracting(cause)) {
            event.blame(.unknownCause)
        }
        if event.isConsent {
            details.notice = try word(&event, rare.notice, &table, &vocabulary)
            details.method = try word(&event, rare.method, &table, &vocabulary)
            details.expiry = Timestamp(rawValue: rare.expiry)
        }
        batch.setDetails(details, of: &event)
        if vocabulary.withholds(event) {
            if rare.value != 0 {
                setPersonalValue(&event, text: table.text(rare.value).span, &batch)
            } else {
                withholdValue(&event, vocabulary, &batch)
            }
        }
        if keepsUnknown, let extra = rare.extra { batch.keepExtra(object: message.extracting(extra), of: &event) }
    }

    private func word(
        _ event: inout Event, _ reference: UInt32, _ table: inout StringTable, _ vocabulary: inout Vocabulary
    ) throws(Refusal) -> SymbolID {
        guard reference != 0 else { return .none }
        let id = try table.id(.word, reference, &vocabulary)
        if id != StringTable.invalid { return SymbolID(rawValue: id) }
        event.blame(.textTooLong)
        return .none
    }
}

/// An event's message as a JSON line, with the strings that it refers to and without the names of anybody: as it was
/// said, be it right or wrong. Its time, its number and what it belongs to stand in its row.
private func nameless(_ message: Span<UInt8>, _ event: Event, _ table: StringTable) throws(Refusal) -> [UInt8] {
    var line = NamelessLine()
    var text: Range<Int>?
    var at = 0
    let end = message.count
    while at < end {
        let tag = try readVarint(message, &at, end)
        switch tag {
        case EventTag.kind: line.add(kind: try readVarint32(message, &at, end))
        case EventTag.type: line.add("type", table.text(try readVarint32(message, &at, end)))
        case EventTag.aspect: line.add("aspect", table.text(try readVarint32(message, &at, end)))
        case EventTag.aspectName: line.add("aspect", try string(message, &at))
        case EventTag.whole: line.add("value", unzigzag(try readVarint(message, &at, end)))
        case EventTag.real:
            line.add("value", widened(Float(bitPattern: UInt32(try readFixed(message, &at, end, size: 4)))))
        case EventTag.real64: line.add("value", Double(bitPattern: try readFixed(message, &at, end, size: 8)))
        case EventTag.reference: line.add("value", table.text(try readVarint32(message, &at, end)))
        case EventTag.flag: line.add("value", literal: try readVarint(message, &at, end) == 0 ? "false" : "true")
        case EventTag.unit: line.add("unit", table.text(try readVarint32(message, &at, end)))
        case EventTag.language: line.add("lang", table.text(try readVarint32(message, &at, end)))
        case EventTag.count: line.add("count", Int64(try readVarint32(message, &at, end)))
        case EventTag.severity:
            line.add(event.kind == .receipt ? "evidence" : "severity", Int64(try readVarint32(message, &at, end)))
        case EventTag.scale:
            line.add(event.kind == .receipt ? "stage" : "scale", Int64(try readVarint32(message, &at, end)))
        case EventTag.origin: line.add("origin", Int64(try readVarint32(message, &at, end)))
        case EventTag.cause: line.add("cause", try string(message, &at))
        case EventTag.notice: line.add("notice", table.text(try readVarint32(message, &at, end)))
        case EventTag.method: line.add("method", table.text(try readVarint32(message, &at, end)))
        case EventTag.expiry: line.add("expiry", Int64(bitPattern: try readVarint(message, &at, end)))
        case EventTag.data:
            let start = try readLength(message, &at, end)
            line.add(data: message.extracting(start..<at))
        case EventTag.text: text = try readString(message, &at, end)
        default: try skipField(tag: tag, message, &at, end)
        }
    }
    // At last what is long, and stands in the row as far as it is kept.
    if let text { line.add("text", Array(copying: message.extracting(text))[...]) }
    return line.finished()
}

private func string(_ message: Span<UInt8>, _ at: inout Int) throws(Refusal) -> ArraySlice<UInt8> {
    Array(copying: message.extracting(try readString(message, &at, message.count)))[...]
}

/// A JSON object that grows member by member.
private struct NamelessLine {
    private var bytes = [UInt8(ascii: "{")]

    private mutating func begin(_ key: StaticString) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        bytes += key.description.utf8
        bytes += [UInt8(ascii: "\""), UInt8(ascii: ":")]
    }

    /// What is longer than is kept is looked at no further: a table's strings are long, and may be referred to often.
    private var isFull: Bool { bytes.count > Limits.rawBytes }

    mutating func add(_ key: StaticString, _ text: ArraySlice<UInt8>) {
        guard !isFull else { return }
        begin(key)
        let kept = text.prefix(cut(text.span, limit: Limits.rawBytes))
        appendJSONString(kept.span, to: &bytes)
    }

    mutating func add(_ key: StaticString, _ number: Int64) {
        begin(key)
        appendDecimal(number, to: &bytes)
    }

    mutating func add(_ key: StaticString, literal: String) {
        begin(key)
        bytes += literal.utf8
    }

    /// What JSON has no number for is a string.
    mutating func add(_ key: StaticString, _ number: Double) {
        if number.isFinite {
            begin(key)
            appendReal(number, to: &bytes)
        } else {
            add(key, Array("\(number)".utf8)[...])
        }
    }

    mutating func add(kind: UInt32) {
        if let kind = UInt8(exactly: kind).flatMap(EventKind.init(rawValue:)) {
            if kind != .custom { add("type", Array(kind.name.description.utf8)[...]) }
        } else {
            add("kind", Int64(kind))
        }
    }

    /// What a vendor has put beside its own type, if it is JSON.
    mutating func add(data: Span<UInt8>) {
        var value: [UInt8] = []
        var at = 0
        guard !isFull, isUTF8(data), (try? appendNameless(data, &at, depth: 1, to: &value)) != nil else { return }
        begin("data")
        bytes += value
    }

    func finished() -> [UInt8] { bytes + [UInt8(ascii: "}")] }
}
