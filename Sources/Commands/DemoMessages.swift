// The messages of `tidings demo`: something is told, asked and set, and what has become of it is shown.

import Daemon
import Fleet
import Foundation
import Presentation
import Projection
import TidingsClient

/// Sends messages to a part of the fleet that is connected and answers.
struct DemoMessages {
    let folder: String
    let seconds: Int
    let radios: ListeningDevices

    /// - Parameter devices: how many the whole fleet has.
    init(folder: String, port: Int, devices: Int, seconds: Int) {
        (self.folder, self.seconds) = (folder, seconds)
        radios = ListeningDevices(count: max(1, min(24, devices / 4)), port: port)
    }

    /// Has the radios connect, sends them a notice, a question and a setting, and gives them the time of the
    /// demonstration to answer, a minute at most.
    func run() async throws {
        try await radios.begin()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await radios.answer() }
            for message in Self.messages(to: radios.names) { try await send(message) }
            try await Task.sleep(for: .seconds(min(max(seconds, 2), 60) - 1))
            try await radios.end()
            try await group.waitForAll()
        }
    }

    /// What has become of the messages: one line each, the first one first; and what was answered.
    func table() throws(ProjectionError) -> String {
        let reader = try SummaryReader(path: folder + "/" + Projector.fileName)
        let all = try reader.outbox(.messages(product: ListeningDevices.product, kind: nil, isOpen: false))
        let shown = [
            "message", "kind", "aspect", "addressed", "waiting", "received", "answered", "applied", "refused",
            "overridden",
        ]
        var (rows, answers) = ([[String?]](), "")
        for row in all.rows.reversed() {
            let listed = Self.members(all.columns, row)
            let digits = (listed["message"] ?? "").drop { $0 == "m" }.prefix { $0 != "-" }
            guard let number = UInt32(digits) else { continue }
            let one = try reader.outbox(.message(number))
            let counts = Self.members(one.columns, one.rows.first ?? [])
            rows.append(shown.map { listed[$0] ?? counts[$0] })
            guard listed["kind"] == "question" else { continue }
            answers += "\nAnswers\n"
            answers += renderOutbox(try reader.outbox(.results(message: number)), as: .table, style: .now)
        }
        let table = OutboxRows(columns: shown, rows: rows)
        return "Messages\n" + renderOutbox(table, as: .table, style: .now) + answers
    }

    private static func members(_ columns: [String], _ row: [String?]) -> [String: String] {
        var members: [String: String] = [:]
        for (name, value) in zip(columns, row) { members[name] = value }
        return members
    }

    private func send(_ message: [String: JSONValue]) async throws {
        let json = String(decoding: JSONValue.object(message).canonical, as: UTF8.self)
        _ = try await askAboutMessage(ControlRequest(MessageOrder(json, author: "demo", isAdmin: true)), folder)
    }

    private static func messages(to names: [String]) -> [[String: JSONValue]] {
        let product = JSONValue.text(ListeningDevices.product)
        let all = JSONValue.object(["product": product])
        let each = JSONValue.object(["product": product, "devices": .array(names.map { .text($0) })])
        return [
            [
                "type": .text("notice"), "to": all, "title": .text("New stations"),
                "text": .object(["en": .text("Press and hold to find them."), "de": .text("Zum Suchen lange drücken.")]
                ),
            ],
            [
                "type": .text("question"), "to": all, "aspect": .text("sound.ready"), "ask": .text("choice"),
                "text": .text("Which sound shall it make when it is ready?"),
                "choices": .array(["melody", "chime", "off"].map { .text($0) }),
            ],
            ["type": .text("setting"), "to": each, "aspect": .text("volume"), "value": .whole(25)],
        ]
    }
}
