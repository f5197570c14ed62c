// What the ingest loop does about names that are forgotten, and about those who come again.

import Admission
package import Events
package import Log
package import NIOCore
import Transport

extension Pipeline {
    package var loop: any EventLoop { eventLoop }

    /// Forgets names, so that nothing that comes gets their numbers. What was taken before is on its way to the log:
    /// `flush` waits for it.
    package func forget(_ pseudonyms: [Pseudonym]) {
        vocabulary.forget(pseudonyms, isInUse: !filling.isEmpty)
        if filling.isEmpty { group.forget(pseudonyms) }
    }

    /// Customers whose names are in memory alone: no event of the log has their numbers, or none has yet.
    package var unstoredCustomers: [StoredName] { group.unstoredCustomers(vocabulary.pendingDefinitions) }

    /// Forgets names that are in memory alone. To be called when `forget` was, and what was taken before is stored.
    package func forgetUnstored(_ pseudonyms: [Pseudonym]) { group.forgetUnstored(pseudonyms) }

    /// The number of the word of a use; nil when there are too many words.
    package func word(of use: AuditedUse) -> SymbolID? { vocabulary.word(of: use) }

    /// Succeeds when everything is durable that has been taken before the call.
    package func flush() -> EventLoopFuture<Void> {
        let waiter = CommitWaiter(eventLoop.makePromise(of: Void.self))
        waiter.ticket = notifyOnCommit(waiter)
        readComplete()
        return waiter.promise.futureResult
    }

    /// Appends events that the daemon itself has made; succeeds when they are durable. Nil when there is no room now.
    package func append(own events: [Event]) -> EventLoopFuture<Void>? {
        guard hasRoom() else { return nil }
        group.append(own: events, to: &filling, at: uptime)
        return flush()
    }

    /// The same, for events that say more than fits into a row.
    package func append(own batch: borrowing EventBatch) -> EventLoopFuture<Void>? {
        guard hasRoom() else { return nil }
        group.append(own: batch, to: &filling, at: uptime)
        return flush()
    }

    /// Takes from the events behind `first` what may not be kept of customers who were forgotten: who it was, and what
    /// they say. One who has consented since then becomes a new person.
    func leaveOutForgotten(from first: Int) {
        var index = first
        while index < filling.count {
            defer { index += 1 }
            let customer = filling.events[index].customer
            guard let known = vocabulary.readmitted(customer) else { continue }
            if known != .none {
                filling.events[index].customer = known
            } else if isConsent(filling.events[index]), let new = vocabulary.readmit(customer) {
                filling.events[index].customer = new.number
                onReadmission(new.name, filling.events[index].arrival)
            } else {
                filling.leaveOutCustomer(at: index)
                forgottenEvents += 1
            }
        }
    }

    /// Whether the customer agrees to be known again, and did so after the erasure by a clock of the sender's own.
    private func isConsent(_ event: borrowing Event) -> Bool {
        guard case .consentGiven = event.kind, case .none = event.quarantine,
            let erased = vocabulary.erasure(of: event.customer)
        else { return false }
        if case .arrival = event.clock { return false }
        return event.time > erased
    }
}

extension EventBatch {
    /// Takes from an event who it was, and all that is said in words; the bytes of these are overwritten.
    package mutating func leaveOutCustomer(at index: Int) {
        var event = events[index]
        overwrite(Int(event.textStart), Int(event.textLength))
        if event.detail != 0 {
            let said = details(of: event)
            for part in EventDetails.parts {
                overwrite(Int(said[keyPath: part].start), Int(said[keyPath: part].length))
            }
            details[Int(event.detail) - 1] = EventDetails()
        }
        event.customer = .none
        (event.textStart, event.textLength, event.detail) = (0, 0, 0)
        events[index] = event
    }

    private mutating func overwrite(_ start: Int, _ count: Int) {
        for index in start..<(start + count) { text[index] = 0 }
    }
}

/// Waits for one commit. Confined to the ingest event loop.
private final class CommitWaiter: CommitListener {
    let promise: EventLoopPromise<Void>
    var ticket: UInt64 = 0

    init(_ promise: EventLoopPromise<Void>) { self.promise = promise }

    /// The daemon stops, and what was waited for is not durable.
    deinit { promise.fail(CancellationError()) }

    func committed(through ticket: UInt64) {
        if ticket >= self.ticket { promise.succeed(()) }
    }

    func resume() {}
}
