// What a reload can change, in the form in which the daemon's parts use it.

package import Admission
import Ingest
package import Logging
import NIOCore
package import TLS
package import Transport

/// The settings that are replaced while the daemon runs: one value, made of a configuration and never changed.
package struct RunTimeSettings: Sendable, Equatable {
    package var transport: TransportSettings
    package var emails: EmailPolicy
    package var consent: ConsentPolicy
    package var personalAspects: Set<[UInt8]>
    package var keeps: RetentionKeeps
    package var logLevel: Logger.Level
    package var tls: TLSSettings

    /// - Parameter descriptors: how many files and sockets the process may have open.
    package init(_ configuration: DaemonConfiguration, descriptors: Int) {
        transport = TransportSettings()
        transport.maxConnections = configuration.maxConnections
        transport.fit(descriptors: descriptors)
        transport.idleTimeoutSeconds = configuration.idleTimeout.components.seconds
        transport.firstByteTimeoutSeconds = configuration.firstByteTimeout.components.seconds
        transport.frameTimeoutSeconds = configuration.frameTimeout.components.seconds
        transport.authMode = configuration.authMode
        transport.trustedProxies = configuration.trustedProxies
        transport.quotas = configuration.quotas
        transport.tableEntries = configuration.tableEntries
        transport.tableBytes = configuration.tableBytes
        transport.keepsUnknown = configuration.keepsUnknown
        transport.acceptsForeignTopics = configuration.acceptsForeignTopics
        emails = configuration.emails
        consent = configuration.consent
        personalAspects = configuration.personalAspects
        keeps = RetentionKeeps(age: configuration.retentionAge, bytes: configuration.retentionBytes)
        logLevel = configuration.logLevel
        tls = configuration.tls
    }
}

extension IngestLoop {
    /// Replaces what the loop reads in one turn of it: no event meets half of the old settings and half of the new.
    ///
    /// - Parameter waits: whether to return only when they are in force. Later calls come later in any case.
    package func change(to settings: RunTimeSettings, waits: Bool = true) async throws {
        let (pipeline, listeners) = (pipeline, listeners)
        let changed = eventLoop.submit {
            pipeline.value.emails = settings.emails
            if pipeline.value.consentPolicy != settings.consent { pipeline.value.consentPolicy = settings.consent }
            if pipeline.value.personalAspects != settings.personalAspects {
                pipeline.value.personalAspects = settings.personalAspects
            }
            listeners.change(to: settings.transport)
        }
        if waits { try await changed.get() }
    }

    /// Has connections begin with other certificates from now on; returns when they do.
    package func change(toTLS contexts: [String: TLSContext]) async throws {
        let listeners = listeners
        try await eventLoop.submit {
            for (name, context) in contexts { listeners.change(toTLS: context, of: name) }
        }.get()
    }

    /// What the loop goes by now.
    package func settingsInForce() async throws -> (transport: TransportSettings, emails: EmailPolicy) {
        let listeners = listeners
        return try await onLoop { (listeners.settings, $0.emails) }
    }
}
