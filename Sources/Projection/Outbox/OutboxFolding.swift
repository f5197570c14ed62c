// The outbox within the fold: which events reach it, and what it asks of the other tables.

import Admission
import Events

/// The outbox sees the tables as they stand where the log is: events that it asks them for begin a window of their own
/// (`beginsWindow`), and devices' events are given to it in the order of the log.
extension SummaryState {
    /// Whether an event must be the first of its window, so that everything before it has been folded wholly, wherever
    /// blocks end.
    func beginsWindow(_ event: borrowing Event) -> Bool {
        let kind = event.kind
        guard case .none = event.quarantine else { return false }
        return kind.isOfOutbox || outbox.isActive && (kind == .customerErased || kind.isConsent)
    }

    /// Makes the index of customers' devices, if somebody is to be written to and it is not there.
    mutating func prepareOutbox() {
        guard outbox.isActive else { return }
        if outbox.open.personal == 0 {
            customerDevices = nil
        } else if customerDevices == nil {
            customerDevices = CustomerDevices(devices)
        }
    }

    /// Lends the outbox out, so that it can be changed while the tables are read.
    private mutating func withOutbox(_ body: (inout Outbox, borrowing SummaryState) -> Void) {
        var lent = Outbox()
        swap(&lent, &outbox)
        body(&lent, self)
        swap(&lent, &outbox)
    }

    /// Folds an event of the daemon or an operator that is about a message.
    mutating func foldMessage(_ event: Event, _ batch: borrowing EventBatch, at offset: UInt64) {
        let details = batch.details(of: event)
        let isReadable = details.payload.codec == .plain
        let payload = isReadable ? batch.bytes(of: details.payload) : []
        switch event.kind {
        case .addressed:
            withOutbox { outbox, state in outbox.address(event, details, payload, at: offset, state) }
        case .closed:
            if let reason = ClosingReason(rawValue: event.scale) { outbox.close(details.cause, reason, at: offset) }
        case .setting, .reply, .notice, .question, .settings:
            guard event.product.rawValue <= ProjectionLimits.highestProduct,
                event.device.rawValue <= ProjectionLimits.highestPseudonym
            else {
                skipped += 1
                return
            }
            outbox.add(event, details, payload, at: offset)
            prepareOutbox()
        case .custom, .preferenceSet, .ratingGiven, .featureUsed, .feedbackText, .faultSeen, .stateReported,
            .consentGiven, .consentWithdrawn, .receipt, .gap, .rollout, .rolloutStep, .customerErased, .audited, .note,
            .dataRequested, .erasureRequested:
            break
        }
    }

    /// Somebody was forgotten.
    mutating func eraseFromOutbox(_ event: borrowing Event) {
        let (customer, device) = (event.customer.rawValue, event.device.rawValue)
        guard outbox.isActive else {
            // Who is written to later must not be one of them.
            if customer != 0 { outbox.erased.insert(customer) }
            return
        }
        prepareOutbox()
        if customer != 0 {
            var gone: [UInt32] = []
            for device in devices.indices where self.customer(of: UInt32(device)) == customer {
                gone.append(UInt32(device))
            }
            outbox.erase(customer: customer, devices: gone)
        }
        if device != 0 { outbox.erase(device: device) }
    }

    /// Gives the outbox what devices of a window have said, in the order of the log.
    mutating func foldForOutbox(
        _ events: Span<Event>, _ items: Span<FoldItem>, _ count: Int, _ batch: borrowing EventBatch
    ) {
        let hasSettings = outbox.open.hasSettings
        for index in 0..<count {
            let event = events[Int(items[index].event)]
            let item = items[index]
            if item.customer != RowIndex.none, item.isOwn { noteCustomer(event, item) }
            if event.kind.isConsent { reconsiderCustomer(event, item) }
            let isValue = hasSettings && (event.kind == .preferenceSet || event.kind == .stateReported)
            guard item.isOwn, event.device != .none, isValue || event.detail != 0 else { continue }
            let said = Self.said(event, item, batch)
            if said.cause != 0 { outbox.take(said) }
            if isValue, event.valueKind != .none { outbox.takeValue(said) }
        }
    }

    private mutating func noteCustomer(_ event: Event, _ item: FoldItem) {
        guard customerDevices?.note(event.device.rawValue, item.customer) == true else { return }
        withOutbox { outbox, state in outbox.reconsider(event.device.rawValue, at: event.arrival, state) }
    }

    /// The customer of a consent has perhaps changed what may be sent to all of the customer's devices.
    private mutating func reconsiderCustomer(_ event: Event, _ item: FoldItem) {
        guard item.customer != RowIndex.none, let index = customerDevices else { return }
        let devices = index.devices(of: item.customer)
        withOutbox { outbox, state in
            for device in devices { outbox.reconsider(device, at: event.arrival, state) }
        }
    }

    private static func said(_ event: Event, _ item: FoldItem, _ batch: borrowing EventBatch) -> DeviceEvent {
        var said = DeviceEvent(
            device: event.device.rawValue, product: item.product, aspect: event.aspect.rawValue, kind: event.kind,
            valueKind: event.valueKind, bits: event.valueBits,
            isByCustomer: event.customer != .none || event.origin == .user)
        if case .sequence = event.identity { said.order = DeviceOrder(rank: item.rank, seq: event.seq) }
        guard event.detail != 0 else { return said }
        let details = batch.details(of: event)
        said.cause = details.cause
        said.tag = details.hasCauseTag ? details.causeTag : nil
        if event.kind == .receipt {
            said.stage = ReceiptStage(rawValue: event.scale) ?? .none
            said.evidence = ReceiptEvidence(rawValue: event.severity) ?? .none
            said.attempt = event.count
        }
        return said
    }
}

extension SummaryState: OutboxAudience {
    var deviceCount: Int { devices.count }

    func product(of device: UInt32) -> UInt32 { Int(device) < devices.count ? devices[Int(device)].product : 0 }

    func customer(of device: UInt32) -> UInt32 {
        guard Int(device) < devices.count else { return 0 }
        let row = customerDevices?.row(of: device) ?? devices[Int(device)].customerRow
        return row == RowIndex.none ? 0 : customers[Int(row)].customer
    }

    func agrees(_ customer: UInt32, _ product: UInt32, at time: Timestamp) -> Bool {
        consents.isInForce(
            .contact, CustomerID(rawValue: customer), SymbolID(rawValue: product), at: time)
    }

    func hasChosen(_ device: UInt32, _ aspect: UInt32) -> Bool {
        let product = product(of: device)
        guard product != 0, let slot = slotIndex.find(IndexTable.key(product, aspect)) else { return false }
        let ordinal = aspects[slot].ordinal
        if ordinal < 64 { return devices[Int(device)].preferences.held & (1 << UInt64(ordinal)) != 0 }
        return otherPreferences.holds(IndexTable.key(device, UInt32(slot)))
    }
}
