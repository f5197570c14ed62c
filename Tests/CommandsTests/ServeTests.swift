// tidings serve: its options are keys of the configuration, and stronger than the file and the environment.

import ArgumentParser
import Commands
import Daemon
import Presentation
import Testing

@Suite struct ServeTests {
    private func flags(_ arguments: String...) throws -> [String: String] {
        let command = try TidingsCommand.parseAsRoot(["serve"] + arguments)
        return try #require(command as? ServeCommand).flags
    }

    @Test func optionsAreKeys() throws {
        let flags = try flags(
            "--host", "::1", "--tcp-port", "0", "--udp-port", "off", "--http-port", "7481", "--log-level",
            "debug", "--log-format", "json")
        #expect(
            flags == [
                "listen.tcp.host": "::1", "listen.udp.host": "::1", "listen.http.host": "::1",
                "listen.mqtt.host": "::1", "listen.mqtts.host": "::1", "listen.tcp.port": "0", "listen.udp.port": "off",
                "listen.http.port": "7481", "logging.level": "debug",
                "logging.format": "json",
            ])
        #expect(Set(flags.keys).isSubset(of: ConfigurationKey.all.map(\.name)))
    }

    @Test func withoutOptionsNothingIsSet() throws { #expect(try flags().isEmpty) }

    @Test func whatIsSetIsInForce() async throws {
        let flags = try flags("--tcp-port", "off", "--log-level", "error")
        let configuration = try await DaemonConfiguration.load(
            flags: flags, environment: ["TIDINGS_LISTEN_TCP_PORT": "99", "TIDINGS_LOGGING_LEVEL": "debug"])
        #expect(configuration.listeners.first { $0.name == "tcp" }?.port == nil)
        let level = configuration.effective.first { $0.name == "logging.level" }
        #expect(level == SettingInForce(name: "logging.level", value: "error", source: "flag"))
    }
}
