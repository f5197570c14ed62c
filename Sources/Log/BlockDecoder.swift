// The bytes of a block to events. Stored bytes are not trusted: whatever they say, this ends with events or an error.

import Bytes
package import Events

/// Decodes the blocks of one segment in order. One owner at a time.
package struct BlockDecoder {
    private var prediction = DevicePrediction()
    private let inflater: Inflater
    private let devices: DeviceBound
    private var raw: [UInt8] = []
    /// The texts of a block whose body does not have them.
    private var texts: [UInt8] = []
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
    /// - Returns: nil, or what is wrong with the bytes; the prediction is then uncertain (`isCertain`). When only the
    ///   texts are damaged it is not: it is still the one before the block, and `pass` or `loseTrack` must follow.
    package mutating func decode(_ block: EncodedBlock, into batch: inout EventBatch) -> String? {
        guard (1...Limits.blockEvents).contains(block.count) else {
            isCertain = false
            return "impossible size"
        }
        if let fault = inflate(block.stored, limit: LogLimits.blockBytes, into: \.raw) {
            isCertain = false
            return fault
        }
        if let fault = inflateTexts(of: block) { return fault }
        let fault = decodeRaw(count: block.count, block.format == .two ? .body : .apart, into: &batch)
        if fault != nil { isCertain = false }
        return fault
    }

    /// Goes behind a block that is not served, so that those behind it can be: the prediction needs no texts. Where its
    /// body is damaged, the prediction is uncertain from here on.
    package mutating func pass(_ block: EncodedBlock) {
        var ignored = EventBatch(capacity: block.count)
        let isSound =
            isCertain && (1...Limits.blockEvents).contains(block.count)
            && inflate(block.stored, limit: LogLimits.blockBytes, into: \.raw) == nil
            && decodeRaw(count: block.count, block.format == .two ? .body : .lost, into: &ignored) == nil
        if !isSound { isCertain = false }
    }

    /// Where the texts of a block are.
    private enum TextPlace {
        case body, apart, lost
    }

    private mutating func inflateTexts(of block: EncodedBlock) -> String? {
        texts.removeAll(keepingCapacity: true)
        guard block.format != .two, let text = block.text else { return nil }
        guard !text.isMissing else { return "its texts are missing" }
        return inflate(text.stored, limit: LogLimits.storedTextBytes, into: \.texts).map { "its texts: \($0)" }
    }

    private mutating func inflate(
        _ stored: EncodedBody, limit: Int, into bytes: WritableKeyPath<BlockDecoder, [UInt8]>
    ) -> String? {
        guard (0...limit).contains(stored.rawSize) else { return "impossible size" }
        guard stored.isIntact else { return repair(stored, into: bytes) ? nil : "bad checksum" }
        guard inflater.inflate(stored.body.span, size: stored.rawSize, into: &self[keyPath: bytes]) else {
            return "bad compression"
        }
        return nil
    }

    /// Inflates bytes that do not have their checksum: if it is the checksum that changed, or one byte of them. The
    /// stream has a checksum of its own, so nothing else is taken for what was stored.
    private mutating func repair(_ stored: EncodedBody, into bytes: WritableKeyPath<BlockDecoder, [UInt8]>) -> Bool {
        for original in stored.originals
        where inflater.inflate(original.body.span, size: stored.rawSize, into: &self[keyPath: bytes]) { return true }
        return false
    }

    /// Decodes the inflated message; the prediction moves on only as far as the events are sound.
    private mutating func decodeRaw(count: Int, _ place: TextPlace, into batch: inout EventBatch) -> String? {
        let mark = batch.mark
        do throws(Malformed) {
            let held = raw
            let layout = try BlockLayout(held.span, shapes: &shapes)
            guard layout.count == UInt64(count), place == .body || !layout.hasText else { throw .block }
            try readColumns(layout)
            if place != .lost { try checkTexts(place == .body ? layout.text.count : texts.count) }
            var highest: UInt64 = 0
            for device in columns.device { highest = max(highest, device) }
            guard highest <= UInt64(Limits.devices) else { throw .block }
            let top = Int(highest)
            guard devices.allows(top) else {
                return "it names device \(top), which is far beyond those that identity.sqlite knows"
            }
            prediction.reach(top)
            // Events of a block whose texts are lost are only gone through for the prediction.
            switch place {
            case .body: batch.text += raw[layout.text]
            case .apart: batch.text += texts
            case .lost: break
            }
            try assemble(layout, textStart: mark.text, into: &batch)
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
        var sizes = try ColumnSizes(columns.shape.span, shapes)
        for (index, column) in EventColumns.all.enumerated().dropFirst() {
            try layout.columns[index].read(
                bytes, count: sizes[keyPath: column.size], into: &columns[keyPath: column.list])
            // How many parts there are in all only their counts tell, which are read before them.
            if index == EventColumns.partCountIndex { sizes.part = try partTotal() }
            if index == EventColumns.partCountIndex + 1 { sizes.partLength = sizes.part }
        }
    }

    private func partTotal() throws(Malformed) -> Int {
        var total = 0
        for count in columns.partCount {
            guard (1...UInt64(PartTag.allCases.count)).contains(count) else { throw .block }
            total += Int(count)
        }
        return total
    }

    /// Checks that the lengths of all texts and parts make up the bytes that there are.
    private func checkTexts(_ available: Int) throws(Malformed) {
        var size: UInt64 = 0
        for column in [columns.textLength, columns.partLength] {
            for length in column {
                guard length <= UInt64(LogLimits.storedTextBytes) else { throw .block }
                size += length
            }
        }
        guard size == UInt64(available) else { throw .block }
    }

    /// Columns to events.
    private mutating func assemble(
        _ layout: borrowing BlockLayout, textStart: Int, into batch: inout EventBatch
    ) throws(Malformed) {
        let count = Int(layout.count)
        batch.events.reserveCapacity(batch.events.count + count)
        var at = ColumnSizes()
        var time = layout.baseTime
        var arrival = layout.baseArrival
        var textStart = textStart
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
            if fields & Fields.rare != 0 {
                takeRareWords(fields, &event, &at, &textStart)
                if fields & Fields.details != 0 {
                    batch.setDetails(try takeDetails(fields, &at, &textStart), of: &event)
                }
            }
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

    private func takeDetails(
        _ fields: UInt64, _ at: inout ColumnSizes, _ textStart: inout Int
    ) throws(Malformed) -> EventDetails {
        var details = EventDetails()
        if fields & Fields.cause != 0 {
            details.cause = UInt32(truncatingIfNeeded: columns.cause[at.cause])
            at.cause += 1
        }
        if fields & Fields.causeTag != 0 {
            details.causeTag = UInt32(truncatingIfNeeded: columns.causeTag[at.causeTag])
            details.hasCauseTag = true
            at.causeTag += 1
        }
        if fields & Fields.consent != 0 {
            details.notice = SymbolID(rawValue: UInt32(truncatingIfNeeded: columns.notice[at.notice]))
            details.method = SymbolID(rawValue: UInt32(truncatingIfNeeded: columns.method[at.method]))
            details.expiry = Timestamp(rawValue: unzigzag(columns.expiry[at.expiry]))
            at.notice += 1
            at.method += 1
            at.expiry += 1
        }
        if fields & Fields.replays != 0 {
            details.replays = Offset(rawValue: columns.replays[at.replays])
            at.replays += 1
        }
        guard fields & Fields.parts != 0 else { return details }
        for _ in 0..<columns.partCount[at.partCount] {
            var (tag, part) = try PartTag.read(columns.part[at.part])
            guard details[keyPath: tag.part].isEmpty else { throw .block }
            part.start = UInt32(textStart)
            part.length = UInt32(truncatingIfNeeded: columns.partLength[at.part])
            guard !part.isEmpty else { throw .block }
            textStart += Int(part.length)
            details[keyPath: tag.part] = part
            at.part += 1
        }
        at.partCount += 1
        return details
    }
}

/// Where the parts of a message `Block` stand.
struct BlockLayout {
    var count: UInt64 = 0
    var baseTime: Int64 = 0
    var baseArrival: Int64 = 0
    /// In the order of `EventColumns.all`.
    var columns: InlineArray<29, ColumnRanges> = .init(repeating: ColumnRanges())
    /// The texts of a block of format 2.
    var text = 0..<0
    var hasText = false

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
            case 25: guard field.varint == 0 else { throw .block }
            case 26: (text, hasText) = (field.range, true)
            default:
                guard let index = EventColumns.index(ofField: field.number) else { continue }
                columns[index] = try ColumnRanges(bytes, field.range)
            }
        }
    }
}
