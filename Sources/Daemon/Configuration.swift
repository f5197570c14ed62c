// The daemon's settings: flags over environment over tidings.yaml over defaults, checked once, then plain values.

package import Admission
import Configuration
import Foundation
package import Logging
package import Presentation
import SQLiteRows
import Yams

/// All settings of the daemon, valid.
package struct DaemonConfiguration: Sendable, Equatable {
    package var dataDirectory: String
    /// The group that may read the summaries; nil when there is none.
    package var dataGroup: UInt32?
    /// One for each kind that there is.
    package var listeners: [Listener]
    package var maxConnections: Int
    package var idleTimeout: Duration
    package var firstByteTimeout: Duration
    package var frameTimeout: Duration
    package var quotas: QuotaSettings
    package var segmentMaxBytes: Int
    package var segmentMaxAge: Duration
    /// Nil keeps everything.
    package var retentionAge: Duration?
    package var retentionBytes: Int?
    /// Nil: segments are not read on their own.
    package var scrubInterval: Duration?
    package var emails: EmailPolicy
    package var blockMaxEvents: Int
    package var blockMaxDelay: Duration
    package var tableEntries: Int
    package var tableBytes: Int
    package var logLevel: Logger.Level
    package var logFormat: String
    /// Every key with its value and where the value comes from, in the table's order.
    package var effective: [SettingInForce]
    /// What should be looked at and stops nothing, a line each.
    package var warnings: [String]
}

/// What is wrong with the configuration, in one line with the remedy; exit code 78.
package struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    package var description: String
}

extension DaemonConfiguration {
    /// Reads and checks the configuration.
    ///
    /// - Parameters:
    ///   - file: the path of tidings.yaml; nil reads `tidings.yaml` in the working directory if it is there.
    ///   - flags: values from the command line by key name; they are the strongest.
    ///   - environment: usually the process's; `TIDINGS_…` variables override the file.
    /// - Throws: `ConfigurationError` naming the key, the place and the remedy.
    package static func load(
        file: String? = nil, flags: [String: String] = [:],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws -> DaemonConfiguration {
        let path = file ?? "tidings.yaml"
        let exists = FileManager.default.fileExists(atPath: path)
        guard exists || file == nil else {
            throw ConfigurationError(
                description: "configuration: \(path) does not exist; create it or leave out --config")
        }
        let inFile = exists ? try ConfigurationFile(path: path) : ConfigurationFile()
        let variables = EnvironmentVariables(environment)
        let layers: [(source: String, values: [String: String])] = [
            ("flag", flags),
            ("environment", variables.values),
            (path, inFile.values),
        ]
        for (source, values) in layers {
            for key in ConfigurationKey.all {
                guard let value = values[key.name] else { continue }
                try check(value, of: key, place: inFile.place(of: key.name, source: source))
            }
        }
        let defaults = Dictionary(uniqueKeysWithValues: ConfigurationKey.all.map { ($0.name, $0.fallback) })
        let reader = ConfigReader(providers: [
            InMemoryProvider(name: "flags", values: provided(flags)),
            InMemoryProvider(name: "environment", values: provided(variables.values)),
            InMemoryProvider(name: path, values: provided(inFile.values)),
            InMemoryProvider(name: "defaults", values: provided(defaults)),
        ])
        var configuration = try make(reader, layers: layers)
        guard configuration.listeners.contains(where: { $0.port != nil }) else {
            throw ConfigurationError(
                description: "configuration: every listener is off, so that nothing could come in; set one of "
                    + ListenerKind.all.map(\.portKey).joined(separator: ", "))
        }
        configuration.warnings = variables.warnings
        return configuration
    }

    private static func make(
        _ reader: ConfigReader, layers: [(source: String, values: [String: String])]
    ) throws -> DaemonConfiguration {
        func number(_ name: String) throws -> Int { try reader.requiredInt(forKey: ConfigKey(name)) }
        func positive(_ name: String) throws -> Int? { try number(name) > 0 ? number(name) : nil }
        func text(_ name: String) throws -> String { try reader.requiredString(forKey: ConfigKey(name)) }
        var quotas = QuotaSettings()
        quotas.deviceEventsPerSecond = try number("quota.device_events_per_second")
        quotas.addressEventsPerSecond = try number("quota.address_events_per_second")
        quotas.burstSeconds = try number("quota.burst_seconds")
        quotas.connectionsPerAddress = try number("quota.connections_per_address")
        quotas.newNamesPerMinute = try number("quota.new_names_per_minute_per_address")
        quotas.countsLoopback = try text("quota.loopback") == "counted"
        let effective = ConfigurationKey.all.map { key in
            let layer = layers.first { $0.values[key.name] != nil }
            return SettingInForce(
                name: key.name, value: layer?.values[key.name] ?? key.fallback, source: layer?.source ?? "default")
        }
        return DaemonConfiguration(
            dataDirectory: try text("data_dir"),
            dataGroup: try text("data_group") == "none" ? nil : FileAccess.groupNumber(of: try text("data_group")),
            listeners: try ListenerKind.all.map { kind in
                Listener(
                    name: kind.name, host: try text(kind.hostKey), port: Int(try text(kind.portKey)),
                    isPortConfigured: layers.contains { $0.values[kind.portKey] != nil })
            },
            maxConnections: try number("listen.max_connections"),
            idleTimeout: .seconds(try number("listen.idle_timeout_seconds")),
            firstByteTimeout: .seconds(try number("listen.first_byte_timeout_seconds")),
            frameTimeout: .seconds(try number("listen.frame_timeout_seconds")),
            quotas: quotas,
            segmentMaxBytes: try number("log.segment_max_bytes"),
            segmentMaxAge: .seconds(3_600 * (try number("log.segment_max_age_hours"))),
            retentionAge: try positive("log.retention_days").map { .seconds(86_400 * $0) },
            retentionBytes: try positive("log.retention_bytes"),
            scrubInterval: try positive("log.scrub_interval_minutes").map { .seconds(60 * $0) },
            emails: EmailPolicy(rawValue: try text("identity.emails")) ?? .warn,
            blockMaxEvents: try number("log.block_max_events"),
            blockMaxDelay: .milliseconds(try number("log.block_max_delay_ms")),
            tableEntries: try number("limits.table_entries"),
            tableBytes: try number("limits.table_bytes"),
            logLevel: Logger.Level(rawValue: try text("logging.level")) ?? .info,
            logFormat: try text("logging.format"),
            effective: effective, warnings: [])
    }

    private static func provided(_ values: [String: String]) -> [AbsoluteConfigKey: ConfigValue] {
        var provided: [AbsoluteConfigKey: ConfigValue] = [:]
        for key in ConfigurationKey.all {
            guard let value = values[key.name] else { continue }
            let content: ConfigContent =
                if case .number = key.kind, let number = Int(value) { .int(number) } else { .string(value) }
            provided[AbsoluteConfigKey(ConfigKey(key.name))] = ConfigValue(content, isSecret: false)
        }
        return provided
    }

    private static func check(_ value: String, of key: ConfigurationKey, place: String) throws {
        let fault: String?
        switch key.kind {
        case .number(let range):
            fault = Int(value).map(range.contains) == true ? nil : "must be a whole number from \(key.allowed)"
        case .port:
            fault =
                value == "off" || Int(value).map((0...65_535).contains) == true
                ? nil : "must be a port from 0 to 65535, or off"
        case .choice(let choices): fault = choices.contains(value) ? nil : "must be one of \(key.allowed)"
        case .text: fault = value.isEmpty ? "must not be empty" : nil
        case .group:
            let isKnown = value == "none" || FileAccess.groupNumber(of: value) != nil
            fault = isKnown ? nil : "must be a group of this system (`getent group` lists them), or none"
        }
        guard let fault else { return }
        throw ConfigurationError(description: "configuration: \(key.name) = \(value) (\(place)) \(fault)")
    }
}

/// The keys and values of one tidings.yaml, with their lines.
struct ConfigurationFile {
    private(set) var values: [String: String] = [:]
    private var lines: [String: Int] = [:]
    private var path = ""

