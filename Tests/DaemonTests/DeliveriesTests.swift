// What is under way to devices: how often it is offered, when it is given up, and what stands in nobody's way.

import Daemon
import Events
import Projection
import Testing

@Suite struct DeliveriesTests {
    private let device = DeviceID(rawValue: 7)

    private func message(
        _ number: UInt32, _ reason: Outgoing.Reason = .waiting, attempts: Int = 0, awaitsApp: Bool = false
    ) -> Outgoing {
        var terms = MessageTerms()
        terms.awaitsApp = awaitsApp
        return Outgoing(
            id: MessageID(number: number, tag: 2), kind: .notice, terms: terms, accepted: Timestamp(rawValue: 0),
            expires: nil, attempts: attempts, seen: nil, payload: [], reason: reason)
    }

    private func waiting(_ messages: [Outgoing], epoch: UInt32 = 1) -> WaitingDevice {
        WaitingDevice(device, epoch: epoch, messages)
    }

    private func numbers(_ sent: [Outgoing]) -> [UInt32] { sent.map(\.id.number) }

    @Test func offersAreFewerAndFewerAndEnd() {
        var deliveries = Deliveries()
        var offered: [Int64] = []
        for second in 0..<20_000 {
            let sent = deliveries.take(waiting([message(1)]), at: Int64(second) * 1_000)
            if !sent.isEmpty { offered.append(Int64(second)) }
        }
        #expect(offered == [0, 10, 30, 70, 150])
        // A new connection begins anew.
        deliveries.begin(device, at: 20_000_000)
        #expect(deliveries.take(waiting([message(1)]), at: 20_000_000).count == 1)
        #expect(deliveries.takeNotes(at: 20_000_500).isEmpty)
        let attempts = deliveries.takeNotes(at: 20_001_000).map(\.attempt)
        #expect(attempts == [1])
        #expect(deliveries.takeNotes(at: 20_002_000).isEmpty)
        // What is received is no more under way.
        #expect(deliveries.take(waiting([]), at: 20_003_000).isEmpty && deliveries.count == 0)
    }

    @Test func theFifteenthOfferIsTheLast() {
        var deliveries = Deliveries()
        #expect(deliveries.take(waiting([message(1, attempts: 14)]), at: 0).count == 1)
        let notes = deliveries.takeNotes(at: 1_000)
        #expect(notes.count == 1 && notes[0].device == device && notes[0].number == 1)
        #expect(notes[0].attempt == 15 && notes[0].isFailed)
    }

    /// Who answers is sent twelve at once, four at a time; who connects again and again and says nothing is not.
    @Test func whoAnswersIsSentMore() {
        var deliveries = Deliveries()
        var left = (1...12).map { message(UInt32($0)) }
        var rounds = 0
        while !left.isEmpty, rounds < 10 {
            let sent = numbers(deliveries.take(waiting(left), at: 10))
            #expect(sent == numbers(Array(left.prefix(4))))
            left.removeFirst(sent.count)
            rounds += 1
        }
        #expect(rounds == 3)
        var (silent, offers) = (Deliveries(), 0)
        for second in 0..<10 {
            for part in 0..<5 {
                let now = Int64(second) * 1_000 + Int64(part) * 200
                silent.begin(device, at: now)
                offers += silent.take(waiting((1...12).map { message(UInt32($0)) }), at: now).count
            }
        }
        #expect(offers == 13)
    }

