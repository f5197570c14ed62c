// What names a message, and what answers a question: quarantined when it cannot be meant.

import Admission
import Events
import Testing

@Suite struct KnownMessageTests {
    private let product = SymbolID(rawValue: 3)

    private func event(_ kind: EventKind, _ value: Value = .none, scale: UInt8 = 0, product: UInt32 = 3) -> Event {
        var event = Event()
        (event.kind, event.product, event.device) = (kind, SymbolID(rawValue: product), DeviceID(rawValue: 1))
        (event.value, event.scale) = (value, scale)
        return event
    }

    private func cause(_ number: UInt32, tag: UInt32? = 9) -> EventDetails {
        var details = EventDetails()
        (details.cause, details.causeTag, details.hasCauseTag) = (number, tag ?? 0, tag != nil)
        return details
    }

    private func table(_ forms: [KnownMessages.Form?]) -> KnownMessages {
        var table = KnownMessages()
        table.replace(
            with: forms.enumerated().map {
                .init(MessageID(number: UInt32($0.offset + 1), tag: 9), product, $0.element)
            })
        return table
    }

    @Test func aCauseNamesAMessageOfTheProductWithItsTag() {
        let known = table([nil, nil])
        let receipt = event(.receipt)
        #expect(known.verdict(receipt, cause(1)) == .none)
        #expect(known.verdict(receipt, cause(2, tag: nil)) == .none)
        #expect(known.verdict(receipt, EventDetails()) == .none)
        #expect(known.verdict(receipt, cause(1, tag: 8)) == .unknownCause)
        #expect(known.verdict(receipt, cause(3)) == .unknownCause)
        #expect(known.verdict(event(.receipt, product: 4), cause(1)) == .unknownCause)
        // As long as nothing is known, nothing is refused.
        #expect(KnownMessages().verdict(receipt, cause(3)) == .none)
    }

    @Test func whatIsStoredWhileTheRestIsReadIsKept() {
        var known = KnownMessages()
        known.add(.init(MessageID(number: 3, tag: 9), product, nil))
        #expect(known.verdict(event(.receipt), cause(7)) == .none)
        known.replace(with: [.init(MessageID(number: 1, tag: 9), product, nil)])
        #expect(known.verdict(event(.receipt), cause(1)) == .none)
        #expect(known.verdict(event(.receipt), cause(3)) == .none)
        // An ordinal that no message got.
        #expect(known.verdict(event(.receipt), cause(2)) == .unknownCause)
    }

    @Test func answersAreHeldToWhatTheirQuestionAllows() {
        var choice = KnownMessages.Form(.choice)
        choice.choices = [SymbolID(rawValue: 20), SymbolID(rawValue: 21)]
        var scale = KnownMessages.Form(.scale)
        scale.bounds = 0...10
        var number = KnownMessages.Form(.number)
        number.bounds = 1...5
        var followed = KnownMessages.Form(.scale)
        (followed.bounds, followed.follows) = (1...5, [.text])
        let known = table([choice, scale, number, KnownMessages.Form(.yesNo), KnownMessages.Form(.text), followed, nil])
        func verdict(_ message: UInt32, _ event: Event) -> QuarantineReason { known.verdict(event, cause(message)) }
        #expect(verdict(1, event(.preferenceSet, .symbol(SymbolID(rawValue: 21)))) == .none)
        #expect(verdict(1, event(.preferenceSet, .symbol(SymbolID(rawValue: 22)))) == .badAnswer)
        #expect(verdict(1, event(.preferenceSet, .whole(20))) == .badAnswer)
        #expect(verdict(1, event(.ratingGiven, .whole(4))) == .badAnswer)
        #expect(verdict(1, event(.receipt)) == .none)
        #expect(verdict(2, event(.ratingGiven, .whole(10), scale: 10)) == .none)
        // Of five stars, and asked was from 0 to 10.
        #expect(verdict(2, event(.ratingGiven, .whole(4))) == .badAnswer)
        #expect(verdict(3, event(.preferenceSet, .real(4.5))) == .none)
        #expect(verdict(3, event(.preferenceSet, .whole(6))) == .badAnswer)
        #expect(verdict(4, event(.preferenceSet, .flag(true))) == .none)
        #expect(verdict(4, event(.preferenceSet, .whole(1))) == .badAnswer)
        #expect(verdict(5, event(.feedbackText)) == .none)
        #expect(verdict(5, event(.preferenceSet, .flag(true))) == .badAnswer)
        #expect(verdict(5, event(.featureUsed)) == .badAnswer)
        #expect(verdict(6, event(.feedbackText)) == .none)
        #expect(verdict(6, event(.ratingGiven, .whole(5))) == .none)
        #expect(verdict(6, event(.ratingGiven, .whole(5), scale: 10)) == .badAnswer)
        // What no question was asked for may say what it likes.
        #expect(verdict(7, event(.feedbackText)) == .none)
    }

    /// In the order of the log, with what is wrong marked, and taken all the same.
    @Test func admissionMarksThem() {
        var admission = Admission()
        admission.messages = table([nil])
        var batch = EventBatch()
        for (seq, tag) in [(1, 9), (2, 8)] as [(UInt64, UInt32)] {
            var event = event(.receipt)
            (event.identity, event.epoch, event.seq) = (.sequence, 1, seq)
            (event.time, event.arrival) = (Limits.earliestTime, Limits.earliestTime)
            batch.setDetails(cause(1, tag: tag), of: &event)
            batch.events.append(event)
        }
        let result = admission.admit(&batch, from: EventBatch.Mark(), transport: .tcp)
        #expect(result.accepted == 1 && result.quarantined == 1 && batch.count == 2)
        #expect(batch.events.map(\.quarantine) == [.none, .unknownCause])
        #expect(result.firstReason == .unknownCause)
    }

    @Test func theTableIsBounded() {
        var known = table([])
        let most = UInt32(AdmissionLimits.messages)
        for number in 1...most + 10 { known.add(.init(MessageID(number: number, tag: 9), product, nil)) }
        #expect(known.count <= AdmissionLimits.messages)
        // Of those that went nothing is said; the newest are still checked.
        #expect(known.verdict(event(.receipt), cause(1, tag: 8)) == .none)
        #expect(known.verdict(event(.receipt), cause(most + 10, tag: 8)) == .unknownCause)
    }
}
