// What the log expects a device's next event to say, so that only surprises take room.

import Bytes
package import Events

/// For each device its last sequence number, epoch, two latest customers and product, as of one offset of a segment.
///
/// A dense array by pseudonym: 24 bytes a device. One owner at a time.
package struct DevicePrediction: Sendable {
    package struct Entry: BitwiseCopyable, Equatable, Sendable {
        package var seq: UInt64 = 0
        package var epoch: UInt32 = 0
        package var customer: UInt32 = 0
        package var other: UInt32 = 0
        package var product: UInt32 = 0

        package init() {}
    }

    package var entries: [Entry] = []

    /// The state at the start of a segment.
    package init() {}

    /// The number of devices known, including "no device".
    package var count: Int { entries.count }

    /// Makes room for a pseudonym; amortised.
    @inline(__always) mutating func reach(_ device: Int) {
        if device >= entries.count { grow(to: device + 1) }
    }

    /// Of so many events at a time the predictions are asked for: that many stay in the first-level cache.
    ///
    /// Devices come in no order, and each entry is a cache miss of its own: many asked for in a row come side by side,
    /// where the coding loop would wait for one after another (measured: 137 ns an event without, 55 with).
    static let prefetchedEvents = 256

    private mutating func grow(to count: Int) {
        entries.append(contentsOf: repeatElement(Entry(), count: count - entries.count))
    }

    /// Whether both predict the same for every device; entries that say nothing may be absent.
    package func says(sameAs other: DevicePrediction) -> Bool {
        let shared = min(entries.count, other.entries.count)
        let isBlank: (Entry) -> Bool = { $0 == Entry() }
        return entries[..<shared].elementsEqual(other.entries[..<shared])
            && entries[shared...].allSatisfy(isBlank) && other.entries[shared...].allSatisfy(isBlank)
    }

    /// The message `Keyframe`, and its compression.
    ///
    /// - Parameter offset: of the block that follows.
    package func keyframe(at offset: Offset) throws(LogError) -> EncodedBody {
        var writer = ColumnWriter()
        writer.append(1, varint: UInt64(entries.count))
        writer.append(2, column: entries.map(\.seq))
        writer.append(3, column: entries.map { UInt64($0.epoch) })
        writer.append(4, column: entries.map { UInt64($0.customer) })
        writer.append(5, column: entries.map { UInt64($0.other) })
        writer.append(6, column: entries.map { UInt64($0.product) })
        writer.append(7, varint: offset.rawValue)
        writer.cut()
        var body: [UInt8] = []
        try Deflater(level: 1).deflate(writer.bytes.span, writer.sections, into: &body)
        return EncodedBody(body: body, rawSize: writer.bytes.count)
    }

    /// Reads a keyframe that `keyframe(at:)` wrote; nil when the bytes are damaged, or speak of more devices than are
    /// believed, or were made for another offset (one of format 2 does not say for which).
    package init?(
        keyframe body: EncodedBody, at offset: Offset, devices: DeviceBound = .format
    ) throws(LogError) {
        guard body.rawSize <= LogLimits.keyframeBytes, body.isIntact else { return nil }
        var raw: [UInt8] = []
        guard try Inflater.forBodies().inflate(body.body.span, size: body.rawSize, into: &raw) else { return nil }
        do throws(Malformed) {
            try read(raw.span, at: offset, devices)
        } catch {
            return nil
        }
    }

    private mutating func read(
        _ raw: Span<UInt8>, at offset: Offset, _ devices: DeviceBound
    ) throws(Malformed) {
        var columns: InlineArray<7, ColumnRanges> = .init(repeating: ColumnRanges())
        var count = 0
        var at = 0
        while at < raw.count {
            let field = try readField(raw, &at, end: raw.count)
            switch field.number {
            case 1:
                guard field.varint <= UInt64(Limits.devices + 1), devices.allows(Int(field.varint) - 1) else {
                    throw .block
                }
                count = Int(field.varint)
            case 7: guard field.varint == offset.rawValue else { throw .block }
            case 2...6: columns[field.number] = try ColumnRanges(raw, field.range)
            default: break
            }
        }
        grow(to: count)
        var values: [UInt64] = []
        for number in 2...6 {
            try columns[number].read(raw, count: count, into: &values)
            for index in 0..<count { set(number, index, values[index]) }
        }
    }

    private mutating func set(_ number: Int, _ index: Int, _ value: UInt64) {
        let short = UInt32(truncatingIfNeeded: value)
        switch number {
        case 2: entries[index].seq = value
        case 3: entries[index].epoch = short
        case 4: entries[index].customer = short
        case 5: entries[index].other = short
        default: entries[index].product = short
        }
    }
}
