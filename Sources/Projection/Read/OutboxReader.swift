// Messages and their deliveries as rows, read from the views of summaries.sqlite.

package import Events
import GRDB

/// What is asked about messages.
package enum OutboxQuestion: Sendable {
    case messages(product: String?, kind: String?, isOpen: Bool)
    case message(UInt32)
    case deliveries(message: UInt32, state: String?)
    case device(DeviceID)
    case results(message: UInt32)
    /// Sums over the messages of each product and kind.
    case totals(product: String?)
    /// The latest texts of feedback of a product.
    case feedback(product: String, isUnanswered: Bool, limit: Int)
}

/// Rows of text: nil where there is nothing.
package struct OutboxRows: Sendable, Equatable {
    package var columns: [String]
    package var rows: [[String?]]

    package init(columns: [String], rows: [[String?]]) { (self.columns, self.rows) = (columns, rows) }
}

extension SummaryReader {
    /// How many messages are open, and how many deliveries of them wait for their devices.
    package func openMessageCounts() throws(ProjectionError) -> (messages: UInt64, waiting: UInt64) {
        let sql = "SELECT count(*), coalesce(sum(queued + sent), 0) FROM message WHERE closed IS NULL"
        let row = try rows(sql, []).rows.first ?? []
        let counts = row.map { $0.flatMap { UInt64($0) } ?? 0 }
        return counts.count == 2 ? (counts[0], counts[1]) : (0, 0)
    }

    /// Answers a question about messages.
    package func outbox(_ question: OutboxQuestion) throws(ProjectionError) -> OutboxRows {
        let states = DeliveryState.allCases.dropFirst().map { "\"\($0.name)\"" }.joined(separator: ", ")
        switch question {
        case .messages(let product, let kind, let isOpen):
            let sql = """
                SELECT message, product, kind, aspect, time, expires, coalesce(closed, 'open') AS state, addressed,
                    queued + sent AS waiting, received + shown AS received, answered, applied,
                    dismissed + refused + failed AS refused, payload
                FROM message
                WHERE (?1 IS NULL OR product = ?1) AND (?2 IS NULL OR kind = ?2) AND (?3 = 0 OR closed IS NULL)
                ORDER BY "offset" DESC
                """
            return try rows(sql, [product, kind, isOpen ? 1 : 0])
        case .message(let number):
            let sql = """
                SELECT message, product, kind, aspect, target, device, priority, basis, author, collapse, "offset",
                    time, expires, as_of, feedback, closed, closed_offset, addressed, \(states), late, attempts, payload
                FROM message WHERE "offset" = (SELECT "offset" FROM fold_message WHERE number = ?)
                """
            return try rows(sql, [number])
        case .deliveries(let message, let state):
            let sql = """
                SELECT device, state, attempts FROM delivery WHERE message = ?1 AND (?2 IS NULL OR state = ?2)
                ORDER BY device
                """
            return try rows(sql, [message, state])
        case .device(let device):
            let sql = """
                SELECT m.message, m.kind, m.aspect, m.time, m.expires, d.state, d.attempts, m.payload
                FROM delivery AS d JOIN fold_message AS f ON f.number = d.message
                    JOIN message AS m ON m."offset" = f."offset"
                WHERE d.device = ? ORDER BY d.message DESC
                """
            return try rows(sql, [device.rawValue])
        case .results(let message):
            let sql = """
                SELECT value, devices FROM question_result
                WHERE message = (SELECT message FROM message WHERE "offset" =
                    (SELECT "offset" FROM fold_message WHERE number = ?))
                ORDER BY devices DESC, value
                """
            return try rows(sql, [message])
        case .totals(let product):
            let sql = """
                SELECT product, kind, count(*) AS messages, sum(closed IS NULL) AS open, sum(addressed) AS addressed,
                    sum(queued + sent) AS waiting, sum(withheld) AS withheld, sum(received + shown) AS received,
                    sum(answered) AS answered, sum(applied) AS applied, sum(dismissed + refused) AS refused,
                    sum(failed) AS failed, sum(expired + cancelled + superseded + overridden + left) AS over,
                    sum(late) AS late, sum(attempts) AS attempts
                FROM message WHERE ?1 IS NULL OR product = ?1
                GROUP BY product, kind ORDER BY product, kind
                """
            return try rows(sql, [product])
        case .feedback(let product, let isUnanswered, let limit):
            let sql = """
                SELECT f."offset", f.time, f.aspect, f.language, f.rating, m.message AS reply, f.text
                FROM feedback AS f LEFT JOIN message AS m ON m.feedback = f."offset"
                WHERE f.product = ?1 AND (?2 = 0 OR m.message IS NULL) AND f.text IS NOT NULL
                ORDER BY f."offset" DESC LIMIT ?3
                """
            return try rows(sql, [product, isUnanswered ? 1 : 0, limit])
        }
    }

    private func rows(
        _ sql: String, _ arguments: [(any DatabaseValueConvertible)?]
    ) throws(ProjectionError) -> OutboxRows {
        try read { db in
            let statement = try db.makeStatement(sql: sql)
            statement.arguments = StatementArguments(arguments)
            var found = OutboxRows(columns: statement.columnNames, rows: [])
            let cursor = try Row.fetchCursor(statement)
            while let row = try cursor.next() {
                found.rows.append(
                    row.databaseValues.map { value in
                        switch value.storage {
                        case .null: nil
                        case .int64(let number): String(number)
                        case .double(let number):
                            number == number.rounded() && number.magnitude < 1e15 ? String(Int64(number)) : "\(number)"
                        case .string(let text): text
                        case .blob: nil
                        }
                    })
            }
            return found
        }
    }
}
