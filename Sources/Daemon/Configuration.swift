// The daemon's settings as plain values, each with its key, meaning, default and an example.

package import Admission
package import Logging
package import Presentation
package import Projection
package import TLS
package import Transport

/// All settings of the daemon, valid: `DaemonConfiguration.load`. Read at start, and again by `Reloads`.
///
/// The defaults are those of `ConfigurationKey`, where they stand in the form of the file; how the keys are set, and
/// what the less obvious ones do, is in docs/configuration.md.
package struct DaemonConfiguration: Sendable, Equatable {
    // MARK: Data

    /// `data_dir`: the folder of the log, the identities and the summaries. Made when it is not there; on a local disk.
    ///
    /// Default: `tidings-data`, in the working directory. Example: `/var/lib/tidings`.
    package var dataDirectory: String
    /// `data_group`: the number of the group that may read the summaries besides the daemon's user; nil when there is
    /// none.
    ///
    /// Default: `none`. Example: `analysts`, a name of this system.
    package var dataGroup: UInt32?

    // MARK: Sockets

    /// `listen.NAME.host`, `listen.NAME.port`: where each protocol of `ListenerKind` is spoken; one for each that there
    /// is, open or not.
    ///
    /// Default: `127.0.0.1` and the port of the kind. Example: `0.0.0.0` and `off`.
    package var listeners: [Listener]
    /// Part of `listeners`; the keys below `tls`: with which certificate TLS is spoken, and what clients show.
    ///
    /// `listen.tcp.tls`: whether TLS, and nothing else, is spoken on that port.
    /// Default: `off`. Example: `on`.
    ///
    /// `listen.http.tls`: the same, for HTTP.
    /// Default: `off`. Example: `on`.
    ///
    /// `listen.mqtt.tls`: the same, for MQTT.
    /// Default: `off`. Example: `on`.
    ///
    /// `listen.mqtts.tls`: the same, for the port that is for TLS.
    /// Default: `on`. Example: `off`, behind something else that ends TLS.
    ///
    /// `tls.certificate_file`: the certificate, and behind it those that lead to its authority; read again at a reload.
    /// Default: `none`. Example: `/etc/tidings/server.pem`.
    ///
    /// `tls.key_file`: the certificate's key, which nobody but the daemon's user may read.
    /// Default: `none`. Example: `/etc/tidings/server.key`.
    ///
    /// `tls.client_certificates`: whether clients may, or must, show a certificate that names their device.
    /// Default: `off`. Example: `require`.
    ///
    /// `tls.client_ca_file`: the authorities that clients' certificates must lead to.
    /// Default: `none`. Example: `/etc/tidings/devices-ca.pem`.
    ///
    /// `tls.client_crl_file`: what these authorities have revoked; a client of one without a list is refused.
    /// Default: `none`. Example: `/etc/tidings/devices.crl`.
    package var tls: TLSSettings
    /// `listen.max_connections`: TCP connections at one time; the next one is told so and closed.
    ///
    /// Default: `10000`. Example: `500`, for a small machine.
    package var maxConnections: Int
    /// `listen.idle_timeout_seconds`: how long a connection may be silent between whole frames or lines.
    ///
    /// Default: `300`. Example: `3600`, for devices that report every half hour.
    package var idleTimeout: Duration
    /// `listen.first_byte_timeout_seconds`: how long a connection may be silent before it has ever sent anything.
    ///
    /// Default: `10`. Example: `60`, for radios that need long to send.
    package var firstByteTimeout: Duration
    /// `listen.frame_timeout_seconds`: how long a frame or line that has begun may take to be whole.
    ///
    /// Default: `10`. Example: `120`, for frames of a mebibyte over a thin line.
    package var frameTimeout: Duration

    // MARK: Keys and tokens

    /// `auth.mode`: who may send without a key or token; nil for what `authMode` makes of the listeners.
    ///
    /// Default: `auto`, which is nil. Example: `warn`, while a fleet gets its keys.
    package var auth: AuthMode?
    /// `auth.master_key_file`: the key that the keys of devices are made of; a path within the data
    /// folder, unless it begins with a slash.
    ///
    /// Default: `master.key`. Example: `/etc/tidings/master.key`.
    package var masterKeyFile: String
    /// `listen.http.trusted_proxies`: peers that are believed from where a request over HTTP comes.
    ///
    /// Default: `none`. Example: `192.0.2.7, 2001:db8::/32`.
    package var trustedProxies: [AddressRange]

    // MARK: MQTT

    /// `mqtt.foreign_topics`: whether messages to topics of no device are acknowledged, and stored nowhere.
    ///
    /// Default: `refuse`. Example: `accept`, for devices that publish to others' topics too.
    package var acceptsForeignTopics: Bool

    // MARK: Fair shares

    /// The keys below `quota`: how much one device and one address may send.
    ///
    /// `quota.device_events_per_second`: events of one device; 0 for any number.
    /// Default: `0`. Example: `100`.
    ///
    /// `quota.address_events_per_second`: events from one address; 0 for any number.
    /// Default: `0`. Example: `50000`, for gateways.
    ///
    /// `quota.burst_seconds`: how many seconds' worth may come at once after a silence.
    /// Default: `10`. Example: `3600`, for devices that are offline for an hour.
    ///
    /// `quota.connections_per_address`: TCP connections of one address; 0 for any number.
    /// Default: `64`. Example: `5000`, for devices behind one NAT.
    ///
    /// `quota.new_names_per_minute_per_address`: names that the log does not have yet; 0 for any number.
    /// Default: `10000`. Example: `500000`, for the first minutes of a fleet behind one gateway.
    ///
    /// `quota.loopback`: whether the quotas of an address hold for senders on this machine too.
    /// Default: `exempt`. Example: `counted`.
    package var quotas: QuotaSettings

    // MARK: The log

    /// `log.segment_max_bytes`: a segment is sealed when its file reaches this size.
    ///
    /// Default: `1073741824`. Example: `268435456`, for backups in small steps.
    package var segmentMaxBytes: Int
    /// `log.segment_max_age_hours`: a segment is sealed when an event comes so long after its first one.
    ///
    /// Default: `24`. Example: `168`, a file a week.
    package var segmentMaxAge: Duration
    /// `log.retention_days`: sealed segments whose last event is older are dropped; nil keeps everything.
    ///
    /// Default: `0`, which is nil. Example: `730`, two years.
    package var retentionAge: Duration?
    /// `log.retention_bytes`: the oldest sealed segments are dropped while the log is larger; nil keeps everything.
    ///
    /// Default: `0`, which is nil. Example: `100000000000`.
    package var retentionBytes: Int?
    /// `log.block_max_events`: a block of the log is closed when it has so many events.
    ///
    /// Default: `16384`. Example: `4096`, for less memory and shorter commits.
    package var blockMaxEvents: Int
    /// `log.block_max_delay_ms`: how long a busy log waits to fill a block. A quiet one commits at once.
    ///
    /// Default: `5`. Example: `50`, for a disk whose flushes are slow.
    package var blockMaxDelay: Duration
    /// `log.scrub_interval_minutes`: how often one sealed segment is read and checked in the background; nil for never.
    ///
    /// Default: `60`. Example: `0`, where something else verifies the disk.
    package var scrubInterval: Duration?

    // MARK: Names

    /// `limits.table_entries`: names that one native connection may have in its string table.
    ///
    /// Default: `4096`. Example: `65536`, for a gateway with thousands of devices on one connection.
    package var tableEntries: Int
    /// `limits.table_bytes`: bytes of these names.
    ///
    /// Default: `65536`. Example: `1048576`, with as many entries.
    package var tableBytes: Int
    /// `identity.emails`: what is done about new names of devices and customers with an @ in them, which should be
    /// pseudonyms.
    ///
    /// Default: `warn`. Example: `refuse`.
    package var emails: EmailPolicy
    /// `identity.backup_max_days`: how long copies of the names are kept, at most; whoever was forgotten may be known
    /// by them until then, and the receipt says so.
    ///
    /// Default: `30`. Example: `7`.
    package var backupMaxDays: Int

    // MARK: Privacy

    /// The keys below `privacy.consent`: which products need a consent of the customer, and to what (docs/privacy.md).
    ///
    /// `privacy.consent.analytics`: without it an event is stored without customer, texts and personal values.
    /// Default: `none`. Example: `all except test-rig`.
    ///
    /// `privacy.consent.contact`: without it nobody writes to the customer.
    /// Default: `none`. Example: `all`.
    ///
    /// `privacy.consent.personalise`: without it the product is not set up by what is known of the customer.
    /// Default: `none`. Example: `kettle, oven`.
    ///
    /// `privacy.consent.research`: without it what the customer does is used for nothing beyond the product.
    /// Default: `none`. Example: `all`.
    package var consent: ConsentPolicy
    /// `privacy.personal_aspects`: aspects whose values say something about one person; these are kept as texts are,
    /// and counted by nobody (docs/privacy.md).
    ///
    /// Default: `none`. Example: `home.name, body.weight`.
    package var personalAspects: Set<[UInt8]>
    /// `privacy.least_group`: of fewer customers, or devices where no customer is named, summaries show counts only;
    /// each `tidings summary` reads it (docs/privacy.md).
    ///
    /// Default: `5`. Example: `1`, which shows everything.
    package var smallGroups: SmallGroupRule
    /// `privacy.controller`: who answers for the data, as records of consent name it; nil when not said.
    ///
    /// Default: `none`. Example: `Kettles Ltd, 1 Steam Lane, privacy@kettles.example`.
    package var controller: String?
    /// `privacy.jurisdiction`: whose law holds, as records of consent name it; nil when not said.
    ///
    /// Default: `none`. Example: `EU`.
    package var jurisdiction: String?

    // MARK: Events

    /// `events.keep_unknown`: whether properties that no schema knows are kept with their events.
    ///
    /// Default: `false`. Example: `true`.
    package var keepsUnknown: Bool

    // MARK: What is logged

    /// `logging.level`: the least important messages that are logged.
    ///
    /// Default: `info`. Example: `warning`.
    package var logLevel: Logger.Level
    /// `logging.format`: `logfmt` for people, `json` for programs, `auto` by whether a terminal reads along.
    ///
    /// Default: `auto`. Example: `json`.
    package var logFormat: String

    // MARK: About the settings

    /// Every key with its value and where the value comes from, in the order of `ConfigurationKey.all`.
    package var effective: [SettingInForce]
    /// What should be looked at and stops nothing, a line each.
    package var warnings: [String]
}

/// What is wrong with the configuration, in one line with the remedy; exit code 78.
package struct ConfigurationError: Error, CustomStringConvertible, Equatable {
    package var description: String
}
