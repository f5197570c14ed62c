// Events to the bytes of a block: shapes, columns, prediction by device, texts, zlib.

import Bytes
package import Events

/// Encodes the blocks of one segment in order. One owner at a time.
///
/// `encode` moves the prediction on; `rollback` takes that back when the block could not be stored.
package struct BlockEncoder {
    private var prediction = DevicePrediction()
    /// What was predicted of each event's device before the event.
    private var undo: [DevicePrediction.Entry] = []
    private var shapes = ShapeTable()
    private var columns = EventColumns()
    private var writer = ColumnWriter()
    /// The texts of the last block, before compression.
    private var texts: [UInt8] = []
    private let deflater: Deflater

    /// An encoder at the start of a segment.
    package init() throws(LogError) {
        deflater = try Deflater(level: 1)
    }

    /// Starts again after `prediction`, as at the end of a segment that was reopened, or at a new segment's start.
    package mutating func restart(after prediction: DevicePrediction = DevicePrediction()) {
        self.prediction = prediction
        undo.removeAll(keepingCapacity: true)
    }

    /// The prediction after the last block.
    package var state: DevicePrediction { prediction }

    /// Encodes 1 ... `Limits.blockEvents` events with up to `LogLimits.storedTextBytes` of text.
    package mutating func encode(_ batch: EventBatch) throws(LogError) -> EncodedBlock {
        guard (1...Limits.blockEvents).contains(batch.count) else {
            throw .refused("a block of \(batch.count) events")
        }
        guard batch.text.count <= LogLimits.storedTextBytes else {
            throw .refused("a block with \(batch.text.count) bytes of text")
        }
        undo.removeAll(keepingCapacity: true)
        shapes.removeAll()
        columns.removeAll()
        writer.removeAll()
        let bounds = try collect(batch)
        write(batch.count, bounds.first)
        var body: [UInt8] = []
        try deflater.deflate(writer.bytes.span, writer.sections, into: &body)
        let stored = EncodedBody(body: body, rawSize: writer.bytes.count)
        return EncodedBlock(
            stored: stored, text: try encodeTexts(of: batch, bytes: bounds.textBytes), count: batch.count,
            times: bounds.times, arrivals: bounds.arrivals)
    }

    /// The message `Block` of the last `encode`, before compression.
    package var raw: [UInt8] { writer.bytes }

    /// Takes the last `encode` back. Does nothing when it was taken back already.
    package mutating func rollback() {
        for (device, entry) in zip(columns.device, undo).reversed() { prediction.entries[Int(device)] = entry }
        undo.removeAll(keepingCapacity: true)
    }

    private struct Bounds {
        var first: Event
        var times: ClosedRange<Timestamp>
        var arrivals: ClosedRange<Timestamp>
        var textBytes: Int
    }

    /// The first pass: events to columns of numbers.
    ///
    /// What nearly every event has is written to arrays that are as long as the batch beforehand: an array that grows
    /// is asked at every number whether it is nobody else's and whether there is room.
    private mutating func collect(_ batch: EventBatch) throws(LogError) -> Bounds {
        columns.device.append(contentsOf: batch.events.lazy.map { UInt64($0.device.rawValue) })
        try reach()
        var entries: [DevicePrediction.Entry] = []
        swap(&entries, &prediction.entries)
        var common = CommonColumns(&columns, &undo, count: batch.count)
        let collected = collect(
            batch.events.span, batch.details.span, &entries, &common.before, &common.shape, &common.time, &common.aspect
        )
        common.giveBack(to: &columns, &undo, times: collected.times, aspects: collected.aspects)
        swap(&entries, &prediction.entries)
        guard collected.bounds.textBytes <= LogLimits.storedTextBytes else {
            rollback()
            throw .refused("a block with \(collected.bounds.textBytes) bytes of text")
        }
        return collected.bounds
    }

    /// The arrays come one by one, for Swift allows no two spans at once over properties of one value.
    ///
    /// - Returns: what the block says of its times, and how many times and aspects were listed.
    private mutating func collect(
        _ events: Span<Event>, _ details: Span<EventDetails>, _ entries: inout [DevicePrediction.Entry],
        _ before: inout [DevicePrediction.Entry],
        _ shape: inout [UInt64], _ time: inout [UInt64], _ aspect: inout [UInt64]
    ) -> (bounds: Bounds, times: Int, aspects: Int) {
        let first = events[0]
        var last = first.time.rawValue
        var arrival = first.arrival.rawValue
        var times = (last, last)
        var arrivals = (arrival, arrival)
        var textBytes = 0
        var (timeCount, aspectCount) = (0, 0)
        var entries = entries.mutableSpan
        var before = before.mutableSpan
        var shapeColumn = shape.mutableSpan
        var timeColumn = time.mutableSpan
        var aspectColumn = aspect.mutableSpan
        for index in events.indices {
            let event = events[index]
            if index % DevicePrediction.prefetchedEvents == 0 { prefetch(events, from: index, entries.span) }
            let device = Int(event.device.rawValue)
            before[index] = entries[device]
            var fields = columns.predict(event, &entries[device])
            if event.arrival.rawValue != arrival {
                fields |= Fields.arrival
                columns.arrival.append(zigzag(event.arrival.rawValue &- arrival))
                arrival = event.arrival.rawValue
                arrivals = (min(arrivals.0, arrival), max(arrivals.1, arrival))
            }
            if event.clock == .arrival, event.time == event.arrival {
                fields |= Fields.timeIsArrival
            } else {
                timeColumn[timeCount] = zigzag(event.time.rawValue &- last)
                timeCount &+= 1
            }
            last = event.time.rawValue
            times = (min(times.0, last), max(times.1, last))
            let decimals = columns.appendValue(event, &fields)
            if event.aspect != .none {
                fields |= Fields.aspect
                aspectColumn[aspectCount] = UInt64(event.aspect.rawValue)
                aspectCount &+= 1
            }
            columns.appendWords(event, &fields)
            textBytes += Int(event.textLength)
            if event.detail != 0 { textBytes += columns.appendDetails(details[Int(event.detail) - 1], &fields) }
            shapeColumn[index] = shapes.index(of: ShapeKey(event, fields: fields, decimals: decimals))
        }
        let bounds = Bounds(
            first: first,
            times: Timestamp(rawValue: times.0)...Timestamp(rawValue: times.1),
            arrivals: Timestamp(rawValue: arrivals.0)...Timestamp(rawValue: arrivals.1), textBytes: textBytes)
        return (bounds, timeCount, aspectCount)
    }

    /// Makes room for the devices of the column.
    private mutating func reach() throws(LogError) {
        var top: UInt64 = 0
        for device in columns.device { top = max(top, device) }
        guard top <= UInt64(Limits.devices) else { throw .refused("device \(top)") }
        prediction.reach(Int(top))
    }

    /// Asks for the predictions of the next events' devices, which come in no order.
    private func prefetch(_ events: Span<Event>, from start: Int, _ entries: Span<DevicePrediction.Entry>) {
        for index in start..<min(start + DevicePrediction.prefetchedEvents, events.count) {
            entries.prefetch(Int(events[index].device.rawValue))
        }
    }

    /// The second pass: columns of numbers to the message `Block`.
    private mutating func write(_ count: Int, _ first: Event) {
        writer.append(1, varint: UInt64(count))
        writer.append(2, varint: zigzag(first.time.rawValue))
        writer.append(3, varint: zigzag(first.arrival.rawValue))
        for key in shapes.keys {
            writer.append(4, key.encoded())
        }
        columns.write(to: &writer)
        writer.cut()
    }

    /// The texts of the events in their order, of each its text and then its other parts; nil when there are none.
    private mutating func encodeTexts(of batch: EventBatch, bytes: Int) throws(LogError) -> EncodedText? {
        guard bytes > 0 else { return nil }
        texts.removeAll(keepingCapacity: true)
        texts.reserveCapacity(bytes)
        var isPlain = false
        for event in batch.events where event.textLength > 0 || event.detail != 0 {
            texts += batch.text(of: event)
            isPlain = isPlain || event.textLength > 0
            guard event.detail != 0 else { continue }
            let details = batch.details(of: event)
            for tag in PartTag.allCases {
                let part = details[keyPath: tag.part]
                guard !part.isEmpty else { continue }
                texts += batch.bytes(of: part)
                isPlain = isPlain || part.codec == .plain
            }
        }
        var body: [UInt8] = []
        try deflater.deflate(
            // In what is sealed nothing repeats.
            texts.span, [Deflater.Section(end: texts.count, strategy: isPlain ? .matches : .plain)], into: &body)
        return EncodedText(EncodedBody(body: body, rawSize: texts.count))
    }
}

