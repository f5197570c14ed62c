// What is under way to one device, and what it did with what was sent before: pure.

import Events
import Projection

/// One device, as `Deliveries` knows it.
struct DeliveryPeer: Sendable {
    struct Flight: Sendable {
        var number: UInt32
        /// How often the message was offered in all, and on this connection.
        var attempt: Int
        var onConnection: Int
        var sentAt: Int64
        /// The device's epoch, as far as it was known.
        var epoch: UInt32
        /// Whether the log was told.
        var isNoted = false

        /// How long is waited before the message is offered again: 10 s, and twice as long each time, up to an hour.
        var patience: Int64 { min(10_000 << Int64(min(onConnection - 1, 9)), 3_600_000) }
    }

    /// What was under way when the connection ended.
    private struct Lost: Sendable {
        var flight: Flight
        var at: Int64
    }

    var flights: [Flight] = []
    private var lost: [Lost] = []
    /// How often the device has begun anew when it was sent a message.
    private var strikes: [UInt32: Int] = [:]
    /// When messages were offered that the device has and has not confirmed.
    private var offered: [UInt32: Int64] = [:]
    /// When contested settings were sent again.
    private var contests: [UInt32: [Int64]] = [:]
    /// Messages that the connection could not take, and when.
    private var held: [UInt32: Int64] = [:]
    /// Messages that are given up; the log is told.
    private var failed: Set<UInt32> = []
    /// How many messages may be offered now, and when that was counted.
    private var allowance = Double(MessageLimits.underWay)
    private var countedAt: Int64

    /// A device that begins anew within this time was perhaps brought to it by what it was sent.
    static let suspicion: Int64 = 60_000
    private static let heldFor: Int64 = 10_000
    private static let hour: Int64 = 3_600_000
    private static let day: Int64 = 24 * hour

    init(at now: Int64) { countedAt = now }

    /// Whether nothing is worth being remembered.
    var isBlank: Bool {
        flights.isEmpty && lost.isEmpty && strikes.isEmpty && offered.isEmpty && contests.isEmpty && failed.isEmpty
            && held.isEmpty && allowance >= Double(MessageLimits.underWay)
    }

    mutating func begin(at now: Int64) {
        lost += flights.filter { now - $0.sentAt <= Self.suspicion }.map { Lost(flight: $0, at: now) }
        if lost.count > 4 * MessageLimits.underWay { lost.removeFirst(lost.count - 4 * MessageLimits.underWay) }
        (flights, held) = ([], [:])
    }

    /// The connection cannot take a message now, as when others could read it on the way.
    mutating func hold(_ number: UInt32, at now: Int64) {
        flights.removeAll { $0.number == number }
        offered[number] = nil
        if contests[number] != nil { contests[number]?.removeLast() }
        held[number] = now
        allowance = min(Double(MessageLimits.underWay), allowance + 1)
    }

    mutating func end() {
        allowance = min(Double(MessageLimits.underWay), allowance + Double(flights.count))
        (flights, lost, strikes, held, failed) = ([], [], [:], [:], [])
    }

    /// - Parameter most: how many messages may be sent at most.
    mutating func take(
        _ waiting: WaitingDevice, at now: Int64, most: Int
    ) -> (sent: [Outgoing], told: [DeliveryNote]) {
        settle(waiting, at: now)
        var (sent, told) = ([Outgoing](), [DeliveryNote]())
        for message in inOrder(waiting.messages) where !failed.contains(message.id.number) {
            let number = message.id.number
            if let attempt = givesUp(message, at: now) {
                failed.insert(number)
                flights.removeAll { $0.number == number }
                told.append(DeliveryNote(device: waiting.device, number: number, attempt: attempt, isFailed: true))
                continue
            }
            guard sent.count < most, allowance >= 1, isDue(message, at: now) else { continue }
            allowance -= 1
            send(message, waiting.epoch, at: now)
            sent.append(message)
            guard message.reason == .unconfirmed else { continue }
            told.append(DeliveryNote(device: waiting.device, number: number, attempt: message.attempts + 1))
        }
        return (sent, told)
    }

    /// Whether a message is to be given up: the device began anew three times when it was sent it, or its customer has
    /// undone it after it was sent three times in a day.
    private func givesUp(_ message: Outgoing, at now: Int64) -> Int? {
        let number = message.id.number
        let isUnderWay = flights.contains { $0.number == number }
        let isPoison = strikes[number, default: 0] >= MessageLimits.strikes
        let isHopeless =
            message.reason == .contested && !isUnderWay
            && contests[number, default: []].count { now - $0 < Self.day } >= MessageLimits.contests
        return isPoison || isHopeless ? max(1, message.attempts) : nil
    }

