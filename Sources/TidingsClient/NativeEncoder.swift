// Events with numbered names to batches of the wire: each name is looked up once in a connection's life.

import Events
import Wire

/// By which number of which epoch a sender of datagrams counts an event.
struct EventNumber: Hashable, Sendable {
    var epoch: UInt32
    var seq: UInt64
    /// Whether the sender has given it, who may then count the event under another epoch.
    var isOurs = false
}

/// Writes batches for one connection or one datagram.
///
/// A number of the sender's `Vocabulary` leads to the table reference by one array load. Owned by one thread at a time.
struct NativeEncoder {
    private var writer: BatchWriter
    private var devices: [UInt32] = []
    private var customers: [UInt32] = []
    private var symbols: [[UInt32]] = Array(repeating: [], count: SymbolKind.allCases.count + 1)
    private var isFull = false
    private let keepsReferences: Bool
    private var body: [UInt8] = []

    /// - Parameter keepsReferences: false when every body starts with an empty table, as datagrams do.
    init(maxEvents: Int = Limits.batchEvents, maxBodyBytes: Int = Limits.frameBytes, keepsReferences: Bool = true) {
        self.keepsReferences = keepsReferences
        writer = BatchWriter(maxEvents: maxEvents, maxBodyBytes: maxBodyBytes)
    }

    /// For a new connection: nothing has been defined on it.
    mutating func reset() {
        writer.reset()
        devices.removeAll(keepingCapacity: true)
        customers.removeAll(keepingCapacity: true)
        for kind in symbols.indices { symbols[kind].removeAll(keepingCapacity: true) }
        isFull = false
    }

    /// Appends frames with the events of `batch`, numbered from `firstSeq`; more than one if they do not fit in one.
    ///
    /// - Returns: false when the connection's table is full, with nothing appended: the batch needs a new connection.
    mutating func writeFrames(
        _ batch: EventBatch, epoch: UInt32, firstSeq: UInt64, deflate: Bool, _ vocabulary: borrowing Vocabulary,
        into output: inout [UInt8]
    ) -> Bool {
        let start = output.count
        var index = 0
        while index < batch.count {
            let clock = batch.events[index].clock
            writer.begin(epoch: epoch, firstSeq: firstSeq + UInt64(index), time: base(batch, from: index))
            let first = index
            while index < batch.count, isTimed(batch.events[index].clock) == isTimed(clock),
                writer.add(outgoing(batch.events[index], batch, vocabulary, names: true))
            {
                index += 1
            }
            guard !isFull, index > first else {
                output.removeLast(output.count - start)
                return false
            }
            body.removeAll(keepingCapacity: true)
            writer.finish(into: &body)
            writeFrame(.batch, body: body.span, deflate: deflate, into: &output)
        }
        return true
    }

    /// Appends one datagram with as many events of one device as fit, from `start` on.
    ///
    /// - Parameter numbers: by which epochs and numbers the events are counted.
    /// - Returns: the index after the last event that is in it; `start` if not even one fits.
    mutating func writeDatagram(
        _ batch: EventBatch, _ numbers: [EventNumber], from start: Int, limit: Int, header: DatagramHeader,
        oldest: UInt64, _ vocabulary: borrowing Vocabulary, into output: inout [UInt8]
    ) -> Int {
        reset()
        let first = batch.events[start]
        let device = reference(device: first.device, vocabulary)
        // The epoch stands in the header alone: so another one can be put in its place.
        writer.begin(
            firstSeq: numbers[start].seq, time: base(batch, from: start), oldest: oldest, device: device)
        var index = start
        var next = numbers[start].seq
        while index < batch.count, index - start < limit {
            let (event, number) = (batch.events[index], numbers[index])
            guard event.device == first.device, number.epoch == numbers[start].epoch, number.seq >= next,
                number.isOurs == numbers[start].isOurs, isTimed(event.clock) == isTimed(first.clock),
                number.seq - next < UInt64(UInt32.max)
            else { break }
            var outgoing = outgoing(event, batch, vocabulary, names: false)
            outgoing.device = 0
            guard writer.add(outgoing, skipping: UInt32(number.seq - next)) else { break }
            next = number.seq + 1
            index += 1
        }
        guard index > start else { return start }
        body.removeAll(keepingCapacity: true)
        writer.finish(into: &body)
        header.write(body: body.span, into: &output)
        return index
    }

    /// Appends a datagram without events that names its device, so that messages to it may come back.
    ///
    /// - Parameter bytes: how long it is made: what comes back may be three times as much.
    mutating func writePoll(
        _ device: DeviceID, header: DatagramHeader, bytes: Int, _ vocabulary: borrowing Vocabulary,
        into output: inout [UInt8]
    ) {
        reset()
        writer.begin(firstSeq: 0, time: nil, device: reference(device: device, vocabulary))
        writer.paddedBytes = bytes - DatagramHeader.headerBytes - DatagramHeader.trailerBytes
        body.removeAll(keepingCapacity: true)
        writer.finish(into: &body)
        header.write(body: body.span, into: &output)
    }

