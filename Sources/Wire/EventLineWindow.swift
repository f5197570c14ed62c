// Some JSON lines of one read, decoded together: so their names are looked up side by side.
package import Events

/// Lines that have been read but are no events yet.
///
/// Each line is scanned first. Then the names of all are searched for in steps, and at last the lines become events one
/// after another, in their order, each as if it had come alone (`readEventLine`). Owned by one thread; holds nothing
/// between two reads but its memory.
package struct EventLineWindow: Sendable {
    private struct Line: Sendable {
        /// Where the line stands in the bytes of the read.
        var range: Range<Int>
        /// Whose event it is when it does not say so.
        var device = NamedDevice.none
        var fields = EventLineFields()
        var searches = NameSearches()
        var refusal: Refusal?
    }

    /// Lines in a window: enough for the memory to be busy, and few enough for their fields to stay near.
    package static let capacity = 32

    private var lines: [Line] = []
    /// Whether properties that no schema knows are kept with the events.
    package var keepsUnknown = false

    package init() {}

    package var count: Int { lines.count }

    /// Forgets all lines, and keeps the memory.
    package mutating func removeAll() { lines.removeAll(keepingCapacity: true) }

    /// Adds a line and scans it; what is wrong with it is told by `append`.
    ///
    /// - Parameters:
    ///   - range: the line in `bytes`, as `readEventLine` wants it.
    ///   - device: whose event it is when the line does not say so.
    package mutating func add(_ bytes: Span<UInt8>, _ range: Range<Int>, of device: NamedDevice = .none) {
        lines.append(Line(range: range, device: device))
        do throws(Refusal) {
            try lines[lines.count &- 1].fields.readWhole(bytes.extracting(range))
        } catch {
            lines[lines.count &- 1].refusal = error
        }
    }

    /// What is wrong with a line by itself, before any name of it is looked up; `append` throws the same.
    package func refusal(of index: Int) -> Refusal? { lines[index].refusal }

    /// Looks for the names of all lines; once, when they are all in.
    ///
    /// - Parameter vocabulary: is only read; to lend it so spares a copy.
    package mutating func search(_ bytes: Span<UInt8>, _ vocabulary: inout Vocabulary) {
        for index in lines.indices where lines[index].refusal == nil {
            begin(&lines[index].searches, lines[index].fields, bytes.extracting(lines[index].range), vocabulary)
        }
        for index in lines.indices { vocabulary.probe(&lines[index].searches) }
        for index in lines.indices { vocabulary.prefetchBytes(of: lines[index].searches) }
    }

    /// Makes the event of one line and appends it to a batch.
    ///
    /// - Returns: a hash of the line's keys that nobody knows; 0 when it has none. Lines of one form have the same.
    /// - Throws: as `readEventLine`.
    package func append(
        _ index: Int, _ bytes: Span<UInt8>, arrival: Timestamp, vocabulary: inout Vocabulary,
        into batch: inout EventBatch
    ) throws(Refusal) -> UInt32 {
        if let refusal = lines[index].refusal { throw refusal }
        try appendEvent(
            lines[index].fields, lines[index].searches, bytes.extracting(lines[index].range), arrival,
            of: lines[index].device, keepsUnknown: keepsUnknown, &vocabulary, &batch)
        return lines[index].fields.unknownKeys
    }
}

/// Begins the searches for the names of a line. Those with escapes are left out: few names have any.
private func begin(
    _ searches: inout NameSearches, _ fields: borrowing EventLineFields, _ line: Span<UInt8>,
    _ vocabulary: borrowing Vocabulary
) {
    if let (product, device) = deviceRanges(fields, line) {
        vocabulary.search(product: line.extracting(product), device: line.extracting(device), &searches)
    }
    let customer = fields.customer.isPresent ? fields.customer : fields.subject
    if customer.isPresent, !customer.isEscaped {
        vocabulary.search(customer: line.extracting(customer.range), &searches)
    }
    if case .text(let aspect) = fields.aspect, !aspect.isEscaped {
        vocabulary.search(aspect: line.extracting(aspect.range), &searches)
    }
    if case .text(let value) = fields.value, !value.isEscaped {
        vocabulary.search(value: line.extracting(value.range), &searches)
    }
}

/// Where the product and the device's name stand in a line; nil when that is not plain to see.
private func deviceRanges(
    _ fields: borrowing EventLineFields, _ line: Span<UInt8>
) -> (product: Range<Int>, device: Range<Int>)? {
    let product = fields.product
    if !fields.hasSpecversion, fields.device.isPresent {
        guard product.isPresent, !product.isEscaped, !fields.device.isEscaped else { return nil }
        return (product.range, fields.device.range)
    }
    let source = fields.source
    guard source.isPresent, !source.isEscaped,
        let parts = try? DeviceSource(line.extracting(source.range))
    else { return nil }
    let start = source.range.lowerBound
    let device = (start + parts.name.lowerBound)..<(start + parts.name.upperBound)
    if !parts.product.isEmpty {
        return ((start + parts.product.lowerBound)..<(start + parts.product.upperBound), device)
    }
    guard product.isPresent, !product.isEscaped else { return nil }
    return (product.range, device)
}