    init() {}

    /// - Throws: `ConfigurationError` when the file cannot be read, is not a YAML mapping or has an unknown key.
    init(path: String) throws {
        self.path = path
        let root: Node?
        do {
            root = try Yams.compose(yaml: try String(contentsOfFile: path, encoding: .utf8))
        } catch let error as YamlError {
            throw ConfigurationError(description: "configuration: \(path) is not YAML: \(oneLine(error))")
        } catch {
            throw ConfigurationError(description: "configuration: cannot read \(path): \(error.localizedDescription)")
        }
        guard let root else { return }
        try collect(root, prefix: "")
    }

    /// Where a value stands, for a message.
    func place(of name: String, source: String) -> String {
        guard source == path, let line = lines[name] else { return source }
        return "\(path) line \(line)"
    }

    private mutating func collect(_ node: Node, prefix: String) throws {
        guard let mapping = node.mapping else {
            throw ConfigurationError(
                description: "configuration: \(path) line \(node.mark?.line ?? 1): "
                    + (prefix.isEmpty ? "the file" : prefix) + " must be a mapping of keys to values")
        }
        for (key, value) in mapping {
            let name = prefix.isEmpty ? (key.string ?? "") : prefix + "." + (key.string ?? "")
            let line = key.mark?.line ?? 1
            if ConfigurationKey.all.contains(where: { $0.name == name }) {
                guard let scalar = value.scalar else {
                    throw ConfigurationError(
                        description: "configuration: \(path) line \(line): \(name) must be a single value")
                }
                values[name] = scalar.string
                lines[name] = line
            } else if ConfigurationKey.all.contains(where: { $0.name.hasPrefix(name + ".") }) {
                try collect(value, prefix: name)
            } else {
                let hint = ConfigurationKey.nearest(to: name).map { "; did you mean \($0)?" } ?? ""
                throw ConfigurationError(
                    description: "configuration: \(path) line \(line): unknown key \(name)\(hint)")
            }
        }
    }
}

/// What a parser says over several lines, in one: its first line ends with the place, its last one is the pointer.
private func oneLine(_ error: YamlError) -> String {
    let lines = error.description.split(whereSeparator: \.isNewline).map { $0.trimmingPrefix { $0.isWhitespace } }
    return lines.filter { $0 != "^" }.joined(separator: " ")
}
