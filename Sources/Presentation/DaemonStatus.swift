// What `tidings status` shows, as the daemon sends it over the control socket; every key stands in docs/operating.md.

/// The state and the counts of a running daemon at one moment. The daemon's `StatusReporter` fills it in.
package struct DaemonStatus: Codable, Sendable, Equatable {
    /// The counts of one transport, with only the reasons that occurred.
    package struct Counts: Codable, Sendable, Equatable {
        package var received: UInt64 = 0
        package var committed: UInt64 = 0
        /// Of those in the log, how many were stored without their customer for want of a consent.
        package var withoutConsent: UInt64 = 0
        package var duplicate: UInt64 = 0
        package var stale: UInt64 = 0
        package var quarantined: [String: UInt64] = [:]
        package var refused: [String: UInt64] = [:]
        package var dropped: [String: UInt64] = [:]
        package var inFlight: UInt64 = 0

        package init() {}

        enum CodingKeys: String, CodingKey {
            case received, committed, duplicate, stale, quarantined, refused, dropped
            case withoutConsent = "without_consent"
            case inFlight = "in_flight"
        }
    }

    /// A device that most of the stale events are of.
    package struct StaleDevice: Codable, Sendable, Equatable {
        package var product: String
        package var device: String
        package var events: UInt64

        package init(product: String, device: String, events: UInt64) {
            (self.product, self.device, self.events) = (product, device, events)
        }
    }

    // MARK: The process

    package var version = ""
    package var pid: Int32 = 0
    package var uptimeSeconds = 0.0

    // MARK: Its configuration

    /// How often it was read again, well or badly.
    package var configReloads: UInt64 = 0
    /// Whether it was right the last time; when it was not, what was in force before still is.
    @NullIfUnknown package var isLastReloadGood: Bool?
    /// Keys that have another value since than the one in force, which changes with a restart only.
    package var configNeedsRestart: [String] = []

    // MARK: Who may send

    /// `off`, `warn` or `require`.
    package var authMode = "off"
    package var access = AccessStanding()
    /// The senders that most often had no good credential since the daemon started.
    package var credentialFaults: [CredentialFaultStatus] = []
    /// What came from senders for whom there was no room in that list.
    package var credentialFaultsOfOthers: UInt64 = 0

    // MARK: Its sockets

    /// Where each listener that is open can be reached, by its name: `HOST:PORT`.
    package var listening: [String: String] = [:]
    /// The listeners that others than this machine can reach, as `tcp 0.0.0.0:7411`.
    package var exposed: [String] = []
    /// Open now.
    package var connections = 0
    /// Opened since the daemon started.
    package var connectionsAccepted: UInt64 = 0
    /// What became of connections since the daemon started, by reason, with only those that occurred.
    package var connectionsEnded: [String: UInt64] = [:]
    /// Nil when no listener speaks TLS.
    @NullIfUnknown package var tls: TLSStatus?
    /// Nil when no listener speaks MQTT.
    @NullIfUnknown package var mqtt: MQTTStatus?
    /// How often a sender was not read for a while because it was over its quota.
    package var pauses: UInt64 = 0

    // MARK: The log

    /// The first offset that the log retains.
    package var start: UInt64 = 0
    /// The offset that the next event will get.
    package var head: UInt64 = 0
    /// `OFFSET:HASH`: the hash chain over everything before the offset.
    package var chainHead = ""
    /// When the last event that is stored arrived, RFC 3339 in UTC.
    @NullIfUnknown package var lastEvent: String?
    package var devices = 0
    package var customers = 0
    /// What retention has dropped since the daemon started.
    package var retentionSegments = 0
    package var retentionEvents: UInt64 = 0
    package var scrub = ScrubStatus()
    /// "good", or one line with the cause and the remedy.
    package var storage = "good"
    /// What may still be written to the disk of the data folder.
    @NullIfUnknown package var diskFreeBytes: UInt64?
    /// How long that lasts at the rate at which the log has grown since the daemon started.
    @NullIfUnknown package var diskHoursLeft: Double?

    // MARK: The summaries

    /// The offset up to which summaries.sqlite counts: what readers see.
    package var projected: UInt64 = 0
    /// Events of the log that are in no summary because the log is damaged.
    package var unreadable: UInt64 = 0
    /// "good", or one line with the cause and the remedy.
    package var projection = "good"

    // MARK: Events since the daemon started

    /// By the name of the transport that they came by.
    package var transports: [String: Counts] = [:]
    /// Whether every event that came in is in exactly one of the other counts of its transport.
    package var isBalanced = true
    /// Of all transports.
    package var staleEvents: UInt64 = 0
    package var staleDevices: [StaleDevice] = []
    /// Names of devices and customers with an @ in them that came new.
    package var emailNames: UInt64 = 0
    /// Consents that are remembered: one for each customer, product and purpose that gates.
    package var consents: UInt64 = 0
    /// Events that were stored without the customer, who was forgotten.
    package var eventsOfForgotten: UInt64 = 0
    /// Ids of senders that are remembered now, to recognise repetitions.
    package var idsRemembered: UInt64 = 0
    /// Ids that gave way to later ones of their device, and those that did because all devices had too many.
    package var idsForgotten: UInt64 = 0
    package var idsCrowdedOut: UInt64 = 0

    /// A daemon that has done nothing yet.
    package init() {}

    /// Whether nothing needs a person now.
    package var isHealthy: Bool {
        storage == "good" && projection == "good" && access.problem == "good" && scrub.damages == 0
    }

    enum CodingKeys: String, CodingKey {
        case version, pid, listening, exposed, head, projected, start, unreadable, scrub, connections, pauses, storage
        case projection, devices, customers, consents, transports, tls, mqtt, access
        case authMode = "auth_mode"
        case credentialFaults = "credential_faults"
        case credentialFaultsOfOthers = "credential_faults_others"
        case configReloads = "config_reloads"
        case isLastReloadGood = "config_last_reload_ok"
        case configNeedsRestart = "config_needs_restart"
        case uptimeSeconds = "uptime_seconds"
        case chainHead = "chain_head"
        case lastEvent = "last_event"
        case retentionSegments = "retention_segments"
        case retentionEvents = "retention_events"
        case diskFreeBytes = "disk_free_bytes"
        case diskHoursLeft = "disk_hours_left"
        case connectionsAccepted = "connections_accepted"
        case connectionsEnded = "connections_ended"
        case emailNames = "email_names"
        case eventsOfForgotten = "events_of_forgotten"
        case idsRemembered = "ids_remembered"
        case idsForgotten = "ids_forgotten"
        case idsCrowdedOut = "ids_crowded_out"
        case staleEvents = "stale_events"
        case staleDevices = "stale_devices"
        case isBalanced = "is_balanced"
    }
}

/// What the daemon has checked on its own, a sealed segment at a time, since it started.
package struct ScrubStatus: Codable, Sendable, Equatable {
    package var segments = 0
    /// Damaged places of the last round.
    package var damages = 0
    /// When the last segment was checked, RFC 3339 in UTC.
    @NullIfUnknown package var last: String?

    package init() {}
}

/// Null in JSON when it is not known, never left out.
@propertyWrapper package struct NullIfUnknown<Value: Codable & Sendable & Equatable>: Codable, Sendable, Equatable {
    package var wrappedValue: Value?

    package init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}
