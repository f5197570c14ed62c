// Devices that each have a connection of their own: they get what is sent down to them, and answer.

import TidingsClient

/// Radios whose owners have agreed to be written to. Which of them answer, and how, is the same each time.
package struct ListeningDevices: Sendable {
    package static let product = "radio"

    private let devices: [ListeningDevice]

    /// - Parameter count: how many there are, each with a connection.
    package init(count: Int, host: String = "127.0.0.1", port: Int) {
        devices = (0..<count).map { ListeningDevice($0, host: host, port: port) }
    }

    /// The devices' names.
    package var names: [String] { devices.map(\.name) }

    /// Has all connect, and say how they stand; returns when that is stored.
    package func begin() async throws {
        try await each { try await $0.begin() }
    }

    /// Has all answer what they get, until the task is cancelled or they are closed.
    package func answer() async throws {
        try await each { try await $0.answer() }
    }

    /// Closes all connections, once what the devices have said is stored.
    package func end() async throws {
        try await each { try await $0.end() }
    }

    private func each(_ body: @escaping @Sendable (ListeningDevice) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for device in devices { group.addTask { try await body(device) } }
            try await group.waitForAll()
        }
    }
}

private actor ListeningDevice {
    nonisolated let name: String
    private let number: Int
    private let connection: TidingsConnection
    private var seq: UInt64 = 0

    init(_ number: Int, host: String, port: Int) {
        (self.number, name) = (number, "ra-\(number + 1)")
        connection = TidingsConnection(host: host, port: port, messagesFor: (ListeningDevices.product, name))
    }

    private var owner: String { "o-\(number + 1)" }

    func begin() async throws {
        let consent = event(.consentGiven, value: .choice("contact"))
        var volume = event(.preferenceSet, aspect: "volume", value: .whole(Int64(20 + number % 5 * 5)))
        volume.origin = .user
        try await connection.send([consent, volume])
        try await connection.flush()
    }

    func answer() async throws {
        for await message in connection.messages {
            let said = answers(to: message)
            if !said.isEmpty { try await connection.send(said) }
            if message.kind == .setting, number.isMultiple(of: 4) { try await turnBack(message) }
        }
    }

    func end() async throws {
        try await connection.flush()
        await connection.close()
    }

    /// Most look at what they are shown, two of three answer, and all do what they are set to.
    private func answers(to message: TidingsMessage) -> [TidingsEvent] {
        switch message.kind {
        case .notice, .reply:
            if number % 8 == 7 { return [] }
            return [numbered(message.receipt(number % 6 == 5 ? .dismissed : .shown))]
        case .question:
            guard case .choice(let words) = message.question, number % 3 < 2, !words.isEmpty else {
                return [numbered(message.receipt(.shown))]
            }
            let liked = number % 5 < 3 ? 0 : number % words.count
            return [numbered(message.answer(.choice(words[liked]), customer: owner))]
        case .setting: return [numbered(message.receipt(.applied))]
        }
    }

    /// The owner sees the setting, and does not like it.
    private func turnBack(_ message: TidingsMessage) async throws {
        try await Task.sleep(for: .milliseconds(300))
        var choice = event(.preferenceSet, aspect: message.aspect, value: .whole(Int64(20 + number % 5 * 5)))
        choice.origin = .user
        try await connection.send([choice])
    }

    private func event(_ kind: TidingsEvent.Kind, aspect: String? = nil, value: TidingsEvent.Value) -> TidingsEvent {
        var event = TidingsEvent(
            product: ListeningDevices.product, device: name, kind: kind, aspect: aspect, value: value)
        event.customer = owner
        return numbered(event)
    }

    private func numbered(_ event: TidingsEvent) -> TidingsEvent {
        seq += 1
        var event = event
        (event.epoch, event.seq) = (1, seq)
        return event
    }
}
