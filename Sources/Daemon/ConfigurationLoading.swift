// Where the settings come from: flags over environment over tidings.yaml over defaults, checked once.

import Admission
import Configuration
import Events
import Foundation
import Logging
import Presentation
import Projection
import SQLite
import TLS
import Transport
import Wire

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
        let defaults = Dictionary(uniqueKeysWithValues: ConfigurationKey.all.map { ($0.name, $0.defaultValue) })
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
        func file(_ name: String) throws -> String? { try text(name) == "none" ? nil : text(name) }
        var tls = TLSSettings(
            certificateFile: try file("tls.certificate_file"), keyFile: try file("tls.key_file"))
        tls.clients = .init(rawValue: try text("tls.client_certificates")) ?? .off
        (tls.clientCAFile, tls.clientCRLFile) = (try file("tls.client_ca_file"), try file("tls.client_crl_file"))
        var consent = ConsentPolicy()
        for purpose in ConsentPurpose.allCases {
            consent[purpose] = ProductList(try text("privacy.consent.\(purpose.name)")) ?? ProductList()
        }
        let effective = ConfigurationKey.all.map { key in
            let layer = layers.first { $0.values[key.name] != nil }
            return SettingInForce(
                name: key.name, value: layer?.values[key.name] ?? key.defaultValue, source: layer?.source ?? "default")
        }
        return DaemonConfiguration(
            dataDirectory: try text("data_dir"),
            dataGroup: try text("data_group") == "none" ? nil : FileAccess.groupNumber(of: try text("data_group")),
            listeners: try ListenerKind.all.map { kind in
                Listener(
                    name: kind.name, host: try text(kind.hostKey), port: Int(try text(kind.portKey)),
                    isPortConfigured: layers.contains { $0.values[kind.portKey] != nil },
                    speaksTLS: try kind.tlsKey.map { try text($0) == "on" } ?? false)
            },
            tls: tls,
            maxConnections: try number("listen.max_connections"),
            idleTimeout: .seconds(try number("listen.idle_timeout_seconds")),
            firstByteTimeout: .seconds(try number("listen.first_byte_timeout_seconds")),
            frameTimeout: .seconds(try number("listen.frame_timeout_seconds")),
            auth: AuthMode(rawValue: try text("auth.mode")), masterKeyFile: try text("auth.master_key_file"),
            trustedProxies: addressRanges(try text("listen.http.trusted_proxies")) ?? [],
            acceptsForeignTopics: try text("mqtt.foreign_topics") == "accept",
            quotas: quotas,
            segmentMaxBytes: try number("log.segment_max_bytes"),
            segmentMaxAge: .seconds(3_600 * (try number("log.segment_max_age_hours"))),
            retentionAge: try positive("log.retention_days").map { .seconds(86_400 * $0) },
            retentionBytes: try positive("log.retention_bytes"),
            blockMaxEvents: try number("log.block_max_events"),
            blockMaxDelay: .milliseconds(try number("log.block_max_delay_ms")),
            scrubInterval: try positive("log.scrub_interval_minutes").map { .seconds(60 * $0) },
            tableEntries: try number("limits.table_entries"),
            tableBytes: try number("limits.table_bytes"),
            emails: EmailPolicy(rawValue: try text("identity.emails")) ?? .warn,
            backupMaxDays: try number("identity.backup_max_days"),
            consent: consent, personalAspects: aspects(try text("privacy.personal_aspects")) ?? [],
            smallGroups: SmallGroupRule(least: try number("privacy.least_group")),
            controller: try file("privacy.controller"), jurisdiction: try file("privacy.jurisdiction"),
            keepsUnknown: try text("events.keep_unknown") == "true",
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
        case .addresses:
            fault =
                addressRanges(value) == nil
                ? "must be addresses or ranges with commas between, as in 192.0.2.7, 2001:db8::/32, or none" : nil
        case .aspects:
            fault =
                aspects(value) == nil
                ? "must be aspects with commas between (words of a-z 0-9 _ joined by dots), or none" : nil
        case .products:
            fault =
                ProductList(value) == nil
                ? "must be products with commas between (%2C is a comma in a name), all, all except some, or none" : nil
        case .text, .file: fault = value.isEmpty ? "must not be empty" : nil
        case .group:
            let isKnown = value == "none" || FileAccess.groupNumber(of: value) != nil
            fault = isKnown ? nil : "must be a group of this system (`getent group` lists them), or none"
        }
        guard let fault else { return }
        throw ConfigurationError(description: "configuration: \(key.name) = \(value) (\(place)) \(fault)")
    }
}

extension DaemonConfiguration {
    /// The products below `privacy.consent` that a vocabulary does not have: a misspelt one would be asked for nothing.
    func unknownProducts(_ vocabulary: Vocabulary) -> [String] {
        let names = Set(ConsentPurpose.allCases.flatMap { consent[$0].listed })
        return names.sorted().filter { vocabulary.find(.product, Array($0.utf8).span) == nil }
    }
}

/// The aspects of a list with commas between; nil when one of them is none.
private func aspects(_ list: String) -> Set<[UInt8]>? {
    if list == "none" { return [] }
    let names = list.split(separator: ",", omittingEmptySubsequences: false).map {
        Array($0.trimmingCharacters(in: .whitespaces).utf8)
    }
    return names.allSatisfy { isAspect($0.span) } ? Set(names) : nil
}

/// The addresses and ranges of a list with commas between; nil when one of them is none.
private func addressRanges(_ list: String) -> [AddressRange]? {
    if list == "none" { return [] }
    var ranges: [AddressRange] = []
    for item in list.split(separator: ",", omittingEmptySubsequences: false) {
        guard let range = AddressRange(item.trimmingCharacters(in: .whitespaces)) else { return nil }
        ranges.append(range)
    }
    return ranges
}
