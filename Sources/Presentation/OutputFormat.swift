// How a result is to be shown.

/// The forms in which every result can be had.
package enum OutputFormat: String, CaseIterable, Sendable {
    /// For people; may change from release to release.
    case table
    /// For programs; keys are added, never renamed.
    case json
    /// For spreadsheets; RFC 4180.
    case csv
}

/// What the reader's terminal can show.
package struct TableStyle: Sendable, Equatable {
    /// Whether block characters and a middle dot may be used; plain ASCII otherwise.
    package var isUnicode: Bool
    /// Whether ANSI colours may be used.
    package var isColored: Bool
    /// Columns of the terminal; longer texts are cut to it.
    package var width: Int

    package init(isUnicode: Bool, isColored: Bool, width: Int) {
        self.isUnicode = isUnicode
        self.isColored = isColored
        self.width = max(40, width)
    }

    /// For files and pipes.
    package static let plain = TableStyle(isUnicode: false, isColored: false, width: 120)

    func bold(_ text: String) -> String { isColored ? "\u{1b}[1m\(text)\u{1b}[0m" : text }
    func faint(_ text: String) -> String { isColored ? "\u{1b}[2m\(text)\u{1b}[0m" : text }
    func accent(_ text: String) -> String { isColored ? "\u{1b}[36m\(text)\u{1b}[0m" : text }
    func warning(_ text: String) -> String { isColored ? "\u{1b}[33m\(text)\u{1b}[0m" : text }

    var dot: String { isUnicode ? " · " : ", " }
    var ellipsis: String { isUnicode ? "…" : "..." }
}
