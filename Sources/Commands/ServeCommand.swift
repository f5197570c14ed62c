// tidings serve: the daemon.

package import ArgumentParser
import Daemon
import Log
import Logging
import Projection
import Transport

package struct ServeCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the daemon: receive, store, acknowledge, summarise.",
        discussion: """
            Example: tidings serve --data ./tidings-data
                     tidings serve --config tidings.yaml --tcp-port 0

            Listens on loopback unless the configuration says otherwise. Stops on SIGTERM or SIGINT: what was read is \
            stored, acknowledged and summarised first. SIGHUP or `tidings reload` has it read its configuration \
            again. The log goes to standard error.
            """)

    @OptionGroup var data: DataOptions

    @Option(help: "The address to listen on, for TCP, UDP, HTTP and MQTT.")
    var host: String?

    @Option(help: "The TCP port; 0 = any free one, off = none.")
    var tcpPort: String?

    @Option(help: "The UDP port; 0 = any free one, off = none.")
    var udpPort: String?

    @Option(help: "The HTTP port; 0 = any free one, off = none.")
    var httpPort: String?

    @Option(help: "The MQTT port, mostly 1883; 0 = any free one, off = none.")
    var mqttPort: String?

    @Option(help: "The port for MQTT over TLS, mostly 8883; 0 = any free one, off = none.")
    var mqttsPort: String?

    @Option(help: "Who may send without a key or token: auto, off, warn or require.")
    var auth: String?

    @Option(help: "debug, info, notice, warning or error.")
    var logLevel: String?

    @Option(help: "auto, logfmt or json.")
    var logFormat: String?

    package init() {}

    /// The options as keys of the configuration.
    package var flags: [String: String] {
        var flags: [String: String] = [:]
        flags["listen.tcp.host"] = host
        flags["listen.udp.host"] = host
        flags["listen.http.host"] = host
        flags["listen.tcp.port"] = tcpPort
        flags["listen.udp.port"] = udpPort
        flags["listen.http.port"] = httpPort
        flags["listen.mqtt.host"] = host
        flags["listen.mqtts.host"] = host
        flags["listen.mqtt.port"] = mqttPort
        flags["listen.mqtts.port"] = mqttsPort
        flags["auth.mode"] = auth
        flags["logging.level"] = logLevel
        flags["logging.format"] = logFormat
        return flags
    }

    package func run() async throws {
        // Before it is read: what is there now must be there when it is read again.
        let source = data.source(flags)
        try await serve(try await data.load(flags), readAgainFrom: source)
    }
}

/// Runs a daemon and turns its failures into this program's.
///
/// - Parameter source: from where its configuration is read again; nil when it never is.
func serve(
    _ configuration: DaemonConfiguration, readAgainFrom source: ConfigurationSource? = nil,
    whenListening: @escaping @Sendable (_ ports: [String: Int]) async -> Void = { _ in }
) async throws {
    let format: LineLogHandler.Format =
        switch configuration.logFormat {
        case "json": .json
        case "logfmt": .logfmt
        default: Terminal.showsProgress ? .logfmt : .json
        }
    let level = Replaceable(configuration.logLevel)
    let handler = LineLogHandler(format: format, following: level)
    do {
        try await Daemon(
            configuration, logger: Logger(label: "tidings") { _ in handler },
            reloading: source.map { Reloading(source: $0, logLevel: level) }
        ).run(whenListening: whenListening)
    } catch let error as ListenError {
        throw Failure(error.description, .inputOutput)
    } catch {
        throw Failure.of(error)
    }
}