    /// Where the times of a body's events are counted from: all of them have one, or none has. 0 says that none has.
    private func base(_ batch: EventBatch, from index: Int) -> Timestamp? {
        guard isTimed(batch.events[index].clock) else { return nil }
        let time = batch.events[index].time
        return time.rawValue == 0 ? Timestamp(rawValue: 1) : time
    }

    private func isTimed(_ clock: Clock) -> Bool { clock == .device }

    private mutating func outgoing(
        _ event: Event, _ batch: EventBatch, _ vocabulary: borrowing Vocabulary, names: Bool
    ) -> OutgoingEvent {
        var outgoing = OutgoingEvent(kind: event.kind)
        outgoing.aspect = reference(.aspect, event.aspect, vocabulary)
        switch event.value {
        case .none: break
        case .whole(let number): outgoing.value = .whole(number)
        case .real(let number): outgoing.value = .real(number)
        case .symbol(let symbol): outgoing.value = .reference(reference(.value, symbol, vocabulary))
        case .flag(let flag): outgoing.value = .flag(flag)
        }
        if event.textLength > 0 { outgoing.text = carried(batch.text(of: event)) }
        if event.clock == .device { outgoing.time = event.time }
        outgoing.unit = reference(.unit, event.unit, vocabulary)
        outgoing.language = reference(.language, event.language, vocabulary)
        outgoing.type = reference(.type, event.type, vocabulary)
        if event.customer != .none { outgoing.customer = reference(customer: event.customer, vocabulary) }
        outgoing.count = event.count
        outgoing.severity = event.severity
        outgoing.scale = event.scale
        outgoing.origin = event.origin
        if event.detail != 0 || event.identity == .hash { outgoing.rare = rare(event, batch, vocabulary) }
        guard names else { return outgoing }
        outgoing.device = reference(device: event.device, vocabulary)
        if event.identity == .sequence {
            outgoing.seq = event.seq
            outgoing.epoch = event.epoch
        }
        return outgoing
    }

    private mutating func rare(
        _ event: Event, _ batch: EventBatch, _ vocabulary: borrowing Vocabulary
    ) -> OutgoingRare {
        var rare = OutgoingRare()
        // Of an id that is no number its hash is all that anybody remembers.
        if event.identity == .hash { appendHash(event.seq, to: &rare.id) }
        let details = batch.details(of: event)
        details.appendCause(to: &rare.cause)
        rare.extra = batch.bytes(of: details.extra)
        rare.notice = reference(.value, details.notice, vocabulary)
        rare.method = reference(.value, details.method, vocabulary)
        rare.expiry = details.expiry
        return rare
    }

    private mutating func reference(
        _ kind: SymbolKind, _ symbol: SymbolID, _ vocabulary: borrowing Vocabulary
    ) -> UInt32 {
        guard symbol != .none else { return 0 }
        let table = Int(kind.rawValue)
        let index = Int(symbol.rawValue)
        if index < symbols[table].count, symbols[table][index] != 0 { return symbols[table][index] }
        let reference = checked(writer.reference(Array(vocabulary.text(kind, symbol)).span))
        if keepsReferences { remember(reference, at: index, in: &symbols[table]) }
        return reference
    }

    private mutating func reference(device: DeviceID, _ vocabulary: borrowing Vocabulary) -> UInt32 {
        let index = Int(device.rawValue)
        if index < devices.count, devices[index] != 0 { return devices[index] }
        let product = vocabulary.text(.product, vocabulary.product(of: device))
        let reference = checked(
            writer.reference(deviceSource(product: product, name: vocabulary.name(of: device)).span))
        if keepsReferences { remember(reference, at: index, in: &devices) }
        return reference
    }

    private mutating func reference(customer: CustomerID, _ vocabulary: borrowing Vocabulary) -> UInt32 {
        let index = Int(customer.rawValue)
        if index < customers.count, customers[index] != 0 { return customers[index] }
        let reference = checked(writer.reference(Array(vocabulary.name(of: customer)).span))
        if keepsReferences { remember(reference, at: index, in: &customers) }
        return reference
    }

    /// Marks the table as full when the writer had no room.
    private mutating func checked(_ reference: UInt32) -> UInt32 {
        if reference == 0 { isFull = true }
        return reference
    }
}

private func remember(_ reference: UInt32, at index: Int, in table: inout [UInt32]) {
    if index >= table.count { table.append(contentsOf: repeatElement(0, count: index + 1 - table.count)) }
    table[index] = reference
}

/// As much of a text as a native event has room for: still more than is kept, so that the daemon says that it was cut.
private func carried(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let longest = Limits.textBytes + 4
    guard text.count > longest else { return text }
    var end = text.startIndex + longest
    // Not within a character: its other bytes begin with the bits 10.
    while end > text.startIndex, text[end] & 0xc0 == 0x80 { end -= 1 }
    return text[..<end]
}
