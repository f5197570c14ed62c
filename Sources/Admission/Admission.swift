// May this event come in? One pass over what a frame brought: schema, then dedupe, then counting.

package import Events

/// What became of the events of one frame.
package struct AdmissionResult: Sendable {
    /// New in the batch and good.
    package var accepted = 0
    /// Dropped: taken before, in the log or on the way there.
    package var duplicates = 0
    /// Dropped: too old to tell whether they were taken before.
    package var stale = 0
    /// New in the batch and kept apart.
    package var quarantined = 0
    /// The first of those that were quarantined or are stale, in their order.
    package var named: [Named] = []
    /// Whether `Admission.gate` must follow: there are consents, or events that may need one.
    package fileprivate(set) var needsGate = false
    /// How many may be named.
    fileprivate var mostNamed = AdmissionLimits.verdictsNamed

    package init() {}

    /// One event of which the sender is told: which, and what became of it.
    package struct Named: Sendable, Equatable {
        /// The event's index in its frame.
        package var index: Int
        package var event: Event
        package var verdict: Verdict

        package init(index: Int, event: Event, verdict: Verdict) {
            self.index = index
            self.event = event
            self.verdict = verdict
        }

        /// The event's own number; 0 when it has none.
        package var seq: UInt64 { event.identity == .sequence ? event.seq : 0 }
    }

    /// The reason of the first event that was quarantined, if it is among those named.
    package var firstReason: QuarantineReason? {
        for one in named {
            if case .quarantined(let reason) = one.verdict { return reason }
        }
        return nil
    }
}

