// The listeners that the daemon can have, a row each: its keys in the configuration and what it speaks.

import Transport

/// A protocol that devices can reach the daemon by.
struct ListenerKind: Sendable {
    /// As in `listen.NAME.port`, in the log and in the status.
    var name: String
    /// For people: what comes in there.
    var speaks: String
    /// A port, or `off`.
    var defaultPort: String
    /// What it speaks, given the paths that are read over HTTP.
    var service: @Sendable (HTTPRoutes) -> ListenerSpecification.Service

    static let all = [
        ListenerKind(
            name: "tcp", speaks: "native frames and JSON lines over TCP", defaultPort: "7411", service: { _ in .tcp }),
        ListenerKind(
            name: "udp", speaks: "native and JSON datagrams over UDP", defaultPort: "7411", service: { _ in .udp }),
        ListenerKind(
            name: "http", speaks: "events and questions over HTTP", defaultPort: "7480", service: { .http($0) }),
    ]

    /// The key of the address.
    var hostKey: String { "listen.\(name).host" }
    /// The key of the port.
    var portKey: String { "listen.\(name).port" }
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

        package init(name: String, host: String, port: Int?, isPortConfigured: Bool) {
            self.name = name
            self.host = host
            self.port = port
            self.isPortConfigured = isPortConfigured
        }
    }

    /// What is to be opened, in the order of the kinds.
    ///
    /// - Parameter routes: the paths of the HTTP port.
    func specifications(_ routes: HTTPRoutes) -> [ListenerSpecification] {
        ListenerKind.all.compactMap { kind in
            guard let listener = listeners.first(where: { $0.name == kind.name }), let port = listener.port else {
                return nil
            }
            return ListenerSpecification(
                name: kind.name, host: listener.host, port: port, isPortConfigured: listener.isPortConfigured,
                service: kind.service(routes))
        }
    }
}