/// The columns that nearly every event has an entry in, as long as the batch from the beginning; and beside them what
/// was predicted of each event's device.
private struct CommonColumns {
    var before: [DevicePrediction.Entry] = []
    var shape: [UInt64] = []
    var time: [UInt64] = []
    var aspect: [UInt64] = []

    /// Takes the columns, which are empty, for the time being.
    init(_ columns: inout EventColumns, _ undo: inout [DevicePrediction.Entry], count: Int) {
        swap(&before, &undo)
        swap(&shape, &columns.shape)
        swap(&time, &columns.time)
        swap(&aspect, &columns.aspect)
        before.append(contentsOf: repeatElement(DevicePrediction.Entry(), count: count))
        shape.append(contentsOf: repeatElement(0, count: count))
        time.append(contentsOf: repeatElement(0, count: count))
        aspect.append(contentsOf: repeatElement(0, count: count))
    }

    /// Puts the columns back, with so many times and aspects; each event has a shape.
    mutating func giveBack(
        to columns: inout EventColumns, _ undo: inout [DevicePrediction.Entry], times: Int, aspects: Int
    ) {
        time.removeLast(time.count - times)
        aspect.removeLast(aspect.count - aspects)
        swap(&before, &undo)
        swap(&shape, &columns.shape)
        swap(&time, &columns.time)
        swap(&aspect, &columns.aspect)
    }
}
