// One JSON event: the short form, or CloudEvents structured. From its fields to an Event of the batch.
import Bytes
package import Events

/// Appends the event of one line to a batch.
///
/// - Parameters:
///   - line: one JSON object with nothing around it but white space; without the newline.
///   - arrival: the daemon's clock when the bytes were read; also the event's time when the line has none.
///   - keepsUnknown: whether properties that no schema knows are kept with the event.
/// - Throws: `.tooBig` over `Limits.jsonEventBytes`, `.malformedJSON` (also over `Limits.jsonKeys` keys in an
///   object), `.badUTF8`, `.duplicateKey`, `.tooDeep`, `.noDevice`, `.noProduct`, `.badIdentity` (id or customer),
///   `.tooLong` (a name or id), `.wrongType` (a name that is no string, a number that is none),
///   `.alreadyQuarantined`, `.forbidden`, `.vocabularyFull`. The batch is then as it was. What is well-formed but no
///   good event is quarantined, and what cannot stand in the row is kept: the line without the names in it.
package func readEventLine(
    _ line: Span<UInt8>, arrival: Timestamp, keepsUnknown: Bool = false, vocabulary: inout Vocabulary,
    into batch: inout EventBatch
) throws(Refusal) {
    var fields = EventLineFields()
    try fields.readWhole(line)
    try appendEvent(fields, NameSearches(), line, arrival, keepsUnknown: keepsUnknown, &vocabulary, &batch)
}

/// Makes an event of the fields of a line.
///
/// - Parameter device: whose event it is when the line does not say so.
func appendEvent(
    _ fields: borrowing EventLineFields, _ searches: NameSearches, _ line: Span<UInt8>, _ arrival: Timestamp,
    of device: NamedDevice = .none, keepsUnknown: Bool, _ vocabulary: inout Vocabulary, _ batch: inout EventBatch
) throws(Refusal) {
    var event = Event()
    event.arrival = arrival
    let mark = batch.mark
    do {
        // First what needs no name, so that a refused line leaves none behind.
        try setIdentity(&event, fields, line)
        try setDevice(&event, fields, searches, line, else: device, &vocabulary)
        try setCustomer(&event, fields, searches, line, &vocabulary)
        try setKind(&event, fields, line, &vocabulary)
        try setTime(&event, fields, line)
        try setPayload(&event, fields, searches, line, &vocabulary, &batch)
        if fields.hasRare { try setRare(&event, fields, line, &vocabulary, &batch) }
    } catch {
        batch.truncate(to: mark)
        throw error
    }
    let hasMore = fields.unknownKeys | (fields.hasRare ? 1 : 0) != 0
    if keepsUnknown, hasMore {
        batch.keepExtra(line, extraAt: fields.start(of: .extra), of: &event)
    }
    if case .none = event.quarantine {} else { batch.keepRaw(line, of: &event) }
    batch.events.append(event)
}

private func setDevice(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ searches: NameSearches, _ line: Span<UInt8>,
    else device: NamedDevice, _ vocabulary: inout Vocabulary
) throws(Refusal) {
    let isShort = fields.hasSpecversion ? false : fields.device.isPresent
    let text = isShort ? fields.device : fields.source
    guard text.isPresent else {
        // A product alone is half a name, and not that of the other device.
        guard !fields.product.isPresent else { throw .noDevice }
        event.device = try device.number(in: &vocabulary)
        guard event.device != .none else { throw .noDevice }
        event.product = vocabulary.product(of: event.device)
        return
    }
    let productText = fields.product
    try withPlain(line, text) { (source) throws(Refusal) in
        var name = 0..<source.count
        if !isShort {
            let parts = try DeviceSource(source)
            if parts.isEscaped {
                (event.product, event.device) = try escapedProductAndDevice(of: source, parts, &vocabulary)
                return
            }
            name = parts.name
            if !parts.product.isEmpty {
                (event.product, event.device) = try vocabulary.device(
                    product: source.extracting(parts.product), name: source.extracting(name), searches: searches)
                return
            }
        }
        guard !name.isEmpty, name.count <= Limits.deviceBytes else { throw name.isEmpty ? .noDevice : .tooLong }
        (event.product, event.device) = try withPlain(line, productText) { (plain) throws(Refusal) in
            guard fits(plain, Limits.productBytes) else { throw plain.isEmpty ? .noProduct : .tooLong }
            return try vocabulary.device(product: plain, name: source.extracting(name), searches: searches)
        }
    }
}

