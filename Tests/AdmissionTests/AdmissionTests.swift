// The pass over what comes in: schema, dedupe and the equation of the counts.

import Admission
import Events
import Testing

@Suite struct SchemaTests {
    private func event(_ kind: EventKind, _ change: (inout Event) -> Void = { _ in }) -> Event {
        var event = Event()
        event.kind = kind
        event.device = DeviceID(rawValue: 1)
        event.aspect = SymbolID(rawValue: 1)
        event.time = Timestamp(rawValue: 1_767_225_600_000)
        event.arrival = event.time
        change(&event)
        return event
    }

    @Test func goodEventsPass() {
        #expect(schemaVerdict(event(.preferenceSet) { $0.value = .whole(92) }) == .none)
        #expect(schemaVerdict(event(.ratingGiven) { $0.value = .whole(5) }) == .none)
        #expect(schemaVerdict(event(.ratingGiven) { ($0.value, $0.scale) = (.whole(0), 10) }) == .none)
        #expect(schemaVerdict(event(.ratingGiven) { ($0.value, $0.scale) = (.flag(true), 1) }) == .none)
        #expect(schemaVerdict(event(.featureUsed)) == .none)
        #expect(schemaVerdict(event(.feedbackText) { ($0.aspect, $0.textLength) = (.none, 4) }) == .none)
        #expect(schemaVerdict(event(.faultSeen) { $0.severity = 24 }) == .none)
        #expect(schemaVerdict(event(.consentGiven) { $0.value = .symbol(SymbolID(rawValue: 1)) }) == .none)
    }

    @Test func eachFaultHasItsReason() {
        #expect(schemaVerdict(event(.preferenceSet)) == .missingValue)
        #expect(schemaVerdict(event(.preferenceSet) { ($0.value, $0.aspect) = (.whole(1), .none) }) == .badAspect)
        #expect(schemaVerdict(event(.ratingGiven) { $0.value = .whole(6) }) == .outOfRange)
        #expect(schemaVerdict(event(.ratingGiven) { $0.value = .whole(0) }) == .outOfRange)
        #expect(schemaVerdict(event(.ratingGiven) { $0.value = .real(5.01) }) == .outOfRange)
        #expect(schemaVerdict(event(.ratingGiven) { $0.value = .symbol(SymbolID(rawValue: 1)) }) == .wrongValueType)
        #expect(schemaVerdict(event(.featureUsed) { $0.count = 0 }) == .outOfRange)
        #expect(schemaVerdict(event(.faultSeen) { $0.severity = 25 }) == .outOfRange)
        #expect(schemaVerdict(event(.feedbackText)) == .missingValue)
        #expect(schemaVerdict(event(.consentWithdrawn)) == .missingValue)
        #expect(schemaVerdict(event(.notice)) == .unknownType)
        #expect(schemaVerdict(event(.gap)) == .unknownType)
        #expect(schemaVerdict(event(.custom)) == .unknownType)
        #expect(schemaVerdict(event(.featureUsed) { $0.time = Timestamp(rawValue: 0) }) == .absurdClock)
        #expect(
            schemaVerdict(event(.featureUsed) { $0.time = Timestamp(rawValue: $0.arrival.rawValue + 86_400_001) })
                == .absurdClock)
        #expect(schemaVerdict(event(.featureUsed) { $0.quarantine = .badAspect }) == .badAspect)
    }
}

@Suite struct AdmissionPassTests {
    private func use(_ seq: UInt64, count: UInt32 = 1) -> Event {
        var event = Event()
        (event.kind, event.identity, event.seq, event.count) = (.featureUsed, .sequence, seq, count)
        event.device = DeviceID(rawValue: 1)
        event.aspect = SymbolID(rawValue: 1)
        event.time = Timestamp(rawValue: 1_767_225_600_000)
        event.arrival = event.time
        return event
    }