    private func isDue(_ message: Outgoing, at now: Int64) -> Bool {
        let number = message.id.number
        if let time = held[number], now - time < Self.heldFor { return false }
        if let flight = flights.first(where: { $0.number == number }) {
            return flight.onConnection < Deliveries.offersOnConnection && flight.attempt < MessageLimits.attempts
                && now - flight.sentAt >= flight.patience
        }
        if message.reason == .unconfirmed {
            guard message.attempts + 1 < MessageLimits.attempts, now - (offered[number] ?? -Self.hour) >= Self.hour
            else { return false }
        }
        // Of several that a device may have broken down on each goes alone, so that it is seen which of them it was.
        let suspects = flights.filter { strikes[$0.number] != nil && now - $0.sentAt < 10_000 }
        if strikes[number] != nil { return flights.isEmpty }
        return suspects.isEmpty && flights.count < MessageLimits.underWay
    }

    private mutating func send(_ message: Outgoing, _ epoch: UInt32, at now: Int64) {
        let number = message.id.number
        if let index = flights.firstIndex(where: { $0.number == number }) {
            flights[index].attempt += 1
            flights[index].onConnection += 1
            flights[index].sentAt = now
            flights[index].isNoted = false
            return
        }
        if message.terms.awaitsApp { offered[number] = now }
        if message.reason == .contested { contests[number, default: []].append(now) }
        let attempt = min(message.attempts + 1, MessageLimits.attempts)
        flights.append(
            Flight(
                number: number, attempt: attempt, onConnection: 1, sentAt: now, epoch: epoch,
                isNoted: message.reason == .unconfirmed))
    }

    /// What is not waited for any more has arrived, or is over: who answers may be sent as much again at once.
    private mutating func settle(_ waiting: WaitingDevice, at now: Int64) {
        let most = Double(MessageLimits.underWay)
        allowance = min(most, allowance + Double(now - countedAt) / 1_000)
        countedAt = now
        let wanted = Set(waiting.messages.map(\.id.number))
        let before = flights.count
        let arrived = Set((flights + lost.map(\.flight)).map(\.number)).subtracting(wanted)
        flights.removeAll { arrived.contains($0.number) }
        allowance = min(most, allowance + Double(arrived.count))
        // Where there was no room there may be some now.
        if flights.count < before { held = [:] }
        for one in lost where one.flight.epoch != waiting.epoch && wanted.contains(one.flight.number) {
            strikes[one.flight.number, default: 0] += 1
        }
        lost.removeAll { $0.flight.epoch != waiting.epoch || !wanted.contains($0.flight.number) }
        strikes = strikes.filter { wanted.contains($0.key) }
        failed.formIntersection(wanted)
        // What was sent on this connection the device got in the epoch that has come to be known since.
        for index in flights.indices { flights[index].epoch = waiting.epoch }
        forget(at: now)
    }

    private func inOrder(_ messages: [Outgoing]) -> [Outgoing] {
        guard !strikes.isEmpty else { return messages }
        let suspects = messages.filter { strikes[$0.id.number] != nil }
        return messages.filter { strikes[$0.id.number] == nil }
            + suspects.sorted { strikes[$0.id.number, default: 0] < strikes[$1.id.number, default: 0] }
    }

    mutating func takeNotes(of device: DeviceID, at now: Int64) -> [DeliveryNote] {
        var notes: [DeliveryNote] = []
        for index in flights.indices
        where !flights[index].isNoted && now - flights[index].sentAt >= Deliveries.noteAfter {
            flights[index].isNoted = true
            let (number, attempt) = (flights[index].number, flights[index].attempt)
            notes.append(
                DeliveryNote(
                    device: device, number: number, attempt: attempt, isFailed: attempt >= MessageLimits.attempts))
        }
        return notes
    }

    mutating func forget(at now: Int64) {
        allowance = min(Double(MessageLimits.underWay), allowance + Double(now - countedAt) / 1_000)
        countedAt = now
        lost.removeAll { now - $0.at > Self.suspicion }
        if !held.isEmpty { held = held.filter { now - $0.value < Self.heldFor } }
        if !offered.isEmpty { offered = offered.filter { now - $0.value < Self.hour } }
        if !contests.isEmpty { contests = contests.filter { $0.value.contains { now - $0 < Self.day } } }
    }
}
