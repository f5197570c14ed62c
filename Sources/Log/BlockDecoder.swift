// The bytes of a block to events. Stored bytes are not trusted: whatever they say, this ends with events or an error.

import Bytes
package import Events

/// Decodes the blocks of one segment in order. One owner at a time.
package struct BlockDecoder {
    private var prediction = DevicePrediction()
    private let inflater: Inflater
    private let devices: DeviceBound
    private var raw: [UInt8] = []
    private var columns = EventColumns()
    private var shapes: [ShapeTemplate] = []
    /// Whether the prediction is known to be what the encoder's was.
    package private(set) var isCertain = true

    /// A decoder at the start of a segment.
    ///
    /// - Parameter devices: those that are believed; a block that names others is damaged.
    package init(devices: DeviceBound = .format) throws(LogError) {
        self.devices = devices
        inflater = try Inflater.forBodies()
    }

    /// Starts again: at a segment's start, or with the prediction of a keyframe.
    package mutating func restart(after prediction: DevicePrediction = DevicePrediction()) {
        self.prediction = prediction
        isCertain = true
    }

    /// Notes that blocks were lost between the last decoded one and the next.
    package mutating func loseTrack() { isCertain = false }

    /// The prediction after the last block.
    package var state: DevicePrediction { prediction }

    /// Appends a block's events to `batch`; on nil nothing was appended.
    ///
    /// - Parameter count: how many events the block must have.
    /// - Returns: nil, or what is wrong with the bytes; the prediction is then uncertain (`isCertain`).
    package mutating func decode(_ stored: EncodedBody, count: Int, into batch: inout EventBatch) -> String? {
        let fault = inflate(stored, count: count) ?? decodeRaw(count: count, into: &batch)
        if fault != nil { isCertain = false }
        return fault
    }

    private mutating func inflate(_ stored: EncodedBody, count: Int) -> String? {
        guard (1...Limits.blockEvents).contains(count), (0...LogLimits.blockBytes).contains(stored.rawSize) else {
            return "impossible size"
        }
        guard stored.isIntact else { return repair(stored) ? nil : "bad checksum" }
        guard inflater.inflate(stored.body.span, size: stored.rawSize, into: &raw) else { return "bad compression" }
        return nil
    }

    /// Inflates a body that does not have its checksum: if it is the checksum that changed, or one byte of the body.
    /// The stream has a checksum of its own, so nothing else is taken for the body.
    private mutating func repair(_ stored: EncodedBody) -> Bool {
        for original in stored.originals
        where inflater.inflate(original.body.span, size: stored.rawSize, into: &raw) { return true }
        return false
    }

    /// Decodes the inflated message; the prediction moves on only as far as the events are sound.
    private mutating func decodeRaw(count: Int, into batch: inout EventBatch) -> String? {
        let mark = batch.mark
        do throws(Malformed) {
            let held = raw
            let layout = try BlockLayout(held.span, shapes: &shapes)
            guard layout.count == UInt64(count) else { throw .block }
            try readColumns(layout)
            var highest: UInt64 = 0
            for device in columns.device { highest = max(highest, device) }
            guard highest <= UInt64(Limits.devices) else { throw .block }
            let top = Int(highest)
            guard devices.allows(top) else {
                return "it names device \(top), which is far beyond those that identity.sqlite knows"
            }
            try assemble(layout, top: top, into: &batch)
            return nil
        } catch {
            batch.truncate(to: mark)
            return "malformed block"
        }
    }

    private mutating func readColumns(_ layout: borrowing BlockLayout) throws(Malformed) {
        let count = Int(layout.count)
        let held = raw
        let bytes = held.span
        try layout.columns[0].read(bytes, count: count, into: &columns.shape)
        let sizes = try ColumnSizes(columns.shape.span, shapes)
        for (index, column) in EventColumns.all.enumerated().dropFirst() {
            try layout.columns[index].read(
                bytes, count: sizes[keyPath: column.size], into: &columns[keyPath: column.list])
        }
    }

    /// Columns to events.
    private mutating func assemble(
        _ layout: borrowing BlockLayout, top: Int, into batch: inout EventBatch
    ) throws(Malformed) {
        let count = Int(layout.count)
        let textBase = batch.text.count
        try checkText(layout, reach: top)
        batch.events.reserveCapacity(batch.events.count + count)
        batch.text.append(contentsOf: raw[layout.text])
        var at = ColumnSizes()
        var time = layout.baseTime
        var arrival = layout.baseArrival
        var textStart = textBase
        for index in 0..<count {
            if index % DevicePrediction.prefetchedEvents == 0 { prefetch(from: index) }
            let shape = shapes[Int(columns.shape[index])]
            var event = shape.event
            let fields = shape.fields
            event.device = DeviceID(rawValue: UInt32(truncatingIfNeeded: columns.device[index]))
            if fields & Fields.arrival != 0 {
                arrival = arrival &+ unzigzag(columns.arrival[at.arrival])
                at.arrival += 1
            }
            event.arrival = Timestamp(rawValue: arrival)
            if fields & Fields.timeIsArrival != 0 {
                time = arrival
            } else {
                time = time &+ unzigzag(columns.time[at.time])
                at.time += 1
            }
            event.time = Timestamp(rawValue: time)
            if fields & Fields.aspect != 0 {
                event.aspect = SymbolID(rawValue: UInt32(truncatingIfNeeded: columns.aspect[at.aspect]))
                at.aspect += 1
            }
            if fields & Fields.count != 0 {
                event.count = UInt32(truncatingIfNeeded: columns.count[at.count])
                at.count += 1
            }
            takeValue(shape, &event, &at)
            takeIdentity(fields, &event, &at)
            if fields & Fields.rareWords != 0 { takeRareWords(fields, &event, &at, &textStart) }
            batch.events.append(event)
        }
    }

    /// Asks for the predictions of the next events' devices, which come in no order.
    private func prefetch(from start: Int) {
        let (devices, entries) = (columns.device.span, prediction.entries.span)
        for index in start..<min(start + DevicePrediction.prefetchedEvents, devices.count) {
            entries.prefetch(Int(devices[index]))
        }
    }

    private mutating func checkText(_ layout: borrowing BlockLayout, reach top: Int) throws(Malformed) {
        var size: UInt64 = 0
        for length in columns.textLength {
            guard length <= UInt64(Limits.blockTextBytes) else { throw .block }
            size += length
        }
        guard size == UInt64(layout.text.count) else { throw .block }
        prediction.reach(top)
    }

    @inline(__always) private func takeValue(_ shape: ShapeTemplate, _ event: inout Event, _ at: inout ColumnSizes) {
        switch event.valueKind {
        case .none, .flag: break
        case .symbol:
            event.valueBits = columns.symbol[at.symbol]
            at.symbol += 1
        case .whole:
            if event.kind == .ratingGiven {
                event.valueBits = UInt64(bitPattern: unzigzag(columns.rating[at.rating]))
                at.rating += 1
            } else {
                event.valueBits = UInt64(bitPattern: unzigzag(columns.whole[at.whole]))
                at.whole += 1
            }
        case .real:
            if shape.decimals == ShapeKey.bits {
                event.valueBits = columns.real[at.real]
                at.real += 1
            } else {
                let mantissa = Double(unzigzag(columns.decimal[at.decimal]))
                event.valueBits = (mantissa / powerOfTen(Int(shape.decimals))).bitPattern
                at.decimal += 1
            }
        }
    }

    /// The mirror image of the encoder's `predict`.
    @inline(__always)
    private mutating func takeIdentity(_ fields: UInt64, _ event: inout Event, _ at: inout ColumnSizes) {
        let device = Int(event.device.rawValue)
        var entry = prediction.entries[device]
        if fields & Fields.otherCustomer != 0 {
            (entry.customer, entry.other) = (entry.other, entry.customer)
        } else if fields & Fields.customer != 0 {
            entry.other = entry.customer
            entry.customer = UInt32(truncatingIfNeeded: columns.customer[at.customer])
            at.customer += 1
        }
        event.customer = CustomerID(rawValue: entry.customer)
        if fields & Fields.product != 0 {
            entry.product = UInt32(truncatingIfNeeded: columns.product[at.product])
            at.product += 1
        }
        event.product = SymbolID(rawValue: entry.product)
        var epoch: UInt32 = 0
        if fields & Fields.epoch != 0 {
            epoch = UInt32(truncatingIfNeeded: columns.epoch[at.epoch])
            at.epoch += 1
        }
        if event.identity == .sequence {
            if fields & Fields.epoch != 0 {
                entry.epoch = epoch
                entry.seq = 0
            }
            var seq = entry.seq &+ 1
            if fields & Fields.seq != 0 {
                seq = seq &+ UInt64(bitPattern: unzigzag(columns.seq[at.seq]))
                at.seq += 1
            }
            event.epoch = entry.epoch
            event.seq = seq
            entry.seq = max(entry.seq, seq)
        } else {
            event.epoch = epoch
            if fields & Fields.seq != 0 {
                event.seq = columns.hash[at.hash]
                at.hash += 1
            }
        }
        prediction.entries[device] = entry
    }

    private func takeRareWords(
        _ fields: UInt64, _ event: inout Event, _ at: inout ColumnSizes, _ textStart: inout Int
    ) {
        if fields & Fields.unit != 0 {
            event.unit = SymbolID(rawValue: UInt32(truncatingIfNeeded: columns.unit[at.unit]))
            at.unit += 1
        }
        if fields & Fields.language != 0 {
            event.language = SymbolID(rawValue: UInt32(truncatingIfNeeded: columns.language[at.language]))
            at.language += 1
        }
        if fields & Fields.type != 0 {
            event.type = SymbolID(rawValue: UInt32(truncatingIfNeeded: columns.type[at.type]))
            at.type += 1
        }
        if fields & Fields.text != 0 {
            event.textStart = UInt32(textStart)
            event.textLength = UInt32(columns.textLength[at.textLength])
            textStart += Int(columns.textLength[at.textLength])
            at.textLength += 1
        }
    }
}

/// Where the parts of a message `Block` stand.
struct BlockLayout {
    var count: UInt64 = 0
    var baseTime: Int64 = 0
    var baseArrival: Int64 = 0
    /// In the order of `EventColumns.all`.
    var columns: InlineArray<20, ColumnRanges> = .init(repeating: ColumnRanges())
    var text = 0..<0

    init(_ bytes: Span<UInt8>, shapes: inout [ShapeTemplate]) throws(Malformed) {
        shapes.removeAll(keepingCapacity: true)
        var at = 0
        while at < bytes.count {
            let field = try readField(bytes, &at, end: bytes.count)
            switch field.number {
            case 1: count = field.varint
            case 2: baseTime = unzigzag(field.varint)
            case 3: baseArrival = unzigzag(field.varint)
            case 4:
                guard shapes.count < Limits.blockEvents else { throw .block }
                shapes.append(try ShapeTemplate(bytes, field.range))
            case EventColumns.fields:
                columns[field.number - EventColumns.fields.lowerBound] = try ColumnRanges(bytes, field.range)
            case 25: guard field.varint == 0 else { throw .block }
            case 26: text = field.range
            default: break
            }
        }
    }
}
