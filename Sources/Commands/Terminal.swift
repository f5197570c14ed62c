// What stands behind the standard streams: a terminal or not, how wide it is, and what it can show.

import Foundation
import Presentation

/// What standard output is, and what it may be sent.
enum Terminal {
    /// Whether colours may be used: a terminal, and nobody said NO_COLOR (https://no-color.org).
    static var hasColor: Bool {
        isOutput && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    }

    /// Whether progress may be shown on standard error.
    static var showsProgress: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether the terminal can be expected to draw block characters.
    static var isUTF8: Bool {
        let environment = ProcessInfo.processInfo.environment
        let locale = environment["LC_ALL"] ?? environment["LC_CTYPE"] ?? environment["LANG"] ?? "UTF-8"
        return locale.uppercased().contains("UTF-8") || locale.uppercased().contains("UTF8") || !isOutput
    }

    /// The columns of the terminal, or what COLUMNS says, or 120.
    static var width: Int {
        if let columns = StandardStreams.columns(STDOUT_FILENO) { return columns }
        let stated = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) } ?? 0
        return stated > 0 ? stated : 120
    }

    /// Whether data goes to it.
    static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 }
}

extension TableStyle {
    /// What this process's standard output can show.
    static var now: TableStyle {
        TableStyle(isUnicode: Terminal.isUTF8, isColored: Terminal.hasColor, width: Terminal.width)
    }
}
