// What is under way to which device: pure, and nothing in it that a kill may not take.

package import Events
package import Projection

/// The messages that were given to connections and of which nothing was heard yet. Time goes in as a number of
/// milliseconds that never goes back.
///
/// What is lost with the process is sent once more, with the same id.
package struct Deliveries: Sendable {
    struct Flight: Sendable {
        var number: UInt32
        /// How often the message was offered in all, and on this connection.
        var attempt: Int
        var onConnection: Int
        var sentAt: Int64
        /// Whether the log was told.
        var isNoted = false

        /// How long is waited before the message is offered again: 10 s, and twice as long each time, up to an hour.
        var patience: Int64 { min(10_000 << Int64(min(onConnection - 1, 9)), 3_600_000) }
    }

    private var flights: [DeviceID: [Flight]] = [:]

    /// How often a message is offered on one connection.
    package static let offersOnConnection = 5
    /// After so long without an answer the log is told that the message was sent.
    static let noteAfter: Int64 = 1_000

    package init() {}

    /// The devices to which something is under way.
    package var devices: [DeviceID] { Array(flights.keys) }
    package func underWay(to device: DeviceID) -> Int { flights[device]?.count ?? 0 }
    package var count: Int { flights.values.reduce(0) { $0 + $1.count } }

    /// A device has a new connection: what was under way on another one is offered again.
    package mutating func begin(_ device: DeviceID) { flights[device] = nil }

    /// The connection of a device is gone.
    package mutating func end(_ device: DeviceID) { flights[device] = nil }

    /// What is to be sent to a device now, in its order: at most so many are under way at a time.
    ///
    /// - Parameter waiting: all that is to be brought to the device; what is under way and not among it has arrived, or
    ///   is over.
    package mutating func take(_ waiting: [Outgoing], for device: DeviceID, at now: Int64) -> [Outgoing] {
        let wanted = Set(waiting.map(\.id.number))
        var own = (flights[device] ?? []).filter { wanted.contains($0.number) }
        var sent: [Outgoing] = []
        for message in waiting {
            if let index = own.firstIndex(where: { $0.number == message.id.number }) {
                let flight = own[index]
                guard flight.onConnection < Self.offersOnConnection, flight.attempt < MessageLimits.attempts,
                    now - flight.sentAt >= flight.patience
                else { continue }
                own[index].attempt += 1
                own[index].onConnection += 1
                own[index].sentAt = now
                own[index].isNoted = false
                sent.append(message)
            } else {
                guard own.count < MessageLimits.underWay, message.attempts < Self.mostNoted else { continue }
                own.append(
                    Flight(number: message.id.number, attempt: message.attempts + 1, onConnection: 1, sentAt: now))
                sent.append(message)
            }
        }
        flights[device] = own.isEmpty ? nil : own
        return sent
    }

    /// As many attempts as an entry of the outbox counts.
    private static let mostNoted = MessageLimits.attempts - 1

    /// A message could not be given to the connection.
    package mutating func fail(_ number: UInt32, for device: DeviceID) {
        flights[device]?.removeAll { $0.number == number }
        if flights[device]?.isEmpty == true { flights[device] = nil }
    }

    /// What the log is to be told: that a message was sent, of which nothing was heard for a second, and how often.
    package mutating func takeNotes(at now: Int64) -> [(device: DeviceID, number: UInt32, attempt: Int)] {
        var notes: [(device: DeviceID, number: UInt32, attempt: Int)] = []
        for (device, own) in flights {
            for index in own.indices where !own[index].isNoted && now - own[index].sentAt >= Self.noteAfter {
                flights[device]?[index].isNoted = true
                notes.append((device, own[index].number, own[index].attempt))
            }
        }
        return notes.sorted { ($0.device, $0.number) < ($1.device, $1.number) }
    }
}
