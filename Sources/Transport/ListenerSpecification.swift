// A listener as a value: where it listens, and what it speaks there.

package import Admission
package import TLS

/// One socket that is to be opened, and the protocol behind it.
package struct ListenerSpecification: Sendable {
    /// What it speaks: makes a session for each connection, or one for the datagram socket, on the ingest event loop.
    package enum Service: Sendable {
        case stream(@Sendable (TransportSettings) -> any StreamSession)
        case http(HTTPRoutes)
        /// The kind is that of the counters to which datagrams belong that the kernel drops.
        case datagrams(TransportKind, @Sendable (TransportSettings) -> any DatagramSession)
    }

    /// What the log, the status and the keys of the configuration (`listen.NAME.port`) call it.
    package var name: String
    package var host: String
    /// 0 for any that is free.
    package var port: Int
    /// Whether somebody has asked for this port. When one that is only the default is taken, the daemon does without
    /// it, as long as another listener is open.
    package var isPortConfigured: Bool
    package var service: Service
    /// Nil when it speaks in plain text.
    package var tls: TLSContext?

    package init(
        name: String, host: String, port: Int, isPortConfigured: Bool = true, service: Service,
        tls: TLSContext? = nil
    ) {
        self.name = name
        self.host = host
        self.port = port
        self.isPortConfigured = isPortConfigured
        self.service = service
        self.tls = tls
    }

    /// The transport below, as in `127.0.0.1:7411/tcp`.
    var transportName: String {
        switch service {
        case .stream, .http: "tcp"
        case .datagrams: "udp"
        }
    }
}

extension ListenerSpecification.Service {
    /// Native frames and JSON lines over TCP.
    package static var tcp: Self { .stream { _ in TCPSession() } }
    /// MQTT 3.1, 3.1.1 and 5.
    package static var mqtt: Self { .stream { _ in MQTTSession() } }
    /// Native and JSON datagrams.
    package static var udp: Self { .datagrams(.udp) { UDPSession(settings: $0) } }
}
