// The engine that the daemon stores with. Everything else in this room is generic: only this file names it.

import Ingest
import Log
import Projection
import SQLite
import SQLiteLog

/// What `Daemon` is compiled for.
typealias DaemonEngine = SQLiteEventLog

/// When the engine seals a segment, unless the configuration says otherwise.
enum EngineDefaults {
    static let segmentMaxBytes = SegmentLimits().bytes
    static let segmentMaxAgeHours = SegmentLimits().ageMilliseconds / 3_600_000
}

extension Storage where Engine == DaemonEngine {
    /// Opens the log of the data folder for writing, and its summaries.
    ///
    /// - Throws: `LogError`, `ProjectionError`.
    static func open(
        _ configuration: DaemonConfiguration, events: InternalEvents
    ) async throws -> (storage: Storage, start: StartState) {
        var limits = SegmentLimits()
        limits.bytes = configuration.segmentMaxBytes
        limits.ageMilliseconds = configuration.segmentMaxAge.components.seconds * 1_000
        let access = DataFolder.secure(
            configuration.dataDirectory, sharing: Projector.fileName, with: configuration.dataGroup)
        if access.narrowed > 0 { events.narrowed(access.narrowed, in: configuration.dataDirectory) }
        for line in access.refused { events.accessRefused(line) }
        let log = try DaemonEngine(directory: configuration.dataDirectory, readOnly: false, limits: limits)
        return try await open(
            on: log, in: configuration.dataDirectory, group: configuration.dataGroup, events: events)
    }
}
