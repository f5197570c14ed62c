// Every path of the HTTP port, which schemas/openapi.yaml describes.

import Admission
import Events
import Foundation
import Transport

extension HTTPRoutes {
    /// All that the daemon answers.
    package init(_ health: HealthReporter, _ outbox: OutboxQueue = OutboxQueue()) {
        self = health.routes
        addReading("/openapi.json", "Describes every path, as an OpenAPI document.") { _ in
            HTTPReply(body: Array(openAPIDocument.utf8))
        }
        addPosting("/v1/messages", "Sends a message to devices.", role: .operate) { question in
            await postMessage(question, outbox)
        }
    }
}

/// Sends a message, as whoever has posted it.
private func postMessage(_ question: HTTPQuestion, _ outbox: OutboxQueue) async -> HTTPReply {
    var order = MessageOrder(String(decoding: question.body, as: UTF8.self), author: "operator", isAdmin: true)
    if case .holder(let credential) = question.principal {
        order.isAdmin = credential.roles.contains(.admin)
        order.scope = credential.scope
        if case .token(let number) = credential.holder { order.author = "token \(number)" }
    }
    let answer = await outbox.send(order)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let body = (try? encoder.encode(answer)).map { [UInt8]($0) } ?? []
    var reply = HTTPReply(answer.refusal.map { HTTPStatus($0) } ?? .ok, body: body + [UInt8(ascii: "\n")])
    if answer.refusal?.isRetryable == true { reply.retryAfter = 1 }
    return reply
}
