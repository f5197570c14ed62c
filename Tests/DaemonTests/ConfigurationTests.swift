// Flags over environment over file over defaults, and a clear word for everything that is wrong.

import Admission
import Daemon
import Foundation
import Presentation
import Testing

@Suite struct ConfigurationTests {
    private func load(
        _ yaml: String, flags: [String: String] = [:], environment: [String: String] = [:]
    ) async throws -> DaemonConfiguration {
        let path = NSTemporaryDirectory() + "/tidings-\(UUID().uuidString).yaml"
        try yaml.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await DaemonConfiguration.load(file: path, flags: flags, environment: environment)
    }

    private func fault(_ yaml: String, environment: [String: String] = [:]) async -> String {
        do {
            _ = try await load(yaml, environment: environment)
            return ""
        } catch let error as ConfigurationError {
            return error.description.replacing(/configuration: \S*tidings-[^ ]+yaml/, with: "F")
                .replacing(/\(\S*tidings-[^ ]+yaml/, with: "(F")
        } catch {
            return "\(error)"
        }
    }

    @Test func defaultsHold() async throws {
        let configuration = try await load("")
        #expect(
            configuration.listeners == [
                .init(name: "tcp", host: "127.0.0.1", port: 7411, isPortConfigured: false),
                .init(name: "udp", host: "127.0.0.1", port: 7411, isPortConfigured: false),
                .init(name: "mqtt", host: "127.0.0.1", port: nil, isPortConfigured: false),
                .init(name: "mqtts", host: "127.0.0.1", port: nil, isPortConfigured: false, speaksTLS: true),
                .init(name: "http", host: "127.0.0.1", port: 7480, isPortConfigured: false),
            ])
        #expect(configuration.blockMaxEvents == 16_384)
        #expect(configuration.effective.allSatisfy { $0.source == "default" })
        #expect(configuration.effective.count == ConfigurationKey.all.count)
    }

    @Test func theStrongerLayerWins() async throws {
        let yaml = "listen:\n  tcp:\n    port: 1\n  udp:\n    port: 2\nlog:\n  block_max_events: 3\n"
        let configuration = try await load(
            yaml, flags: ["listen.tcp.port": "11"],
            environment: ["TIDINGS_LISTEN_TCP_PORT": "12", "TIDINGS_LISTEN_UDP_PORT": "22", "HOME": "/"])
        #expect(configuration.listeners.map(\.port) == [11, 22, nil, nil, 7480])
        #expect(configuration.listeners.map(\.isPortConfigured) == [true, true, false, false, false])
        #expect(configuration.blockMaxEvents == 3)
        let sources = configuration.effective.filter { $0.source != "default" }.map { [$0.name, $0.value] }
        #expect(sources == [["listen.tcp.port", "11"], ["listen.udp.port", "22"], ["log.block_max_events", "3"]])
    }

    @Test func quotasAndTimeoutsAreRead() async throws {
        let defaults = try await load("")
        #expect(defaults.quotas == QuotaSettings())
        #expect(defaults.firstByteTimeout == .seconds(10) && defaults.frameTimeout == .seconds(10))
        let yaml = """
            listen: {first_byte_timeout_seconds: 3, frame_timeout_seconds: 4}
            quota:
              device_events_per_second: 5
              address_events_per_second: 6
              burst_seconds: 7
              connections_per_address: 8
              new_names_per_minute_per_address: 9
              loopback: counted
            """
        let configuration = try await load(yaml)
        var quotas = QuotaSettings()
        quotas.deviceEventsPerSecond = 5
        quotas.addressEventsPerSecond = 6
        quotas.burstSeconds = 7
        quotas.connectionsPerAddress = 8
        quotas.newNamesPerMinute = 9
        quotas.countsLoopback = true
        #expect(configuration.quotas == quotas)
        #expect(configuration.firstByteTimeout == .seconds(3) && configuration.frameTimeout == .seconds(4))
    }

    @Test func unknownKeysAreRefusedWithTheNearest() async {
        #expect(
            await fault("listen:\n  tcp:\n    prt: 1\n")
                == "F line 3: unknown key listen.tcp.prt; did you mean listen.tcp.port?")
        #expect(await fault("data_dri: x\n") == "F line 1: unknown key data_dri; did you mean data_dir?")
    }

    @Test func valuesAreCheckedWithTheirPlace() async {
        #expect(
            await fault("listen:\n  tcp:\n    port: 70000\n")
                == "configuration: listen.tcp.port = 70000 (F line 3) must be a port from 0 to 65535, or off")
        #expect(await fault("log:\n  block_max_events: many\n").hasSuffix("must be a whole number from 1 to 16384"))
        #expect(
            await fault("logging:\n  level: loud\n").hasSuffix("must be one of debug, info, notice, warning, error"))
        #expect(
            await fault("", environment: ["TIDINGS_LOG_BLOCK_MAX_EVENTS": "0"])
                == "configuration: log.block_max_events = 0 (environment) must be a whole number from 1 to 16384")
        #expect(await fault("- a\n").hasSuffix("the file must be a mapping of keys to values"))
        #expect(await fault("listen: [1\n").contains("is not YAML"))
        #expect(await fault("listen:\n  tcp: 5\n").hasSuffix("listen.tcp must be a mapping of keys to values"))
    }

    @Test func aListenerCanBeOffButNotAll() async throws {
        let configuration = try await load("listen:\n  tcp:\n    port: off\n")
        #expect(configuration.listeners.map(\.port) == [nil, 7411, nil, nil, 7480])
        #expect(configuration.listeners.map(\.isPortConfigured) == [true, false, false, false, false])
        #expect(await fault("listen: {tcp: {port: -1}}").hasSuffix("must be a port from 0 to 65535, or off"))
        #expect(
            await fault("listen: {tcp: {port: off}, udp: {port: \"off\"}, http: {port: off}}")
                == "configuration: every listener is off, so that nothing could come in; "
                + "set one of listen.tcp.port, listen.udp.port, listen.mqtt.port, listen.mqtts.port, listen.http.port")
    }

    @Test func aMissingFileThatWasNamedIsAnError() async {
        await #expect(throws: ConfigurationError.self) {
            try await DaemonConfiguration.load(file: "/nonexistent/tidings.yaml", environment: [:])
        }
    }

    @Test func theTemplateIsAValidFileWithEveryKey() async throws {
        let configuration = try await load(configurationTemplate())
        #expect(configuration.effective.allSatisfy { $0.source != "default" })
    }
}
