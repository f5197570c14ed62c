// How the daemon's log looks: logfmt for people at a terminal, JSON lines for everything else.

import Bytes
import Foundation
package import Logging
import Presentation

/// A swift-log handler that writes one line per record to standard error.
///
/// Values are escaped, so that nothing a device sends can break a line or reach the terminal as a control sequence.
package struct LineLogHandler: LogHandler {
    /// The two forms of a line.
    package enum Format: Sendable { case logfmt, json }

    package var metadata: Logger.Metadata = [:]
    /// What the daemon's configuration says, unless this handler was given a level of its own.
    package var logLevel: Logger.Level {
        get { ownLevel ?? level.value }
        set { ownLevel = newValue }
    }
    private var ownLevel: Logger.Level?
    private let level: Replaceable<Logger.Level>
    private let format: Format

    /// - Parameter level: read for each record, so that it can be replaced.
    package init(format: Format, following level: Replaceable<Logger.Level>) {
        self.format = format
        self.level = level
    }

    package init(format: Format, level: Logger.Level) {
        self.init(format: format, following: Replaceable(level))
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        // Whoever read the log may be gone; that is no reason for the daemon to go too.
        try? FileHandle.standardError.write(contentsOf: Data((line(event) + "\n").utf8))
    }

    /// The record as one line, without its end.
    package func line(_ event: LogEvent) -> String {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        var pairs = [("time", timestamp()), ("level", event.level.rawValue), ("message", event.message.description)]
        pairs += all.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        return switch format {
        case .logfmt: pairs.map { "\($0.0)=\(Self.logfmt($0.1))" }.joined(separator: " ")
        case .json: "{" + pairs.map { "\(jsonString($0.0)):\(jsonString($0.1))" }.joined(separator: ",") + "}"
        }
    }

    private func timestamp() -> String {
        Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    private static func logfmt(_ value: String) -> String {
        let plain = value.utf8.allSatisfy {
            $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=")
        }
        return plain && !value.isEmpty ? value : jsonString(value)
    }
}
