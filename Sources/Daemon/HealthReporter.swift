// Whether the daemon lives and takes events, for those who ask over HTTP: orchestrators and load balancers.

import Foundation
import Presentation
import Synchronization
import Transport

/// Answers `/health/live` and `/health/ready`. There before the daemon is: until `begin`, it is not ready.
package final class HealthReporter: Sendable {
    private let status = Mutex<(@Sendable () async throws -> DaemonStatus)?>(nil)

    package init() {}

    /// From now on there is a status.
    func begin(_ status: @escaping @Sendable () async throws -> DaemonStatus) {
        self.status.withLock { $0 = status }
    }

    /// The paths of the HTTP port.
    var routes: HTTPRoutes {
        var routes = HTTPRoutes()
        routes.addReading("/health/live", "Whether the daemon answers at all.") { _ in
            reply(.ok, Health(status: "live", checks: [:]))
        }
        routes.addReading("/health/ready", "Whether the daemon takes events, and what is not as it should be.") {
            question in
            await self.ready(isTrusted: question.isTrusted)
        }
        return routes
    }

    /// Load balancers, from wherever they ask, need the status alone; the details are for those who may operate.
    private func ready(isTrusted: Bool) async -> HTTPReply {
        let ask = status.withLock { $0 }
        guard let ask, let status = try? await ask() else {
            return reply(.serviceUnavailable, Health(status: "starting", checks: [:]))
        }
        return health(of: status, isTrusted: isTrusted)
    }
}

/// The body of an answer.
private struct Health: Encodable {
    var status: String
    /// What was looked at: `good`, or a line with the cause and the remedy.
    var checks: [String: String]
}

/// Ready is who can store events: summaries that are behind, or damage in old segments, are told and turn nobody away.
func health(of status: DaemonStatus, isTrusted: Bool = true) -> HTTPReply {
    let checks = [
        "storage": status.storage, "summaries": status.projection,
        "scrub": status.scrub.damages == 0 ? "good" : "damaged places: \(status.scrub.damages); `tidings log verify`",
    ]
    let isReady = status.storage == "good"
    return reply(
        isReady ? .ok : .serviceUnavailable,
        Health(status: isReady ? "ready" : "not ready", checks: isTrusted ? checks : [:]))
}

private func reply(_ status: HTTPStatus, _ health: Health) -> HTTPReply {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let body = (try? encoder.encode(health)).map { [UInt8]($0) } ?? []
    return HTTPReply(status, body: body + [UInt8(ascii: "\n")])
}