private func setCustomer(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ searches: NameSearches, _ line: Span<UInt8>,
    _ vocabulary: inout Vocabulary
) throws(Refusal) {
    let customer = fields.customer.isPresent ? fields.customer : fields.subject
    guard customer.isPresent else { return }
    event.customer = try withPlain(line, customer) { (plain) throws(Refusal) in
        guard fits(plain, Limits.customerBytes) else { throw plain.isEmpty ? .badIdentity : .tooLong }
        guard let id = vocabulary.customer(plain, search: searches.customer) else {
            throw vocabulary.refusal(of: plain)
        }
        return id
    }
}

private func setIdentity(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ line: Span<UInt8>
) throws(Refusal) {
    let id = fields.id == .absent ? fields.seq : fields.id
    if fields.hasSpecversion, fields.id == .absent { throw .badIdentity }
    switch id {
    case .absent: break
    case .number(let number):
        guard let seq = try unsigned(number, line) else { throw .badIdentity }
        event.identity = .sequence
        event.seq = seq
        switch fields.epoch {
        case .absent: break
        case .number(let number):
            guard let epoch = try unsigned(number, line).flatMap(UInt32.init(exactly:)) else { throw .badIdentity }
            event.epoch = epoch
        default: throw .wrongType
        }
    case .text(let text):
        guard fields.id != .absent else { throw .wrongType }
        try withPlain(line, text) { (plain) throws(Refusal) in
            guard fits(plain, Limits.idBytes) else { throw plain.isEmpty ? .badIdentity : .tooLong }
            event.setIdentity(plain)
        }
    case .flag, .other: throw .wrongType
    }
}

/// The kinds that a device may send, by all their names.
private let kindNames = WordTable<EventKind>(
    EventKind.allCases.filter(\.isUplink).map { ($0.name.description, $0) } + [("feedback.given", .feedbackText)])

private let typePrefix = Array("org.tidings.".utf8)
private let typeSuffix = Array(".v1".utf8)

private func setKind(
    _ event: inout Event, _ fields: borrowing EventLineFields, _ line: Span<UInt8>, _ vocabulary: inout Vocabulary
) throws(Refusal) {
    if fields.hasSpecversion {
        let isKnown = try withPlain(line, fields.specversion) { (plain) throws(Refusal) in
            plain.count == 3 && plain[0] == UInt8(ascii: "1") && plain[1] == UInt8(ascii: ".")
                && plain[2] == UInt8(ascii: "0")
        }
        if !isKnown { event.blame(.unknownType) }
    }
    guard fields.type.isPresent else { return event.blame(.unknownType) }
    try withPlain(line, fields.type) { (plain) throws(Refusal) in
        var range = 0..<plain.count
        if has(typePrefix, plain, at: 0), has(typeSuffix, plain, at: plain.count - typeSuffix.count) {
            range = typePrefix.count..<max(typePrefix.count, plain.count - typeSuffix.count)
        }
        if event.quarantine == .none, let kind = kindNames.find(plain, range) {
            event.kind = kind
            return
        }
        event.blame(.unknownType)
        guard fits(plain, Limits.valueBytes) else { return }
        guard let id = vocabulary.symbol(.type, plain) else { throw .vocabularyFull }
        event.type = id
    }
}

@inline(__always)
private func has(_ part: [UInt8], _ text: Span<UInt8>, at start: Int) -> Bool {
    guard start >= 0, start + part.count <= text.count else { return false }
    for index in part.indices where text[start + index] != part[index] { return false }
    return true
}

private func setTime(_ event: inout Event, _ fields: borrowing EventLineFields, _ line: Span<UInt8>) throws(Refusal) {
    var time: Timestamp?
    switch fields.time {
    case .absent:
        event.clock = .arrival
        event.time = event.arrival
        return
    case .number(let number):
        switch try value(of: number, line) {
        case .whole(let milliseconds): time = Timestamp(rawValue: milliseconds)
        case .real(let milliseconds) where milliseconds.magnitude < Double(wholeLimit):
            time = Timestamp(rawValue: Int64(milliseconds.rounded(.down)))
        default:
            // Nanoseconds are more than a double holds: kept exactly, so that what is wrong with them can be told.
            time = try unsigned(number, line).flatMap(Int64.init(exactly:)).map { Timestamp(rawValue: $0) }
        }
    case .text(let text):
        time = try withPlain(line, text) { (plain) throws(Refusal) in readRFC3339(plain).map(Timestamp.init(rawValue:))
        }
    case .flag, .other: break
    }
    if let time {
        event.time = time
    } else {
        event.blame(.badTime)
        event.clock = .arrival
        event.time = event.arrival
    }
}