    /// The device breaks down on one of four, three times: that one is given up, and the others have come.
    @Test func aMessageOnWhichADeviceBreaksDownIsParked() {
        var deliveries = Deliveries()
        var (left, now, epoch) = (Set<UInt32>([1, 2, 3, 4, 5, 6]), Int64(0), UInt32(1))
        var breakdowns = 0
        var failed: [UInt32] = []
        while !left.isEmpty, breakdowns < 20, now < 600_000 {
            let messages = left.sorted().map { message($0) }
            let sent = numbers(deliveries.take(waiting(messages, epoch: epoch), at: now))
            failed += deliveries.takeNotes(at: now).filter(\.isFailed).map(\.number)
            left.subtract(failed)
            if sent.contains(3), !failed.contains(3) {
                breakdowns += 1
                // What stood before it has come, and its receipts are lost.
                epoch += 1
                now += 3_000
                deliveries.begin(device, at: now)
            } else {
                left.subtract(sent)
                now += 1_000
            }
        }
        #expect(failed == [3] && breakdowns == 3 && left.isEmpty, "\(failed) \(breakdowns) \(left)")
    }

    /// A connection that breaks without the device beginning anew is no sign of anything.
    @Test func whoOnlyLosesTheConnectionIsNotSuspected() {
        var deliveries = Deliveries()
        for round in 0..<12 {
            let now = Int64(round) * 5_000
            deliveries.begin(device, at: now)
            #expect(!deliveries.take(waiting([message(1)]), at: now).isEmpty)
            #expect(!deliveries.takeNotes(at: now).contains { $0.isFailed })
        }
    }

    @Test func whatIsNotConfirmedIsOfferedOnceAnHour() {
        var deliveries = Deliveries()
        let minute: Int64 = 60_000
        var offered: [Int64] = []
        for now in stride(from: 0, to: 200 * minute, by: 10 * Int(minute)).map({ Int64($0) }) {
            deliveries.begin(device, at: now)
            let sent = deliveries.take(waiting([message(1, .unconfirmed, awaitsApp: true)]), at: now)
            if !sent.isEmpty { offered.append(now / minute) }
            deliveries.end(device)
        }
        #expect(offered == [0, 60, 120, 180])
        // The log is told of each.
        #expect(deliveries.takeNotes(at: 200 * minute).count == 4)
    }

    @Test func aContestedSettingIsSentThreeTimesADay() {
        var deliveries = Deliveries()
        var (sent, failed) = (0, 0)
        for hour in 0..<10 {
            let now = Int64(hour) * 3_600_000
            sent += deliveries.take(waiting([message(1, .contested)]), at: now).count
            failed += deliveries.takeNotes(at: now).count { $0.isFailed }
            // Applied again.
            _ = deliveries.take(waiting([]), at: now + 1_000)
        }
        #expect(sent == 3 && failed == 7, "\(sent) \(failed)")
        #expect(deliveries.take(waiting([message(1, .contested)]), at: 30 * 3_600_000).count == 1)
    }

    /// What a connection cannot carry lets the rest go first.
    @Test func whatCannotBeCarriedStandsInNobodysWay() {
        var deliveries = Deliveries()
        let messages = (1...6).map { message(UInt32($0)) }
        for number in numbers(deliveries.take(waiting(messages), at: 0)) {
            deliveries.fail(number, for: device, at: 0)
        }
        #expect(numbers(deliveries.take(waiting(messages), at: 0)) == [5, 6])
        #expect(deliveries.take(waiting(messages), at: 5_000).isEmpty)
        #expect(numbers(deliveries.take(waiting(messages), at: 15_000)).prefix(2) == [1, 2])
    }

    @Test func overAllDevicesSoManyGoInASecond() {
        var deliveries = Deliveries()
        var sent = 0
        for number in 1...3_000 as ClosedRange<UInt32> {
            sent += deliveries.take(WaitingDevice(DeviceID(rawValue: number), epoch: 1, [message(1)]), at: 1_000).count
        }
        #expect(sent == MessageLimits.perSecond)
        for number in 1...3_000 as ClosedRange<UInt32> {
            sent += deliveries.take(WaitingDevice(DeviceID(rawValue: number), epoch: 1, [message(1)]), at: 2_000).count
        }
        #expect(sent == 3_000)
        for number in 1...3_000 as ClosedRange<UInt32> { deliveries.end(DeviceID(rawValue: number)) }
        _ = deliveries.takeNotes(at: 100_000)
        #expect(deliveries.peerCount == 0)
    }
}
