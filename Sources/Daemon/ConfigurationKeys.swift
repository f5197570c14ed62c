// Every key of tidings.yaml: its type, default, range and meaning, in one table that the loader, `tidings check
// config` and docs/configuration.md share.
//
// Where a room has bounds of its own, the default is taken from them, so that it is said once.

import Admission
import Events
import Ingest
import TLS
import Transport

/// One key of the configuration.
package struct ConfigurationKey: Sendable {
    /// What a value may be.
    package enum Kind: Sendable, Equatable {
        case number(ClosedRange<Int>)
        /// A port of this machine, 0 for any that is free, or `off`.
        case port
        case text
        /// The path of a file, or `none`.
        case file
        /// The name of a group of the system, or `none`.
        case group
        /// Addresses and ranges of them, or `none`.
        case addresses
        /// Aspects, or `none`.
        case aspects
        /// Products by name, all, all but some, or `none`.
        case products
        case choice([String])
    }

    /// When a new value is in force.
    package enum TakesEffect: Sendable, Equatable {
        /// `DaemonConfiguration.applying` takes it over while the daemon runs.
        case onReload
        /// The same, unless it lets in more than the one in force: then a restart is needed.
        case onReloadIfStricter
        case onRestart
    }

    /// Dotted path in tidings.yaml, as in `listen.tcp.port`.
    package var name: String
    package var kind: Kind
    /// As it would be written in the file.
    package var defaultValue: String
    package var meaning: String
    package var takesEffect: TakesEffect

    /// The environment variable that overrides the file.
    package var environmentName: String {
        "TIDINGS_" + name.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }

    /// The range or the choices, for people.
    package var allowed: String {
        switch kind {
        case .number(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .port: "0 to 65535, or off"
        case .text: "text"
        case .file: "a path, or none"
        case .group: "a group of this system, or none"
        case .addresses: "addresses and ranges, as in 192.0.2.7, 2001:db8::/32, or none"
        case .aspects: "aspects, as in home.name, body.weight, or none"
        case .products: "products, as in kettle, oven; all; all except oven; or none"
        case .choice(let choices): choices.joined(separator: ", ")
        }
    }

    private init(
        _ name: String, _ range: ClosedRange<Int>, _ defaultValue: some BinaryInteger, _ meaning: String,
        _ takesEffect: TakesEffect
    ) {
        self.init(name, .number(range), "\(defaultValue)", meaning, takesEffect)
    }

    private init(_ name: String, _ kind: Kind, _ defaultValue: String, _ meaning: String, _ takesEffect: TakesEffect) {
        (self.name, self.kind, self.defaultValue) = (name, kind, defaultValue)
        (self.meaning, self.takesEffect) = (meaning, takesEffect)
    }

    /// All of them, in the order in which they are shown.
    package static let all = data + listening + tls + access + mqtt + quotas + log + names + privacy + events + logging

    private static let data: [ConfigurationKey] = [
        .init(
            "data_dir", .text, "tidings-data", "The folder of the log, the identities and the summaries.", .onRestart),
        .init(
            "data_group", .group, "none", "The group that may read summaries.sqlite besides the daemon's user.",
            .onRestart),
    ]

    private static let listening: [ConfigurationKey] =
        ListenerKind.all.flatMap { kind -> [ConfigurationKey] in
            [
                .init(kind.hostKey, .text, "127.0.0.1", "Address to listen on for \(kind.speaks).", .onRestart),
                .init(
                    kind.portKey, .port, kind.defaultPort, "Port for \(kind.speaks); 0 = any, off = none.", .onRestart),
            ]
                + [kind.tlsKey].compactMap { $0 }.map {
                    .init(
                        $0, .choice(["off", "on"]), kind.isPrivate ? "on" : "off",
                        "Whether TLS is spoken there, and nothing else.", .onRestart)
                }
        } + [
            .init(
                "listen.http.trusted_proxies", .addresses, "none",
                "Peers that are believed from where a request over HTTP comes.", .onRestart),
            .init(
                "listen.max_connections", 1...100_000, transport.maxConnections,
                "TCP connections at once; more are refused.", .onReload),
            .init(
                "listen.idle_timeout_seconds", 1...86_400, transport.idleTimeoutSeconds,
                "A silent connection is closed after this.", .onReload),
            .init(
                "listen.first_byte_timeout_seconds", 1...86_400, transport.firstByteTimeoutSeconds,
                "A connection that has never sent anything is closed after this.", .onReload),
            .init(
                "listen.frame_timeout_seconds", 1...86_400, transport.frameTimeoutSeconds,
                "A frame or line must be whole after this.", .onReload),
        ]

    private static let tls: [ConfigurationKey] = [
        .init(
            "tls.certificate_file", .file, "none", "The certificate (PEM), and those that lead to its authority.",
            .onReload),
        .init(
            "tls.key_file", .file, "none", "The certificate's private key (PEM); nobody else may read it.", .onReload),
        .init(
            "tls.client_certificates", .choice(TLSSettings.ClientCertificatePolicy.allCases.map(\.rawValue)), "off",
            "Whether clients may, or must, show a certificate that names their device.", .onReload),
        .init(
            "tls.client_ca_file", .file, "none", "The authorities of clients' certificates (PEM).", .onReload),
        .init(
            "tls.client_crl_file", .file, "none", "The revocation lists of those authorities (PEM).", .onReload),
    ]

    private static let access: [ConfigurationKey] = [
        .init(
            "auth.mode", .choice(["auto", "off", "warn", "require"]), "auto",
            "Who may send without a key or token; auto = off when only this machine can connect, else require.",
            .onReloadIfStricter),
        .init(
            "auth.master_key_file", .text, "master.key", "The key that the keys of devices are made of.", .onReload),
    ]

    private static let mqtt: [ConfigurationKey] = [
        .init(
            "mqtt.foreign_topics", .choice(["refuse", "accept"]), "refuse",
            "Messages to topics of no device: accept = acknowledged, and stored nowhere.", .onReload)
    ]

    private static let quotas: [ConfigurationKey] = [
        .init(
            "quota.device_events_per_second", 0...1_000_000_000, shares.deviceEventsPerSecond,
            "Events of one device; 0 = no quota.", .onReload),
        .init(
            "quota.address_events_per_second", 0...1_000_000_000, shares.addressEventsPerSecond,
            "Events from one address; 0 = no quota.", .onReload),
        .init(
            "quota.burst_seconds", 1...86_400, shares.burstSeconds,
            "How many seconds' worth may come at once after a silence.", .onReload),
        .init(
            "quota.connections_per_address", 0...100_000, shares.connectionsPerAddress,
            "TCP connections of one address; 0 = no quota.", .onReload),
        .init(
            "quota.new_names_per_minute_per_address", 0...1_000_000_000, shares.newNamesPerMinute,
            "Names that the log does not have yet, from one address; 0 = no quota.", .onReload),
        .init(
            "quota.loopback", .choice(["exempt", "counted"]), shares.countsLoopback ? "counted" : "exempt",
            "Whether the quotas of an address hold for this machine's own.", .onReload),
    ]

    private static let log: [ConfigurationKey] = [
        .init(
            "log.segment_max_bytes", 1_048_576...1_099_511_627_776, EngineDefaults.segmentMaxBytes,
            "A segment is sealed here.", .onRestart),
        .init(
            "log.segment_max_age_hours", 1...8_760, EngineDefaults.segmentMaxAgeHours,
            "A segment is sealed at this age.", .onRestart),
        .init(
            "log.retention_days", 0...36_500, 0, "Sealed segments older than this are dropped; 0 = never.", .onReload),
        .init(
            "log.retention_bytes", 0...1_125_899_906_842_624, 0,
            "The oldest sealed segments go while the log is larger; 0 = never.", .onReload),
        .init("log.block_max_events", 1...16_384, commit.blockMaxEvents, "Events in one block of the log.", .onRestart),
        .init(
            "log.block_max_delay_ms", 0...1_000, commit.blockMaxDelay / 1_000_000,
            "How long a busy log waits to fill a block.", .onRestart),
        .init(
            "log.scrub_interval_minutes", 0...525_600, 60,
            "How often one sealed segment is read and checked; 0 = never.", .onRestart),
    ]

    private static let names: [ConfigurationKey] = [
        .init(
            "limits.table_entries", 16...1_048_576, Limits.tableEntries, "Words in one connection's string table.",
            .onRestart),
        .init(
            "limits.table_bytes", 1_024...67_108_864, Limits.tableBytes, "Bytes of one connection's string table.",
            .onRestart),
        .init(
            "identity.emails", .choice(["warn", "refuse", "accept"]), EmailPolicy.warn.rawValue,
            "What is done about new names of devices and customers with an @ in them.", .onReload),
        .init(
            "identity.backup_max_days", 0...36_500, 30,
            "How long copies of identity.sqlite are kept; receipts of erasures say until when.", .onRestart),
    ]

    private static let privacy: [ConfigurationKey] = [
        .init(
            "privacy.consent.analytics", .products, "none",
            "Products whose events have no customer and no texts in the log without a consent to it.", .onReload),
        .init(
            "privacy.consent.contact", .products, "none", "Products that write only to customers who consent to it.",
            .onReload),
        .init(
            "privacy.consent.personalise", .products, "none",
            "Products that are set up only for customers who consent to it.", .onReload),
        .init(
            "privacy.consent.research", .products, "none",
            "Products whose customers are studied only with their consent to it.", .onReload),
        .init(
            "privacy.personal_aspects", .aspects, "none",
            "Aspects whose values say something about one person: sealed as texts are, and counted by nobody.",
            .onReload),
        .init(
            "privacy.least_group", 1...1_000, 5,
            "Of fewer customers (devices, where none is named) summaries show counts only; 1 = never.", .onRestart),
        .init("privacy.controller", .text, "none", "Who answers for the data, in records of consent.", .onRestart),
        .init(
            "privacy.jurisdiction", .text, "none", "Whose law holds for the data, in records of consent.", .onRestart),
    ]

    private static let events: [ConfigurationKey] = [
        .init(
            "events.keep_unknown", .choice(["false", "true"]), "false",
            "Whether properties that no schema knows are kept with their events.", .onReload)
    ]

    private static let logging: [ConfigurationKey] = [
        .init(
            "logging.level", .choice(["debug", "info", "notice", "warning", "error"]), "info", "What is logged.",
            .onReload),
        .init(
            "logging.format", .choice(["auto", "logfmt", "json"]), "auto", "auto = logfmt on a terminal, else json.",
            .onRestart),
    ]

    private static let transport = TransportSettings()
    private static let shares = QuotaSettings()
    private static let commit = GroupCommit.Settings()

    /// The known key that is nearest to a misspelt one, if any is near.
    package static func nearest(to name: String) -> String? {
        nearestWord(to: name, among: all.map(\.name), within: max(3, name.count / 2))
    }
}

/// A tidings.yaml with every key at its default, each with its meaning and range as a comment.
package func configurationTemplate() -> String {
    var text = "# tidings.yaml: every key, at its default. The environment (TIDINGS_…) and flags are stronger.\n"
    var open: [String] = []
    for key in ConfigurationKey.all {
        let parts = key.name.split(separator: ".").map(String.init)
        for depth in 0..<(parts.count - 1) where depth >= open.count || open[depth] != parts[depth] {
            open = Array(open.prefix(depth)) + [parts[depth]]
            text += String(repeating: "  ", count: depth) + parts[depth] + ":\n"
        }
        open = Array(parts.dropLast())
        let indent = String(repeating: "  ", count: parts.count - 1)
        text += "\(indent)# \(key.meaning) (\(key.allowed); \(key.environmentName))\n"
        text += "\(indent)\(parts[parts.count - 1]): \(key.defaultValue)\n"
    }
    return text
}
