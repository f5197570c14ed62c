// What of the environment is a setting, what is somebody else's, and what is probably misspelt.

import Daemon
import Foundation
import Presentation
import Testing

@Suite struct EnvironmentTests {
    private func load(_ environment: [String: String], _ yaml: String = "") async throws -> DaemonConfiguration {
        let path = NSTemporaryDirectory() + "/tidings-\(UUID().uuidString).yaml"
        try yaml.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await DaemonConfiguration.load(file: path, environment: environment)
    }

    /// What Kubernetes sets in every container beside services `tidings`, `tidings-web` and `tidings-listen-tcp`.
    private static let links: [String: String] = {
        var links = ["TIDINGS_NAME": "/web/tidings", "TIDINGS_ENV_PATH": "/bin"]
        for service in ["TIDINGS", "TIDINGS_WEB", "TIDINGS_LISTEN_TCP", "TIDINGS_DATA_DIR"] {
            let address = "tcp://10.0.0.9:7411"
            links["\(service)_SERVICE_HOST"] = "10.0.0.9"
            links["\(service)_SERVICE_PORT"] = "7411"
            links["\(service)_SERVICE_PORT_EVENTS_2"] = "7411"
            links["\(service)_PORT"] = address
            links["\(service)_PORT_7411_TCP"] = address
            links["\(service)_PORT_7411_TCP_PROTO"] = "tcp"
            links["\(service)_PORT_7411_TCP_PORT"] = "7411"
            links["\(service)_PORT_7411_TCP_ADDR"] = "10.0.0.9"
            links["\(service)_PORT_7411_UDP"] = "udp://10.0.0.9:7411"
            links["\(service)_PORT_7411_SCTP_ADDR"] = "10.0.0.9"
        }
        return links
    }()

    @Test func serviceLinksAreSilentAndChangeNothing() async throws {
        let configuration = try await load(Self.links)
        #expect(configuration.warnings.isEmpty, "\(configuration.warnings)")
        #expect(configuration.effective.allSatisfy { $0.source == "default" })
        #expect(configuration.listeners[0].port == 7411)
    }

    @Test func variablesOfOurToolsAreSilent() async throws {
        let names = [
            "TIDINGS_BIN", "TIDINGS_DEADLINE", "TIDINGS_CPU", "TIDINGS_FUZZ", "TIDINGS_CONFIG", "TIDINGS_DEMO",
        ]
        let environment = Dictionary(uniqueKeysWithValues: names.map { ($0, "x") })
        #expect(try await load(environment).warnings.isEmpty)
    }

    /// Every variable that a script or a tool of this repository reads is one of them.
    @Test func theListOfOurToolsIsWhole() async throws {
        let root = (#filePath as NSString).deletingLastPathComponent + "/../.."
        var names: Set<String> = []
        for folder in ["scripts", ".ci", "Benchmarks", "Fuzz", "Tests/Faults", "Tests/SimulationTests"] {
            let paths = FileManager.default.enumerator(atPath: root + "/" + folder)?.compactMap { $0 as? String } ?? []
            // The macros of the C library are no variables.
            for path in paths where path != "check-c-client" {
                guard let text = try? String(contentsOfFile: "\(root)/\(folder)/\(path)", encoding: .utf8) else {
                    continue
                }
                for match in text.matches(of: /TIDINGS_[A-Z0-9_]+/) { names.insert(String(match.output)) }
            }
        }
        #expect(names.contains("TIDINGS_BIN"))
        let keys = Set(ConfigurationKey.all.map(\.environmentName))
        let environment = Dictionary(uniqueKeysWithValues: names.subtracting(keys).map { ($0, "x") })
        #expect(try await load(environment).warnings.isEmpty)
    }

    @Test func anUnknownVariableWarnsWithTheNearestKey() async throws {
        let configuration = try await load(
            ["TIDINGS_LISTEN_TCP_PROT": "1", "TIDINGS_COLOUR": "blue", "TIDINGS_LISTEN_UDP_PORT": "5"])
        #expect(
            configuration.warnings == [
                "environment variable TIDINGS_COLOUR names no key and has no effect",
                "environment variable TIDINGS_LISTEN_TCP_PROT names no key and has no effect; "
                    + "did you mean TIDINGS_LISTEN_TCP_PORT?",
            ])
        #expect(configuration.listeners[1].port == 5)
    }

    @Test(arguments: [
        ["TIDINGS_LISTEN_TCP_PORT": "tcp://10.0.0.9:7411"], ["TIDINGS_LISTEN_TCP_PORT": "many"],
        ["TIDINGS_LISTEN_TCP_PORT": "many", "TIDINGS_LISTEN_TCP_SERVICE_HOST": "10.0.0.9"],
        ["TIDINGS_DATA_GROUP": "no-such-group-here"], ["TIDINGS_IDENTITY_EMAILS": "maybe"],
    ])
    func aKnownKeyWithABadValueIsAnError(_ environment: [String: String]) async {
        await #expect(throws: ConfigurationError.self) { try await load(environment) }
    }

    @Test func aGroupIsFoundByItsName() async throws {
        #expect(try await load([:]).dataGroup == nil)
        #expect(try await load([:], "data_group: root\n").dataGroup == 0)
        #expect(try await load(["TIDINGS_DATA_GROUP": "none"], "data_group: root\n").dataGroup == nil)
    }
}
