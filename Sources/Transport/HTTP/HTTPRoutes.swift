// Which paths there are: one table, for answering and for whoever describes them.

package import Admission

/// Every path of the HTTP port and what it does. Events are posted to the first, devices read their messages at the two
/// behind it, and the others are the daemon's.
package struct HTTPRoutes: Sendable {
    package struct Route: Sendable {
        package var path: String
        /// One line for people.
        package var summary: String
        /// What the credential of who asks must allow, or else he has to be on this machine; nothing when all may ask.
        package var role: Roles
        var service: Service

        /// In the form of `Allow`.
        package var allow: StaticString {
            switch service {
            case .events, .posting: "POST, OPTIONS"
            case .down: "GET, OPTIONS"
            case .reading: "GET, HEAD, OPTIONS"
            }
        }

        /// What is said of a method that the path has not: cause and remedy in one line.
        package var methodText: StaticString {
            switch service {
            case .events: "events are sent here with POST, and not read; GET /openapi.json says how"
            case .reading: "this path is read, with GET or HEAD; events are posted to /v1/events"
            case .down: "messages to a device are read here with GET; receipts are posted to /v1/events"
            case .posting: "this path takes one JSON object with POST; GET /openapi.json says which"
            }
        }
    }

    enum Service: Sendable {
        case events
        /// What is to be brought to a device: in one answer, or in a stream.
        case down(isStream: Bool)
        case reading(@Sendable (HTTPQuestion) async -> HTTPReply)
        /// The same with a body, which is JSON and read whole.
        case posting(@Sendable (HTTPQuestion) async -> HTTPReply)

        /// Who answers; nil for what the session itself does.
        var answer: (@Sendable (HTTPQuestion) async -> HTTPReply)? {
            switch self {
            case .events, .down: nil
            case .reading(let answer), .posting(let answer): answer
            }
        }
    }

    package private(set) var all = [
        Route(path: "/v1/events", summary: "Takes events.", role: .send, service: .events),
        Route(
            path: "/v1/down", summary: "Waits for messages to a device.", role: .send,
            service: .down(isStream: false)),
        Route(
            path: "/v1/down/stream", summary: "Streams messages to a device.", role: .send,
            service: .down(isStream: true)),
    ]

    package init() {}

    /// Adds a path that is read with GET and HEAD. Nobody waits for the answer but who has asked: it is made aside of
    /// the ingest event loop.
    ///
    /// - Parameter role: what is needed besides being asked from this machine; `[]` when all may ask.
    package mutating func addReading(
        _ path: String, _ summary: String, role: Roles = [],
        _ answer: @escaping @Sendable (HTTPQuestion) async -> HTTPReply
    ) {
        all.append(Route(path: path, summary: summary, role: role, service: .reading(answer)))
    }

    /// Adds a path to which one JSON object is posted. It is carried out aside of the ingest event loop.
    ///
    /// - Parameter role: what is needed besides being asked from this machine.
    package mutating func addPosting(
        _ path: String, _ summary: String, role: Roles,
        _ answer: @escaping @Sendable (HTTPQuestion) async -> HTTPReply
    ) {
        all.append(Route(path: path, summary: summary, role: role, service: .posting(answer)))
    }

    /// The index of a path; nil when there is none.
    func index(of path: Substring) -> Int? {
        all.indices.first { all[$0].path.utf8.elementsEqual(path.utf8) }
    }
}

/// What is asked of a path that is read.
package struct HTTPQuestion: Sendable {
    /// What stands behind the `?`, as it came.
    package var query: String
    /// Who asks: whose products he may hear of.
    package var principal: Principal
    /// Whether he asks from this machine, or may operate the daemon: others are told no details of it.
    package var isTrusted: Bool
    /// What was posted.
    package var body: [UInt8] = []

    package init(query: String = "", principal: Principal = .anybody, isTrusted: Bool = false) {
        (self.query, self.principal, self.isTrusted) = (query, principal, isTrusted)
    }
}

/// The answer of a path that is read.
package struct HTTPReply: Sendable, Equatable {
    package var status: HTTPStatus
    package var contentType: String
    package var body: [UInt8]
    /// After how many seconds it may be asked again.
    package var retryAfter: Int?
    /// Of an answer to a device that asks for its messages: which they are.
    package var token: [UInt8]?

    package init(_ status: HTTPStatus = .ok, contentType: String = "application/json", body: [UInt8]) {
        (self.status, self.contentType, self.body) = (status, contentType, body)
    }
}
