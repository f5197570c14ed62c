// The listeners that the daemon can have, a row each: its keys in the configuration and what it speaks.

package import TLS
import Transport

/// A protocol that devices can reach the daemon by.
struct ListenerKind: Sendable {
    /// As in `listen.NAME.port`, in the log and in the status.
    var name: String
    /// For people: what comes in there.
    var speaks: String
    /// A port, or `off`.
    var defaultPort: String
    /// Whether it speaks TLS when nobody says so.
    var isPrivate = false
    /// What it is called when TLS agrees on a protocol (ALPN); nil when TLS is not for it.
    var tlsProtocols: [String]?
    /// What it speaks, given the paths that are read over HTTP.
    var service: @Sendable (HTTPRoutes) -> ListenerSpecification.Service

    static let all = [
        ListenerKind(
            name: "tcp", speaks: "native frames and JSON lines over TCP", defaultPort: "7411", tlsProtocols: [],
            service: { _ in .tcp }),
        ListenerKind(
            name: "udp", speaks: "native and JSON datagrams over UDP", defaultPort: "7411", service: { _ in .udp }),
        ListenerKind(
            name: "mqtt", speaks: "MQTT 3.1.1 and 5", defaultPort: "off", tlsProtocols: ["mqtt"],
            service: { _ in .mqtt }),
        ListenerKind(
            name: "mqtts", speaks: "MQTT over TLS", defaultPort: "off", isPrivate: true, tlsProtocols: ["mqtt"],
            service: { _ in .mqtt }),
        ListenerKind(
            name: "http", speaks: "events and questions over HTTP", defaultPort: "7480", tlsProtocols: ["http/1.1"],
            service: { .http($0) }),
    ]

    /// The key of the address.
    var hostKey: String { "listen.\(name).host" }
    /// The key of the port.
    var portKey: String { "listen.\(name).port" }
    /// The key of whether it speaks TLS; nil when it never does.
    var tlsKey: String? { tlsProtocols == nil ? nil : "listen.\(name).tls" }
}

extension DaemonConfiguration {
    /// Where one kind of listener is to be opened.
    package struct Listener: Sendable, Equatable {
        package var name: String
        package var host: String
        /// 0 for any that is free; nil for a listener that is off.
        package var port: Int?
        /// Whether the port is other than left at its default.
        package var isPortConfigured: Bool
        package var speaksTLS: Bool

        package init(name: String, host: String, port: Int?, isPortConfigured: Bool, speaksTLS: Bool = false) {
            self.name = name
            self.host = host
            self.port = port
            self.isPortConfigured = isPortConfigured
            self.speaksTLS = speaksTLS
        }
    }

    /// What is to be opened, in the order of the kinds.
    ///
    /// - Parameters:
    ///   - routes: the paths of the HTTP port.
    ///   - tls: what the listeners that speak TLS begin connections with.
    func specifications(_ routes: HTTPRoutes, _ tls: [String: TLSContext]) -> [ListenerSpecification] {
        ListenerKind.all.compactMap { kind in
            guard let listener = listeners.first(where: { $0.name == kind.name }), let port = listener.port else {
                return nil
            }
            return ListenerSpecification(
                name: kind.name, host: listener.host, port: port, isPortConfigured: listener.isPortConfigured,
                service: kind.service(routes), tls: tls[kind.name])
        }
    }

    /// The listeners that are to speak TLS.
    private var kindsWithTLS: [ListenerKind] {
        ListenerKind.all.filter { kind in
            listeners.contains { $0.name == kind.name && $0.port != nil && $0.speaksTLS }
        }
    }

    /// Reads certificate, key and what else TLS needs; nil when no listener speaks TLS.
    ///
    /// - Throws: `ConfigurationError`, one line with the key, the file and the remedy.
    package func readTLSFiles() throws(ConfigurationError) -> TLSFiles? {
        guard !kindsWithTLS.isEmpty else { return nil }
        do throws(TLSFileError) {
            return try TLSFiles(tls)
        } catch {
            throw ConfigurationError(description: "configuration: \(error)")
        }
    }

    /// Reads what TLS needs and forgets it.
    ///
    /// - Returns: what should be looked at and stops nothing, a line each.
    /// - Throws: as `readTLSFiles`.
    package func checkTLSFiles() throws(ConfigurationError) -> [String] { try readTLSFiles()?.warnings ?? [] }

    /// What each listener that speaks TLS begins connections with, by its name.
    func contexts(_ files: TLSFiles?) throws(ConfigurationError) -> [String: TLSContext] {
        var contexts: [String: TLSContext] = [:]
        for kind in kindsWithTLS {
            do throws(TLSFileError) {
                contexts[kind.name] = try files?.context(protocols: kind.tlsProtocols ?? [])
            } catch {
                throw ConfigurationError(description: "configuration: \(error)")
            }
        }
        return contexts
    }
}
