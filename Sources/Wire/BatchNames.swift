// The names of a batch that stands alone, looked for before it is read.
package import Events

/// Searches for the names of the first event of a batch, and the table entries that they stand in.
///
/// A datagram brings its strings with it, and most have one event or several of one device: so these are nearly all
/// names that it has. Made for many datagrams at once, step by step; what is not found here is looked up when it is
/// needed.
package struct BatchNames: Sendable, BitwiseCopyable {
    private(set) var searches = NameSearches()
    private var device: UInt32 = 0
    private var customer: UInt32 = 0
    private var aspect: UInt32 = 0
    private var value: UInt32 = 0

    package init() {}

    /// First step: finds the strings in the body of a batch. A malformed body has none; it is refused when it is read.
    package init(_ body: Span<UInt8>, _ vocabulary: inout Vocabulary) {
        guard let strings = try? BatchStrings(body) else { return }
        (device, customer) = (strings.device, strings.fields.subject)
        aspect = strings.fields.aspect
        if strings.fields.isReference {
            value = UInt32(truncatingIfNeeded: strings.fields.valueBits)
        }
        if let source = strings.range(device), let parts = try? DeviceSource(body.extracting(source)) {
            let text = body.extracting(source)
            vocabulary.search(
                product: text.extracting(parts.product), device: text.extracting(parts.name), &searches)
        }
        if let text = strings.range(customer) { vocabulary.search(customer: body.extracting(text), &searches) }
        if let text = strings.range(aspect) { vocabulary.search(aspect: body.extracting(text), &searches) }
        if let text = strings.range(value) { vocabulary.search(value: body.extracting(text), &searches) }
    }

    /// Second step.
    package mutating func probe(_ vocabulary: inout Vocabulary) { vocabulary.probe(&searches) }

    /// Third step.
    ///
    /// - Returns: the device that the batch probably is of; `.none` when there is no such.
    package func prefetchBytes(_ vocabulary: inout Vocabulary) -> DeviceID {
        vocabulary.prefetchBytes(of: searches)
        return searches.likelyDevice
    }

    /// The search for an entry in a role, if there is one.
    func search(_ role: StringTable.Role, _ ref: UInt32) -> NameSearch {
        switch role {
        case .customer where ref == customer: searches.customer
        case .aspect where ref == aspect: searches.aspect
        case .value where ref == value: searches.value
        default: NameSearch()
        }
    }

    /// The searches for an entry that names a device.
    func deviceSearches(_ ref: UInt32) -> NameSearches { ref == device ? searches : NameSearches() }
}

/// Where the first strings of a batch stand, and which of them the first event uses.
private struct BatchStrings {
    private var starts = [8 of UInt32](repeating: 0)
    private var ends = [8 of UInt32](repeating: 0)
    private var count = 0
    private(set) var device: UInt32 = 0
    private(set) var fields = EventFields()

    init(_ body: Span<UInt8>) throws(Refusal) {
        var at = 0
        var hasEvent = false
        while at < body.count {
            let tag = try readVarint(body, &at, body.count)
            switch tag {
            case BatchTag.define:
                let start = try readLength(body, &at, body.count)
                guard count < starts.count else { continue }
                starts[count] = UInt32(truncatingIfNeeded: start)
                ends[count] = UInt32(truncatingIfNeeded: at)
                count += 1
            case BatchTag.device: device = try readVarint32(body, &at, body.count)
            case BatchTag.event:
                let start = try readLength(body, &at, body.count)
                if !hasEvent { try fields.read(body.extracting(start..<at)) }
                hasEvent = true
            default: try skipField(tag: tag, body, &at, body.count)
            }
        }
        if fields.device != 0 { device = fields.device }
    }

    func range(_ ref: UInt32) -> Range<Int>? {
        guard ref > 0, Int(ref) <= count else { return nil }
        return Int(starts[Int(ref) - 1])..<Int(ends[Int(ref) - 1])
    }
}
