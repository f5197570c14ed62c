// The document at /openapi.json and the code say the same: paths, methods, statuses, and that it is served.

import Daemon
import Foundation
import Testing
import Transport

@Suite struct OpenAPITests {
    /// The whole document, as a client reads it.
    private static func document() throws -> [String: Any] {
        let parsed = try JSONSerialization.jsonObject(with: Data(openAPIDocument.utf8))
        return try #require(parsed as? [String: Any])
    }

    private static func operations() throws -> [String: [String: [String: Any]]] {
        try #require(try document()["paths"] as? [String: [String: [String: Any]]])
    }

    @Test func documentAndRouterNameTheSamePathsAndMethods() throws {
        let described = try Self.operations().mapValues { Set($0.keys.map { $0.uppercased() }) }
        let routes = HTTPRoutes(HealthReporter()).all
        let answered = routes.map { route in
            (route.path, Set("\(route.allow)".split(separator: ", ").map(String.init)))
        }
        #expect(described == Dictionary(uniqueKeysWithValues: answered))
    }

    @Test func documentAndRouterSummarisePathsAlike() throws {
        let operations = try Self.operations()
        for route in HTTPRoutes(HealthReporter()).all {
            let operation = operations[route.path]?["post"] ?? operations[route.path]?["get"]
            #expect(operation?["summary"] as? String == route.summary, "\(route.path)")
        }
    }

    /// Those of no path or method stand among the components, under their names; all others at what they answer.
    @Test(arguments: HTTPStatus.allCases) func everyStatusIsListed(_ status: HTTPStatus) throws {
        let ofOperations = try Self.operations().values.flatMap(\.values).flatMap { operation in
            (operation["responses"] as? [String: Any] ?? [:]).keys
        }
        if status == .notFound || status == .methodNotAllowed {
            let components = try #require(try Self.document()["components"] as? [String: [String: Any]])
            let name = "\(status.phrase)".replacing(" ", with: "")
            #expect(components["responses"]?[name] != nil, "\(name)")
        } else {
            #expect(ofOperations.contains("\(status.rawValue)"))
        }
    }

    @Test func noStatusIsListedThatTheCodeCannotGive() throws {
        for (path, methods) in try Self.operations() {
            for (method, operation) in methods {
                let statuses = (operation["responses"] as? [String: Any] ?? [:]).keys
                for status in statuses {
                    #expect(UInt16(status).flatMap(HTTPStatus.init) != nil, "\(method) \(path): \(status)")
                }
            }
        }
    }

    /// What a stranger is told leads to paths that there are.
    @Test func whoIsLostIsToldPathsThatThereAre() throws {
        let routes = HTTPRoutes(HealthReporter())
        let texts = [HTTPFault.noPath.text] + routes.all.map(\.methodText)
        for text in texts {
            let paths = "\(text)".matches(of: #/(?:\/[a-z0-9.]+)+/#).map { String($0.output) }
            #expect(!paths.isEmpty, "\(text)")
            for path in paths { #expect(routes.all.contains { $0.path == path }, "\(text)") }
        }
    }
}