    @Test func duplicatesGoAndTheRestMovesUp() {
        var admission = Admission()
        var batch = EventBatch()
        batch.events = [use(1), use(2), use(1), use(3, count: 0), use(2)]
        let result = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcp)
        #expect(batch.events.map(\.seq) == [1, 2, 3])
        #expect(result.accepted == 2)
        #expect(result.duplicates == 2)
        #expect(result.named.map(\.index) == [3])
        #expect(result.named.map(\.seq) == [3])
        #expect(result.named.map(\.verdict) == [.quarantined(.outOfRange)])
        #expect(result.firstReason == .outOfRange)
        let counts = admission.counts[Int(TransportKind.tcp.rawValue)]
        #expect(counts.received == 5)
        #expect(counts.inFlight == 3)
        #expect(counts.isBalanced)
    }

    @Test func everyStaleEventIsNamedUpToTheBound() {
        var admission = Admission()
        var batch = EventBatch()
        batch.events = [use(1_000)] + (1...100).map { use($0) }
        let result = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcp)
        #expect(result.stale == 100)
        #expect(result.named.count == AdmissionLimits.verdictsNamed)
        #expect(result.named.allSatisfy { $0.verdict == .stale })
        #expect(result.named.map(\.seq) == Array(1...UInt64(AdmissionLimits.verdictsNamed)))
        #expect(result.firstReason == nil)
    }

    @Test func devicesWithMostStaleEventsAreKnownInBoundedMemory() {
        var admission = Admission()
        func send(_ device: UInt32, stale: UInt64) {
            var batch = EventBatch()
            batch.events = ([5_000] + (0..<stale).map { $0 + 1 }).map { seq in
                var event = use(seq)
                event.device = DeviceID(rawValue: device)
                return event
            }
            _ = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcp)
        }
        for device in 1...UInt32(3 * AdmissionLimits.staleDevices) { send(device, stale: device == 7 ? 4_000 : 1) }
        let most = admission.staleDevices
        #expect(most.count == AdmissionLimits.staleDevicesShown)
        #expect(most.first?.device == DeviceID(rawValue: 7))
        // Too high by no more than a place's share of the others.
        #expect((4_000...4_003).contains(most.first?.events ?? 0))
    }

    @Test func textOfDroppedEventsIsTakenBack() {
        var admission = Admission()
        var batch = EventBatch()
        batch.events = [use(1)]
        _ = admission.admit(&batch, from: EventBatch.Mark(), transport: .udp)
        let mark = batch.mark
        var repeated = use(1)
        batch.setText(Array("again".utf8).span, of: &repeated)
        batch.events.append(repeated)
        _ = admission.admit(&batch, from: mark, transport: .udp)
        #expect(batch.count == 1)
        #expect(batch.text.isEmpty)
    }

    @Test func theEquationHoldsThroughEveryOutcome() {
        var admission = Admission()
        var batch = EventBatch()
        batch.events = [use(1), use(200), use(200), use(1), use(201, count: 0)]
        _ = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcpLines)
        admission.refuse(.malformedJSON, events: 2, transport: .tcpLines)
        admission.drop(.kernel, events: 7, transport: .tcpLines)
        _ = admission.close(
            DeviceID(rawValue: 1), product: .none, epoch: 0, below: 300, arrival: Timestamp(rawValue: 0),
            transport: .tcpLines)
        let row = Int(TransportKind.tcpLines.rawValue)
        #expect(admission.counts[row].isBalanced)
        admission.commit(admission.takeAdmitted())
        let counts = admission.counts[row]
        #expect(counts.isBalanced)
        #expect(counts.inFlight == 0)
        #expect(counts.committed == 2)
        #expect(counts.duplicate == 1)
        #expect(counts.stale == 1)
        #expect(counts.quarantined[Int(QuarantineReason.outOfRange.rawValue)] == 1)
        #expect(counts.dropped == [7, 98 + 62])
    }
}