/// The policy for what comes in: pure, without sockets or files.
///
/// Owned by the ingest event loop.
package struct Admission: Sendable {
    package var dedupe: DedupeTable
    package var consent: ConsentGate
    package var messages = KnownMessages()
    /// Indexed by `TransportKind.rawValue`.
    package private(set) var counts = [TransportCounts](repeating: .init(), count: TransportKind.allCases.count)
    /// Admitted since the last `takeAdmitted`, indexed by `TransportKind.rawValue`.
    private var admitted = [AdmittedCounts](repeating: .init(), count: TransportKind.allCases.count)

    private var staleCounts = StaleDevices()
    /// When devices were forgotten that have come back: what happened before is stale.
    package var forgottenDevices: [UInt32: Timestamp] = [:]

    package init(dedupe: DedupeTable = DedupeTable(), consents: ConsentTable = ConsentTable()) {
        self.dedupe = dedupe
        consent = ConsentGate(table: consents)
        self.dedupe.beginCounting()
    }

    /// Judges the events behind `mark`, marks those that fail their schema and removes those taken before.
    package mutating func admit(
        _ batch: inout EventBatch, from mark: EventBatch.Mark, transport: TransportKind
    ) -> AdmissionResult {
        var result = AdmissionResult()
        result.mostNamed = transport.verdictsNamed
        result.needsGate = consent.isOn
        let row = Int(transport.rawValue)
        let (start, end) = (mark.events, batch.events.count)
        var kept = start
        var next = start
        while next < end {
            let stretch = next..<min(next + Self.stretchEvents, end)
            prefetch(batch.events.span, stretch)
            judge(&batch.events, stretch, batch.details, from: start, &kept, row: row, &result)
            next = stretch.upperBound
        }
        if kept == start {
            batch.truncate(to: mark)
        } else {
            // What was said besides by an event that was dropped stays until the block is written; nothing points to
            // it.
            batch.events.removeLast(end - kept)
        }
        admitted[row].accepted += UInt64(result.accepted)
        counts[row].received += UInt64(end - start)
        counts[row].duplicate += UInt64(result.duplicates)
        counts[row].stale += UInt64(result.stale)
        counts[row].inFlight += UInt64(kept - start)
        return result
    }

    /// How many events are looked at ahead: their windows stay in the first-level cache.
    private static let stretchEvents = 256

    /// Asks for the windows of the devices that a stretch of events is of.
    private func prefetch(_ events: Span<Event>, _ stretch: Range<Int>) {
        for index in stretch { dedupe.prefetch(events[index].device) }
    }

    /// One stretch of `admit`. Events stay where they are until one was dropped, and are not copied before.
    private mutating func judge(
        _ events: inout [Event], _ stretch: Range<Int>, _ details: [EventDetails], from start: Int,
        _ kept: inout Int, row: Int, _ result: inout AdmissionResult
    ) {
        let earliest = Limits.earliestTime
        let ahead = Limits.clockAheadMilliseconds
        var consents = false
        let haveDevicesReturned = !forgottenDevices.isEmpty
        var events = events.mutableSpan
        for index in stretch {
            var reason = verdict(events[index], earliest: earliest, clockAhead: ahead, consents: &consents)
            if events[index].detail != 0, case .none = reason {
                reason = messages.verdict(events[index], details[Int(events[index].detail) - 1])
            }
            let isForgotten = haveDevicesReturned && isForgotten(events[index])
            switch dedupe.admit(events[index], isGood: reason == .none && !isForgotten) {
            case .duplicate:
                result.duplicates += 1
                continue
            case .stale:
                drop(stale: events[index], at: index - start, &result)
                continue
            case .reused: reason = .numberReused
            case .new: break
            }
            if isForgotten {
                drop(stale: events[index], at: index - start, &result)
                continue
            }
            if case .none = reason {
                result.accepted += 1
            } else {
                events[index].quarantine = reason
                quarantine(events[index], at: index - start, row: row, &result)
            }
            if kept < index { events[kept] = events[index] }
            kept += 1
        }
        if consents { result.needsGate = true }
    }

    /// Counts an event that is stored without its customer.
    mutating func noteWithoutConsent(_ transport: TransportKind) {
        admitted[Int(transport.rawValue)].withoutConsent += 1
    }

    private mutating func drop(stale event: Event, at index: Int, _ result: inout AdmissionResult) {
        result.stale += 1
        staleCounts.add(event.device)
        name(event, .stale, at: index, &result)
    }

    /// Whether an event happened before its device was forgotten, as far as the device itself knows.
    private func isForgotten(_ event: borrowing Event) -> Bool {
        guard let erased = forgottenDevices[event.device.rawValue] else { return false }
        if case .arrival = event.clock { return false }
        return event.time <= erased
    }

    private mutating func quarantine(_ event: Event, at index: Int, row: Int, _ result: inout AdmissionResult) {
        admitted[row].quarantined[Int(event.quarantine.rawValue)] += 1
        result.quarantined += 1
        name(event, .quarantined(event.quarantine), at: index, &result)
    }

    private func name(_ event: Event, _ verdict: Verdict, at index: Int, _ result: inout AdmissionResult) {
        guard result.named.count < result.mostNamed else { return }
        result.named.append(.init(index: index, event: event, verdict: verdict))
    }

    /// The devices that have sent most stale events since the daemon's start, most first.
    package var staleDevices: [(device: DeviceID, events: UInt64)] { staleCounts.most }

    /// Makes a `gap` event for each run below `oldest` that the device has lost, to be put in the log as it is, behind
    /// the events of the unit that told it; then `dedupe.foldClosed` must be called.
    package mutating func close(
        _ device: DeviceID, product: SymbolID, epoch: UInt32, below oldest: UInt64, arrival: Timestamp,
        transport: TransportKind
    ) -> [Event] {
        dedupe.close(device, epoch: epoch, below: oldest).map { gap in
            var event = Event()
            event.kind = .gap
            event.device = device
            event.product = product
            event.identity = .sequence
            event.epoch = epoch
            event.seq = gap.last
            event.count = UInt32(clamping: gap.last - gap.first + 1)
            event.time = arrival
            event.arrival = arrival
            event.clock = .arrival
            counts[Int(transport.rawValue)].drop(.device, events: gap.last - gap.first + 1)
            return event
        }
    }

    /// Counts events that the daemon itself has made.
    package mutating func admit(own count: Int) {
        let row = Int(TransportKind.daemon.rawValue)
        admitted[row].accepted += UInt64(count)
        counts[row].received += UInt64(count)
        counts[row].inFlight += UInt64(count)
    }

    package mutating func refuse(_ reason: Refusal, events: Int, transport: TransportKind) {
        counts[Int(transport.rawValue)].refuse(reason, events: events)
    }

    package mutating func drop(_ reason: Drop, events: UInt64, transport: TransportKind) {
        counts[Int(transport.rawValue)].drop(reason, events: events)
    }

    /// What has been admitted since the last call: the counts of the block that is being closed.
    package mutating func takeAdmitted() -> [AdmittedCounts] {
        let taken = admitted
        admitted = [AdmittedCounts](repeating: .init(), count: TransportKind.allCases.count)
        return taken
    }

    /// The block whose counts these are is durable.
    package mutating func commit(_ block: [AdmittedCounts]) {
        for row in block.indices {
            counts[row].committed += block[row].accepted
            counts[row].inFlight -= block[row].total
            counts[row].withoutConsent += block[row].withoutConsent
            for reason in block[row].quarantined.indices {
                counts[row].quarantined[reason] += block[row].quarantined[reason]
            }
        }
    }
}
