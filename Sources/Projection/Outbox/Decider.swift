// What the log is to be told about messages now: pure, from the state of the fold and the time.

import Bytes
package import Events

extension SummaryState {
    /// The events that are due: whom messages go to, and which are over. They become true when the log has them; to be
    /// asked again only once it has, and they are folded.
    ///
    /// - Parameters:
    ///   - now: the daemon's clock, never behind the last arrival.
    ///   - limit: how many messages to decide about at once.
    package func decide(at now: Timestamp, limit: Int = 64) -> EventBatch {
        var batch = EventBatch()
        let ended = outbox.open.ended(by: now.rawValue, outbox.messages)
        guard !ended.isEmpty || !outbox.open.replaced.isEmpty || !outbox.open.unaddressed.isEmpty else { return batch }
        let due = Set(ended).union(outbox.open.replaced).union(outbox.open.unaddressed).sorted()
        for index in due.prefix(limit) {
            let message = outbox.messages[index]
            if message.expires != 0, message.expires <= now.rawValue {
                append(closed: message, .expired, at: now, to: &batch)
            } else if outbox.open.replaced.contains(index) {
                append(closed: message, .superseded, at: now, to: &batch)
            } else {
                address(message, at: now, to: &batch)
            }
        }
        return batch
    }

    private func address(_ message: OutboxMessage, at now: Timestamp, to batch: inout EventBatch) {
        var devices: [UInt32]?
        switch message.terms.scope {
        case .product: break
        case .device: devices = [message.device]
        case .customer: devices = self.devices(of: message.customer, product: message.product)
        // Those of a list are recorded with the message: who is not heard of was not on it.
        case .list: devices = []
        }
        batch.append(
            addressed: devices, of: MessageID(number: message.number, tag: message.tag),
            product: SymbolID(rawValue: message.product), asOf: offset, at: now)
    }

    private func append(
        closed message: OutboxMessage, _ reason: ClosingReason, at now: Timestamp, to batch: inout EventBatch
    ) {
        batch.append(
            closed: MessageID(number: message.number, tag: message.tag), product: SymbolID(rawValue: message.product),
            reason, at: now)
    }

    /// The devices of a product whose newest event that names a customer names this one.
    func devices(of customer: UInt32, product: UInt32) -> [UInt32] {
        guard customer != 0, let row = customerIndex.find(IndexTable.key(product, customer)) else { return [] }
        if let index = customerDevices { return index.devices(of: UInt32(row)).sorted() }
        return devices.indices.filter { devices[$0].customerRow == UInt32(row) }.map { UInt32($0) }
    }
}

extension EventBatch {
    private func own(_ kind: EventKind, product: SymbolID, at time: Timestamp) -> Event {
        var event = Event()
        event.kind = kind
        event.product = product
        (event.time, event.arrival, event.clock) = (time, time, .arrival)
        return event
    }

    /// Appends the events that say whom a message goes to.
    ///
    /// - Parameters:
    ///   - devices: their numbers, ascending; nil for every device of the product.
    ///   - asOf: the log as of which they were found; nil for the place where the event will stand.
    package mutating func append(
        addressed devices: [UInt32]?, of message: MessageID, product: SymbolID, asOf: Offset?, at time: Timestamp
    ) {
        var details = EventDetails()
        details.message = message
        var event = own(.addressed, product: product, at: time)
        if let asOf, devices != nil { event.value = .whole(Int64(clamping: asOf.rawValue)) }
        guard let devices else {
            (event.scale, event.severity) = (AddressedForm.all.rawValue, 1)
            return append(event, details, [])
        }
        guard devices.count > MessageLimits.listed else {
            (event.scale, event.severity) = (AddressedForm.list.rawValue, 1)
            let json = "[" + devices.map { String($0) }.joined(separator: ",") + "]"
            return append(event, details, Array(json.utf8))
        }
        event.scale = AddressedForm.bits.rawValue
        var next = 0
        while next < devices.count {
            let first = devices[next]
            var end = next
            while end < devices.count, devices[end] - first < UInt32(MessageLimits.bits) { end += 1 }
            var bits = [UInt8](repeating: 0, count: Int(devices[end - 1] - first) / 8 + 1)
            for device in devices[next..<end] { bits[Int(device - first) / 8] |= 1 << UInt8((device - first) % 8) }
            event.count = first
            event.severity = end == devices.count ? 1 : 0
            append(event, details, Array("\"\(base64URL(bits))\"".utf8))
            next = end
        }
    }

    /// Appends the event that a message is over.
    package mutating func append(
        closed message: MessageID, product: SymbolID, _ reason: ClosingReason, at time: Timestamp
    ) {
        var details = EventDetails()
        details.message = message
        var event = own(.closed, product: product, at: time)
        event.scale = reason.rawValue
        append(event, details, [])
    }

    /// Appends the event of the daemon that says what has become of a message on its way.
    package mutating func append(
        receipt stage: ReceiptStage, of message: MessageID, _ device: DeviceID, product: SymbolID, attempt: UInt32 = 1,
        at time: Timestamp
    ) {
        var details = EventDetails()
        details.message = message
        var event = own(.receipt, product: product, at: time)
        event.device = device
        (event.scale, event.severity) = (stage.rawValue, ReceiptEvidence.transport.rawValue)
        event.count = attempt
        append(event, details, [])
    }

    /// Appends an event with what it says besides; the payload becomes one of its parts.
    package mutating func append(_ event: Event, _ details: EventDetails, _ payload: [UInt8]) {
        var (event, details) = (event, details)
        if !payload.isEmpty { details.payload = append(part: payload.span) }
        setDetails(details, of: &event)
        events.append(event)
    }
}
